//! Frames that are cut, repeated, empty or hold what is no number.

use std::fmt::Write as _;

use crate::support::{
    ATOMS, Place, Style, analyze_file, assert_displacements, done, expected, refused, walk,
};

const TIMESTEP: [&str; 2] = ["--timestep", "2 fs"];
/// Lines of a frame: those of its header, and its atoms.
const LINES: usize = 9 + ATOMS;

/// <https://github.com/deepmodeling/dpdata/pull/1045>
#[test]
fn a_frame_that_a_killed_run_left_is_named_with_the_lines_to_remove() {
    let place = Place::new();
    let frames = walk(12);
    let style = Style::default();
    let (head, tail) = (style.write(&frames[..5]), style.write(&frames[5..]));
    let row = |text: &str, n: usize| text.match_indices('\n').nth(n).map_or(0, |(at, _)| at + 1);
    let broken = style.frame(&frames[5]);
    let cases = [
        // Behind an atom, within an atom, within the header, behind a number of the header.
        ("row", row(&broken, 14), "after 6 of its 24 atoms the next frame begins"),
        ("glued", row(&broken, 14) + 9, "after 6 of its 24 atoms the next frame begins"),
        ("header", row(&broken, 2), "the next frame begins within its header"),
        ("bounds", row(&broken, 6), "the next frame begins within its header"),
        ("step", row(&broken, 1), "begins before its atoms"),
        ("number", row(&broken, 3), "begins before its atoms"),
    ];
    for (name, cut, words) in cases {
        let found = place.refused(name, format!("{head}{}{tail}", &broken[..cut]), &TIMESTEP);
        assert!(found.contains(words) && found.contains("frame 5, line"), "{name}: {found}");
        assert!(found.contains(&format!("remove the lines {} to ", 5 * LINES + 1)), "{name}: {found}");
        assert_eq!(found.contains("stands before `ITEM:`"), name == "glued", "{name}: {found}");
    }
    // The remedy works.
    let (_, found) = place.analyze("mended", format!("{head}{tail}"), &TIMESTEP);
    assert_displacements(&found, 0.002, &expected(&frames));
    // Lines too many belong to the frame before them.
    let found = place.refused("more", format!("{head}99 1 1 1 1 0 0 0\n{tail}"), &TIMESTEP);
    assert!(found.contains("frame 4, line 166: behind its 24 atoms stands `99 1 1"), "{found}");
    // Cut where a step that went before is written again.
    let found = place.refused("back", format!("{head}{}", style.write(&frames[3..])), &TIMESTEP);
    assert!(found.contains("frame 5 is of step 300, the frame before of the later step 400"), "{found}");
}

