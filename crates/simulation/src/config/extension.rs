//! The configuration of a run that is made longer.

use std::ops::Range;

use vitrion_core::units::{Dimension, parse_quantity, parse_unit, unit_of};

use super::error::Problem;
use super::stages::steps_of;
use super::{Config, ConfigError, file};

impl Config {
    /// The configuration whose last stage is longer by `by`, a time such as "10 ns".
    ///
    /// Of the text nothing changes but the value of `duration` of that stage, which keeps its unit; comments and layout stay. The new
    /// text is validated as a configuration that was asked for at once.
    pub fn extended(&self, by: &str) -> Result<Self, ConfigError> {
        let refused =
            |finding: String, remedy: String| ConfigError::Extension { by: by.to_owned(), finding, remedy };
        let (duration, span) = self.last_duration()?;
        let (steps, timestep) =
            self.stages.last().map_or((0, 0.0), |stage| (stage.steps(), stage.timestep()));
        let time = parse_quantity(by, Dimension::Time).map_err(|error| {
            let text = error.to_string();
            let (finding, remedy) = text.rsplit_once("; ").unwrap_or((&text, "correct the unit"));
            refused(finding.to_owned(), remedy.to_owned())
        })?;
        if time <= 0.0 {
            let remedy = "a run can only become longer: give a time above zero, for example \"10 ns\"";
            return Err(refused("this is not above zero".to_owned(), remedy.to_owned()));
        }
        let more = steps_of(by, time, timestep).map_err(|(finding, remedy)| refused(finding, remedy))?;
        let value = in_unit_of(&duration, steps + more, timestep).ok_or_else(|| {
            let finding =
                format!("the duration of {} steps has no exact text in {}", steps + more, unit_of(&duration));
            refused(finding, "write the `duration` of the stage in the unit of its `timestep`".to_owned())
        })?;
        let text = format!("{}\"{value}\"{}", &self.text[..span.start], &self.text[span.end..]);
        let extended = Self::parse(&self.path, text)
            .map_err(|source| ConfigError::Extended { by: by.to_owned(), source: Box::new(source) })?;
        Ok(Self { run: self.run.clone(), ..extended })
    }

    /// Text of the duration of the last stage.
    pub fn last_duration_text(&self) -> Option<String> {
        self.last_duration().ok().map(|(text, _)| text)
    }

    /// The duration of the last stage, and its place in the text, quotation marks included.
    fn last_duration(&self) -> Result<(String, Range<usize>), ConfigError> {
        // The text was read before, so it can be read again.
        let file: file::File = toml::from_str(&self.text)
            .map_err(|error| super::error::of_syntax(&self.path, &self.text, &error))?;
        let Some(stage) = file.stage.last().map(toml::Spanned::get_ref) else {
            let remedy = "add a table [[stage]]";
            return Err(
                Problem::new(&(0..0), "stage", "there is no stage", remedy).place(&self.path, &self.text)
            );
        };
        let Some(duration) = &stage.duration else {
            let finding = format!(
                "the last stage, `{}`, is a minimisation, which has no duration",
                stage.name.get_ref()
            );
            let remedy = "only a last stage that moves can be extended; begin a new run from the last state, which `vitrion convert` writes";
            return Err(
                Problem::new(&stage.kind.span(), "stage.kind", finding, remedy).place(&self.path, &self.text)
            );
        };
        Ok((duration.get_ref().0.clone(), duration.span()))
    }
}

