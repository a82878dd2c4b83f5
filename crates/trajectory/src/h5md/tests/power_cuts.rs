//! What a power cut leaves: any part of what was written since the last forced write, in any order, page by page.

use std::collections::BTreeMap;

use super::*;

/// What a disk writes at a time.
const PAGE: usize = 4096;
const FRAMES: u64 = 23;
const SYNC_EVERY: u64 = 5;

/// Reproducible choices.
struct Dice(u64);

impl Dice {
    fn next(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n.max(1) as u64) as usize
    }
}

/// All that a file has been since it was last forced to the disk; the first is what was forced.
type Versions = Vec<Vec<u8>>;

/// One of the states in which a power cut may leave a file.
fn torn(versions: &Versions, dice: &mut Dice) -> Vec<u8> {
    // Nothing, everything, or pages of any version.
    let mixed = dice.next(8);
    if mixed < 2 {
        return versions[mixed * (versions.len() - 1)].clone();
    }
    let size = versions[dice.next(versions.len())].len();
    let mut bytes = vec![0; size];
    let pages = size.div_ceil(PAGE);
    // In some cuts hardly anything arrived, in others nearly everything.
    let share = [1, 5, 9][dice.next(3)];
    for page in 0..pages {
        let newer = dice.next(10) < share;
        let version = if newer { dice.next(versions.len()) } else { 0 };
        let range = page * PAGE..size.min((page + 1) * PAGE);
        let source = &versions[version];
        // Beyond the end of that version the page was never written.
        let end = range.end.min(source.len());
        if range.start < end {
            bytes[range.start..end].copy_from_slice(&source[range.start..end]);
        }
    }
    bytes
}

/// The state of a run directory between two checkpoints: the rows of the earlier one, and the versions of each file.
struct Interval {
    counts: Counts,
    files: BTreeMap<&'static str, Versions>,
}

/// Writes a run and looks at its files after every call.
fn watched(path: &Path, writer: TrajectoryWriter, intervals: &mut Vec<Interval>) {
    let look = |files: &mut BTreeMap<&'static str, Versions>| {
        for name in ["run.h5", "run.journal"] {
            let bytes = std::fs::read(path.with_file_name(name)).unwrap();
            files.entry(name).or_default().push(bytes);
        }
    };
    let mut writer = writer;
    let begin = |writer: &mut TrajectoryWriter, intervals: &mut Vec<Interval>| {
        let counts = writer.sync().unwrap();
        // The end of the interval before: all that a cut within `sync` may leave, the last step being what it made of the files.
        if let Some(before) = intervals.last_mut() {
            look(&mut before.files);
        }
        let mut files = BTreeMap::new();
        look(&mut files);
        intervals.push(Interval { counts, files });
    };
    begin(&mut writer, intervals);
    for index in writer.counts().frames as u64..FRAMES {
        append(&mut writer, index).unwrap();
        look(&mut intervals.last_mut().unwrap().files);
        if index % SYNC_EVERY == SYNC_EVERY - 1 {
            begin(&mut writer, intervals);
        }
    }
    writer.write_stress_correlation(STAGE, &correlation()).unwrap();
    writer.flush().unwrap();
    look(&mut intervals.last_mut().unwrap().files);
    begin(&mut writer, intervals);
    writer.mark_closed(true).unwrap();
    look(&mut intervals.last_mut().unwrap().files);
    // What it is when it has been forced to the disk, and the two marks of an orderly end, one after the other.
    let files =
        |path: &Path| ["run.h5", "run.journal"].map(|name| std::fs::read(path.with_file_name(name)).unwrap());
    let [_, journal] = files(path);
    let counts = writer.finish().unwrap();
    let [marked, closed] = files(path);
    let unmarked = marked[..marked.len() - closing::LENGTH].to_vec();
    let trajectory = vec![unmarked.clone(), unmarked, marked];
    let journal = vec![journal, closed.clone(), closed];
    intervals
        .push(Interval { counts, files: BTreeMap::from([("run.h5", trajectory), ("run.journal", journal)]) });
}

