//! The rule by which a trajectory is gone on with: the journal is the judge, HDF5 is asked only about what was closed in order, all is
//! verified before the first write, and nothing is lost that may be the only good one.

use super::*;

const FRAMES: u64 = 12;
/// Counts are taken after so many frames, twice.
const EVERY: u64 = 4;

/// A run that was killed after its second checkpoint, and the rows of both.
fn killed(path: &Path) -> [Counts; 2] {
    let mut writer = TrajectoryWriter::create(path, &header()).unwrap();
    writer.sync().unwrap();
    let counts = [1, 2].map(|part| {
        (EVERY * (part - 1)..EVERY * part).for_each(|index| append(&mut writer, index).unwrap());
        writer.sync().unwrap()
    });
    append(&mut writer, 2 * EVERY).unwrap();
    counts
}

/// One that was stopped in order.
fn stopped(path: &Path, end: u64) -> Counts {
    let mut writer = TrajectoryWriter::create(path, &header()).unwrap();
    (0..end).for_each(|index| append(&mut writer, index).unwrap());
    writer.finish().unwrap()
}

fn whole(directory: &tempfile::TempDir) -> PathBuf {
    let path = directory.path().join("whole.h5");
    run(TrajectoryWriter::create(&path, &header()).unwrap(), FRAMES);
    path
}

fn reopen(path: &Path, counts: &Counts) -> Result<TrajectoryWriter, H5mdError> {
    TrajectoryWriter::reopen(path, &header(), counts)
}

/// Name and bytes of every file.
fn files(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let mut all: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), std::fs::read(&path).unwrap_or_default()))
        .collect();
    all.sort();
    all
}

fn restore(path: &Path, files: &[(PathBuf, Vec<u8>)]) {
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for (path, bytes) in files {
        std::fs::write(path, bytes).unwrap();
    }
}

fn flip(path: &Path, at: u64) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at as usize] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// The bytes of a row of positions.
fn place_of(path: &Path, row: usize) -> raw_chunks::Place {
    let file = opening::open_file(path).unwrap();
    let series =
        series::Series::<f32>::open(&file.group("particles/all/position").unwrap(), "value").unwrap();
    raw_chunks::place(series::Rows::dataset(&series), row).unwrap()
}

/// HDF5 goes through all chunks to say where one is; neither a seal nor a file that is made anew may cost that for every row.
#[test]
fn neither_a_seal_nor_a_new_file_looks_for_rows_in_the_index_of_all() {
    let (_directory, path) = in_directory("run.h5");
    // Its index splits, again and again.
    let header = Header { expected_rows: 10, ..header() };
    let slow = || raw_chunks::SLOW.with(std::cell::Cell::get);
    let before = slow();
    let mut writer = TrajectoryWriter::create(&path, &header).unwrap();
    let mut counts = writer.sync().unwrap();
    for index in 0..400 {
        append(&mut writer, index).unwrap();
        if index % 50 == 49 {
            counts = writer.sync().unwrap();
        }
    }
    drop(writer);
    assert_eq!(slow(), before, "of 1400 rows that were sealed");
    let mut writer = TrajectoryWriter::reopen(&path, &header, &counts).unwrap();
    assert_eq!(slow(), before, "of 1400 rows that were put into a new file");
    (400..420).for_each(|index| append(&mut writer, index).unwrap());
    let counts = writer.sync().unwrap();
    assert_eq!(slow(), before, "after that");
    drop(writer);
    // The places are the right ones.
    drop(TrajectoryWriter::reopen(&path, &header, &counts).unwrap());
    let reader = TrajectoryReader::open(&path).unwrap();
    (0..420).for_each(|index| assert_frame(&reader.frame(index).unwrap(), index as u64));
}

#[test]
fn the_checkpoint_before_serves_after_a_resume_that_was_killed() {
    let (directory, path) = in_directory("run.h5");
    let whole = whole(&directory);
    let [early, late] = killed(&path);
    let mut resumed = reopen(&path, &late).unwrap();
    append(&mut resumed, 2 * EVERY).unwrap();
    drop(resumed);
    run(reopen(&path, &early).unwrap(), FRAMES);
    assert_same_contents(&path, &whole);
}

