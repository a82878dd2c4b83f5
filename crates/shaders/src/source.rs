//! Puts the shaders together: constants of the system, generated code, shared pieces, kernel.

use std::fmt::Write;

use crate::dimensions::{
    CHARGE_UNITS, Dimensions, FORCE_UNITS, MOLECULE_PARTIALS, SLOTS, STRIDE, TEAM, TEAMS,
};
use crate::fourier::{passes, transform};
use crate::kernel::{Kernel, Variant};
use crate::protocol;
use crate::table::{BODY_WORDS, PAIR_WORDS, Table, kind_words};

/// A file of shaders: its path in the repository, and its text.
type File = (&'static str, &'static str);

/// The file of a path under `shaders/`.
macro_rules! file {
    ($path:literal) => {
        (concat!("shaders/", $path), include_str!(concat!("../../../shaders/", $path)))
    };
}

const REPLICA: File = file!("shared/replica.wgsl");
const ARITHMETIC: File = file!("shared/arithmetic.wgsl");
const VECTORS: File = file!("shared/vectors.wgsl");
const WIDE: File = file!("shared/wide.wgsl");
const THERMOSTAT_CHAIN: File = file!("shared/thermostat_chain.wgsl");
const RIGID_ROTATION: File = file!("shared/rigid_rotation.wgsl");
const INTRAMOLECULAR: File = file!("shared/intramolecular.wgsl");
const MESH: File = file!("shared/mesh.wgsl");
const PLANE: File = file!("shared/plane.wgsl");
const NEAR: File = file!("near.wgsl");
const KSPACE: File = file!("kspace.wgsl");
const FAR: File = file!("far.wgsl");
const ADVANCE: File = file!("advance.wgsl");
const GROW_LISTS: File = file!("grow_lists.wgsl");
const SELF_TEST: File = file!("self_test.wgsl");

/// How often the self-test adds a number to a wide integer.
pub const ADDITIONS: u32 = 1000;
/// Answers of the self-test at each point.
pub const ANSWERS: usize = 11;

/// The whole source of a kernel, and which piece of it comes from where.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The kernel.
    pub kernel: Kernel,
    /// What it was put together for.
    pub purpose: String,
    /// WGSL.
    pub text: String,
    /// Names of the pieces and the byte at which each begins.
    pieces: Vec<(&'static str, usize)>,
}

impl Source {
    fn new(kernel: Kernel, variant: Variant, d: &Dimensions) -> Self {
        let molecules = match (d.largest_molecule, d.flexible) {
            (1, _) => "single ions",
            (_, false) => "rigid molecules",
            (_, true) => "flexible molecules",
        };
        let (grid, order) = (d.grid, d.order);
        let purpose =
            format!("variant {variant:?}, {molecules}, a mesh of {grid:?} points, splines of order {order}");
        Self { kernel, purpose, text: String::new(), pieces: Vec::new() }
    }

    /// Appends a piece: a file, or the generated text that `name` describes.
    fn push(&mut self, name: &'static str, text: &str) {
        self.pieces.push((name, self.text.len()));
        self.text.push_str(text);
    }

    fn push_file(&mut self, (path, text): File) {
        self.push(path, text);
    }

    /// Name of the piece in which a byte of the text lies, and its line there, from 1.
    pub fn locate(&self, byte: usize) -> Option<(&'static str, usize)> {
        let &(name, begin) = self.pieces.iter().rev().find(|(_, begin)| *begin <= byte)?;
        let line = self.text.get(begin..byte)?.matches('\n').count() + 1;
        Some((name, line))
    }

    /// The same with a slip of the pen: for tests.
    #[cfg(test)]
    pub(crate) fn with_slip(&self, right: &str, wrong: &str) -> Self {
        let mut slipped = Self { text: String::new(), pieces: Vec::new(), ..self.clone() };
        let ends = self.pieces.iter().skip(1).map(|piece| piece.1).chain([self.text.len()]);
        for (&(name, begin), end) in self.pieces.iter().zip(ends) {
            slipped.push(name, &self.text[begin..end].replacen(right, wrong, 1));
        }
        assert_ne!(slipped.text, self.text, "{right} is nowhere in the kernel {}", self.kernel.name());
        slipped
    }
}

