//! Which particle is which, and what they are.

use std::path::Path;

use hdf5::types::VarLenUnicode;
use hdf5::{Group, H5Type};

use crate::making::*;

fn in_rows<T: Clone>(order: &[usize], of_particles: &[T]) -> Vec<T> {
    order.iter().map(|particle| of_particles[*particle].clone()).collect()
}

/// Rows in another order in every frame: per frame, the particle in each row.
fn shuffled() -> Vec<Vec<usize>> {
    (0..FRAMES).map(|frame| (0..N).map(|row| (row * 7 + frame * 13) % N).collect()).collect()
}

#[test]
fn particles_are_followed_by_their_ids_whatever_their_rows() {
    let frames = walk(0.8);
    let order = shuffled();
    let rows = |frames: &[Vec<[f64; 3]>]| -> Vec<Vec<[f64; 3]>> {
        frames.iter().zip(&order).map(|(frame, order)| in_rows(order, frame)).collect()
    };
    let steps = every(100, FRAMES);
    let ids: Vec<i64> = order.iter().flatten().map(|p| id_of(*p) + 5).collect();
    // Everything written again and again, as ESPResSo does.
    let made = Made::new();
    let group = made.group("atoms", &rows(&wrapped(&frames)));
    series(&group, "image", &[N, 3], &flat(&rows(&images(&frames))), &steps);
    series(&group, "id", &[N], &ids, &steps);
    let of_particle = two_species();
    let species: Vec<i32> = order.iter().flat_map(|order| in_rows(order, &of_particle)).collect();
    series(&group, "species", &[N], &species, &steps);
    let masses: Vec<f64> = species.iter().map(|s| f64::from(*s)).collect();
    series(&group, "mass", &[N], &masses, &steps);
    for (name, species) in [("1", 0), ("2", 1)] {
        let (lag, msd, _) = made.msd(name, &[]);
        assert_close(lag, 0.2);
        assert_close(msd, moved(&frames, |i| i % 2 == species));
    }
    // A species that is written once cannot be one of rows, which change their particles: it is one of ids, and that is said.
    group.unlink("species").unwrap();
    dataset(&group, "species", &[N], &of_particle);
    let (_, msd, said) = made.msd("1", &[]);
    assert_close(msd, moved(&frames, |i| i % 2 == 0));
    assert!(said.contains("species is written once") && said.contains("in the order of their ids"), "{said}");
    // Where rows change their particles only within a species, the species is one of rows.
    let made = Made::new();
    let order: Vec<Vec<usize>> =
        (0..FRAMES).map(|f| (0..N).map(|row| 2 * ((row + f) % 30) + row / 30).collect()).collect();
    let positions: Vec<_> = frames.iter().zip(&order).map(|(frame, order)| in_rows(order, frame)).collect();
    let group = made.group("atoms", &wrapped(&positions));
    series(&group, "id", &[N], &order.iter().flatten().map(|p| id_of(*p)).collect::<Vec<_>>(), &steps);
    dataset(&group, "species", &[N], &(0..N).map(|row| 1 + id_of(row / 30)).collect::<Vec<_>>());
    let (_, msd, _) = made.msd("1", &[]);
    assert_close(msd, moved(&frames, |i| i % 2 == 0));
}

#[test]
fn rows_without_a_particle_are_left_out_and_other_particles_refused() {
    let frames = walk(0.8);
    let steps = every(100, FRAMES);
    // Two more rows a frame, at the end or in the middle, with positions that are no numbers.
    let with_places = |frame: usize| if frame.is_multiple_of(2) { N } else { 10 };
    let build = |change: &dyn Fn(&mut Vec<i64>)| {
        let made = Made::new();
        let (mut positions, mut ids) = (Vec::new(), Vec::new());
        for (index, frame) in wrapped(&frames).iter().enumerate() {
            let (mut r, mut id) = (frame.clone(), (0..N).map(id_of).collect::<Vec<i64>>());
            for _ in 0..2 {
                r.insert(with_places(index), [f64::NAN; 3]);
                id.insert(with_places(index), if index % 2 == 0 { -1 } else { 777 });
            }
            positions.push(r);
            ids.extend(id);
        }
        change(&mut ids);
        let group = made.group("atoms", &positions);
        let element = group.create_group("id").unwrap();
        let builder = element.new_dataset_builder().chunk((1, N + 2)).fill_value(777_i64);
        let value = builder.empty::<i64>().shape((FRAMES, N + 2)).create("value").unwrap();
        value.write_raw(&ids).unwrap();
        dataset(&element, "step", &[FRAMES], &steps);
        dataset(&group, "species", &[N], &two_species());
        made
    };
    let (_, msd, said) = build(&|_| {}).msd("2", &[]);
    assert_close(msd, moved(&frames, |i| i % 2 == 1));
    assert!(said.contains("2 of 62 rows of a frame hold no particle"), "{said}");
    let twice = build(&|ids| ids[5 * (N + 2) + 1] = 0).refused(&[]);
    assert!(twice.contains("row 5: two particles have the id 0"), "{twice}");
    let gone = build(&|ids| ids[4 * (N + 2) + 1] = -1).refused(&[]);
    assert!(gone.contains("row 4: particle 1 of the first row is not there"), "{gone}");
    let new = build(&|ids| ids[4 * (N + 2) + 1] = 400).refused(&[]);
    assert!(new.contains("row 4: particle 400 is there, but not in the first row"), "{new}");
}

