//! Words to the user: results on stdout, messages on stderr, and neither may end a run.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};

/// A message on stderr. A terminal that has gone away is no reason to stop.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// A result on stdout.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).context("cannot write to stdout")
}

/// Whether the reader of stdout has gone, as `head` does.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe))
}

/// Most characters of a message, and how much of a longer one is shown from its beginning and its end: what it echoes of a file that
/// is no text can have any length.
const LONGEST: usize = 1500;
const SHOWN: usize = 100;

/// An error with its causes, each said once: many messages already contain their cause. Long echoes are cut.
pub fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let words = cause.to_string();
        if !text.contains(&words) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&words);
        }
    }
    if error.chain().any(is_out_of_descriptors) || text.contains("Too many open files") {
        text.push_str("; allow more with `ulimit -n 65536` in this shell");
    }
    shortened(text)
}

/// EMFILE.
fn is_out_of_descriptors(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|e| e.raw_os_error() == Some(24))
}

/// Cuts what is quoted at length, then what is still too long.
fn shortened(text: String) -> String {
    if text.chars().count() <= LONGEST {
        return text;
    }
    let cut = |piece: &str, most: usize| {
        let n = piece.chars().count();
        if n <= most {
            return piece.to_string();
        }
        let beginning: String = piece.chars().take(SHOWN).collect();
        format!("{beginning} ... ({} characters)", grouped(n as u64))
    };
    // What lies between two quotes is an odd piece.
    let quote = if text.contains('`') { '`' } else { '"' };
    let pieces = text.split(quote).enumerate();
    let pieces = pieces.map(|(i, piece)| if i % 2 == 1 { cut(piece, 4 * SHOWN) } else { piece.to_string() });
    let text = pieces.collect::<Vec<_>>().join(&quote.to_string());
    let n = text.chars().count();
    if n <= LONGEST {
        return text;
    }
    let (beginning, end): (String, String) =
        (text.chars().take(4 * SHOWN).collect(), text.chars().skip(n - 4 * SHOWN).collect());
    format!("{beginning} ... {end}")
}

/// The command line of this process, as a shell would take it.
pub fn command_line() -> String {
    std::env::args_os().map(|word| shell_word(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// A path as a word for a shell.
pub fn path_word(path: &Path) -> String {
    shell_word(&path.to_string_lossy())
}

/// A word in single quotes where a shell would take it for anything else.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Columns aligned by padding: words to the left, numbers to the right.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let is_number = |cell: &String| cell.starts_with(|c: char| c.is_ascii_digit() || "-+.".contains(c));
    let right: Vec<bool> =
        (0..header.len()).map(|i| rows.iter().any(|row| row.get(i).is_some_and(is_number))).collect();
    let line = |cells: &[String]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(i, (cell, &w))| if right[i] { format!("{cell:>w$}") } else { format!("{cell:<w$}") })
            .collect();
        padded.join("  ").trim_end().to_string()
    };
    let header: Vec<String> = header.iter().map(ToString::to_string).collect();
    std::iter::once(&header).chain(rows).map(|row| line(row)).collect::<Vec<_>>().join("\n")
}

/// A time as people say it: 12 s, 3 min 05 s, 2 h 10 min, 3.4 days.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_string();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..=59 if seconds < 10.0 => format!("{seconds:.1} s"),
        0..=59 => format!("{whole} s"),
        60..=3599 => format!("{} min {:02} s", whole / 60, whole % 60),
        3600..=172_799 => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

/// 1,234,567.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = digits[..first].to_string();
    for start in (first..digits.len()).step_by(3) {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&digits[start..start + 3]);
    }
    text
}

/// -1,234,567.
pub fn grouped_signed(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(number.unsigned_abs()))
}

/// 1.2 GiB.
pub fn bytes(number: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// A simulated time (ps) in the unit that suits it.
pub fn simulated(picoseconds: f64) -> String {
    match picoseconds {
        t if t >= 1e6 => format!("{:.4} us", t / 1e6),
        t if t >= 1e3 => format!("{:.3} ns", t / 1e3),
        t => format!("{t:.2} ps"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(123_456), "123,456");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!((grouped_signed(-1_234), grouped_signed(3)), ("-1,234".into(), "3".into()));
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(3.12), "3.1 s");
        assert_eq!(duration(59.6), "1 min 00 s");
        assert_eq!(duration(185.0), "3 min 05 s");
        assert_eq!(duration(7800.0), "2 h 10 min");
        assert_eq!(duration(f64::INFINITY), "unknown");
    }

    #[test]
    fn causes_are_said_once() {
        let error =
            anyhow::anyhow!("disk full").context("a.h5: cannot be written: disk full; free some space");
        assert_eq!(chain(&error), "a.h5: cannot be written: disk full; free some space");
        let error = anyhow::anyhow!("disk full").context("cannot write");
        assert_eq!(chain(&error), "cannot write: disk full");
    }

    #[test]
    fn long_echoes_are_cut_and_the_rest_stays() {
        let text = |error: String| chain(&anyhow::anyhow!(error));
        let cut = text(format!("a.data: line 3: `{}` is no number; remove it", "x".repeat(400_000)));
        assert!(cut.len() < 300 && cut.starts_with("a.data: line 3: `xxx"), "{cut}");
        assert!(cut.ends_with("... (400,000 characters)` is no number; remove it"), "{cut}");
        let unquoted = text(format!("begin {} end", "é".repeat(400_000)));
        assert!(
            unquoted.chars().count() < 1000 && unquoted.starts_with("begin é") && unquoted.ends_with("é end")
        );
        // A command with long paths is to be copied.
        let command = format!("analyse again with `vitrion analyze {}`", "/directory".repeat(50));
        assert_eq!(text(command.clone()), command);
    }

    #[test]
    fn too_many_open_files_has_its_remedy() {
        let error = anyhow::Error::from(io::Error::from_raw_os_error(24)).context("a.h5: cannot be opened");
        assert!(chain(&error).contains("ulimit -n"), "{}", chain(&error));
        assert!(!chain(&anyhow::anyhow!("no such file")).contains("ulimit"));
    }

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        for plain in ["ckn-run/replica-000.h5", "--q=3.7", "a_b", "Käse"] {
            assert_eq!(shell_word(plain), plain);
        }
        assert_eq!(shell_word("mo ved"), "'mo ved'");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("$HOME*"), "'$HOME*'");
    }

    #[test]
    fn columns_line_up() {
        let text = table(&["name", "x"], &[vec!["a".into(), "10".into()], vec!["long".into(), "1".into()]]);
        assert_eq!(text, "name   x\na     10\nlong   1");
    }
}
