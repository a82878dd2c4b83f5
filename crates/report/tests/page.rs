//! Opens reports in headless Chromium, on a telephone (390 pixels) and on a desk (1,280 pixels): `make test-report`.
//!
//! A page that measures the report in a frame of that width is written beside it; Chromium prints what it found.

mod measure;

use std::path::Path;

use measure::{Seen, look_at};
use vitrion_analysis::fits::temperatures::Law;
use vitrion_analysis::observable::Missing;
use vitrion_analysis::results::{Outcome, Results};
use vitrion_analysis::table::Table;
use vitrion_analysis::temperature_series::{Choice, Quantity, Run, fit_laws, series};
use vitrion_report::source::{Facts, Source};
use vitrion_report::temperature_page::{self, TemperatureFits};
use vitrion_report::{figures, files, page};

/// Panels of Figs 1a, 3b, 4a-e, 5a-e, 6a-d, 7a-b.
const PANELS: usize = 18;
const WIDTHS: [u32; 2] = [390, 1280];

fn words(text: &str, n: usize) -> Vec<String> {
    vec![text.to_string(); n]
}

fn spaced(n: usize) -> Vec<f64> {
    (0..n).map(|i| 0.3 + 0.25 * i as f64).collect()
}

fn logarithmic(n: usize) -> Vec<f64> {
    (0..n).map(|i| 1e-3 * 10f64.powf(0.3 * i as f64)).collect()
}

/// Rows of some kinds one after another: kind, abscissa, value(kind, abscissa), an error of 3 %, which the first row lacks.
fn curves(
    name: &str,
    kind: &str,
    kinds: &[&str],
    x: (&str, &str),
    at: &[f64],
    f: impl Fn(usize, f64) -> f64,
) -> Table {
    let texts = kinds.iter().flat_map(|k| words(k, at.len())).collect();
    let values: Vec<f64> =
        (0..kinds.len()).flat_map(|k| at.iter().map(move |x| (k, *x))).map(|(k, x)| f(k, x)).collect();
    let mut errors: Vec<f64> = values.iter().map(|v| 0.03 * v.abs()).collect();
    errors[0] = f64::NAN;
    Table::new(name, "")
        .text(kind, texts)
        .real(x.0, x.1, at.repeat(kinds.len()))
        .real("value", "", values)
        .real("standard_error", "", errors)
}

/// The self function of window means as all ions move, with NJ ions held fixed, and of each class, at two wave numbers.
fn jumping_only(t: &[f64]) -> Table {
    let modes = ["all", "J only moves", "J", "NJ"];
    let labels: Vec<&str> = [modes, modes].concat();
    curves("isf_jumping_only", "species_or_weighting", &labels, ("t_ps", "ps"), t, |k, t| {
        let rest = [0.0, 0.5, 0.0, 0.2][k % 4];
        rest + (1.0 - rest) * (-(t * 0.15 * (1 + k / 4) as f64).sqrt()).exp()
    })
    .real("q_per_angstrom", "1/angstrom", [vec![3.7; 4 * t.len()], vec![6.3; 4 * t.len()]].concat())
}