#[test]
fn after_the_trajectory_has_its_name_its_journal_is_kept_whatever_fails() {
    let (directory, path) = in_directory("run.h5");
    let [early, late] = killed(&path);
    let before = files(&path);
    let [old, old_journal] = [before[0].1.clone(), before[1].1.clone()];
    assert_eq!(before[0].0.extension().unwrap(), "h5");
    // The directory cannot be forced to the disk after the first rename.
    resume::FAILS.with(|fails| fails.set(true));
    assert!(reopen(&path, &late).err().unwrap().to_string().contains("its name to the disk"));
    let cut = files(&path);
    let names: Vec<_> = cut.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["run.h5", "run.h5.journal", "run.journal"]);
    assert!(cut[0].1 != old && cut[2].1 == old_journal);
    let whole = directory.path().join("whole.h5");
    for (counts, fails) in [(&late, false), (&early, false), (&late, true), (&early, true)] {
        restore(&path, &cut);
        let new_journal = directory.path().join("run.h5.journal");
        if fails {
            // The journal cannot be read today: nothing is decided, and nothing removed.
            std::fs::remove_file(&new_journal).unwrap();
            std::os::unix::fs::symlink("run.h5.journal", &new_journal).unwrap();
            let error = reopen(&path, counts).err().unwrap();
            assert!(matches!(error, H5mdError::Journal { .. }), "{error}");
            std::fs::remove_file(&new_journal).unwrap();
            std::fs::write(&new_journal, &cut[1].1).unwrap();
            assert!(files(&path) == cut);
        }
        run(reopen(&path, counts).unwrap(), FRAMES);
        if !whole.exists() {
            run(TrajectoryWriter::create(&whole, &header()).unwrap(), FRAMES);
        }
        assert_same_contents(&path, &whole);
        assert!(!new_journal.exists());
    }
}

#[test]
fn what_a_resume_left_that_was_killed_is_removed() {
    let (directory, path) = in_directory("run.h5");
    let [_, late] = killed(&path);
    for name in ["run.h5.rebuilt", "run.h5.rebuilt.new", "run.h5.journal"] {
        std::fs::write(directory.path().join(name), "half of it").unwrap();
    }
    drop(reopen(&path, &late).unwrap());
    assert_eq!(files(&path).len(), 2);
}

#[test]
fn a_lost_row_is_found_before_anything_is_written_and_the_checkpoint_before_it_serves() {
    let (directory, path) = in_directory("run.h5");
    let whole = whole(&directory);
    let [early, late] = killed(&path);
    flip(&path, place_of(&path, 5).offset + 100);
    let before = files(&path);
    let watch: &mut Watch = &mut |_, _, _| false;
    let error = Standing::find(&path, &late, watch).err().unwrap();
    assert!(matches!(error, H5mdError::Mismatch { .. }), "the one before may serve");
    assert!(error.to_string().contains("row 5 of frames/position"), "{error}");
    assert!(files(&path) == before);
    run(reopen(&path, &early).unwrap(), FRAMES);
    assert_same_contents(&path, &whole);
}

#[test]
fn a_resume_stops_when_it_is_asked_to_and_changes_nothing() {
    let (_directory, path) = in_directory("run.h5");
    let [_, late] = killed(&path);
    let before = files(&path);
    for calls in [1, 3, 30, 50] {
        let mut left = calls;
        let mut done = 0;
        let watch: &mut Watch = &mut |_, now, of| {
            assert!(now <= of, "{now} of {of}");
            done += 1;
            left -= 1;
            left == 0
        };
        let result = Standing::find(&path, &late, watch)
            .and_then(|standing| standing.check(&header(), watch))
            .and_then(|resume| resume.open(watch));
        assert!(matches!(result, Err(H5mdError::Stopped { .. })), "after {calls}");
        assert_eq!(done, calls);
        assert!(files(&path) == before, "after {calls}");
    }
}

/// First byte of every record of a journal.
fn records(journal: &[u8]) -> Vec<usize> {
    let mut at = b"vitrion-journal 1\n".len();
    let mut all = Vec::new();
    while at < journal.len() {
        all.push(at);
        at += 8 + u32::from_le_bytes(journal[at..at + 4].try_into().unwrap()) as usize;
    }
    all
}

