//! Fig. 3b: scattering functions scaled with their relaxation time and amplitude.

use super::scattering::{Fit, curves, fits};
use crate::chart::{Anchor, Axis, Chart, Dash, Marker, Picture};
use crate::panel::{Content, Panel};
use crate::quantity::significant;
use crate::source::{Point, Rows, Source};
use crate::style::Ink;

const TITLE: &str = "Scattering function over amplitude and relaxation time";

/// The panel.
pub fn panel(source: &Source) -> Panel {
    Panel::new(
        "3b",
        TITLE,
        "*F*(*q*, *t*)/*f* against *t*/*τ*, *f* and *τ* from fits *f* exp(−(*t*/*τ*)^{β}). Symbols: X-ray weighted, coherent. “J only moves”: the self function of window means, every ion alike, with ions that did not jump held where they were; over *f* and *τ* of the same function as all ions move.",
        "Functions of one shape fall on one curve, whatever their times. Dotted: the fits. Dashed: J only moves. Drawn from where the fits begin: the decay into the cage comes before.",
        content(source),
    )
}

fn content(source: &Source) -> Result<Content, String> {
    let (rows, curves) = curves(source)?;
    let fits = fits(source);
    let fitted: Vec<_> =
        curves.iter().filter_map(|(q, points)| Some((*q, points, Fit::at(fits.as_ref()?, *q)?))).collect();
    if fitted.is_empty() {
        return Err("No relaxation time is known that the functions could be scaled with: the results have no fit that their data determine.".to_string());
    }
    // The self function is at the wave number that was asked for; the coherent one near it.
    let asked = |q: f64| {
        let row = fits.as_ref().map(|fits| fits.at("q_per_angstrom", q).asked_wave_numbers());
        row.and_then(|row| row.first().copied()).unwrap_or(q)
    };
    let jumping_only: Vec<_> = curves.iter().map(|(q, _)| (*q, jumping_only(source, asked(*q)))).collect();
    let dashed = jumping_only.iter().filter_map(|(_, curve)| curve.as_ref().ok()).flatten();
    let all: Vec<(f64, f64)> =
        fitted.iter().flat_map(|(_, points, fit)| scaled(points, fit)).chain(dashed.copied()).collect();
    let top = all.iter().map(|p| p.1).fold(1.0, f64::max);
    let x = Axis::log_over("*t*/*τ*", all.iter().map(|p| p.0));
    let mut chart = Chart::new(x, Axis::linear("*F*(*q*, *t*)/*f*", -0.05, 1.05 * top)).horizontal(
        0.0,
        Ink::Faint,
        Dash::Dotted,
    );
    for (index, (q, points, fit)) in fitted.iter().enumerate() {
        let ink = ink_of(&curves, *q);
        let height = 0.92 - 0.08 * index as f64;
        let places = scaled(points, fit);
        let law = places.iter().map(|p| (p.0, (-p.0.powf(fit.beta)).exp()));
        chart = chart
            .line(law, ink, Dash::Dotted)
            .markers(places, ink, if index == 0 { Marker::Square } else { Marker::Triangle })
            .note(&format!("{} Å^{{−1}}", significant(*q, 2)), (0.97, height), ink, Anchor::End);
    }
    for (q, curve) in &jumping_only {
        if let Ok(curve) = curve {
            let ink = ink_of(&curves, *q);
            chart = chart.line(curve.iter().copied(), ink, Dash::Dashed);
            if let Some(last) = curve.last() {
                chart = chart.end_label(&format!("J only, {}", significant(*q, 2)), last.1, ink);
            }
        }
    }
    let remarks: Vec<String> = jumping_only
        .iter()
        .filter_map(|(q, curve)| {
            let reason = curve.as_ref().err()?;
            Some(format!("No dashed curve at {} Å^{{−1}}: {reason}", significant(*q, 2)))
        })
        .collect();
    let mut content = Content::new(Picture::of("fig-3b", TITLE, &chart)).with_data(&rows);
    if let Ok(rows) = jumping_only_rows(source) {
        content = content.with_data(&rows);
    }
    Ok(if remarks.is_empty() { content } else { content.with_remark(&remarks.join(" ")) })
}

/// One colour a wave number, whichever of them have a fit.
fn ink_of(curves: &[(f64, Vec<Point>)], q: f64) -> Ink {
    Ink::nth(curves.iter().position(|(other, _)| *other == q).unwrap_or(0))
}

/// From where the fit begins.
fn scaled(points: &[Point], fit: &Fit) -> Vec<(f64, f64)> {
    points
        .iter()
        .filter(|p| p.x > 0.0 && p.x >= fit.from)
        .map(|p| (p.x / fit.tau, p.y / fit.amplitude))
        .collect()
}

fn jumping_only_rows<'a>(source: &Source<'a>) -> Result<Rows<'a>, String> {
    Ok(source.table("isf_jumping_only")?.with("species_or_weighting", "J only moves"))
}

/// The self function with NJ ions held fixed, over amplitude and time of the same function as all ions move.
fn jumping_only(source: &Source, q: f64) -> Result<Vec<(f64, f64)>, String> {
    let points = jumping_only_rows(source)?.at("q_per_angstrom", q).curve("t_ps");
    if points.is_empty() {
        return Err("the table isf_jumping_only has no such wave number.".to_string());
    }
    let fits = source.table("kww_jumping_only")?.with("species_or_weighting", "all");
    let fit = Fit::at(&fits, q)
        .ok_or("the data determine no fit of the function as all ions move, whose time would scale it.")?;
    Ok(scaled(&points, &fit))
}

#[cfg(test)]
mod tests {
    use vitrion_analysis::results::{Outcome, Results};
    use vitrion_analysis::table::Table;