fn cut(times: u64) {
    let (directory, whole) = in_directory("whole.h5");
    run(TrajectoryWriter::create(&whole, &header()).unwrap(), FRAMES);
    let path = directory.path().join("run.h5");
    let mut intervals = Vec::new();
    watched(&path, TrajectoryWriter::create(&path, &header()).unwrap(), &mut intervals);
    let (mut unreadable, mut other) = (0, 0);
    for number in 0..times {
        let mut dice = Dice(number);
        let index = dice.next(intervals.len());
        let interval = &intervals[index];
        for (name, versions) in &interval.files {
            std::fs::write(directory.path().join(name), torn(versions, &mut dice)).unwrap();
        }
        match TrajectoryReader::open(&path) {
            Err(_) => unreadable += 1,
            Ok(reader) if reader.frames() < interval.counts.frames => other += 1,
            Ok(_) => {}
        }
        // The checkpoint of this interval, or, if that is lost, the one before.
        let counts = &intervals[index - dice.next(2).min(index)].counts;
        let resumed = TrajectoryWriter::reopen(&path, &header(), counts)
            .unwrap_or_else(|error| panic!("cut {number}: {error}"));
        assert_eq!(&resumed.counts(), counts, "cut {number}");
        if number % 3 == 0 {
            // A second cut, after the resume.
            let mut again = Vec::new();
            watched(&path, resumed, &mut again);
            let index = dice.next(again.len());
            let interval = &again[index];
            for (name, versions) in &interval.files {
                std::fs::write(directory.path().join(name), torn(versions, &mut dice)).unwrap();
            }
            // The one before may be of before the resume.
            let before = if index == 0 { counts } else { &again[index - 1].counts };
            let counts = if dice.next(2) == 0 { &interval.counts } else { before };
            let resumed = TrajectoryWriter::reopen(&path, &header(), counts)
                .unwrap_or_else(|error| panic!("second cut {number}: {error}"));
            run(resumed, FRAMES);
        } else {
            run(resumed, FRAMES);
        }
        assert_same_contents(&path, &whole);
    }
    println!(
        "{times} power cuts: {unreadable} files that HDF5 refuses, {other} with too few frames; every one resumed to the same bits"
    );
    // Otherwise the cuts were harmless, and the journal was not needed.
    assert!(unreadable > times / 10, "{unreadable} of {times}");
}

#[test]
fn after_any_power_cut_the_run_goes_on_to_the_same_bits() {
    cut(60);
}

#[test]
#[ignore = "minutes: part of `make torture`"]
fn after_thousands_of_power_cuts_the_run_goes_on_to_the_same_bits() {
    cut(3000);
}

#[test]
fn a_resume_that_was_cut_between_its_renames_is_ended() {
    let (directory, path) = in_directory("run.h5");
    let at = |name: &str| directory.path().join(name);
    let mut writer = TrajectoryWriter::create(&path, &header()).unwrap();
    for index in 0..4 {
        append(&mut writer, index).unwrap();
    }
    let counts = writer.sync().unwrap();
    append(&mut writer, 4).unwrap();
    drop(writer);
    let [old, old_journal] = ["run.h5", "run.journal"].map(|name| std::fs::read(at(name)).unwrap());
    drop(TrajectoryWriter::reopen(&path, &header(), &counts).unwrap());
    let [new, new_journal] = ["run.h5", "run.journal"].map(|name| std::fs::read(at(name)).unwrap());
    assert!(old != new && old_journal != new_journal);
    // (trajectory, journal, new trajectory, new journal) as a cut may leave them; a part of the new ones may be torn.
    let torn = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    for (number, state) in [
        (&old, &old_journal, Some(new.clone()), Some(new_journal.clone())),
        (&old, &old_journal, Some(torn(&new)), Some(torn(&new_journal))),
        (&old, &old_journal, None, Some(torn(&new_journal))),
        (&old, &old_journal, None, Some(new_journal.clone())),
        (&new, &old_journal, None, Some(new_journal.clone())),
        (&new, &new_journal, None, None),
    ]
    .into_iter()
    .enumerate()
    {
        std::fs::write(at("run.h5"), state.0).unwrap();
        std::fs::write(at("run.journal"), state.1).unwrap();
        for (name, bytes) in [("run.h5.rebuilt", state.2), ("run.h5.journal", state.3)] {
            let _ = std::fs::remove_file(at(name));
            if let Some(bytes) = bytes {
                std::fs::write(at(name), bytes).unwrap();
            }
        }
        let writer = TrajectoryWriter::reopen(&path, &header(), &counts)
            .unwrap_or_else(|error| panic!("state {number}: {error}"));
        drop(writer);
        let reader = TrajectoryReader::open(&path).unwrap();
        assert_eq!(reader.frames(), 4, "state {number}");
        (0..4).for_each(|index| assert_frame(&reader.frame(index).unwrap(), index as u64));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2, "state {number}");
    }
}