/// The whole source of a kernel. `places` are the first words of all tables.
pub fn source(
    kernel: Kernel,
    variant: Variant,
    dimensions: &Dimensions,
    places: &[(Table, usize)],
) -> Source {
    if kernel == Kernel::SelfTest {
        return self_test();
    }
    let mut source = Source::new(kernel, variant, dimensions);
    source.push("generated constants", &constants(variant, dimensions, places));
    if kernel == Kernel::GrowLists {
        source.push_file(GROW_LISTS);
        return source;
    }
    source.push_file(REPLICA);
    source.push_file(ARITHMETIC);
    source.push_file(VECTORS);
    if kernel != Kernel::Advance {
        source.push_file(MESH);
        for (axis, name) in ["x", "y", "z"].into_iter().enumerate() {
            if (kernel == Kernel::Kspace) == (axis == 0) {
                source.push("generated transforms", &transforms(name, dimensions.grid[axis], kernel));
            }
        }
    }
    if matches!(kernel, Kernel::Near | Kernel::Far) {
        source.push_file(PLANE);
        source.push("generated splines", &splines(&dimensions.spline_weights));
    }
    if kernel == Kernel::Near {
        source.push_file(INTRAMOLECULAR);
    }
    if kernel == Kernel::Advance {
        source.push_file(WIDE);
        source.push_file(THERMOSTAT_CHAIN);
        source.push_file(RIGID_ROTATION);
    }
    source.push_file(match kernel {
        Kernel::Near => NEAR,
        Kernel::Kspace => KSPACE,
        Kernel::Far => FAR,
        Kernel::Advance => ADVANCE,
        Kernel::GrowLists => GROW_LISTS,
        Kernel::SelfTest => SELF_TEST,
    });
    source
}

/// The source of [`Kernel::SelfTest`], which depends on no system.
pub fn self_test() -> Source {
    let mut source = Source {
        kernel: Kernel::SelfTest,
        purpose: "any device".to_owned(),
        text: String::new(),
        pieces: Vec::new(),
    };
    let own = format!("const ADDITIONS: u32 = {ADDITIONS}u;\nconst ANSWERS: u32 = {ANSWERS}u;\n");
    source.push("generated constants", &(protocol::constants() + &own));
    source.push_file(ARITHMETIC);
    source.push_file(WIDE);
    source.push_file(SELF_TEST);
    source
}

