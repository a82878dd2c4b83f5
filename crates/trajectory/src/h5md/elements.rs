//! The objects in a file: made once, opened again on resume.

use std::collections::BTreeMap;
use std::ops::Range;

use hdf5::{Container, File, Group, H5Type, Location};
use vitrion_core::topology::Topology;

use super::provenance::{Stage, write_stages};
use super::series::{Rows, Series, attribute, read_rows, text, texts};
use super::thermo::QUANTITIES;
use super::writer::{Column, Counts, Header, Table};

pub(super) const LENGTH: &str = "Angstrom";
pub(super) const TIME: &str = "ps";
const VELOCITY: &str = "Angstrom ps-1";
/// A stress that is not divided by a volume is an energy.
const ION_STRESS_UNIT: &str = "u Angstrom+2 ps-2";
const ION_STRESS_COMPONENTS: &str = "xx yy zz xy xz yz";

/// Step and time of the rows of other series.
pub(super) struct Clock {
    pub step: Series<i64>,
    pub time: Series<f64>,
}

impl Clock {
    pub fn create(group: &Group) -> hdf5::Result<Self> {
        Ok(Self {
            step: Series::create(group, "step", &[], "", -1)?,
            time: Series::create(group, "time", &[], TIME, f64::NAN)?,
        })
    }

    fn open(group: &Group) -> hdf5::Result<Self> {
        Ok(Self { step: Series::open(group, "step")?, time: Series::open(group, "time")? })
    }

    pub fn write(&self, at: usize, steps: &[i64], times: &[f64]) -> hdf5::Result<()> {
        self.step.write(at, steps)?;
        self.time.write(at, times)
    }

    fn copy_from(&self, source: &Self, rows: usize) -> hdf5::Result<()> {
        self.step.copy_from(&source.step, rows)?;
        self.time.copy_from(&source.time, rows)
    }

    fn rows(&self) -> usize {
        self.step.rows().min(self.time.rows())
    }
}

/// What grows by a row a frame.
pub(super) struct Frames {
    pub clock: Clock,
    pub edges: Series<f64>,
    pub velocity: Option<Series<f32>>,
    pub centres: Series<f64>,
    pub position: Series<f32>,
}

impl Frames {
    /// In this order, so that `position/value`, whose length readers take for the number of frames, is flushed last.
    fn create(file: &File, header: &Header) -> hdf5::Result<Self> {
        let all = file.create_group("particles/all")?;
        let edges_group = create_box(&all)?;
        let clock = Clock::create(&edges_group)?;
        let edges = Series::create(&edges_group, "value", &[3, 3], LENGTH, f64::NAN)?;
        let topology = &header.topology;
        let n = topology.n_atoms();
        describe_atoms(&all, topology)?;
        let centres_group = file.create_group("particles/centres")?;
        centres_group.link_hard("/particles/all/box", "box")?;
        describe_centres(&centres_group, topology)?;
        let velocity = if header.velocities {
            let group = timed_group(&all, "velocity")?;
            Some(Series::create(&group, "value", &[n, 3], VELOCITY, f32::NAN)?)
        } else {
            None
        };
        let group = timed_group(&centres_group, "position")?;
        let centres = Series::create(&group, "value", &[topology.molecules.len(), 3], LENGTH, f64::NAN)?;
        let group = timed_group(&all, "position")?;
        let position = Series::create(&group, "value", &[n, 3], LENGTH, f32::NAN)?;
        Ok(Self { clock, edges, velocity, centres, position })
    }

    fn open(file: &File) -> hdf5::Result<Self> {
        let all = file.group("particles/all")?;
        let edges_group = all.group("box/edges")?;
        let velocity = if all.link_exists("velocity") {
            Some(Series::open(&all.group("velocity")?, "value")?)
        } else {
            None
        };
        Ok(Self {
            clock: Clock::open(&edges_group)?,
            edges: Series::open(&edges_group, "value")?,
            velocity,
            centres: Series::open(&file.group("particles/centres/position")?, "value")?,
            position: Series::open(&all.group("position")?, "value")?,
        })
    }

    /// Rows that every series has.
    pub fn rows(&self) -> usize {
        let velocity = self.velocity.as_ref().map_or(usize::MAX, Series::rows);
        self.clock
            .rows()
            .min(self.edges.rows())
            .min(self.centres.rows())
            .min(self.position.rows())
            .min(velocity)
    }

