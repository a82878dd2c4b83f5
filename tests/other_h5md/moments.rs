//! Elements with steps, times and units of their own, or without any.

use hdf5::Group;
use hdf5::types::VarLenUnicode;

use crate::making::*;

/// A scalar clock: an increment and, if it is not zero, an offset.
fn incremented(element: &Group, increment: i64, offset: Option<&[i64]>) {
    let step = scalar(element, "step", &increment);
    if let Some(offset) = offset {
        let attribute = step.new_attr::<i64>().shape(offset.len()).create("offset").unwrap();
        attribute.write_raw(offset).unwrap();
    }
    let time = scalar(element, "time", &(increment as f64 * 0.002));
    word(&time, "unit", "ps");
    if let Some(offset) = offset {
        let values: Vec<f64> = offset.iter().map(|o| *o as f64 * 0.002).collect();
        let attribute = time.new_attr::<f64>().shape(offset.len()).create("offset").unwrap();
        attribute.write_raw(&values).unwrap();
    }
}

/// Positions at rest, every 100 steps by an increment, and a box of `edges` with a clock of its own.
fn with_box(edges: &[f64], clock: impl Fn(&Group)) -> Made {
    let made = Made::new();
    let group = made.file.create_group("particles/all").unwrap();
    let position = group.create_group("position").unwrap();
    dataset(&position, "value", &[FRAMES, 2, 3], &[1.0; FRAMES * 6]);
    incremented(&position, 100, None);
    let element = group.create_group("box/edges").unwrap();
    let rows: Vec<f64> = edges.iter().flat_map(|edge| [*edge; 3]).collect();
    dataset(&element, "value", &[edges.len(), 3], &rows);
    clock(&element);
    dataset(&group, "species", &[2], &[1, 2]);
    made
}

