//! Wrapped and unwrapped positions, images, boundaries.

use hdf5::types::VarLenUnicode;

use crate::making::*;

#[test]
fn images_that_were_written_now_and_then_are_left_out() {
    let frames = walk(0.8);
    let made = Made::new();
    let group = made.group("all", &wrapped(&frames));
    dataset(&group, "species", &[N], &two_species());
    series(&group, "image", &[N, 3], &vec![0; 4 * N * 3], &every(500, 4));
    let (_, msd, said) = made.msd("1", &[]);
    assert_close(msd, moved(&frames, |i| i % 2 == 0));
    assert!(said.contains("image/value is left out"), "{said}");
    // A fixed image says nothing of walls that are crossed later.
    group.unlink("image").unwrap();
    dataset(&group, "image", &[N, 3], &vec![0; N * 3]);
    let (_, msd, said) = made.msd("1", &[]);
    assert_close(msd, moved(&frames, |i| i % 2 == 0));
    assert!(said.contains("`image` never changes while particles cross the walls"), "{said}");
}

#[test]
fn positions_that_are_unwrapped_beside_images_are_told_from_wrapped_ones() {
    let frames = walk(0.8);
    let expected = moved(&frames, |i| i % 2 == 0);
    let steps = every(100, FRAMES);
    let made = |positions: &[Vec<[f64; 3]>], counts: &[Vec<[f64; 3]>]| {
        let made = Made::new();
        let group = made.group("all", positions);
        dataset(&group, "species", &[N], &two_species());
        series(&group, "image", &[N, 3], &flat(counts), &steps);
        made
    };
    let (_, msd, said) = made(&wrapped(&frames), &images(&frames)).msd("1", &[]);
    assert_close(msd, expected);
    assert!(!said.contains("unwrapped"), "{said}");
    let (_, msd, said) = made(&frames, &images(&frames)).msd("1", &[]);
    assert_close(msd, expected);
    assert!(said.contains("unwrapped already"), "{said}");
    // In a cell whose corner is elsewhere, which H5MD does not say.
    let shifted = |frames: &[Vec<[f64; 3]>]| map(frames, |x| x - 3.7 * L);
    let (_, msd, _) = made(&shifted(&wrapped(&frames)), &images(&frames)).msd("1", &[]);
    assert_close(msd, expected);
    let (_, msd, _) = made(&shifted(&frames), &images(&frames)).msd("1", &[]);
    assert_close(msd, expected);
    // What moves without jumps is unwrapped, whatever is counted.
    let mut other = images(&frames);
    for frame in &mut other {
        frame.rotate_left(17);
    }
    let (_, msd, _) = made(&frames, &other).msd("1", &[]);
    assert_close(msd, expected);
    // The other way round, and counts of another system.
    let error = made(&wrapped(&frames), &map(&images(&frames), |n| -n)).refused(&[]);
    assert!(error.contains("the other way round"), "{error}");
    let error = made(&wrapped(&frames), &other).refused(&[]);
    assert!(error.contains("contradict each other"), "{error}");
}

#[test]
fn positions_far_outside_of_the_cell_are_unwrapped() {
    // Back and forth by 0.6 L along x, between 12 and 22.
    let frames: Vec<Vec<[f64; 3]>> = (0..FRAMES)
        .map(|f| {
            (0..N)
                .map(|i| {
                    let forth = (f + i) % 2 == 0;
                    [if forth { 12.0 } else { 18.0 } + 0.06 * i as f64, 13.0 + 0.1 * i as f64, 15.0]
                })
                .collect()
        })
        .collect();
    let made = Made::new();
    let group = made.group("all", &frames);
    dataset(&group, "species", &[N], &[1; N]);
    let (_, msd, said) = made.msd("1", &[]);
    assert_close(msd, 36.0);
    assert!(said.contains("outside of the cell") && said.contains("taken for unwrapped"), "{said}");
    // Wrapped ones in a cell that begins elsewhere are told by their small moves.
    let frames = walk(0.8);
    let made = Made::new();
    let group = made.group("all", &map(&wrapped(&frames), |x| x + 2.3 * L));
    dataset(&group, "species", &[N], &[1; N]);
    let (_, msd, _) = made.msd("1", &[]);
    assert_close(msd, moved(&frames, |_| true));
}

