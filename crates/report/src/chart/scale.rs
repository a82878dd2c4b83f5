//! Axes: ranges, linear or logarithmic, and where their ticks are.

/// How values map to lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Equal differences are equal lengths.
    Linear,
    /// Equal ratios are equal lengths; only positive values have a place.
    Log,
}

/// One axis: its label with a unit, its range, its ticks.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Quantity and unit, with the markup of [`super::markup`].
    pub label: String,
    /// Linear or logarithmic.
    pub kind: Kind,
    /// Value at the start.
    pub low: f64,
    /// Value at the end.
    pub high: f64,
    labelled: bool,
}

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Where.
    pub value: f64,
    /// None: a short mark without a number.
    pub label: Option<String>,
}

impl Axis {
    /// A linear axis over a range.
    pub fn linear(label: &str, low: f64, high: f64) -> Self {
        let (low, high) = if high > low { (low, high) } else { (low - 0.5, low + 0.5) };
        Self { label: label.to_string(), kind: Kind::Linear, low, high, labelled: true }
    }

    /// A linear axis that holds all finite values, ends at round numbers and leaves a little room.
    pub fn linear_over(label: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = extremes(values.into_iter().filter(|v| v.is_finite())).unwrap_or((0.0, 1.0));
        // A single value has room of a tenth of it on either side.
        let alike = high - low <= 1e-9 * high.abs().max(low.abs());
        let room = if !alike {
            0.04 * (high - low)
        } else if high == 0.0 {
            1.0
        } else {
            0.1 * high.abs()
        };
        let step = round_step(high - low + 2.0 * room, 5);
        let (from, to) = (((low - room) / step).floor() * step, ((high + room) / step).ceil() * step);
        Self::linear(label, if low >= 0.0 { from.max(0.0) } else { from }, to)
    }

    /// A logarithmic axis that holds all positive values, with a little room.
    pub fn log_over(label: &str, values: impl IntoIterator<Item = f64>) -> Self {
        let positive = values.into_iter().filter(|v| v.is_finite() && *v > 0.0);
        let (low, high) = extremes(positive).unwrap_or((0.1, 10.0));
        let room = ((high / low).powf(0.04)).max(1.15);
        Self { label: label.to_string(), kind: Kind::Log, low: low / room, high: high * room, labelled: true }
    }

    /// The same axis, starting there at the latest.
    pub fn down_to(mut self, low: f64) -> Self {
        self.low = self.low.min(low);
        self
    }

    /// The same axis, ending there at the earliest.
    pub fn up_to(mut self, high: f64) -> Self {
        self.high = self.high.max(high);
        self
    }

    /// The same axis, starting exactly there.
    pub fn from(mut self, low: f64) -> Self {
        self.low = low;
        self
    }

    /// The same axis without numbers at its ticks (values in arbitrary units, or shared with a neighbour).
    pub fn without_numbers(mut self) -> Self {
        self.labelled = false;
        self
    }

    /// Place of a value along the axis: 0 at the start, 1 at the end; none for values without a place.
    pub fn place(&self, value: f64) -> Option<f64> {
        let place = match self.kind {
            Kind::Linear => (value - self.low) / (self.high - self.low),
            Kind::Log if value > 0.0 => (value / self.low).ln() / (self.high / self.low).ln(),
            Kind::Log => return None,
        };
        place.is_finite().then_some(place)
    }

    /// Value at a place.
    pub fn at(&self, place: f64) -> f64 {
        match self.kind {
            Kind::Linear => self.low + place * (self.high - self.low),
            Kind::Log => self.low * (self.high / self.low).powf(place),
        }
    }

    /// Marks of the axis, at most about `most` of them with numbers.
    pub fn ticks(&self, most: usize) -> Vec<Tick> {
        let mut ticks = match self.kind {
            Kind::Linear => self.linear_ticks(most),
            Kind::Log => self.log_ticks(most),
        };
        if !self.labelled {
            for tick in &mut ticks {
                tick.label = None;
            }
        }
        ticks
    }