/// Every table that a figure is drawn from, shaped as an analysis writes it, at random-looking but smooth values.
fn everything() -> Results {
    let r = spaced(40);
    let t = logarithmic(20);
    let peak = |k: usize, r: f64| 1.0 + 3.0 * (-(r - 2.5 - 0.2 * k as f64).powi(2)).exp() - (-r).exp();
    let pairs = ["N-N", "N-O", "O-O", "Ca-N", "Ca-O", "Ca-Ca", "K-N", "K-O", "K-K", "Ca-K"];
    let mut isf =
        curves("isf_coherent", "species_or_weighting", &["xray", "xray"], ("t_ps", "ps"), &t, |k, t| {
            (0.8 - 0.1 * k as f64) * (-(t * 0.1).powf(0.6)).exp()
        });
    isf = isf.real("q_per_angstrom", "1/angstrom", [vec![3.7; t.len()], vec![6.3; t.len()]].concat());
    let only = jumping_only(&t);
    let kww = Table::new("kww", "")
        .text("function", words("isf_coherent", 3))
        .text("species_or_weighting", words("xray", 3))
        .real("q_per_angstrom", "1/angstrom", vec![3.7, 6.3, 9.0])
        .real("f", "", vec![0.8, 0.7, f64::NAN])
        .real("tau_ps", "ps", vec![10.0, 5.0, f64::NAN])
        .real("tau_ps_standard_error", "ps", vec![1.0, 0.5, f64::NAN])
        .real("beta", "", vec![0.6, 0.5, f64::NAN])
        .real("beta_standard_error", "", vec![0.05, 0.05, f64::NAN])
        .real("fit_from_ps", "ps", vec![0.5, 0.5, f64::NAN])
        .text("verdict", vec!["determined".into(), "determined".into(), "not determined: two points".into()]);
    let kww_self = Table {
        columns: kww
            .columns
            .iter()
            .filter(|c| c.name != "function")
            .cloned()
            .chain(Table::new("", "").text("function", words("isf_self", 3)).columns)
            .collect(),
        ..kww.clone()
    };
    let kww_jumping_only = Table::new("kww_jumping_only", "")
        .text("function", words("isf_jumping_only", 2))
        .text("species_or_weighting", vec!["all".into(), "J only moves".into()])
        .real("q_per_angstrom", "1/angstrom", vec![6.3, 6.3])
        .real("f", "", vec![0.95, f64::NAN])
        .real("tau_ps", "ps", vec![6.0, f64::NAN])
        .real("beta", "", vec![0.5, f64::NAN])
        .real("fit_from_ps", "ps", vec![0.5, 0.5])
        .text("verdict", vec!["determined".into(), "not determined: flat".into()]);
    let temperatures: Vec<f64> = (0..15).map(|i| 250.0 + 30.0 * f64::from(i)).collect();
    let density =
        curves("density", "stage", &["cool"], ("temperature_K", "K"), &temperatures, |_, t| 2.3 - 5e-4 * t)
            .real("rate_K_per_ns", "K/ns", vec![-5000.0; temperatures.len()]);
    let quantity = |name: &str, rows: &[(&str, f64)]| {
        Table::new(name, "")
            .text("quantity", rows.iter().map(|r| r.0.to_string()).collect())
            .real("value", "", rows.iter().map(|r| r.1).collect())
            .real("standard_error", "", rows.iter().map(|r| 0.1 * r.1).collect())
            .text("verdict", words("determined", rows.len()))
    };
    let classes = ["J", "NJ"];
    let by_class = |name: &str, f: &dyn Fn(usize, f64) -> f64| {
        let mut labels = Vec::new();
        for species in ["N", "K", "Ca", "all"] {
            labels.extend(words(species, t.len()));
        }
        curves(name, "class", &["J", "J", "J", "J", "NJ", "NJ", "NJ", "NJ"], ("t_ps", "ps"), &t, |k, t| {
            f(k / 4, t)
        })
        .text("species", [labels.clone(), labels].concat())
    };
    let stress = |k: usize, g: f64| (-(g - 2.0).powi(2) * (1.0 + k as f64)).exp();
    let histogram =
        curves("ion_stress_histogram", "class", &["NJ", "NJ", "NJ"], ("g_GPa2", "GPa^2"), &r, stress).real(
            "t_ps",
            "ps",
            [vec![0.0; r.len()], vec![4.0; r.len()], vec![100.0; r.len()]].concat(),
        );
    let h = curves("h", "class", &classes, ("r_angstrom", "angstrom"), &r, |k, r| {
        (0.3 + 0.3 * k as f64) * (-r / 3.0).exp()
    })
    .real("t_ps", "ps", vec![100.0; 2 * r.len()]);
    let tables = vec![
        curves(
            "structure_factor",
            "pair_or_weighting",
            &["xray"],
            ("q_per_angstrom", "1/angstrom"),
            &r,
            peak,
        ),
        curves(
            "rdf",
            "pair",
            &[&pairs[..], &["J-J", "NJ-NJ"]].concat(),
            ("r_angstrom", "angstrom"),
            &r,
            peak,
        ),
        isf,
        only,
        kww_jumping_only,
        kww_self,
        kww,
        density,
        quantity("glass_transition", &[("T_g", 410.0)]),
        by_class("msd_classes", &|k, t| (2.0 - k as f64) * t.powf(0.7)),
        by_class("alpha_2_classes", &|k, t| (1.0 - 0.5 * k as f64) * t / (1.0 + t * t)),
        quantity("heterogeneity", &[("tau_cage_J_ps", 1.0), ("exponent_x", 0.5)]),
        histogram,
        h,
    ];
    let result = Ok([tables, maps()].concat());
    let outcome =
        Outcome { name: "all".to_string(), key: String::new(), notes: Vec::new(), reused: false, result };
    Results { version: "test".to_string(), outcomes: vec![outcome], ..Results::default() }
}