#[test]
fn unwrapped_positions_in_a_changing_cell_do_not_move_with_it() {
    // At rest in fractional coordinates, up to three cells away, in a cell that shrinks.
    let made = Made::new();
    let lengths: Vec<f64> = (0..FRAMES).map(|f| L * (1.0 - 0.003 * f as f64)).collect();
    let frames: Vec<Vec<[f64; 3]>> = lengths
        .iter()
        .map(|length| {
            (0..N).map(|i| [3.0 * length * i as f64 / N as f64, 0.2 * length, 0.4 * length]).collect()
        })
        .collect();
    let group = made.bare("all", &frames);
    times(&group.group("position").unwrap(), &every(100, FRAMES), 0.002, Some("ps"));
    let edges: Vec<f64> = lengths.iter().flat_map(|l| [*l; 3]).collect();
    let cell = group.create_group("box").unwrap();
    series(&cell, "edges", &[3], &edges, &every(100, FRAMES));
    dataset(&group, "species", &[N], &[1; N]);
    let (_, msd, said) = made.msd("1", &[]);
    // Of positions of 30 angstrom.
    assert!(msd < 1e-20, "{msd}");
    assert!(said.contains("the cell changes"), "{said}");
}

#[test]
fn a_system_under_shear_is_refused() {
    // ESPResSo writes an offset of zero where there is no shear.
    let frames = walk(0.8);
    for shift in [0.0, 0.7] {
        let made = Made::new();
        let group = made.group("atoms", &wrapped(&frames));
        dataset(&group, "species", &[N], &[1; N]);
        let shear = group.create_group("lees_edwards").unwrap();
        let mut offsets = [0.0; FRAMES];
        offsets[FRAMES - 1] = shift;
        series(&shear, "offset", &[1], &offsets, &every(100, FRAMES));
        if shift == 0.0 {
            assert_close(made.msd("1", &[]).1, moved(&frames, |_| true));
        } else {
            let error = made.refused(&[]);
            assert!(error.contains("lees_edwards/offset") && error.contains("shear"), "{error}");
        }
    }
}

#[test]
fn nothing_is_wrapped_along_an_edge_that_is_not_periodic() {
    // Along z they move by 0.7 L a frame, through where a wall would be; a placeholder that changes means nothing.
    let flat_walk = walk(0.8);
    let frames: Vec<Vec<[f64; 3]>> = flat_walk
        .iter()
        .enumerate()
        .map(|(f, frame)| {
            let z = |i: usize| 1.0 + 7.0 * ((f + i) % 2) as f64;
            frame.iter().enumerate().map(|(i, r)| [r[0], r[1], z(i)]).collect()
        })
        .collect();
    let in_plane: Vec<Vec<[f64; 3]>> = frames
        .iter()
        .map(|f| f.iter().map(|r| [r[0].rem_euclid(L), r[1].rem_euclid(L), r[2]]).collect())
        .collect();
    for placeholder in [L, 0.0] {
        let made = Made::new();
        let group = made.bare("all", &in_plane);
        times(&group.group("position").unwrap(), &every(100, FRAMES), 0.002, Some("ps"));
        let cell = group.create_group("box").unwrap();
        let words: Vec<VarLenUnicode> = ["periodic", "periodic", "none"].map(|w| w.parse().unwrap()).to_vec();
        cell.new_attr_builder().with_data(&words[..]).create("boundary").unwrap();
        let edges: Vec<f64> =
            (0..FRAMES).flat_map(|f| [L, L, placeholder * (1.0 + 0.1 * f as f64)]).collect();
        series(&cell, "edges", &[3], &edges, &every(100, FRAMES));
        dataset(&group, "species", &[N], &[1; N]);
        let (_, msd, _) = made.msd("1", &[]);
        assert_close(msd, moved(&frames, |_| true));
        assert!(made.convert(&[]).0.contains("pbc=\"T T F\""));
    }
    // A boundary that wrapped positions contradict.
    let made = Made::new();
    let group = made.bare("all", &wrapped(&flat_walk));
    Made::boxed(&group, &["none"; 3], L);
    dataset(&group, "species", &[N], &[1; N]);
    let error = made.refused(&[]);
    assert!(error.contains("`boundary` is `none`, but particles jump"), "{error}");
    // No box: nothing is.
    let made = Made::new();
    let group = made.bare("all", &frames);
    dataset(&group, "species", &[N], &[1; N]);
    assert_close(made.msd("1", &[]).1, moved(&frames, |_| true));
    assert!(made.convert(&[]).0.contains("pbc=\"F F F\""));
}