#[test]
fn one_of_several_groups_is_asked_for() {
    let frames = walk(0.8);
    let few: Vec<Vec<[f64; 3]>> = wrapped(&frames).iter().map(|f| f[..6].to_vec()).collect();
    let made = Made::new();
    let group = made.group("solvent", &wrapped(&frames));
    dataset(&group, "species", &[N], &two_species());
    let group = made.group("ions", &few);
    dataset(&group, "species", &[6], &[7; 6]);
    for error in [made.refused(&[]), made.refused(&["--group", "salt"])] {
        assert!(
            error.contains("ions (6 particles), solvent (60 particles)") && error.contains("--group NAME"),
            "{error}"
        );
    }
    assert_close(made.msd("1", &["--group", "solvent"]).1, moved(&frames, |i| i % 2 == 0));
    assert_close(made.msd("7", &["--group", "ions"]).1, moved(&frames, |i| i < 6));
    let text = made.info(&["--group", "ions"]);
    assert!(text.contains("ions (6), solvent (60); this is ions"), "{text}");
    // Without being asked, `info` tells of each.
    let text = made.info(&[]);
    assert!(text.contains("; this is ions") && text.contains("; this is solvent"), "{text}");
    // Results of one group are not kept for another.
    let output = made.run(&["--group", "solvent"]);
    let error = stderr(&output);
    // Beside those of the first group, which nobody asked to replace.
    let kept = String::from_utf8_lossy(&output.stdout).contains("kept");
    assert!(output.status.success() && !kept, "{error}");
    // What the page says of the group is in the results, however the name was written on the command line.
    for option in [&["--group=ions"][..], &["--group", "ions"]] {
        made.msd("7", option);
        let page = made.directory.path().join("page.html");
        let _ = std::fs::remove_file(&page);
        let run = made.directory.path().to_str().unwrap().to_string();
        let _ = std::fs::remove_dir_all(made.directory.path().join("analysis"));
        std::fs::rename(made.out(), made.directory.path().join("analysis")).unwrap();
        let output = vitrion(&["report", &run, "--out", page.to_str().unwrap()]);
        assert!(output.status.success(), "{}", stderr(&output));
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(text.contains("6 atoms"), "{}", &text[..text.len().min(4000)]);
    }
    // `all` is the whole system, and that it was taken is said.
    let group = made.group("all", &wrapped(&frames));
    dataset(&group, "species", &[N], &two_species());
    let (_, _, said) = made.msd("1", &[]);
    assert!(said.contains("the group `all` is read; --group reads another (ions, solvent)"), "{said}");
}

#[test]
fn species_of_any_type_are_read_and_changing_ones_refused() {
    #[derive(Clone, Copy, H5Type)]
    #[repr(i16)]
    #[allow(dead_code)]
    enum Ion {
        K = 1,
        Ca = 2,
        Hole = -1,
    }
    let frames = walk(0.8);
    let expected = moved(&frames, |i| i % 2 == 0);
    let steps = every(100, FRAMES);
    let build = |species: &dyn Fn(&Group)| {
        let made = Made::new();
        let group = made.group("all", &wrapped(&frames));
        species(&group);
        made
    };
    let kinds: Vec<Ion> = (0..N).map(|i| if i % 2 == 0 { Ion::K } else { Ion::Hole }).collect();
    let made = build(&|group| drop(dataset(group, "species", &[N], &kinds)));
    assert_close(made.msd("K", &[]).1, expected);
    assert_close(made.msd("Hole", &[]).1, moved(&frames, |i| i % 2 == 1));
    let floats: Vec<f32> = two_species().iter().map(|s| *s as f32).collect();
    assert_close(build(&|group| drop(dataset(group, "species", &[N], &floats))).msd("1", &[]).1, expected);
    let words: Vec<VarLenUnicode> = (0..N).map(|i| ["K", "Ca"][i % 2].parse().unwrap()).collect();
    assert_close(build(&|group| drop(dataset(group, "species", &[N], &words))).msd("K", &[]).1, expected);
    let halves = vec![1.5; N];
    let error = build(&|group| drop(dataset(group, "species", &[N], &halves))).refused(&[]);
    assert!(error.contains("1.5 is no species"), "{error}");
    // Written again and again, the same or not; also at other steps than the positions.
    let again = two_species().repeat(FRAMES);
    let made = build(&|group| drop(series(group, "species", &[N], &again, &steps)));
    assert_close(made.msd("1", &[]).1, expected);
    let made = build(&|group| drop(series(group, "species", &[N], &again[..2 * N], &[0, 1000])));
    assert_close(made.msd("1", &[]).1, expected);
    let mut changed = again;
    changed[7 * N + 3] = 9;
    let error = build(&|group| drop(series(group, "species", &[N], &changed, &steps))).refused(&[]);
    assert!(error.contains("particle 3 is 2 at first and 9 in row 7 (step 700)"), "{error}");
    let error = build(&|_| ()).refused(&[]);
    assert!(error.contains("no species") && error.contains("--topology SYSTEM.data"), "{error}");
}