#[test]
fn a_closed_trajectory_goes_on_whatever_is_wrong_with_its_journal() {
    let (directory, path) = in_directory("run.h5");
    let whole = whole(&directory);
    stopped(&path, 3);
    let old_journal = std::fs::read(path.with_extension("journal")).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_file(path.with_extension("journal")).unwrap();
    let counts = stopped(&path, 8);
    let closed = files(&path);
    let journal = std::fs::read(path.with_extension("journal")).unwrap();
    let all = records(&journal);
    assert!(all.len() > 10);
    let mut damaged: Vec<Vec<u8>> = all
        .iter()
        .map(|at| {
            let mut bytes = journal.clone();
            bytes[at + 9] ^= 1;
            bytes
        })
        .collect();
    damaged.push(b"no journal".to_vec());
    damaged.push(Vec::new());
    // Of an earlier part of this run, put back from a copy.
    damaged.push(old_journal);
    let mut said = 0;
    for (number, bytes) in damaged.into_iter().enumerate() {
        restore(&path, &closed);
        std::fs::write(path.with_extension("journal"), &bytes).unwrap();
        let watch: &mut Watch = &mut |_, _, _| false;
        let standing =
            Standing::find(&path, &counts, watch).unwrap_or_else(|error| panic!("{number}: {error}"));
        if let Some(note) = standing.note() {
            said += 1;
            assert!(note.contains("run.journal") && note.contains("closed in order"), "{note}");
        }
        let resume = standing.check(&header(), watch).unwrap();
        assert!(std::fs::read(path.with_extension("journal")).unwrap() == bytes, "nothing is written yet");
        run(resume.open(watch).unwrap(), FRAMES);
        assert_same_contents(&path, &whole);
        let kept = path.with_extension("journal.rejected");
        assert!(!kept.exists() || std::fs::read(&kept).unwrap() == bytes);
    }
    // All but the last record, of the orderly end itself, and what is no journal.
    assert_eq!(said, all.len() + 2);
    // A trajectory that was not closed in order has no other judge.
    restore(&path, &closed);
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_file(path.with_extension("journal")).unwrap();
    let [_, late] = killed(&path);
    std::fs::write(path.with_extension("journal"), "no journal").unwrap();
    let error = reopen(&path, &late).err().unwrap().to_string();
    assert!(error.contains("does not begin as one") && error.contains("`run.journal`"), "{error}");
}

#[test]
fn without_a_journal_a_row_of_any_series_that_was_never_written_is_refused() {
    let (_directory, path) = in_directory("run.h5");
    let counts = run(TrajectoryWriter::create(&path, &header()).unwrap(), 8);
    std::fs::remove_file(path.with_extension("journal")).unwrap();
    let closed = files(&path);
    let names: Vec<String> = {
        let file = opening::open_file(&path).unwrap();
        let elements = elements::Elements::open(&file, &header().stages).unwrap();
        elements.series().iter().map(|(name, _, _)| name.clone()).collect()
    };
    assert!(names.len() > 30);
    for (index, name) in names.iter().enumerate() {
        restore(&path, &closed);
        {
            let file = hdf5::File::open_rw(&path).unwrap();
            let elements = elements::Elements::open(&file, &header().stages).unwrap();
            let series = elements.series();
            let dataset = series[index].2.dataset();
            let mut shape = dataset.shape();
            let rows = shape[0];
            // The row before the last one, or the only one, is lost.
            shape[0] = rows.saturating_sub(2);
            dataset.resize(shape.clone()).unwrap();
            shape[0] = rows;
            dataset.resize(shape).unwrap();
        }
        let before = files(&path);
        let error = reopen(&path, &counts).err().unwrap_or_else(|| panic!("{name} is accepted")).to_string();
        assert!(error.contains(name) && error.contains("never written"), "{name}: {error}");
        assert!(files(&path) == before);
    }
    restore(&path, &closed);
    assert!(reopen(&path, &counts).is_ok());
}

/// Some versions of HDF5 crash or hang on files whose directory is torn: after a kill they are not opened.
#[test]
fn a_file_that_was_not_closed_in_order_is_not_opened_by_hdf5() {
    let (directory, path) = in_directory("run.h5");
    let whole = whole(&directory);
    let [_, late] = killed(&path);
    let killed = files(&path);
    let signatures: [&[u8]; 5] = [b"\x89HDF", b"HEAP", b"TREE", b"SNOD", b"GCOL"];
    for number in 0..4 * signatures.len() {
        restore(&path, &killed);
        let mut bytes = std::fs::read(&path).unwrap();
        let signature = signatures[number / 4];
        let places: Vec<usize> =
            (0..bytes.len() - 512).filter(|at| bytes[*at..].starts_with(signature)).collect();
        assert!(!places.is_empty());
        for at in places {
            let range = at + 4..at + 4 + [4, 28, 60, 124][number % 4];
            // The hash by which the file is known lies in a heap of texts; rows lie elsewhere.
            match number % 3 {
                0 => bytes[range].fill(0),
                1 => bytes[range].fill(0xff),
                _ => bytes[range].iter_mut().enumerate().for_each(|(i, b)| *b = b.wrapping_add(i as u8)),
            }
        }
        std::fs::write(&path, bytes).unwrap();
        let resumed = reopen(&path, &late).unwrap_or_else(|error| panic!("{number}: {error}"));
        run(resumed, FRAMES);
        assert_same_contents(&path, &whole);
    }
}