    fn copy_from(&self, source: &Self, rows: usize) -> hdf5::Result<()> {
        self.clock.copy_from(&source.clock, rows)?;
        self.edges.copy_from(&source.edges, rows)?;
        if let (Some(to), Some(from)) = (&self.velocity, &source.velocity) {
            to.copy_from(from, rows)?;
        }
        self.centres.copy_from(&source.centres, rows)?;
        self.position.copy_from(&source.position, rows)
    }
}

/// Observables of the whole system.
pub(super) struct ThermoColumns {
    pub clock: Clock,
    pub columns: Vec<Series<f64>>,
}

impl ThermoColumns {
    fn create(group: &Group) -> hdf5::Result<Self> {
        let columns = QUANTITIES.iter().map(|q| Series::create(group, q.name, &[], q.unit, f64::NAN));
        Ok(Self { clock: Clock::create(group)?, columns: columns.collect::<Result<_, _>>()? })
    }

    fn open(group: &Group) -> hdf5::Result<Self> {
        let columns = QUANTITIES.iter().map(|q| Series::open(group, q.name));
        Ok(Self { clock: Clock::open(group)?, columns: columns.collect::<Result<_, _>>()? })
    }

    pub fn rows(&self) -> usize {
        self.columns.iter().map(Series::rows).chain([self.clock.rows()]).min().unwrap_or(0)
    }

    fn copy_from(&self, source: &Self, rows: usize) -> hdf5::Result<()> {
        self.clock.copy_from(&source.clock, rows)?;
        self.columns.iter().zip(&source.columns).try_for_each(|(to, from)| to.copy_from(from, rows))
    }
}

/// A row for each window of one stage.
pub(super) struct Windows<T> {
    pub stage: String,
    pub clock: Clock,
    pub value: Series<T>,
}

impl<T: H5Type> Windows<T> {
    fn open(parent: &Group, stage: &str) -> hdf5::Result<Self> {
        let group = parent.group(stage)?;
        let (clock, value) = (Clock::open(&group)?, Series::open(&group, "value")?);
        Ok(Self { stage: stage.to_string(), clock, value })
    }

    pub fn rows(&self) -> usize {
        self.clock.rows().min(self.value.rows())
    }

    fn copy_from(&self, source: &Self, rows: usize) -> hdf5::Result<()> {
        self.clock.copy_from(&source.clock, rows)?;
        self.value.copy_from(&source.value, rows)
    }
}

