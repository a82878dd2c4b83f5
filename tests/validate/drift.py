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
