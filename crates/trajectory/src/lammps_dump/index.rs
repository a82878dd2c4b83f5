//! Where the frames of a dump are: one pass over the file that keeps no atoms.

use std::io::BufRead;

use super::bounds::Bounds;
use super::units::Units;
use crate::echo::echo;

/// A longer line is no line of a dump (bytes).
const LONGEST_LINE: u64 = 1 << 20;

/// Where a frame is, and what its header says.
pub(super) struct Entry {
    /// First byte, and the byte behind the last.
    pub start: u64,
    pub end: u64,
    /// First line, from 1.
    pub line: u64,
    pub step: i64,
    /// In the dump's own unit.
    pub time: Option<f64>,
    pub atoms: usize,
    pub bounds: Bounds,
}

/// What one pass finds.
#[derive(Default)]
pub(super) struct Index {
    pub entries: Vec<Entry>,
    pub units: Option<Units>,
    /// Names of the columns of the first frame.
    pub columns: Vec<String>,
    pub end: End,
}

/// How a file ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Behind a frame.
    #[default]
    Whole,
    /// Within a frame.
    WithinFrame,
    /// Behind all columns of the last atom of a frame, but without a line break: its last number may be cut.
    WithinLastLine,
}

/// What is wrong with a frame.
#[derive(Debug)]
pub(super) struct Fault {
    pub line: u64,
    pub found: String,
    pub remedy: String,
}

impl Fault {
    pub fn at(line: u64, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { line, found: found.into(), remedy: remedy.into() }
    }
}

/// Why a pass ends early.
pub(super) enum ScanError {
    Read(std::io::Error),
    /// The number of a frame, and what is wrong with it.
    Frame(usize, Fault),
}

/// Finds all complete frames.
pub(super) fn scan(lines: impl BufRead) -> Result<Index, ScanError> {
    let mut scanner =
        Scanner { lines, place: 0, line: 0, first: 1, buffer: Vec::new(), index: Index::default() };
    loop {
        match scanner.frame()? {
            Found::Frame => {}
            Found::End(end) => {
                scanner.index.end = end;
                return Ok(scanner.index);
            }
        }
    }
}

enum Found {
    Frame,
    End(End),
}

enum Line {
    Text(String),
    /// Text without a line break, at the end of the file.
    Partial,
    End,
}

struct Scanner<R> {
    lines: R,
    /// Bytes and lines that have been read.
    place: u64,
    line: u64,
    /// First line of the frame that is being read.
    first: u64,
    buffer: Vec<u8>,
    index: Index,
}

/// The header of a frame, as far as it has been read.
#[derive(Clone, Copy, Default)]
struct Header {
    step: Option<i64>,
    atoms: Option<usize>,
    bounds: Option<Bounds>,
    time: Option<f64>,
}

const DAMAGED: &str = "the file is damaged there: remove the frame, or dump it again";

impl<R: BufRead> Scanner<R> {
    fn fault(&self, found: impl Into<String>, remedy: impl Into<String>) -> ScanError {
        ScanError::Frame(self.index.entries.len(), Fault::at(self.line, found, remedy))
    }

    /// Reads a line into the buffer; whether there is one, and whether it has its line break.
    fn read(&mut self) -> Result<(bool, bool), ScanError> {
        use std::io::Read;
        self.buffer.clear();
        let mut limited = Read::take(&mut self.lines, LONGEST_LINE);
        let n = limited.read_until(b'\n', &mut self.buffer).map_err(ScanError::Read)? as u64;
        self.place += n;
        self.line += 1;
        let whole = self.buffer.last() == Some(&b'\n');
        if n == LONGEST_LINE && !whole {
            return Err(self.fault(
                "a line of more than a million bytes",
                "give a text dump (dump custom or dump atom)",
            ));
        }
        Ok((n > 0, whole))
    }

    fn next(&mut self) -> Result<Line, ScanError> {
        Ok(match self.read()? {
            (false, _) => Line::End,
            (true, false) => Line::Partial,
            (true, true) => {
                let text = String::from_utf8_lossy(&self.buffer);
                // Some editors put a mark at the beginning.
                Line::Text(text.trim_start_matches('\u{feff}').trim().to_string())
            }
        })
    }

    /// The line below an item.
    fn value(&mut self) -> Result<Option<String>, ScanError> {
        match self.next()? {
            Line::Text(text) if text.contains("ITEM:") => {
                Err(self.unfinished("the next frame begins within its header"))
            }
            Line::Text(text) => Ok(Some(text)),
            Line::Partial | Line::End => Ok(None),
        }
    }

    fn frame(&mut self) -> Result<Found, ScanError> {
        let start = self.place;
        self.first = self.line + 1;
        let mut header = Header::default();
        let mut begun = false;
        loop {
            let text = match self.next()? {
                Line::Text(text) => text,
                Line::Partial => return Ok(Found::End(End::WithinFrame)),
                Line::End => return Ok(Found::End(if begun { End::WithinFrame } else { End::Whole })),
            };
            if text.is_empty() {
                continue;
            }
            if !text.starts_with("ITEM:") {
                return Err(self.stray(&text, begun));
            }
            begun = true;
            if let Some(columns) = text.strip_prefix("ITEM: ATOMS") {
                return self.atoms(header, columns, start);
            }
            if !self.item(&text, &mut header)? {
                return Ok(Found::End(End::WithinFrame));
            }
        }
    }