fn constants(variant: Variant, d: &Dimensions, places: &[(Table, usize)]) -> String {
    let mut text = protocol::constants();
    let mut count = |name: &str, value: usize| {
        let _ = writeln!(text, "const {name}: u32 = {value}u;");
    };
    count("N_ATOMS", d.atoms);
    count("N_MOLECULES", d.molecules);
    count("N_BODIES", d.bodies);
    count("N_SPECIES", d.species);
    count("LARGEST_MOLECULE", d.largest_molecule);
    count("ORDER", d.order);
    count("HALF_Z", d.half_z());
    count("N_COLUMN_GROUPS", d.column_groups());
    count("PLANE_WORDS", d.plane_words());
    count("WORDS", d.words());
    count("STRIDE", STRIDE);
    count("TEAM", TEAM);
    count("TEAMS", TEAMS);
    count("PARTIAL_WORDS", d.partial_words());
    count("MOLECULE_PARTIALS", MOLECULE_PARTIALS);
    count("SLOTS", SLOTS);
    count("BODY_WORDS", BODY_WORDS);
    count("PAIR_WORDS", PAIR_WORDS);
    count("KIND_WORDS", kind_words(d.largest_molecule));
    for (name, points) in ["GRID_X", "GRID_Y", "GRID_Z"].into_iter().zip(d.grid) {
        count(name, points);
    }
    for &(table, place) in places {
        count(table.name(), place);
    }
    let cutoff = d.short_range_cutoff.max(d.coulomb_cutoff);
    let mut real = |name: &str, value: f64| {
        let _ = writeln!(text, "const {name}: f32 = {:e}f;", value as f32);
    };
    real("ALPHA", d.alpha);
    real("TWO_ALPHA_OVER_ROOT_PI", d.alpha * std::f64::consts::FRAC_2_SQRT_PI);
    real("PI_OVER_ALPHA_2", (std::f64::consts::PI / d.alpha).powi(2));
    real("COULOMB", d.coulomb);
    real("COULOMB_OVER_PI", d.coulomb / std::f64::consts::PI);
    real("SHORT_RANGE_CUTOFF_2", d.short_range_cutoff.powi(2));
    real("COULOMB_CUTOFF_2", d.coulomb_cutoff.powi(2));
    real("CUTOFF", cutoff);
    real("REACH", d.reach);
    real("REACH_2", d.reach.powi(2));
    real("LARGEST_ARM", d.largest_arm);
    real("FORCE_UNITS", FORCE_UNITS);
    // Mesh forces of as many planes as a spline reaches add up in 32 bits; a multiple of 1024 is exact in f32.
    real("FORCE_LIMIT", (f64::from(i32::MAX) / d.order as f64 / 1024.0).floor() * 1024.0);
    real("CHARGE_UNIT", 1.0 / CHARGE_UNITS);
    let mut flag = |name: &str, value: bool| {
        let _ = writeln!(text, "const {name}: bool = {value};");
    };
    flag("VIRIAL", variant != Variant::Forces);
    flag("SOFT", variant == Variant::SoftVirial);
    flag("FLEXIBLE", d.flexible);
    text
}

/// Both passes along one axis, forwards and backwards, with the constants A and B and the place of each wave.
fn transforms(axis: &str, points: usize, kernel: Kernel) -> String {
    // Only such meshes are built.
    let (a, b) = passes(points).unwrap_or((points, 1));
    let upper = axis.to_uppercase();
    let mut text = format!(
        "const {upper}_A: u32 = {a}u;\nconst {upper}_B: u32 = {b}u;\n\
         fn place_{axis}(k: u32) -> u32 {{ return (k % {a}u) * {b}u + k / {a}u; }}\n"
    );
    if kernel != Kernel::Far {
        text += &transform(&format!("transform_{axis}_a"), a, false);
        text += &transform(&format!("transform_{axis}_b"), b, false);
    }
    if kernel != Kernel::Near {
        text += &transform(&format!("inverse_{axis}_a"), a, true);
        text += &transform(&format!("inverse_{axis}_b"), b, true);
    }
    text
}

/// Spline weights and their slopes by Horner's rule in (fraction - 1/2); `weights` are [`Dimensions::spline_weights`].
fn splines(weights: &[Vec<f64>]) -> String {
    let order = weights.len();
    let mut text = String::new();
    for (name, slope) in [("spline_weights", false), ("spline_slopes", true)] {
        let _ =
            writeln!(text, "fn {name}(t: f32) -> array<f32, {order}> {{\n    return array<f32, {order}>(");
        for weight in weights {
            let coefficients: Vec<f64> = if slope {
                weight.iter().enumerate().skip(1).map(|(n, c)| n as f64 * c).collect()
            } else {
                weight.clone()
            };
            let (highest, rest) = coefficients.split_last().map_or((0.0, &[][..]), |(h, r)| (*h, r));
            let start = format!("{highest:.10e}");
            let horner = rest.iter().rev().fold(start, |inner, c| format!("fma({inner}, t, {c:.10e})"));
            let _ = writeln!(text, "        {horner},");
        }
        text.push_str("    );\n}\n");
    }
    text
}