/// Sixty ions on a spiral, every other one a J ion.
fn maps() -> Vec<Table> {
    let n = 60usize;
    let place = |i: usize, t: usize| {
        let a = 0.5 * i as f64 + 0.05 * t as f64 * (i % 2) as f64;
        [13.0 + 0.2 * i as f64 * a.cos(), 13.0 + 0.2 * i as f64 * a.sin(), 0.15 * i as f64]
    };
    let species: Vec<String> = (0..n).map(|i| ["N", "K", "Ca"][i % 3].to_string()).collect();
    let class: Vec<String> = (0..n).map(|i| if i % 2 == 1 { "J" } else { "NJ" }.to_string()).collect();
    let rows: Vec<(usize, usize)> = (0..n).flat_map(|i| (0..10).map(move |t| (i, t))).collect();
    let axis = |k: usize| rows.iter().map(|(i, t)| place(*i, *t)[k]).collect::<Vec<f64>>();
    let paths = Table::new("trajectory_map", "")
        .integer("ion", rows.iter().map(|(i, _)| i.cast_signed() as i64).collect())
        .text("species", rows.iter().map(|(i, _)| species[*i].clone()).collect())
        .text("class", rows.iter().map(|(i, _)| class[*i].clone()).collect())
        .real("t_ps", "ps", rows.iter().map(|(_, t)| *t as f64).collect())
        .real("x_angstrom", "angstrom", axis(0))
        .real("y_angstrom", "angstrom", axis(1))
        .real("z_angstrom", "angstrom", axis(2));
    let start = |k: usize| (0..n).map(|i| place(i, 0)[k]).collect::<Vec<f64>>();
    let moved = |k: usize| (0..n).map(|i| place(i, 9)[k] - place(i, 0)[k] + 0.3).collect::<Vec<f64>>();
    let arrows = Table::new("displacement_map", "")
        .integer("ion", (0..n.cast_signed() as i64).collect())
        .text("species", species)
        .text("class", class)
        .real("x_angstrom", "angstrom", start(0))
        .real("y_angstrom", "angstrom", start(1))
        .real("z_angstrom", "angstrom", start(2))
        .real("dx_angstrom", "angstrom", moved(0))
        .real("dy_angstrom", "angstrom", moved(1))
        .real("dz_angstrom", "angstrom", moved(2));
    let grid: Vec<[f64; 3]> =
        (0..4 * 12 * 12).map(|i| [i / 12 % 12, i % 12, i / 144].map(|k| 1.0 + 2.2 * f64::from(k))).collect();
    let density = Table::new("j_density", "")
        .real("x_angstrom", "angstrom", grid.iter().map(|r| r[0]).collect())
        .real("y_angstrom", "angstrom", grid.iter().map(|r| r[1]).collect())
        .real("z_angstrom", "angstrom", grid.iter().map(|r| r[2]).collect())
        .real("value", "1/angstrom^3", grid.iter().map(|r| (-0.02 * (r[0] - 9.0).powi(2)).exp()).collect());
    vec![paths, arrows, density]
}

fn facts(temperature: f64) -> Facts {
    Facts {
        title: "Test of the page".into(),
        temperature: Some(temperature),
        duration: Some(240.0),
        atoms: 1188,
        replicas: 4,
        ..Facts::default()
    }
}

fn written(directory: &Path, results: &Results, facts: &Facts) -> std::path::PathBuf {
    let source = Source { results, facts };
    let figures = figures::all(&source);
    let path = directory.join("report.html");
    files::write(&path, page::html(&source, &figures).as_bytes()).unwrap();
    path
}