/// `run` writes the last frame of the run before again; <https://github.com/deepmodeling/dpdata/pull/1045>
#[test]
fn a_frame_that_two_runs_wrote_is_taken_once() {
    let place = Place::new();
    let frames = walk(12);
    let expected = expected(&frames);
    let style = Style::default();
    // The second run may have wrapped its atoms anew, and dump them in another order.
    let mut again = frames[5..].to_vec();
    for s in &mut again[0].s {
        s.x += 3.0;
    }
    let reversed: String = {
        let text = style.frame(&again[0]);
        let mut lines: Vec<&str> = text.lines().collect();
        lines[9..].reverse();
        lines.join("\n") + "\n"
    };
    // Images count from the same cell, unlike these.
    let wrapped = Style::columns("id type x y z");
    for (name, text) in [
        ("same", style.write(&frames[..6]) + &style.write(&frames[5..])),
        (
            "order",
            wrapped.write(&frames[..6])
                + &reversed.replace(" ix iy iz", "").lines().enumerate().fold(
                    String::new(),
                    |mut text, (i, line)| {
                        let words: Vec<&str> = line.split(' ').collect();
                        let line = if i < 9 { line.to_string() } else { words[..5].join(" ") };
                        let _ = writeln!(text, "{line}");
                        text
                    },
                )
                + &wrapped.write(&frames[6..]),
        ),
        ("thrice", style.write(&frames[..6]) + &style.frame(&frames[5]) + &style.write(&frames[5..])),
    ] {
        let (words, found) = place.analyze(name, text, &TIMESTEP);
        let note = if name == "thrice" {
            "2 frames (steps 500 to 500) repeat"
        } else {
            "step 500 stands there twice"
        };
        assert!(words.contains(note), "{name}: {words}");
        assert_displacements(&found, 0.002, &expected);
        let h5 = place.path(&format!("{name}.h5"));
        done(&[&["convert", &place.path(name), &h5], &TIMESTEP[..]].concat());
        assert_displacements(&analyze_file(&h5, &[]).1, 0.002, &expected);
    }
    // An atom that the second run wrapped anew, with its image.
    let text = style.frame(&frames[5]);
    let row = text.lines().nth(9).unwrap();
    let mut words: Vec<String> = row.split(' ').map(String::from).collect();
    words[2] = (words[2].parse::<f64>().unwrap() - 10.0).to_string();
    words[5] = (words[5].parse::<f64>().unwrap() + 1.0).to_string();
    let anew = text.replacen(row, &words.join(" "), 1);
    let whole = style.write(&frames[..6]) + &anew + &style.write(&frames[6..]);
    let (words, found) = place.analyze("anew", whole, &TIMESTEP);
    assert!(words.contains("step 500 stands there twice"), "{words}");
    assert_displacements(&found, 0.002, &expected);
    // A second run that counts cells from 0 again: across it there are no displacements.
    for (name, columns) in [("images", "id type x y z ix iy iz"), ("unwrapped", "id type xu yu zu")] {
        let style = Style::columns(columns);
        let text = style.write(&frames[..6]) + &style.write(&again);
        let words = place.refused(name, text, &TIMESTEP);
        assert!(words.contains("frame 6 repeats the frame before (step 500)"), "{name}: {words}");
        assert!(words.contains("whole cells away") && words.contains("split the file there"), "{words}");
        done(&["info", &place.path(name)]);
    }
    // Nor if somebody has removed its first frame: of all atoms, or of one.
    for (name, atoms, note) in [("all", 0..ATOMS, "contradict each other"), ("one", 3..4, "counts them anew")]
    {
        let mut recounted = frames[6..].to_vec();
        for frame in &mut recounted {
            frame.s[atoms.clone()].iter_mut().for_each(|s| s.x += 1.0);
        }
        let words = place.refused(name, style.write(&frames[..6]) + &style.write(&recounted), &TIMESTEP);
        assert!(words.contains(note), "{name}: {words}");
    }
    // The same step with other places is no repetition.
    let mut other = frames[5..].to_vec();
    other[0].s[3].y += 0.01;
    let words = place.refused("other", style.write(&frames[..6]) + &style.write(&other), &TIMESTEP);
    assert!(
        words.contains("frame 6 is of step 500 like the frame before, but its atoms are elsewhere"),
        "{words}"
    );
}

/// <https://github.com/lammps/lammps/issues/1543>
#[test]
fn no_atoms_and_atoms_that_come_and_go_are_refused_by_all_commands() {
    let place = Place::new();
    let mut empty = walk(4);
    for frame in &mut empty {
        frame.s.clear();
    }
    let mut fewer = walk(4);
    fewer[2].s.truncate(7);
    let mut none = walk(4);
    none[3].s.clear();
    for (name, frames, words) in [
        ("empty", empty, "frame 0 holds no atoms"),
        ("fewer", fewer, "frame 2 holds 7 atoms, frame 0 24"),
        ("none", none, "frame 3 holds 0 atoms, frame 0 24"),
    ] {
        let found = place.refused(name, Style::default().write(&frames), &TIMESTEP);
        assert!(found.contains(words), "{found}");
        let found = refused(&["convert", &place.path(name), &place.path(&format!("{name}.h5"))]);
        assert!(found.contains(words) && !place.at(&format!("{name}.h5")).exists(), "{found}");
        done(&["info", &place.path(name)]);
    }
    // As many, but another one.
    let text = Style::default().write(&walk(4));
    let at = text.rfind("\n24 ").unwrap();
    let text = format!("{}\n77 {}", &text[..at], &text[at + 4..]);
    let found = place.refused("another", text, &TIMESTEP);
    assert!(found.contains("frame 3 has other atoms than the first frame (atom 77)"), "{found}");
}

