"""Drift of the energy in NVE against the figures of the design: 1e-4 kT/ns per degree of freedom at 1 fs, 5e-4 at 4 fs."""

import numpy as np

import uncertainty
from report import Row, table
from trajectory import BOLTZMANN, replicas

LIMITS = {1.0: 1e-4, 4.0: 5e-4}  # fs: kT/ns per degree of freedom
BLOCKS = 20


def drift(time, energy):
    """Slope of a least-squares line (per ns) and its standard error: the larger of that from the residuals' correlation time
    and that from residuals summed over blocks, which also sees slower wandering."""
    t = (time - time.mean()) * 1e-3
    e = energy - energy.mean()
    slope = (t @ e) / (t @ t)
    residual = e - slope * t
    by_time = np.sqrt(residual.var() * 2 * uncertainty.correlation_time(residual) / (t @ t))
    sums = np.array([b.sum() for b in np.array_split(t * residual, BLOCKS)])
    by_blocks = np.sqrt((sums**2).sum() * BLOCKS / (BLOCKS - 2)) / (t @ t)
    return slope, max(by_time, by_blocks)


def stage_rows(runs, stage):
    """One row: the mean drift over the starts."""
    timestep = round(1e3 * runs[0].stage(stage)[2], 6)
    slopes, errors = [], []
    for run in runs:
        time, conserved, temperature = run.thermo(stage, "conserved", "temperature")
        scale = sum(run.degrees_of_freedom()) * BOLTZMANN * temperature.mean()
        slope, error = drift(time, conserved / scale)
        slopes.append(slope)
        errors.append(error)
        print(f"{stage}: {time[-1]:.1f} ps at {timestep:g} fs, {temperature.mean():.0f} K: {slope:.2e} +- {error:.1e}")
    n = len(runs)
    error = np.sqrt(np.sum(np.square(errors))) / n
    if n > 1:
        error = max(error, np.std(slopes, ddof=1) / np.sqrt(n))
    limit = LIMITS[timestep]
    return [
        Row(f"drift at {timestep:g} fs (kT/ns per degree of freedom)", np.mean(slopes), 0.0, error, limit, "design"),
        Row(f"its standard error at {timestep:g} fs", error, 0.0, error, limit / 2, "half the limit"),
    ]


def check(directory, stage):
    runs = replicas(directory)
    print(f"\n{directory}")
    return table("energy drift in NVE", stage_rows(runs, stage), digits=3)


STEPS = ("nve-4fs", "nve-2fs", "nve-1fs")


def fluctuation(run, stage):
    """Energy per degree of freedom in kT about its line: standard deviation, and its standard error from the correlation time."""
    time, conserved, temperature = run.thermo(stage, "conserved", "temperature")
    energy = conserved / (sum(run.degrees_of_freedom()) * BOLTZMANN * temperature.mean())
    residual = energy - np.polyval(np.polyfit(time, energy, 1), time)
    independent = len(residual) / (2 * uncertainty.correlation_time(residual**2))
    spread = residual.std()
    return spread, 0.5 * (residual**2).std() / np.sqrt(independent) / spread


def check_reference(reference, mixed):
    """Velocity Verlet's energy error is of second order: in f64 its fluctuation falls by four when the step is halved.

    Drifts are compared at 4 fs, over 20 ps. Over the 2.5 ps at smaller steps the energy follows the slow changes of the
    temperature (the integrator conserves another function, which differs by O(dt^2)), in both precisions alike: that is no drift,
    and blocks of a fraction of a ps do not see it.
    """
    (exact,), (fast,) = replicas(reference), replicas(mixed)
    print(f"\n{reference} (reference precision), {mixed} (mixed)")
    found = [fluctuation(exact, stage) for stage in STEPS]
    rows = []
    for name, (a, a_error), (b, b_error) in zip(("4 and 2 fs", "2 and 1 fs"), found, found[1:]):
        error = a / b * np.hypot(a_error / a, b_error / b)
        rows.append(Row(f"ratio of the fluctuations at {name}", a / b, 4.0, error, 4 * error, "4 s.e."))
        rows.append(Row("its standard error", error, 0.0, error, 0.5, "an order of 1 or 3 would give 2 or 8"))
    slopes = []
    for run in (fast, exact):
        time, conserved, temperature = run.thermo(STEPS[0], "conserved", "temperature")
        slopes.append(drift(time, conserved / (sum(run.degrees_of_freedom()) * BOLTZMANN * temperature.mean())))
    (a, a_error), (b, b_error) = slopes
    error = np.hypot(a_error, b_error)
    rows.append(Row("drift at 4 fs, mixed and reference (kT/ns per degree of freedom)", a, b, error, 4 * error, "4 s.e."))
    return table("energy in NVE, reference and mixed", rows, digits=3)