fn sound(seen: &Seen, width: u32) {
    assert!(seen.page_width <= width, "the page is {} pixels wide in a window of {width}", seen.page_width);
    assert_eq!(seen.requests, Vec::<String>::new(), "the page asks for other files");
    assert_eq!(seen.faults, Vec::<String>::new(), "at {width} pixels");
    assert_eq!(seen.console, Vec::<String>::new(), "the console has errors");
}

#[test]
fn every_figure_is_drawn_on_a_telephone_and_on_a_desk() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), &everything(), &facts(550.0));
    // What is black by day is white by night.
    assert!(!std::fs::read_to_string(&path).unwrap().contains("Black"));
    for width in WIDTHS {
        let seen = look_at(&path, width);
        sound(&seen, width);
        assert_eq!((seen.drawn, seen.absent), (PANELS, 0), "at {width} pixels");
    }
}

#[test]
fn without_results_every_figure_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let missing = Missing::because("the window of 4 ns is longer than the run; use --jump-window");
    let outcome = Outcome {
        name: "jumps".to_string(),
        key: String::new(),
        notes: Vec::new(),
        reused: false,
        result: Err(missing),
    };
    let results = Results { outcomes: vec![outcome], ..Results::default() };
    let path = written(directory.path(), &results, &Facts::default());
    for width in WIDTHS {
        let seen = look_at(&path, width);
        sound(&seen, width);
        assert_eq!((seen.drawn, seen.absent), (0, PANELS), "at {width} pixels");
    }
}

#[test]
fn the_example_in_docs_is_sound() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/example-report.html");
    assert!(
        std::fs::metadata(&path).unwrap().len() < 3_000_000,
        "the example is too large to open on a telephone"
    );
    for width in WIDTHS {
        let seen = look_at(&path, width);
        sound(&seen, width);
        assert_eq!(seen.drawn + seen.absent, PANELS);
        assert!(seen.drawn >= 8, "only {} figures are drawn", seen.drawn);
    }
}

/// Relaxation times of a VFT law at two wave numbers, and what `vitrion fit` writes of them.
#[test]
fn the_page_of_laws_is_sound() {
    let temperatures = [350.0, 370.0, 400.0, 450.0, 550.0];
    let results = temperatures.map(|t: f64| {
        let tau = 0.05 * (1200.0 / (t - 250.0)).exp();
        let fits = |name: &str| {
            Table::new(name, "")
                .text("function", words("isf_coherent", 2))
                .text("species_or_weighting", words("xray", 2))
                .real("q_per_angstrom", "1/angstrom", vec![3.7, 6.3])
                .real("tau_ps", "ps", vec![tau, 0.4 * tau])
                .real("tau_ps_standard_error", "ps", vec![0.1 * tau, 0.03 * tau])
                .text("verdict", words("determined", 2))
        };
        let result = Ok(vec![fits("kww"), fits("kww_replicas")]);
        let outcome = Outcome {
            name: "isf_coherent".into(),
            key: "key".into(),
            notes: Vec::new(),
            reused: false,
            result,
        };
        Results { outcomes: vec![outcome], ..Results::default() }
    });
    let run = |(results, temperature)| Run { name: "a/long/path/of/a/run".repeat(6), temperature, results };
    let runs: Vec<Run> = results.iter().zip(temperatures).map(run).collect();
    let choice = Choice {
        quantity: Quantity::RelaxationTime,
        function: "isf_coherent".into(),
        species: "xray".into(),
        wave_numbers: Vec::new(),
        trim: None,
    };
    let laws = [Law::Arrhenius, Law::VogelFulcherTammann];
    let series = fit_laws(series(&runs, &choice).unwrap(), choice.quantity, &laws, Some(333.0));
    let page = temperature_page::html(&TemperatureFits {
        series: &series,
        choice: &choice,
        runs: &runs,
        command: "vitrion fit a-long-name-of-a-run-directory ".repeat(5),
        version: "test".into(),
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fit.html");
    files::write(&path, page.as_bytes()).unwrap();
    for width in WIDTHS {
        let seen = look_at(&path, width);
        sound(&seen, width);
        assert_eq!((seen.drawn, seen.absent), (1, 0), "at {width} pixels");
    }
}