    use super::*;
    use crate::source::Facts;

    const TIMES: [f64; 4] = [2.0, 8.0, 32.0, 128.0];
    const Q: f64 = 6.3;

    type OfTime = fn(f64) -> f64;
    type Named = (&'static str, OfTime);

    /// A function of time for each word.
    fn functions(name: &str, of: &[Named]) -> Table {
        let label = of.iter().flat_map(|(word, _)| vec![(*word).to_string(); TIMES.len()]).collect();
        Table::new(name, "")
            .text("species_or_weighting", label)
            .real("q_per_angstrom", "1/angstrom", vec![Q; TIMES.len() * of.len()])
            .real("t_ps", "ps", TIMES.repeat(of.len()))
            .real("value", "", of.iter().flat_map(|(_, f)| TIMES.map(f)).collect())
            .real("standard_error", "", vec![0.01; TIMES.len() * of.len()])
    }

    /// f and tau of one function at Q; NaN: not determined.
    fn fits(name: &str, function: &str, of: &[(&str, f64, f64)]) -> Table {
        let column = |f: fn(&(&str, f64, f64)) -> f64| of.iter().map(f).collect::<Vec<_>>();
        Table::new(name, "")
            .text("function", vec![function.to_string(); of.len()])
            .text("species_or_weighting", of.iter().map(|row| row.0.to_string()).collect())
            .real("q_per_angstrom", "1/angstrom", vec![Q; of.len()])
            .real("f", "", column(|row| row.1))
            .real("tau_ps", "ps", column(|row| row.2))
            .real("beta", "", column(|row| row.1.min(0.5)))
            .real("fit_from_ps", "ps", vec![2.0; of.len()])
    }

    fn results(all: OfTime, jumping: OfTime, tau_of_all: f64) -> Results {
        let modes: [Named; 4] = [("all", all), ("J only moves", jumping), ("J", |_| 0.3), ("NJ", |_| 0.9)];
        let tables = vec![
            functions("isf_coherent", &[("xray", |t| 0.8 * (-t / 20.0).exp())]),
            fits("kww", "isf_coherent", &[("xray", 0.8, 20.0)]),
            functions("isf_jumping_only", &modes),
            fits(
                "kww_jumping_only",
                "isf_jumping_only",
                &[("all", 0.95, tau_of_all), ("J only moves", f64::NAN, f64::NAN)],
            ),
        ];
        let outcome = Outcome {
            name: "all".to_string(),
            key: String::new(),
            notes: Vec::new(),
            reused: false,
            result: Ok(tables),
        };
        Results { outcomes: vec![outcome], ..Results::default() }
    }

    fn drawn(results: &Results) -> (String, String) {
        let facts = Facts::default();
        let panel = panel(&Source { results, facts: &facts });
        (panel.drawing.unwrap().inline(), panel.caption)
    }

    #[test]
    fn dashed_is_what_jumping_alone_relaxes_over_the_time_of_all_ions() {
        let results = results(|t| (-t / 10.0).exp(), |t| 0.5 + 0.5 * (-t / 10.0).exp(), 10.0);
        let facts = Facts::default();
        let curve = jumping_only(&Source { results: &results, facts: &facts }, Q).unwrap();
        for ((x, y), t) in curve.iter().zip(TIMES) {
            // Divisions of f64.
            assert!(
                (x - t / 10.0).abs() < 1e-12 && (y - (0.5 + 0.5 * (-t / 10.0f64).exp()) / 0.95).abs() < 1e-12
            );
        }
    }

    #[test]
    fn the_picture_follows_the_jumping_ions_and_their_fit_and_nothing_else() {
        let usual = |t: f64| (-t / 10.0).exp();
        let jumping = |t: f64| 0.5 + 0.5 * (-t / 10.0).exp();
        let (picture, caption) = drawn(&results(usual, jumping, 10.0));
        assert!(!caption.contains("No dashed curve"), "{caption}");
        // What all ions do is drawn from the coherent function, not from this table.
        assert_eq!(drawn(&results(|t| (-t / 11.0).exp(), jumping, 10.0)).0, picture);
        assert_ne!(drawn(&results(usual, |t| 0.6 + 0.4 * (-t / 10.0).exp(), 10.0)).0, picture);
        assert_ne!(drawn(&results(usual, jumping, 12.0)).0, picture);
    }

    #[test]
    fn the_dashed_curve_is_at_the_wave_number_that_the_coherent_function_was_asked_for() {
        let usual = results(|t| (-t / 10.0).exp(), |t| 0.5 + 0.5 * (-t / 10.0).exp(), 10.0);
        let mut near = usual.clone();
        let tables = near.outcomes[0].result.as_mut().unwrap();
        // Wave vectors of the cell near 6.3.
        for table in &mut tables[..2] {
            for column in table.columns.iter_mut().filter(|c| c.name == "q_per_angstrom") {
                let rows = column.values.len();
                column.values = vitrion_analysis::table::Values::Real(vec![6.3021; rows]);
            }
        }
        tables[1] = tables[1].clone().real("q_asked_per_angstrom", "1/angstrom", vec![Q]);
        let (picture, caption) = drawn(&near);
        assert!(!caption.contains("No dashed curve"), "{caption}");
        assert_eq!(picture.matches("<path").count(), drawn(&usual).0.matches("<path").count());
    }

    #[test]
    fn without_a_time_to_scale_with_the_caption_says_so() {
        let (_, caption) = drawn(&results(|_| 1.0, |_| 1.0, f64::NAN));
        assert!(caption.contains("No dashed curve at 6.3") && caption.contains("no fit"), "{caption}");
    }
}