    /// A line that is no item, where one is expected.
    fn stray(&self, text: &str, begun: bool) -> ScanError {
        let found = format!("`{}`, where a line `ITEM: ...` is expected", echo(text));
        match self.index.entries.last() {
            Some(last) if !begun => ScanError::Frame(
                self.index.entries.len() - 1,
                Fault::at(self.line, format!("behind its {} atoms stands {found}", last.atoms), DAMAGED),
            ),
            None if !begun => self.fault(found, "give a text dump of LAMMPS (dump custom or dump atom)"),
            _ => self.fault(found, DAMAGED),
        }
    }

    /// Reads what is below an item of the header; false where the file ends.
    fn item(&mut self, text: &str, header: &mut Header) -> Result<bool, ScanError> {
        let again = match text {
            "ITEM: TIMESTEP" => header.step.is_some(),
            "ITEM: TIME" => header.time.is_some(),
            _ => false,
        };
        if again {
            return Err(self.unfinished("the next frame begins before its atoms"));
        }
        if text.contains("ENTRIES") || text.contains("GRID") {
            return Err(self.fault(
                format!("`{}`: a dump of local or grid quantities, not of atoms", echo(text)),
                "give a dump of atoms (dump custom or dump atom)",
            ));
        }
        if text.starts_with("ITEM: BOX BOUNDS") {
            let mut rows = Vec::new();
            for _ in 0..3 {
                let Some(row) = self.value()? else { return Ok(false) };
                rows.push(row);
            }
            header.bounds = Some(Bounds::parse(text, &rows).map_err(|found| {
                let fault = Fault::at(self.line - 3, found, "correct it there, or dump it again");
                ScanError::Frame(self.index.entries.len(), fault)
            })?);
            return Ok(true);
        }
        let Some(value) = self.value()? else { return Ok(false) };
        let wrong = |what: &str| format!("`{}` is no {what}", echo(&value));
        match text {
            "ITEM: TIMESTEP" => {
                header.step = Some(value.parse().map_err(|_| self.fault(wrong("step"), DAMAGED))?);
            }
            "ITEM: NUMBER OF ATOMS" => {
                header.atoms =
                    Some(value.parse().map_err(|_| self.fault(wrong("number of atoms"), DAMAGED))?);
            }
            "ITEM: TIME" => {
                let time = value.parse().ok().filter(|t: &f64| t.is_finite());
                header.time = Some(time.ok_or_else(|| self.fault(wrong("time"), DAMAGED))?);
            }
            "ITEM: UNITS" => self.units(&value)?,
            _ => {}
        }
        Ok(true)
    }

    fn units(&mut self, name: &str) -> Result<(), ScanError> {
        let Some(units) = Units::named(name) else {
            let known = Units::names().join(", ");
            return Err(
                self.fault(format!("`{}` are no units of LAMMPS", echo(name)), format!("those are {known}"))
            );
        };
        match self.index.units {
            Some(earlier) if earlier != units => Err(self.fault(
                format!("units {name}, where those before were {}", earlier.name()),
                "split the file there, and analyse the parts one by one",
            )),
            None if !self.index.entries.is_empty() => Err(self.fault(
                format!("units {name}, which the frames before do not name"),
                format!("put the two lines `ITEM: UNITS` and `{name}` at the head of the file, if they hold for all frames"),
            )),
            _ => {
                self.index.units = Some(units);
                Ok(())
            }
        }
    }

    /// Another frame begins on the line that was read last.
    fn unfinished(&self, found: impl Into<String>) -> ScanError {
        let lines = format!("remove the lines {} to {}", self.first, self.line - 1);
        let glued = if self.buffer.starts_with(b"ITEM:") {
            String::new()
        } else {
            format!(", and what stands before `ITEM:` in line {}", self.line)
        };
        self.fault(
            found,
            format!("its writer was stopped, and another run went on in the same file: {lines}{glued}"),
        )
    }

    /// Goes past the atoms of a frame.
    fn atoms(&mut self, header: Header, columns: &str, start: u64) -> Result<Found, ScanError> {
        let Header { step: Some(step), atoms: Some(atoms), bounds: Some(bounds), time } = header else {
            return Err(self.fault("`ITEM: ATOMS` comes before its step, number or box", DAMAGED));
        };
        let mut passed = 0;
        while passed < atoms {
            let (some, whole) = self.read()?;
            if !some {
                return Ok(Found::End(End::WithinFrame));
            }
            // Only items hold a colon.
            if self.buffer.contains(&b':') && self.buffer.windows(5).any(|w| w == b"ITEM:") {
                let found = format!("after {passed} of its {atoms} atoms the next frame begins");
                return Err(self.unfinished(found));
            }
            passed += usize::from(!self.buffer.trim_ascii().is_empty());
            if !whole {
                let words =
                    self.buffer.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
                let last = passed == atoms && words >= columns.split_whitespace().count();
                return Ok(Found::End(if last { End::WithinLastLine } else { End::WithinFrame }));
            }
        }
        if self.index.entries.is_empty() {
            self.index.columns = columns.split_whitespace().map(String::from).collect();
        }
        let end = self.place;
        self.index.entries.push(Entry { start, end, line: self.first, step, time, atoms, bounds });
        Ok(Found::Frame)
    }
}