    fn linear_ticks(&self, most: usize) -> Vec<Tick> {
        let step = round_step(self.high - self.low, most);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last)
            .map(|n| {
                let value = n as f64 * step;
                Tick { value, label: Some(minus(&format!("{value:.decimals$}"))) }
            })
            .collect()
    }

    /// Powers of ten, thinned where they are many, with 1, 2 and 5 times them where they are few.
    fn log_ticks(&self, most: usize) -> Vec<Tick> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let inside = |value: f64| (self.low * (1.0 - 1e-9)..=self.high * (1.0 + 1e-9)).contains(&value);
        let decades: Vec<i32> = (first..=last).filter(|n| inside(10f64.powi(*n))).collect();
        let powers = self.low < 0.9e-3 || self.high > 1.1e4;
        let every = decades.len().div_ceil(most.max(1)).max(1);
        let fine = decades.len() < 3;
        let mut ticks = Vec::new();
        for n in first..=last {
            for multiple in 1..10 {
                let value = f64::from(multiple) * 10f64.powi(n);
                if !inside(value) {
                    continue;
                }
                let labelled = if multiple == 1 {
                    (n.unsigned_abs() as usize).is_multiple_of(every)
                } else {
                    fine && (multiple == 2 || multiple == 5)
                };
                if multiple == 1 || decades.len() <= 9 {
                    ticks.push(Tick { value, label: labelled.then(|| log_number(multiple, n, powers)) });
                }
            }
        }
        ticks
    }
}

fn log_number(multiple: i32, exponent: i32, powers: bool) -> String {
    match (powers, multiple) {
        (false, _) => {
            let decimals = (-exponent).max(0) as usize;
            format!("{:.decimals$}", f64::from(multiple) * 10f64.powi(exponent))
        }
        (true, 1) => format!("10^{{{}}}", minus(&exponent.to_string())),
        (true, _) => format!("{multiple}·10^{{{}}}", minus(&exponent.to_string())),
    }
}

/// A number with the sign that typesetters use; never "-0".
fn minus(number: &str) -> String {
    let zero = number.trim_start_matches('-').chars().all(|c| c == '0' || c == '.');
    if zero { number.trim_start_matches('-').to_string() } else { number.replace('-', "−") }
}

fn extremes(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, v| {
        Some(range.map_or((v, v), |(low, high): (f64, f64)| (low.min(v), high.max(v))))
    })
}

/// A step of 1, 2 or 5 times a power of ten that divides `range` into at most `most` parts.
fn round_step(range: f64, most: usize) -> f64 {
    let rough = (range / most.max(1) as f64).max(f64::MIN_POSITIVE);
    let decade = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * decade)
        .find(|s| *s >= rough * (1.0 - 1e-9))
        .unwrap_or(10.0 * decade)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis, most: usize) -> Vec<String> {
        axis.ticks(most).into_iter().filter_map(|tick| tick.label).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(labels(&Axis::linear("", 0.0, 12.0), 6), ["0", "2", "4", "6", "8", "10", "12"]);
        assert_eq!(labels(&Axis::linear("", -0.1, 0.25), 4), ["−0.1", "0.0", "0.1", "0.2"]);
    }

    #[test]
    fn decades_are_labelled_as_people_write_them() {
        assert_eq!(labels(&Axis::log_over("", [0.02, 500.0]), 6), ["0.1", "1", "10", "100"]);
        let wide = labels(&Axis::log_over("", [1e-3, 1e9]), 6);
        assert!(wide.len() <= 7 && wide.contains(&"10^{6}".to_string()), "{wide:?}");
        assert_eq!(labels(&Axis::log_over("", [1.3, 4.0]), 6), ["2"]);
    }

    #[test]
    fn places_exist_only_for_values_of_the_axis() {
        let axis = Axis { low: 1.0, high: 100.0, ..Axis::log_over("", [1.0]) };
        assert_eq!(axis.place(0.0), None);
        assert_eq!(axis.place(f64::NAN), None);
        assert!((axis.place(10.0).unwrap() - 0.5).abs() < 1e-12);
        assert!((axis.at(0.5) - 10.0).abs() < 1e-12);
    }

    #[test]
    fn an_axis_over_equal_or_no_values_still_has_a_length() {
        for axis in [Axis::linear_over("", [2.0, 2.0]), Axis::linear_over("", []), Axis::log_over("", [])] {
            assert!(axis.high > axis.low && !axis.ticks(5).is_empty(), "{axis:?}");
        }
        // A mark at a single value is not cut by the frame.
        for value in [3.7, -2.0, 1e-4, 1e6] {
            let place = Axis::linear_over("", [value]).down_to(value.min(0.0)).place(value).unwrap();
            assert!((0.03..0.97).contains(&place), "{value} at {place}");
        }
    }
}