#[test]
fn an_older_trajectory_beside_a_newer_journal_is_behind_its_checkpoint() {
    let (_directory, path) = in_directory("run.h5");
    let mut writer = TrajectoryWriter::create(&path, &header()).unwrap();
    append(&mut writer, 0).unwrap();
    let early = writer.sync().unwrap();
    let copy = std::fs::read(&path).unwrap();
    (1..4).for_each(|index| append(&mut writer, index).unwrap());
    let late = writer.sync().unwrap();
    drop(writer);
    std::fs::write(&path, copy).unwrap();
    let find = |counts: &Counts| Standing::find(&path, counts, &mut |_, _, _| false);
    let error = find(&late).err().unwrap();
    assert!(
        matches!(error, H5mdError::Mismatch { .. })
            && error.to_string().contains("bytes that its journal names")
    );
    assert_eq!(find(&early).unwrap().rows_after(), [3, 3]);
}

#[test]
fn a_row_that_the_disk_lost_is_named() {
    let (_directory, path) = in_directory("run.h5");
    let mut writer = TrajectoryWriter::create(&path, &header()).unwrap();
    for index in 0..4 {
        append(&mut writer, index).unwrap();
    }
    let counts = writer.sync().unwrap();
    let place = raw_chunks::place(series::Rows::dataset(&writer.elements.frames.position), 2).unwrap();
    drop(writer);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[place.offset as usize + 100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = TrajectoryWriter::reopen(&path, &header(), &counts).err().unwrap().to_string();
    assert!(error.contains("row 2 of frames/position") && error.contains("is lost"), "{error}");
    // A reader sees it as well: the dataset has a checksum of its own.
    let reader = TrajectoryReader::open(&path).unwrap();
    assert!(reader.positions(2).is_err() && reader.positions(1).is_ok());
}

#[test]
fn a_trajectory_without_its_journal_is_copied_unless_a_row_was_never_written() {
    let (directory, whole) = in_directory("whole.h5");
    run(TrajectoryWriter::create(&whole, &header()).unwrap(), FRAMES);
    let path = directory.path().join("run.h5");
    let begun = |torn: bool| {
        let mut writer = TrajectoryWriter::create(&path, &header()).unwrap();
        for index in 0..4 {
            append(&mut writer, index).unwrap();
        }
        if torn {
            // As after a cut that lost a part of the index: rows that read as never written.
            writer.elements.frames.position.grow(3).unwrap();
            writer.elements.frames.position.grow(4).unwrap();
        }
        let counts = writer.sync();
        drop(writer);
        std::fs::remove_file(path.with_extension("journal")).unwrap();
        counts
    };
    let counts = begun(false).unwrap();
    run(TrajectoryWriter::reopen(&path, &header(), &counts).unwrap(), FRAMES);
    assert_same_contents(&path, &whole);
    for name in ["run.h5", "run.journal"] {
        std::fs::remove_file(path.with_file_name(name)).unwrap();
    }
    // The writer itself notices that a row is missing before it seals it.
    assert!(begun(true).unwrap_err().to_string().contains("row 3"), "sealed");
    let error = TrajectoryWriter::reopen(&path, &header(), &counts).err().unwrap().to_string();
    assert!(error.contains("row 3 of frames") && error.contains("never written"), "{error}");
}