#[test]
fn a_sound_file_of_many_ids_is_not_called_damaged() {
    // 40,000 frames of 300 particles in other rows every time, compressed: what a child process reads first is bounded.
    let made = Made::new();
    let (frames, n) = (40_000, 300);
    let group = made.file.create_group("particles/atoms").unwrap();
    let position = group.create_group("position").unwrap();
    let builder = position.new_dataset_builder().chunk((1000, n, 3)).deflate(1);
    builder.empty::<f32>().shape((frames, n, 3)).create("value").unwrap();
    scalar(&position, "step", &1_i64);
    let id = group.create_group("id").unwrap();
    let ids: Vec<i32> =
        (0..).take(frames).flat_map(|f| (0..300).map(move |row| (row * 7 + f * 13) % 300)).collect();
    let builder = id.new_dataset_builder().chunk((100, n)).deflate(1);
    builder.empty::<i32>().shape((frames, n)).create("value").unwrap().write_raw(&ids).unwrap();
    scalar(&id, "step", &1_i64);
    made.file.flush().unwrap();
    let path = made.path();
    let output = vitrion(&["probe", path.to_str().unwrap()]);
    assert!(output.status.success());
    let text = made.info(&[]);
    assert!(text.contains("frames        40"), "{text}");
}

#[test]
fn masses_that_are_no_numbers_are_the_same_at_all_moments() {
    let frames = walk(0.8);
    let made = Made::new();
    let group = made.group("all", &wrapped(&frames));
    let words: Vec<VarLenUnicode> = (0..N * FRAMES).map(|i| ["K", "Ca"][i % 2].parse().unwrap()).collect();
    series(&group, "species", &[N], &words, &every(100, FRAMES));
    series(&group, "mass", &[N], &[f64::NAN; N * FRAMES], &every(100, FRAMES));
    let (_, msd, said) = made.msd("K", &[]);
    assert_close(msd, moved(&frames, |i| i % 2 == 0));
    assert!(!said.contains("at first") && said.contains("masses are left out"), "{said}");
}

/// A LAMMPS data file of K and Cl in turns.
fn topology(directory: &Path, ids: std::ops::RangeInclusive<usize>) -> String {
    let n = ids.clone().count();
    let atoms: Vec<String> =
        ids.map(|id| format!("{id} {id} {} 0.0 1.0 1.0 1.0", 1 + (id + 1) % 2)).collect();
    let atoms = atoms.join("\n");
    let text = format!(
        "title\n\n{n} atoms\n2 atom types\n0 10 xlo xhi\n0 10 ylo yhi\n0 10 zlo zhi\n\nMasses\n\n1 39.1 # K\n2 35.5 # Cl\n\n\
         Atoms # full\n\n{atoms}\n"
    );
    let path = directory.join("s.data");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_string()
}

#[test]
fn a_topology_says_what_particles_are() {
    let frames = walk(0.8);
    let expected = moved(&frames, |i| i % 2 == 0);
    let made = Made::new();
    let group = made.group("all", &wrapped(&frames));
    let data = topology(made.directory.path(), 1..=N);
    assert_close(made.msd("K", &["--topology", &data]).1, expected);
    let (text, _) = made.convert(&["--topology", &data]);
    assert!(
        text.lines().nth(2).unwrap().starts_with("K ") && text.lines().nth(3).unwrap().starts_with("Cl ")
    );
    // By ids: here the other way round, and from 0.
    let ids: Vec<i64> = (0..N).rev().map(id_of).collect();
    dataset(&group, "id", &[N], &ids);
    let (_, msd, said) = made.msd("K", &["--topology", &data]);
    assert_close(msd, moved(&frames, |i| i % 2 == 1));
    assert!(said.contains("ids count from 0"), "{said}");
    group.unlink("id").unwrap();
    let data = topology(made.directory.path(), 1..=N - 2);
    let error = made.refused(&["--topology", &data]);
    assert!(error.contains("60 particles without ids, the topology 58"), "{error}");
}