#[test]
fn what_is_no_position_is_refused_with_frame_and_line() {
    let place = Place::new();
    let text = Style::columns("id type x y z").write(&walk(4));
    let row = text.lines().nth(2 * LINES + 12).unwrap().to_string();
    let x = row.split(' ').nth(2).unwrap().to_string();
    let long = "y".repeat(5000);
    for (name, new, words) in [
        ("nan", "nan", "`nan` is not finite"),
        ("minus-inf", "-inf", "`-inf` is not finite"),
        ("overflow", "1e999", "`1e999` is not finite"),
        ("huge", "1e308", "beyond 100 m"),
        ("letters", "1.O", "`1.O` is no number"),
        ("two", "1 1", "6 columns where `ITEM: ATOMS` names 5"),
        ("long", &long, "yyy..."),
    ] {
        let broken = text.replacen(&row, &row.replacen(&x, new, 1), 1);
        let found = place.refused(name, broken, &TIMESTEP);
        let line = format!("frame 2, line {}: ", 2 * LINES + 13);
        assert!(found.contains(&line) && found.contains(words), "{name}: {found}");
        let error = found.lines().find(|line| line.starts_with("error")).unwrap();
        assert!(error.len() < 800, "{name}: {} bytes", error.len());
    }
    // Fewer columns than names.
    let found = place.refused("few", text.replacen(&row, "4 1 2.0", 1), &TIMESTEP);
    assert!(found.contains("3 columns where `ITEM: ATOMS` names 5, in `4 1 2.0`"), "{found}");
    let images = Style::default().write(&walk(4)).replacen(" 0 0 0\n", " 0 0.5 0\n", 1);
    let found = place.refused("image", images, &TIMESTEP);
    assert!(found.contains("images that are no counts of cells"), "{found}");
}

#[test]
fn line_breaks_of_windows_blank_lines_and_marks_of_editors_are_read() {
    let place = Place::new();
    let frames = walk(6);
    let text = Style::default().write(&frames);
    let expected = expected(&frames);
    let blank_row = text.replacen("\n3 1 ", "\n\n3 1 ", 2);
    for (name, text) in [
        ("crlf", text.replace('\n', "\r\n")),
        ("first", format!("\n  \n{text}")),
        ("between", text.replace("ITEM: TIMESTEP", "\nITEM: TIMESTEP")),
        ("row", blank_row),
        ("mark", format!("\u{feff}{text}")),
        ("leading", text.replace("ITEM: ATOMS", " ITEM: ATOMS")),
        ("spaces", text.replace("ITEM: TIMESTEP", "ITEM: TIMESTEP  ").replace(" iz\n", " iz \n")),
    ] {
        let (_, found) = place.analyze(name, text, &TIMESTEP);
        assert_displacements(&found, 0.002, &expected);
    }
    let words = place.refused("comment", text.replacen("ITEM: NUMBER", "#####\nITEM: NUMBER", 1), &TIMESTEP);
    assert!(words.contains("line 3: `#####`, where a line `ITEM: ...` is expected"), "{words}");
}

/// <https://github.com/infretis/infretis/issues/137>
#[test]
fn a_last_line_without_a_line_break_is_said_to_be_left_out() {
    let place = Place::new();
    let frames = walk(6);
    let text = Style::default().write(&frames);
    let (words, found) = place.analyze("six", text.trim_end(), &TIMESTEP);
    assert!(words.contains("its last line has no line break"), "{words}");
    assert_displacements(&found, 0.002, &expected(&frames[..5]));
    let one = Style::default().write(&frames[..1]);
    let words = place.refused("one", one.trim_end(), &TIMESTEP);
    assert!(words.contains("no complete frame") && words.contains("line break"), "{words}");
}