/// Which of the numbers of [`Counts`] says how many rows a series has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted<'a> {
    Frames,
    Thermo,
    /// Of this stage.
    WindowMeans(&'a str),
    /// Of this stage.
    IonStress(&'a str),
}

impl Counts {
    /// Rows of everything.
    pub(super) fn rows_in_all(&self) -> usize {
        let windows = self.window_means.values().chain(self.ion_stress.values()).sum::<usize>();
        self.frames + self.thermo + windows
    }

    /// Whether all rows and stress correlations of the other are among these.
    pub(super) fn has_rows_of(&self, other: &Self) -> bool {
        let has = |here: &BTreeMap<String, usize>, there: &BTreeMap<String, usize>| {
            there.iter().all(|(stage, rows)| here.get(stage).copied().unwrap_or(0) >= *rows)
        };
        self.frames >= other.frames
            && self.thermo >= other.thermo
            && has(&self.window_means, &other.window_means)
            && has(&self.ion_stress, &other.ion_stress)
            && other.stress_correlations.is_subset(&self.stress_correlations)
    }

    /// Rows of the series of this name ([`Elements::series`]).
    pub(super) fn rows_of(&self, series: &str) -> Option<usize> {
        let (group, rest) = series.split_once('/')?;
        let stage = || rest.rsplit_once('/').map(|(stage, _)| stage);
        Some(match group {
            "frames" => self.frames,
            "thermo" => self.thermo,
            "window_means" => self.rows(&Counted::WindowMeans(stage()?)),
            "ion_stress" => self.rows(&Counted::IonStress(stage()?)),
            _ => return None,
        })
    }

    /// Rows of such a series.
    pub(super) fn rows(&self, counted: &Counted) -> usize {
        match *counted {
            Counted::Frames => self.frames,
            Counted::Thermo => self.thermo,
            Counted::WindowMeans(stage) => self.window_means.get(stage).copied().unwrap_or(0),
            Counted::IonStress(stage) => self.ion_stress.get(stage).copied().unwrap_or(0),
        }
    }
}

/// All that grows in a file.
pub(super) struct Elements {
    pub frames: Frames,
    pub thermo: ThermoColumns,
    pub windows: Vec<Windows<f64>>,
    pub ion_stress: Vec<Windows<f32>>,
}

impl Elements {
    pub fn create(file: &File, header: &Header) -> hdf5::Result<Self> {
        write_h5md_group(file, header)?;
        let vitrion = file.create_group("vitrion")?;
        vitrion.new_attr::<i32>().create("closed")?.write_scalar(&0)?;
        header.provenance.write(&vitrion.create_group("provenance")?)?;
        write_stages(&vitrion.create_group("stages")?, &header.stages)?;
        vitrion.create_group("stress_correlation")?;
        let thermo = ThermoColumns::create(&vitrion.create_group("thermo")?)?;
        let means = vitrion.create_group("window_means")?;
        let n = header.topology.molecules.len();
        let windows = header.stages.iter().filter(|s| s.window_means).map(|stage| {
            let group = means.create_group(&stage.name)?;
            Ok(Windows {
                stage: stage.name.clone(),
                clock: Clock::create(&group)?,
                value: Series::create(&group, "value", &[n, 3], LENGTH, f64::NAN)?,
            })
        });
        let windows = windows.collect::<hdf5::Result<_>>()?;
        let ion_stress = create_ion_stress(&vitrion, header, n)?;
        Ok(Self { frames: Frames::create(file, header)?, thermo, windows, ion_stress })
    }

    pub fn open(file: &File, stages: &[Stage]) -> hdf5::Result<Self> {
        let means = file.group("vitrion/window_means")?;
        let windows = stages.iter().filter(|s| s.window_means).map(|s| Windows::open(&means, &s.name));
        let ion_stress = stages
            .iter()
            .filter(|s| s.ion_stress)
            .map(|s| Windows::open(&file.group("vitrion/ion_stress")?, &s.name));
        Ok(Self {
            windows: windows.collect::<hdf5::Result<_>>()?,
            ion_stress: ion_stress.collect::<hdf5::Result<_>>()?,
            frames: Frames::open(file)?,
            thermo: ThermoColumns::open(&file.group("vitrion/thermo")?)?,
        })
    }

    /// All series with their names and what counts their rows, in the order in which they are written.
    pub fn series(&self) -> Vec<(String, Counted<'_>, &dyn Rows)> {
        let mut all: Vec<(String, Counted, &dyn Rows)> = Vec::new();
        let thermo = &self.thermo;
        all.push(("thermo/step".to_string(), Counted::Thermo, &thermo.clock.step));
        all.push(("thermo/time".to_string(), Counted::Thermo, &thermo.clock.time));
        for (series, quantity) in thermo.columns.iter().zip(QUANTITIES) {
            all.push((format!("thermo/{}", quantity.name), Counted::Thermo, series));
        }
        for Windows { stage, clock, value } in &self.windows {
            let counted = || Counted::WindowMeans(stage);
            all.push((format!("window_means/{stage}/step"), counted(), &clock.step));
            all.push((format!("window_means/{stage}/time"), counted(), &clock.time));
            all.push((format!("window_means/{stage}/value"), counted(), value));
        }
        for Windows { stage, clock, value } in &self.ion_stress {
            let counted = || Counted::IonStress(stage);
            all.push((format!("ion_stress/{stage}/step"), counted(), &clock.step));
            all.push((format!("ion_stress/{stage}/time"), counted(), &clock.time));
            all.push((format!("ion_stress/{stage}/value"), counted(), value));
        }
        let frames = &self.frames;
        all.push(("frames/step".to_string(), Counted::Frames, &frames.clock.step));
        all.push(("frames/time".to_string(), Counted::Frames, &frames.clock.time));
        all.push(("frames/edges".to_string(), Counted::Frames, &frames.edges));
        if let Some(velocity) = &frames.velocity {
            all.push(("frames/velocity".to_string(), Counted::Frames, velocity));
        }
        all.push(("frames/centres".to_string(), Counted::Frames, &frames.centres));
        all.push(("frames/position".to_string(), Counted::Frames, &frames.position));
        all
    }

    /// Copies the beginning of another file's series.
    pub fn copy_from(
        &self,
        source: &Self,
        frames: usize,
        thermo: usize,
        windows: &[usize],
        ion_stress: &[usize],
    ) -> hdf5::Result<()> {
        self.frames.copy_from(&source.frames, frames)?;
        self.thermo.copy_from(&source.thermo, thermo)?;
        for ((to, from), rows) in self.windows.iter().zip(&source.windows).zip(windows) {
            to.copy_from(from, *rows)?;
        }
        for ((to, from), rows) in self.ion_stress.iter().zip(&source.ion_stress).zip(ion_stress) {
            to.copy_from(from, *rows)?;
        }
        Ok(())
    }
}

/// One group a stage that takes the stress of ions; none in files of runs that do not.
fn create_ion_stress(vitrion: &Group, header: &Header, ions: usize) -> hdf5::Result<Vec<Windows<f32>>> {
    let mut stages = header.stages.iter().filter(|s| s.ion_stress).peekable();
    if stages.peek().is_none() {
        return Ok(Vec::new());
    }
    let parent = vitrion.create_group("ion_stress")?;
    let create = |stage: &Stage| {
        let group = parent.create_group(&stage.name)?;
        attribute(&group, "components", ION_STRESS_COMPONENTS)?;
        let value = Series::create(&group, "value", &[ions, 6], ION_STRESS_UNIT, f32::NAN)?;
        Ok(Windows { stage: stage.name.clone(), clock: Clock::create(&group)?, value })
    };
    stages.map(create).collect()
}

/// Writes a table, over one of the same name if there is one.
pub(super) fn write_table(parent: &Group, name: &str, table: &Table) -> hdf5::Result<()> {
    let group = if parent.link_exists(name) { parent.group(name)? } else { parent.create_group(name)? };
    for Column { name, unit, values } in &table.columns {
        let series = if group.link_exists(name) {
            Series::open(&group, name)?
        } else {
            Series::create(&group, name, &[], unit, f64::NAN)?
        };
        series.write(0, values)?;
    }
    Ok(())
}

/// The columns of a table, by name.
pub(super) fn read_table(group: &Group) -> hdf5::Result<Table> {
    let mut columns = Vec::new();
    for name in group.member_names()? {
        let dataset = group.dataset(&name)?;
        let unit = unit_of(&dataset).unwrap_or_default();
        columns.push(Column { values: dataset.read_raw()?, name, unit });
    }
    Ok(Table { columns })
}

/// The `unit` attribute as text, whichever kind of HDF5 text it is.
pub(super) fn unit_of(location: &Location) -> Option<String> {
    text_attribute(location, "unit")
}

pub(super) fn text_attribute(location: &Location, name: &str) -> Option<String> {
    use hdf5::types::{FixedAscii, FixedUnicode, VarLenAscii, VarLenUnicode};
    let attribute = location.attr(name).ok()?;
    let variable = || attribute.read_scalar::<VarLenUnicode>().map(|t| t.to_string());
    let ascii = || attribute.read_scalar::<VarLenAscii>().map(|t| t.to_string());
    let fixed = || attribute.read_scalar::<FixedUnicode<256>>().map(|t| t.to_string());
    let fixed_ascii = || attribute.read_scalar::<FixedAscii<256>>().map(|t| t.to_string());
    variable().or_else(|_| ascii()).or_else(|_| fixed()).or_else(|_| fixed_ascii()).ok()
}

/// Words, whichever kind of HDF5 text they are; none where there are numbers.
pub(super) fn texts_of(container: &Container) -> Option<Vec<String>> {
    texts_in(container, None)
}

/// The texts of some rows, or all.
pub(super) fn texts_in(container: &Container, rows: Option<Range<usize>>) -> Option<Vec<String>> {
    use hdf5::types::{FixedAscii, FixedUnicode, VarLenAscii, VarLenUnicode};
    fn words<T: H5Type + ToString>(container: &Container, rows: Option<Range<usize>>) -> Option<Vec<String>> {
        let texts = match rows {
            Some(rows) => read_rows::<T>(container, rows),
            None => container.read_raw::<T>(),
        };
        Some(texts.ok()?.iter().map(ToString::to_string).collect())
    }
    words::<VarLenUnicode>(container, rows.clone())
        .or_else(|| words::<VarLenAscii>(container, rows.clone()))
        .or_else(|| words::<FixedUnicode<64>>(container, rows.clone()))
        .or_else(|| words::<FixedAscii<64>>(container, rows))
}

fn write_h5md_group(file: &File, header: &Header) -> hdf5::Result<()> {
    let h5md = file.create_group("h5md")?;
    h5md.new_attr_builder().with_data(&[1_i32, 1]).create("version")?;
    let author = h5md.create_group("author")?;
    attribute(&author, "name", &header.author)?;
    let creator = h5md.create_group("creator")?;
    attribute(&creator, "name", "vitrion")?;
    attribute(&creator, "version", &header.provenance.version)
}

/// `box` with its attributes; returns `box/edges`.
pub(super) fn create_box(particles: &Group) -> hdf5::Result<Group> {
    let group = particles.create_group("box")?;
    group.new_attr::<i32>().create("dimension")?.write_scalar(&3)?;
    let boundary = [text("periodic"), text("periodic"), text("periodic")];
    group.new_attr_builder().with_data(&boundary).create("boundary")?;
    group.create_group("edges")
}

/// A time-dependent element whose step and time are those of the box.
pub(super) fn timed_group(particles: &Group, name: &str) -> hdf5::Result<Group> {
    let group = particles.create_group(name)?;
    group.link_hard("/particles/all/box/edges/step", "step")?;
    group.link_hard("/particles/all/box/edges/time", "time")?;
    Ok(group)
}

fn describe_atoms(group: &Group, topology: &Topology) -> hdf5::Result<()> {
    let molecule: Vec<i64> = topology.atom_molecule.iter().map(|m| (*m as u64 + 1).cast_signed()).collect();
    write_species(group, topology, &topology.atom_species)?;
    write_fixed(group, "mass", &topology.masses(), "u")?;
    write_fixed(group, "charge", &topology.charges(), "e")?;
    group.new_dataset_builder().with_data(&molecule[..]).create("molecule").map(|_| ())
}

/// One particle a molecule: the species of its centre atom, its whole mass and charge.
fn describe_centres(group: &Group, topology: &Topology) -> hdf5::Result<()> {
    let atoms = topology.centre_atoms();
    let species: Vec<usize> = atoms.iter().map(|&a| topology.atom_species[a]).collect();
    let sum = |values: &[f64]| -> Vec<f64> {
        let mut sums = vec![0.0; topology.molecules.len()];
        for (value, molecule) in values.iter().zip(&topology.atom_molecule) {
            sums[*molecule] += value;
        }
        sums
    };
    write_species(group, topology, &species)?;
    write_fixed(group, "mass", &sum(&topology.masses()), "u")?;
    write_fixed(group, "charge", &sum(&topology.charges()), "e")?;
    let molecule: Vec<i64> = (1..=atoms.len() as u64).map(u64::cast_signed).collect();
    group.new_dataset_builder().with_data(&molecule[..]).create("molecule")?;
    let atoms: Vec<i64> = atoms.iter().map(|a| (*a as u64).cast_signed()).collect();
    group.new_dataset_builder().with_data(&atoms[..]).create("atom").map(|_| ())
}

/// Indices into the attribute `names`: plain integers, which every reader takes.
fn write_species(group: &Group, topology: &Topology, species: &[usize]) -> hdf5::Result<()> {
    let indices: Vec<i32> = species.iter().map(|s| (*s as u32).cast_signed()).collect();
    let dataset = group.new_dataset_builder().with_data(&indices[..]).create("species")?;
    let names = texts(topology.species.iter().map(|s| s.name.as_str()));
    dataset.new_attr_builder().with_data(&names[..]).create("names").map(|_| ())
}

pub(super) fn write_fixed(group: &Group, name: &str, values: &[f64], unit: &str) -> hdf5::Result<()> {
    let dataset = group.new_dataset_builder().with_data(values).create(name)?;
    attribute(&dataset, "unit", unit)
}