#[test]
fn a_file_that_another_program_wrote_anew_is_gone_on_with_as_hdf5_reads_it() {
    let (directory, path) = in_directory("run.h5");
    let whole = whole(&directory);
    let counts = stopped(&path, 8);
    let journal = std::fs::read(path.with_extension("journal")).unwrap();
    // The same rows in other places.
    let other = directory.path().join("other.h5");
    let mut writer = TrajectoryWriter::create(&other, &Header { expected_rows: 1000, ..header() }).unwrap();
    (0..8).for_each(|index| append(&mut writer, index).unwrap());
    writer.finish().unwrap();
    let marked = std::fs::read(&other).unwrap();
    for bytes in [&marked[..marked.len() - closing::LENGTH], &marked[..]] {
        std::fs::write(&path, bytes).unwrap();
        std::fs::write(path.with_extension("journal"), &journal).unwrap();
        let watch: &mut Watch = &mut |_, _, _| false;
        let standing = Standing::find(&path, &counts, watch).unwrap();
        assert!(standing.note().unwrap().contains("as HDF5 reads it"));
        run(standing.check(&header(), watch).unwrap().open(watch).unwrap(), FRAMES);
        assert_same_contents(&path, &whole);
    }
    // Of an end that was not in order nobody knows what HDF5 would read.
    std::fs::remove_file(&path).unwrap();
    let [_, late] = killed(&path);
    std::fs::write(&path, &marked[..marked.len() - closing::LENGTH]).unwrap();
    let error = reopen(&path, &late).err().unwrap().to_string();
    assert!(error.contains("is lost") && error.contains("move its journal away"), "{error}");
    std::fs::rename(path.with_extension("journal"), path.with_extension("away")).unwrap();
    run(reopen(&path, &late).unwrap(), FRAMES);
    assert_same_contents(&path, &whole);
}

#[test]
fn a_trajectory_of_another_run_is_not_taken_for_this_one() {
    let (directory, path) = in_directory("run.h5");
    let [_, late] = killed(&path);
    let other = directory.path().join("other.h5");
    let mut header = header();
    header.provenance.config.push('#');
    let mut writer = TrajectoryWriter::create(&other, &header).unwrap();
    let none = writer.sync().unwrap();
    (1..9).for_each(|index| append(&mut writer, index).unwrap());
    writer.sync().unwrap();
    drop(writer);
    // With rows that the journal names, and before the first.
    std::fs::copy(&other, &path).unwrap();
    let before = files(&path);
    for counts in [late, none] {
        let error = reopen(&path, &counts).err().unwrap().to_string();
        assert!(error.contains("is lost") || error.contains("belongs to another run"), "{error}");
        assert!(files(&path) == before);
    }
}

#[test]
fn a_file_closed_in_order_is_gone_on_with_in_place() {
    use std::os::unix::fs::MetadataExt as _;
    let (directory, path) = in_directory("run.h5");
    let whole = whole(&directory);
    let counts = stopped(&path, 8);
    let inode = || std::fs::metadata(&path).unwrap().ino();
    let before = inode();
    let writer = reopen(&path, &counts).unwrap();
    assert_eq!(inode(), before);
    assert!(closing::Closing::read(&path).unwrap().is_none(), "it looks closed while it is written");
    run(writer, FRAMES);
    assert!(closing::Closing::read(&path).unwrap().is_some());
    assert_same_contents(&path, &whole);
    // Of the time before there were such marks: made anew.
    let counts = run(reopen(&path, &counts).unwrap(), FRAMES);
    let journal = std::fs::read(path.with_extension("journal")).unwrap();
    let last = *records(&journal).last().unwrap();
    std::fs::write(path.with_extension("journal"), &journal[..last]).unwrap();
    closing::Closing::read(&path).unwrap().unwrap().remove(&path).unwrap();
    let before = inode();
    reopen(&path, &counts).unwrap().finish().unwrap();
    assert_ne!(inode(), before);
    assert_same_contents(&path, &whole);
}
