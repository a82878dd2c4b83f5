//! What a user reads about a configuration that is not accepted.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// Why a configuration is not accepted. Nothing has been written then.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}; check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// What was asked for with `--extend` is no time, or not one of this configuration.
    #[error("--extend \"{by}\": {finding}; {remedy}")]
    Extension {
        /// What was asked for.
        by: String,
        /// What was found.
        finding: String,
        /// What to do.
        remedy: String,
    },
    /// The configuration would not be accepted with a longer last stage.
    #[error("--extend \"{by}\": with so much more the configuration is not accepted: {source}")]
    Extended {
        /// What was asked for.
        by: String,
        /// Why not.
        source: Box<ConfigError>,
    },
    /// A place in the file is not as it must be.
    #[error("{}, line {line}, {key}: {finding}; {remedy}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Key, in backticks, with its table.
        key: String,
        /// What was found.
        finding: String,
        /// What is allowed, and what to do.
        remedy: String,
    },
}

/// A finding at a place of the text, before it has a file name and a line.
#[derive(Debug)]
pub(super) struct Problem {
    /// Byte of the text.
    pub at: usize,
    /// Key with its table.
    pub key: String,
    /// What was found.
    pub finding: String,
    /// What is allowed.
    pub remedy: String,
}

impl Problem {
    pub fn new(
        span: &Range<usize>,
        key: impl Into<String>,
        finding: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { at: span.start, key: key.into(), finding: finding.into(), remedy: remedy.into() }
    }

    pub fn place(self, path: &Path, text: &str) -> ConfigError {
        ConfigError::Invalid {
            path: path.to_path_buf(),
            line: line_of(text, self.at),
            key: format!("`{}`", self.key),
            finding: self.finding,
            remedy: self.remedy,
        }
    }
}

/// Line, from 1, of a byte.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|b| *b == b'\n').count()
}

/// What the TOML reader found, with a suggestion where a key is misspelt.
pub(super) fn of_syntax(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let span = error.span().unwrap_or(0..0);
    let message = error.message().replace('\n', " ");
    let mut names = message.split('`').skip(1).step_by(2);
    if let (true, Some(found)) = (message.starts_with("unknown field"), names.next()) {
        let allowed: Vec<&str> = names.collect();
        let suggestion = closest(found, &allowed).map_or(String::new(), |c| format!("did you mean `{c}`? "));
        return Problem::new(
            &span,
            found,
            "this key is not known here",
            format!("{suggestion}allowed are {}", allowed.join(", ")),
        )
        .place(path, text);
    }
    let word = text.get(span.clone()).unwrap_or("").lines().next().unwrap_or("").trim();
    let line = text.get(..span.start).map_or("", |before| before.rsplit('\n').next().unwrap_or(""));
    let key = match (line.split_once('='), names.next()) {
        (Some((key, _)), _) => key.trim().to_owned(),
        (None, Some(name)) if message.starts_with("missing field") => name.to_owned(),
        _ => word.chars().take(40).collect(),
    };
    Problem::new(&span, key, message, "see the commented files in configs/").place(path, text)
}

/// The name that differs in the fewest letters, if it is not too far.
pub(super) fn closest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let limit = 1 + word.len() / 3;
    names.iter().map(|n| (edit_distance(word, n), *n)).filter(|(d, _)| *d <= limit).min().map(|(_, n)| n)
}

/// Number of letters to insert, delete or replace (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