/// Edges of the box in the frames of an extended XYZ file.
fn edges(text: &str) -> Vec<f64> {
    let blocks = text.lines().filter_map(|line| line.strip_prefix("Lattice=\""));
    blocks.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn the_box_of_a_frame_is_the_last_one_written_before_it() {
    let growing = |n: usize, by: f64| (0..n).map(|k| 10.0 + by * k as f64).collect::<Vec<f64>>();
    // Every 400 steps, and every 50.
    let (text, _) = with_box(&growing(5, 2.0), |e| incremented(e, 400, None)).convert(&[]);
    assert_eq!(edges(&text), (0..FRAMES).map(|f| 10.0 + 2.0 * (f / 4) as f64).collect::<Vec<_>>());
    let (text, _) = with_box(&growing(40, 0.2), |e| incremented(e, 50, None)).convert(&[]);
    assert_eq!(edges(&text).last(), Some(&(10.0 + 0.2 * 38.0)));
    // Once is for ever; explicit steps; later than the first frames; not until the last ones.
    let (text, said) = with_box(&[10.0], |_| ()).convert(&[]);
    assert_eq!(edges(&text), [10.0; FRAMES]);
    assert!(said.contains("written once"), "{said}");
    let at = |steps: &'static [i64]| move |e: &Group| drop(dataset(e, "step", &[steps.len()], steps));
    let (text, said) = with_box(&[10.0, 11.0], at(&[250, 300])).convert(&[]);
    assert_eq!(edges(&text)[..5], [10.0, 10.0, 10.0, 11.0, 11.0]);
    assert!(said.contains("its first box is that of 3 frames before, its last one of 16 after"), "{said}");
    // Steps that go back say nothing, nor do rows without any.
    let path = with_box(&[10.0, 11.0, 12.0], at(&[0, 300, 200]));
    let error = path.refused(&[]);
    assert!(error.contains("box/edges/value") && error.contains("do not increase"), "{error}");
    let error = with_box(&[10.0, 11.0, 12.0], |_| ()).refused(&[]);
    assert!(error.contains("3 rows for 20 frames"), "{error}");
}

#[test]
fn an_offset_may_be_an_array_of_one_number() {
    for offset in [&[5000_i64][..], &[-300]] {
        let made = Made::new();
        let group = made.file.create_group("particles/all").unwrap();
        let position = group.create_group("position").unwrap();
        dataset(&position, "value", &[3, 1, 3], &[1.0; 9]);
        incremented(&position, 100, Some(offset));
        let (first, last) = (offset[0], offset[0] + 200);
        let text = made.info(&[]);
        // Without what parts groups of digits.
        let line = text.lines().find(|line| line.contains("steps ")).unwrap();
        let digits: String = line.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        assert!(digits.contains(&format!("steps{first}to{last}")), "{text}");
    }
}

#[test]
fn velocities_at_other_steps_cost_no_frames() {
    let frames = walk(0.8);
    let made = Made::new();
    let group = made.group("all", &wrapped(&frames));
    dataset(&group, "species", &[N], &two_species());
    series(&group, "velocity", &[N, 3], &vec![0.5; 2 * N * 3], &[0, 1000]);
    let (_, msd, said) = made.msd("1", &[]);
    assert_close(msd, moved(&frames, |i| i % 2 == 0));
    assert!(!said.contains("left out"), "{said}");
    let (text, _) = made.convert(&[]);
    let with: Vec<bool> =
        text.lines().filter(|l| l.starts_with("Lattice")).map(|l| l.contains(":vel:R:3")).collect();
    assert_eq!(with, (0..FRAMES).map(|f| f == 0 || f == 10).collect::<Vec<_>>());
}

/// Components of the first velocity in the first frame of an extended XYZ file (A/ps).
fn velocity(text: &str) -> Vec<f64> {
    text.lines().nth(2).unwrap().split_whitespace().rev().take(3).map(|x| x.parse().unwrap()).collect()
}

#[test]
fn velocities_without_unit_are_in_the_time_of_the_file() {
    // As LAMMPS writes in `units real`: 0.005 A/fs, steps of 1 fs, and no unit anywhere.
    let frames = walk(0.8);
    let made = Made::new();
    let group = made.bare("all", &wrapped(&frames));
    let steps = every(100, FRAMES);
    times(&group.group("position").unwrap(), &steps, 1.0, None);
    dataset(&group, "species", &[N], &two_species());
    series(&group, "velocity", &[N, 3], &vec![0.005; FRAMES * N * 3], &steps);
    let (text, said) = made.convert(&["--timestep", "1 fs"]);
    assert!(velocity(&text).iter().all(|v| (v - 5.0).abs() < 1e-12), "{:?}", velocity(&text));
    assert!(said.contains("velocity/value has no unit: that of the positions per 0.001 ps"), "{said}");
    let (text, said) = made.convert(&[]);
    assert!(velocity(&text).iter().all(|v| (v - 0.005).abs() < 1e-15), "{:?}", velocity(&text));
    assert!(said.contains("that of the positions per 1 ps"), "{said}");
    // Times with a unit say it, whatever the user says of steps.
    word(&group.dataset("position/time").unwrap(), "unit", "fs");
    let (text, _) = made.convert(&["--timestep", "2 fs"]);
    assert!(velocity(&text).iter().all(|v| (v - 5.0).abs() < 1e-12), "{:?}", velocity(&text));
    // With a unit of its own nothing is assumed.
    word(&group.dataset("velocity/value").unwrap(), "unit", "nm ps-1");
    let (text, said) = made.convert(&["--timestep", "1 fs"]);
    assert!(velocity(&text).iter().all(|v| (v - 0.05).abs() < 1e-15), "{:?}", velocity(&text));
    assert!(!said.contains("velocity"), "{said}");
}

#[test]
fn positions_without_steps_are_left_out_and_that_is_said() {
    let made = Made::new();
    let frames = walk(0.8);
    let group = made.group("all", &wrapped(&frames));
    dataset(&group, "species", &[N], &two_species());
    let element = group.group("position").unwrap();
    element.unlink("step").unwrap();
    element.unlink("time").unwrap();
    dataset(&element, "step", &[10], &every(100, 10));
    let note = "the last frames (10) lack a step";
    let text = made.info(&[]);
    assert!(text.contains("frames        10,") && text.contains(note), "{text}");
    let (text, said) = made.convert(&[]);
    assert!(text.matches("Lattice").count() == 10 && said.contains(note), "{said}");
    assert!(made.msd("1", &[]).2.contains(note));
}

#[test]
fn what_is_missing_lacks_no_unit_and_reduced_units_are_named() {
    let frames = walk(0.8);
    let made = Made::new();
    let group = made.bare("all", &frames);
    dataset(&group, "species", &[N], &two_species());
    word(&group.dataset("position/value").unwrap(), "unit", "Angstrom");
    let module = made.file.create_group("h5md/modules/units").unwrap();
    word(&module, "system", "LAMMPS_real");
    assert_close(made.msd("1", &[]).1, moved(&frames, |i| i % 2 == 0));
    for unit in ["1", "dimensionless"] {
        let value = group.dataset("position/value").unwrap();
        value.delete_attr("unit").unwrap();
        word(&value, "unit", unit);
        let error = made.refused(&[]);
        assert!(error.contains("reduced units") && !error.contains("damaged"), "{error}");
    }
    let time = dataset(&group.group("position").unwrap(), "time", &[FRAMES], &[0.0; FRAMES]);
    word(&time, "unit", "nm");
    let error = made.refused(&[]);
    assert!(error.contains("`particles/all/position/time`") && error.contains("one of time"), "{error}");
}

#[test]
fn fixed_positions_are_one_frame() {
    let frames = walk(0.8);
    let made = Made::new();
    let group = made.file.create_group("particles/atoms").unwrap();
    let position = dataset(&group, "position", &[N, 3], &flat(&wrapped(&frames)[..1]));
    word(&position, "unit", "Angstrom");
    Made::boxed(&group, &["periodic"; 3], L);
    dataset(&group, "species", &[N], &two_species());
    let text = made.info(&[]);
    assert!(text.contains("frames        1, steps 0 to 0"), "{text}");
    let path = made.path();
    let out = made.out();
    let output =
        vitrion(&["analyze", path.to_str().unwrap(), "--only", "rdf", "--out", out.to_str().unwrap()]);
    assert!(output.status.success() && out.join("rdf.csv").exists(), "{}", stderr(&output));
}

#[test]
fn times_and_units_that_are_missing_are_said() {
    let frames = walk(0.8);
    let expected = moved(&frames, |i| i % 2 == 0);
    let steps = every(100, FRAMES);
    // As LAMMPS writes in `units real`: fs, and no unit anywhere.
    let made = Made::new();
    let group = made.bare("all", &wrapped(&frames));
    times(&group.group("position").unwrap(), &steps, 2.0, None);
    let cell = group.create_group("box").unwrap();
    series(&cell, "edges", &[3], &[L; 3 * FRAMES], &steps);
    dataset(&group, "species", &[N], &two_species());
    let (lag, msd, said) = made.msd("1", &[]);
    assert_close(lag, 200.0);
    assert_close(msd, expected);
    for word in [
        "position/time has no unit: ps is assumed",
        "--timestep \"2 fs\"",
        "angstrom is assumed",
        "`boundary`",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let (lag, _, said) = made.msd("1", &["--timestep", "2 fs"]);
    assert_close(lag, 0.2);
    assert!(!said.contains("ps is assumed"), "{said}");
    // No times at all: as for dumps.
    group.unlink("position/time").unwrap();
    let (lag, _, said) = made.msd("1", &[]);
    assert_close(lag, 0.1);
    assert!(
        said.contains("does not say how long a step is: 1 fs is assumed; give it with --timestep"),
        "{said}"
    );
    // No steps either.
    group.unlink("position/step").unwrap();
    let (lag, _, said) = made.msd("1", &[]);
    assert_close(lag, 0.001);
    assert!(said.contains("its frames are counted as steps") && said.contains("1 fs is assumed"), "{said}");
    // Times with a unit against the user.
    let made = Made::new();
    let group = made.group("all", &wrapped(&frames));
    dataset(&group, "species", &[N], &two_species());
    let (lag, _, said) = made.msd("1", &["--timestep", "4 fs"]);
    assert_close(lag, 0.4);
    assert!(said.contains("the file says 3.8 ps"), "{said}");
    let (_, _, said) = made.msd("1", &["--timestep", "2 fs"]);
    assert!(!said.contains("the file says"), "{said}");
}

#[test]
fn a_length_without_unit_is_in_the_unit_of_the_others() {
    let frames = walk(0.8);
    let expected = moved(&frames, |i| i % 2 == 0);
    let build = |scale: f64, position: Option<&str>, edges: Option<&str>| {
        let made = Made::new();
        let group = made.bare("all", &map(&wrapped(&frames), |x| x * scale));
        dataset(&group, "species", &[N], &two_species());
        let element = group.group("position").unwrap();
        times(&element, &every(100, FRAMES), 0.002, Some("ps"));
        let value = dataset(&group.create_group("box").unwrap(), "edges", &[3], &[L * scale; 3]);
        if let Some(unit) = position {
            word(&element.dataset("value").unwrap(), "unit", unit);
        }
        if let Some(unit) = edges {
            word(&value, "unit", unit);
        }
        made
    };
    for (position, edges, note) in [
        (Some("nm"), None, "box/edges has no unit: that of the positions"),
        (None, Some("nm"), "position/value has no unit: that of the box"),
    ] {
        let (_, msd, said) = build(0.1, position, edges).msd("1", &[]);
        assert_close(msd, expected);
        assert!(said.contains(note), "{said}");
    }
    let (_, msd, _) = build(1e-4, Some("um"), Some("um")).msd("1", &[]);
    assert_close(msd, expected);
    // As an array of one word, and beside the group, as some libraries write it.
    let made = build(0.1, None, Some("nm"));
    let words: [VarLenUnicode; 1] = ["nm".parse().unwrap()];
    let value = made.file.dataset("particles/all/position/value").unwrap();
    value.new_attr_builder().with_data(&words[..]).create("unit").unwrap();
    let (_, msd, said) = made.msd("1", &[]);
    assert_close(msd, expected);
    assert!(!said.contains("no unit"), "{said}");
    value.delete_attr("unit").unwrap();
    word(&made.file.group("particles/all/position").unwrap(), "units", "nm");
    let (_, msd, said) = made.msd("1", &[]);
    assert_close(msd, expected);
    assert!(!said.contains("no unit"), "{said}");
    let error = build(1.0, Some("sigma"), None).refused(&[]);
    assert!(error.contains("position/value") && error.contains("`sigma` is not known"), "{error}");
    let made = build(1.0, None, None);
    let module = made.file.create_group("h5md/modules/units").unwrap();
    word(&module, "system", "LJ");
    let error = made.refused(&[]);
    assert!(error.contains("unit system is `LJ`"), "{error}");
}

#[test]
fn what_is_broken_empty_or_flat_is_refused_by_name() {
    let made = Made::new();
    made.file.unlink("particles").unwrap();
    made.file.link_external("elsewhere.h5", "/particles", "particles").unwrap();
    let error = made.refused(&[]);
    assert!(error.contains("elsewhere.h5"), "{error}");
    made.file.unlink("particles").unwrap();
    made.file.create_group("particles/all").unwrap().link_soft("/gone", "position").unwrap();
    let error = made.refused(&[]);
    assert!(error.contains("particles/all/position") && error.contains("not there"), "{error}");
    let made = Made::new();
    let group = made.group("all", &vec![Vec::new(); 3]);
    dataset::<i32>(&group, "species", &[0], &[]);
    let error = made.refused(&[]);
    assert!(error.contains("no particles"), "{error}");
    assert!(made.info(&[]).contains("particles     0"));
    let made = Made::new();
    let group = made.group("all", &walk(0.8));
    dataset(&group, "species", &[N], &two_species());
    let cell = group.group("box").unwrap();
    cell.attr("dimension").unwrap().write_scalar(&2).unwrap();
    let error = made.refused(&[]);
    assert!(error.contains("2 dimensions"), "{error}");
}

#[test]
fn room_that_is_made_before_it_is_needed_is_no_damage() {
    // Room for a billion frames, of which a few are written; and frames that lie in another file.
    let frames = walk(0.8);
    let made = Made::new();
    let group = made.group("all", &wrapped(&frames));
    dataset(&group, "species", &[N], &two_species());
    let (_, msd, _) = made.msd("1", &[]);
    let element = group.group("position").unwrap();
    let value = element.dataset("value").unwrap();
    let numbers = value.read_raw::<f64>().unwrap();
    element.unlink("value").unwrap();
    let builder = element.new_dataset_builder().chunk((1, N, 3)).deflate(1);
    let roomy = builder.empty::<f64>().shape((FRAMES.., N, 3)).create("value").unwrap();
    word(&roomy, "unit", "Angstrom");
    roomy.write_raw(&numbers).unwrap();
    roomy.resize((1_000_000_000, N, 3)).unwrap();
    assert_close(made.msd("1", &[]).1, msd);
    element.unlink("value").unwrap();
    let part = made.directory.path().join("part.h5");
    let other = hdf5::File::create(&part).unwrap();
    dataset(&other, "r", &[FRAMES, N, 3], &numbers);
    drop(other);
    let shape = (FRAMES, N, 3);
    let all = || hdf5::Hyperslab::from((.., .., ..));
    let builder =
        element.new_dataset_builder().virtual_map(part.to_str().unwrap(), "r", shape, all(), shape, all());
    let composed = builder.empty::<f64>().shape(shape).create("value").unwrap();
    word(&composed, "unit", "Angstrom");
    assert_close(made.msd("1", &[]).1, msd);
}

#[test]
fn a_shape_that_no_file_can_hold_takes_no_memory() {
    let made = Made::new();
    let group = made.file.create_group("particles/all").unwrap();
    let element = group.create_group("position").unwrap();
    let builder = element.new_dataset_builder().chunk((1, 1000, 3));
    builder.empty::<f64>().shape((2, 1_000_000_000_000, 3)).create("value").unwrap();
    let error = made.refused(&[]);
    assert!(error.contains("1000000000000") && error.contains("cannot hold"), "{error}");
    let made = Made::new();
    let group = made.file.create_group("particles/all").unwrap();
    let element = group.create_group("position").unwrap();
    let builder = element.new_dataset_builder().chunk((1, 10, 3));
    builder.empty::<f64>().shape((1_000_000_000_000, 10, 3)).create("value").unwrap();
    scalar(&element, "step", &1_i64);
    let error = made.refused(&[]);
    assert!(error.contains("announces 1000000000000 rows"), "{error}");
    let made = Made::new();
    let group = made.group("all", &walk(0.8));
    dataset(&group, "species", &[N], &two_species());
    group.unlink("position/step").unwrap();
    let element = group.group("position").unwrap();
    element.new_dataset_builder().chunk(1000).empty::<i64>().shape(1_000_000_000_000).create("step").unwrap();
    let error = made.refused(&[]);
    assert!(error.contains("position/step") && error.contains("cannot hold"), "{error}");
}
