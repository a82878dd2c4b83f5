//! Mutations of files, drawn from a number.

/// Pseudo-random numbers: SplitMix64, Steele, Lea and Flood, doi:10.1145/2660193.2660195.
pub struct Draw(u64);

impl Draw {
    /// All draws follow from the number.
    pub fn new(number: u64) -> Self {
        Self(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `n`; 0 where `n` is.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.next() % n as u64) as usize }
    }
}

/// Numbers that parsers, sums and allocations do not expect.
const NUMBERS: [&str; 24] = [
    "nan",
    "inf",
    "-inf",
    "0",
    "-0",
    "1",
    "-1",
    "0.0",
    "1e308",
    "-1e308",
    "1e-320",
    "1e12",
    "1e6",
    "1e5",
    "1e-6",
    "100000000",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "1000000000000000000000",
    "1.5",
    "0x10",
];

/// One to three mutations of a file.
pub fn mutant(mut bytes: Vec<u8>, binary: bool, draw: &mut Draw) -> Vec<u8> {
    for _ in 0..=draw.below(3) {
        bytes = if binary || draw.below(8) == 0 { damaged(bytes, draw) } else { edited(&bytes, draw) };
    }
    bytes
}

/// What disks, copies and cables do.
fn damaged(mut bytes: Vec<u8>, draw: &mut Draw) -> Vec<u8> {
    let n = bytes.len();
    let at = draw.below(n);
    match draw.below(6) {
        0 | 1 => {
            for _ in 0..=draw.below(4) {
                let at = draw.below(n);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << draw.below(8);
                }
            }
        }
        2 => bytes.truncate(at),
        3 => {
            // A page that was never written.
            let page = [64, 512, 4096][draw.below(3)];
            let start = at / page * page;
            let end = (start + page).min(n);
            bytes[start..end].fill(0);
        }
        4 => {
            let end = (at + 8).min(n);
            let value = [0u8, 0xff, 0x7f, 0x80][draw.below(4)];
            bytes[at..end].fill(value);
        }
        _ => {
            // A block twice.
            let end = (at + [16, 512, 4096][draw.below(3)]).min(n);
            let block = bytes[at..end].to_vec();
            bytes.splice(at..at, block);
        }
    }
    bytes
}

/// What editors and scripts do.
fn edited(bytes: &[u8], draw: &mut Draw) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    if lines.is_empty() {
        return bytes.to_vec();
    }
    let n = lines.len();
    let at = draw.below(n);
    match draw.below(9) {
        0 => {
            let line = lines[at].clone();
            lines.insert(draw.below(n), line);
        }
        1 => drop(lines.remove(at)),
        2 => lines.swap(at, draw.below(n)),
        3 => {
            // A section: from a line that begins one to the next such line.
            let begins = |line: &String| {
                line.starts_with("ITEM:") || line.starts_with('[') || line.starts_with(char::is_alphabetic)
            };
            let starts: Vec<usize> = (0..n).filter(|&i| begins(&lines[i])).collect();
            let first = draw.below(starts.len());
            if let Some(&start) = starts.get(first) {
                let end = starts.get(first + 1).copied().unwrap_or(n);
                lines.drain(start..end);
            }
        }
        4 => {
            let other = draw.below(n);
            if let (Some(a), Some(b)) = (number_in(&lines[at], draw), number_in(&lines[other], draw)) {
                let (x, y) = (lines[at][a.clone()].to_string(), lines[other][b.clone()].to_string());
                // From the back, so that places in the same line stay right.
                if at != other {
                    lines[at].replace_range(a, &y);
                    lines[other].replace_range(b, &x);
                }
            }
        }
        5 => {
            let word = ["\u{b5}", "\u{0}", "\"", "]", "#", "\t", "e", "-", "=", "&"][draw.below(10)];
            let places: Vec<usize> = lines[at].char_indices().map(|(i, _)| i).collect();
            let place = places.get(draw.below(places.len())).copied().unwrap_or(0);
            lines[at].insert_str(place, word);
        }
        _ => {
            // Of the lines from here on, the first that has a number.
            let found = (0..n).map(|k| (at + k) % n).find_map(|i| Some((i, number_in(&lines[i], draw)?)));
            if let Some((line, place)) = found {
                lines[line].replace_range(place, NUMBERS[draw.below(NUMBERS.len())]);
            }
        }
    }
    let mut edited = lines.join("\n").into_bytes();
    if bytes.last() == Some(&b'\n') {
        edited.push(b'\n');
    }
    edited
}

/// Where one of the numbers of a line stands.
fn number_in(line: &str, draw: &mut Draw) -> Option<std::ops::Range<usize>> {
    let is_part = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+');
    let bytes = line.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = (at..bytes.len()).find(|&i| !is_part(bytes[i])).unwrap_or(bytes.len());
        if bytes[at..end].iter().any(u8::is_ascii_digit) {
            found.push(at..end);
        }
        at = end + 1;
    }
    let chosen = draw.below(found.len());
    found.into_iter().nth(chosen)
}
