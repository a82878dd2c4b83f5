//! What messages repeat of a file.

/// Most characters of it.
const LONGEST: usize = 80;

/// `text` as messages repeat it: trimmed, short, without control characters.
pub(crate) fn echo(text: &str) -> String {
    let text = text.trim();
    let mut shown: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_and_no_control_character_reaches_a_terminal() {
        assert_eq!(echo(" a b\u{1b}[2Jc\tд\r\n"), "a b?[2Jc?д");
        assert_eq!(echo(&"д".repeat(81)), "д".repeat(80) + "...");
        assert_eq!(echo(&"y".repeat(80)), "y".repeat(80));
    }
}
