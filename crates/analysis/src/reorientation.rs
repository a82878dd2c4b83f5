//! Reorientation of molecules: how long a nitrate remembers which way it looks.
//!
//! C_1(t) = <u(t0 + t) . u(t0)> with u the direction from the centre to an outer atom (N-O bonds: the mean over the three), which
//! also loses memory when the three exchange places; C_2(t) = <P_2(n(t0 + t) . n(t0))>, P_2(x) = (3x^2 - 1)/2, with n the normal of
//! the plane that the first three outer atoms span, the same from both sides: only tumbling of the plane changes it. Both are 1 at
//! t = 0 and 0 when all is forgotten. Over molecules of one centre and three outer atoms or more. Berne and Pecora, Dynamic Light
//! Scattering (1976), chapter 7.
//!
//! Cost: four scalar products a molecule, lag and frame; 96 bytes a molecule and time origin.

use std::sync::Arc;

use glam::{BVec3, DVec3};

use crate::error::AnalysisError;
use crate::frame::{Frame, Needs};
use crate::lags::Lags;
use crate::observable::{Context, Missing, Observable};
use crate::pair_average::{Correlation, GROUPS, Lag, PairAverage};
use crate::particles::Particles;
use crate::table::Table;

/// Outer atoms that are looked at.
const OUTER: usize = 3;
/// Sums: how often, C_1, C_2.
const MOMENTS: usize = 3;

/// Accumulates directions of molecules.
pub struct Reorientation {
    average: PairAverage<Directions>,
    names: Vec<String>,
    lags: Arc<Lags>,
}

struct Directions {
    /// Per molecule: its kind, its centre and three outer atoms.
    molecules: Vec<(usize, usize, [usize; OUTER])>,
    kinds: usize,
    /// Edges across which a molecule can be split.
    periodic: BVec3,
}

impl Correlation for Directions {
    /// Per molecule: three directions and a normal.
    type Sample = Vec<[DVec3; OUTER + 1]>;

    fn width(&self) -> usize {
        MOMENTS * self.kinds
    }

    fn sample(&self, frame: &Frame) -> Self::Sample {
        let direction = |(_, centre, outer): &(usize, usize, [usize; OUTER])| {
            // Also where the file splits molecules at the walls.
            let arms = outer.map(|atom| {
                let arm = frame.unwrapped[atom] - frame.unwrapped[*centre];
                frame.cell.map_or(arm, |cell| cell.difference_along(self.periodic, arm))
            });
            let normal = (arms[1] - arms[0]).cross(arms[2] - arms[0]).normalize_or_zero();
            let [a, b, c] = arms.map(DVec3::normalize_or_zero);
            [a, b, c, normal]
        };
        self.molecules.iter().map(direction).collect()
    }

    fn add(&self, origin: &Self::Sample, now: &Self::Sample, sums: &mut [f64]) {
        for (molecule, (then, now)) in origin.iter().zip(now).enumerate() {
            let first = MOMENTS * (molecule % GROUPS * self.kinds + self.molecules[molecule].0);
            let bonds: f64 = (0..OUTER).map(|k| then[k].dot(now[k])).sum();
            let cosine = then[OUTER].dot(now[OUTER]);
            sums[first] += 1.0;
            sums[first + 1] += bonds / OUTER as f64;
            sums[first + 2] += 1.5 * cosine * cosine - 0.5;
        }
    }
}

impl Reorientation {
    /// Of the molecules of `particles` that have three outer atoms and more.
    pub fn new(particles: &Particles, periodic: BVec3, lags: &Arc<Lags>) -> Option<Self> {
        let membership = particles.molecules.as_ref()?;
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); membership.iter().max()? + 1];
        for (atom, &molecule) in membership.iter().enumerate() {
            members[molecule].push(atom);
        }
        let mut kinds: Vec<usize> = Vec::new();
        let mut molecules = Vec::new();
        for &centre in &particles.centres {
            let outer: Vec<usize> =
                members[membership[centre]].iter().copied().filter(|a| *a != centre).take(OUTER).collect();
            let Ok(outer) = <[usize; OUTER]>::try_from(outer) else { continue };
            let species = particles.species[centre];
            let kind = kinds.iter().position(|k| *k == species).unwrap_or_else(|| {
                kinds.push(species);
                kinds.len() - 1
            });
            molecules.push((kind, centre, outer));
        }
        let names = kinds.iter().map(|s| particles.names[*s].clone()).collect();
        let directions = Directions { molecules, kinds: kinds.len(), periodic };
        (!kinds.is_empty()).then(|| Self {
            average: PairAverage::new(directions, lags),
            names,
            lags: Arc::clone(lags),
        })
    }
}

/// For the list of observables.
pub fn prepare(context: &Context) -> Result<Box<dyn Observable>, Missing> {
    if context.lags.is_empty() {
        return Err(Missing::because("a correlation in time needs at least two frames of one trajectory"));
    }
    match Reorientation::new(context.inputs.particles(), context.inputs.periodic(), &context.lags) {
        Some(reorientation) => Ok(Box::new(reorientation)),
        None => Err(Missing::because(
            "there is no molecule of four atoms or more (the file names none, or only ions)",
        )),
    }
}