/// So many steps as a quantity in the unit of `text`: the shortest decimal number that is read as exactly these steps.
fn in_unit_of(text: &str, steps: u64, timestep: f64) -> Option<String> {
    let unit = unit_of(text);
    let number = steps as f64 * timestep / parse_unit(unit, Dimension::Time).ok()?;
    (0..17).find_map(|digits| {
        let rounded: f64 = format!("{number:.digits$e}").parse().ok()?;
        let candidate = format!("{rounded} {unit}");
        let time = parse_quantity(&candidate, Dimension::Time).ok()?;
        (steps_of(&candidate, time, timestep) == Ok(steps)).then_some(candidate)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const HEAD: &str = "title = \"test\"\n[system]\nforce_field = \"ckn-rigid\"\nmolecules = { K = 2 }\ndensity = \"1 g/cm^3\"\n\
                        [[stage]]\nname = \"a\"\nkind = \"nvt\"\nduration = \"1 ns\"\ntimestep = \"2 fs\"\ntemperature = \"300 K\"\n";

    fn config(last: &str) -> Config {
        Config::parse(Path::new("x.toml"), format!("{HEAD}{last}")).unwrap()
    }

    /// A last stage, written as users do.
    fn last(duration: &str) -> String {
        format!(
            "# the one that counts: duration = \"5 ns\"\n[[stage]]\nkind=\"nvt\" # duration\n  duration   = {duration}   # long\nname = \"b\"\n\
             timestep = \"4 fs\"\ntemperature = \"700 K\"\ntemperature_rate = \"-1 K/ps\"\nframes = {{ log_block = \"0.1 ps\" }}\n"
        )
    }

    #[test]
    fn only_the_duration_of_the_last_stage_changes_and_in_its_unit() {
        for (before, by, after) in [
            ("\"1 ps\"", "10 ps", "\"11 ps\""),
            ("'400 fs'", "0.1 ns", "\"100400 fs\""),
            ("\"0.1 ps\"", "0.2 ps", "\"0.3 ps\""),
            ("\"1e-3 ns\"", "4 fs", "\"0.001004 ns\""),
            ("\"0.4ps\"", " 8e2 fs ", "\"1.2 ps\""),
        ] {
            let config = config(&last(before));
            let extended = config.extended(by).unwrap();
            assert_eq!(extended.text, format!("{HEAD}{}", last(after)), "{before} + {by}");
            let more = parse_quantity(by, Dimension::Time).unwrap() / 0.004;
            assert_eq!(extended.stages[1].steps(), config.stages[1].steps() + more.round() as u64);
            assert_eq!(extended.stages[0], config.stages[0]);
        }
        let inline = format!(
            "title = \"t\"\nstage = [{{ name = \"ä\", kind = \"nve\", temperature = \"3 K\", timestep = \"1 fs\", duration = \"1 ps\" }}]\n{}",
            &HEAD[HEAD.find("[system]").unwrap()..HEAD.find("[[stage]]").unwrap()]
        );
        let config = Config::parse(Path::new("x.toml"), inline.clone()).unwrap();
        assert_eq!(config.extended("1 fs").unwrap().text, inline.replace("1 ps", "1.001 ps"));
    }

    #[test]
    fn two_extensions_are_their_sum() {
        let config = config(&last("\"1 ps\""));
        let twice = config.extended("2 ps").unwrap().extended("4 fs").unwrap();
        assert_eq!(twice.text, config.extended("2004 fs").unwrap().text);
    }

    #[test]
    fn what_cannot_be_extended_is_refused_with_its_reason() {
        let message = |config: &Config, by: &str| config.extended(by).unwrap_err().to_string();
        let ramp = config(&last("\"1 ps\""));
        for (by, expected) in [
            (
                "6 fs",
                "--extend \"6 fs\": \"6 fs\" is not a multiple of the time step, 4 fs; the nearest multiple is \"8 fs\"",
            ),
            ("-4 fs", "a run can only become longer"),
            ("0 ns", "a run can only become longer"),
            ("10", "--extend \"10\": "),
            ("10 K", "--extend \"10 K\": "),
            ("1e9 s", "give at most 1e15 steps"),
            ("1 ns", "the ramp ends at -301.000000 K; the temperature must stay above 0 K"),
        ] {
            let message = message(&ramp, by);
            assert!(message.contains(expected), "{by}: {message}");
        }
        let minimisation = config("[[stage]]\nname = \"relax\"\nkind = \"minimize\"\n");
        let message = message(&minimisation, "1 ps");
        assert!(
            message.contains("x.toml, line 14, `stage.kind`: the last stage, `relax`, is a minimisation"),
            "{message}"
        );
    }
}