impl Observable for Reorientation {
    fn key(&self) -> String {
        self.lags.describe()
    }

    fn needs(&self, _: usize, _: usize) -> Needs {
        Needs::UNWRAPPED
    }

    fn accumulate(&mut self, frame: &Frame) -> Result<(), AnalysisError> {
        self.average.accumulate(frame);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Table>, Missing> {
        let means = |sums: &[f64]| sums.chunks(MOMENTS).flat_map(|m| [m[1] / m[0], m[2] / m[0]]).collect();
        let lags: Vec<Lag> = self.average.finish(means);
        let functions: Vec<(usize, &String, i64)> = (0..self.names.len())
            .flat_map(|kind| [1, 2].map(|order| (kind, &self.names[kind], order)))
            .collect();
        let column = |f: &dyn Fn(&Lag, usize) -> f64| -> Vec<f64> {
            let place = |(kind, _, order): &(usize, &String, i64)| 2 * kind + usize::from(*order == 2);
            functions
                .iter()
                .flat_map(|function| lags.iter().map(move |lag| f(lag, place(function))))
                .collect()
        };
        let table = Table::new(
            "reorientation",
            "C_1 of the directions from the centre to the outer atoms, C_2 (second Legendre polynomial) of the plane's normal",
        )
        .text("species", functions.iter().flat_map(|(_, name, _)| vec![(*name).clone(); lags.len()]).collect())
        .integer("order", functions.iter().flat_map(|(_, _, order)| vec![*order; lags.len()]).collect())
        .real("t_ps", "ps", column(&|lag, _| lag.time))
        .real("value", "", column(&|lag, i| lag.values[i]))
        .real("standard_error", "", column(&|lag, i| lag.errors[i]));
        Ok(vec![table])
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use vitrion_core::cell::Cell;

    use super::*;
    use crate::analysis::stream;
    use crate::test_support::Synthetic;

    /// A nitrate that spins in its plane or tumbles about one of its bonds.
    fn measure(tumbles: bool) -> Table {
        let at = move |f: usize| {
            let angle = 0.1 * f as f64;
            let corner = |k: usize| {
                let (sin, cos) = (TAU * k as f64 / 3.0 + if tumbles { 0.0 } else { angle }).sin_cos();
                let r = 1.26 * DVec3::new(cos, sin, 0.0);
                let (s, c) = if tumbles { angle.sin_cos() } else { (0.0, 1.0) };
                DVec3::splat(5.0) + DVec3::new(r.x, c * r.y, s * r.y)
            };
            vec![DVec3::splat(5.0), corner(0), corner(1), corner(2)]
        };
        let cell = Cell::cubic(10.0).unwrap();
        let mut trajectory = Synthetic::new(&[0, 1, 1, 1], (0..20).collect(), 1.0, cell, at);
        trajectory.particles =
            Particles::new(vec!["N".into(), "O".into()], vec![0, 1, 1, 1], Some(vec![0; 4]));
        let inputs = trajectory.inputs();
        let lags = Arc::new(Lags::new(inputs.clocks(), 100));
        let mut reorientation = Reorientation::new(inputs.particles(), inputs.periodic(), &lags).unwrap();
        stream(&inputs, &mut [&mut reorientation], &mut |_| ()).unwrap();
        Box::new(reorientation).finish().unwrap().remove(0)
    }

    #[test]
    fn spinning_turns_the_bonds_and_tumbling_the_normal() {
        for (tumbles, table) in [(false, measure(false)), (true, measure(true))] {
            let (t, value) = (table.reals("t_ps").unwrap(), table.reals("value").unwrap());
            let half = table.rows() / 2;
            for i in 0..half {
                let cosine = (0.1 * t[i]).cos();
                // Tumbling: one bond is the axis, and the others turn with y = sin(60 deg): squares 3/4 cos + 1/4.
                let first = if tumbles { (1.0 + 2.0 * (0.25 + 0.75 * cosine)) / 3.0 } else { cosine };
                let second = if tumbles { 1.5 * cosine * cosine - 0.5 } else { 1.0 };
                assert!((value[i] - first).abs() < 1e-12 && (value[half + i] - second).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn molecules_are_made_whole_along_periodic_edges_only() {
        let cell = crate::test_support::triclinic();
        let arm = DVec3::new(0.4, -0.3, 0.5);
        for mask in 0..8 {
            let periodic = BVec3::new(mask & 1 > 0, mask & 2 > 0, mask & 4 > 0);
            let walls = DVec3::select(periodic, DVec3::new(1.0, -1.0, 2.0), DVec3::ZERO);
            // Along other edges an arm may be longer than half the cell.
            let long = DVec3::select(periodic, DVec3::ZERO, DVec3::splat(0.8));
            let found = cell.difference_along(periodic, cell.cartesian(walls + long) + arm);
            // Round-off.
            assert!((found - cell.cartesian(long) - arm).length() < 1e-12, "{periodic}");
        }
    }

    #[test]
    fn ions_have_no_direction() {
        let particles = Particles::new(vec!["K".into()], vec![0; 3], Some(vec![0, 1, 2]));
        let lags = Arc::new(Lags::new(&[], 1));
        assert!(Reorientation::new(&particles, BVec3::TRUE, &lags).is_none());
    }
}
