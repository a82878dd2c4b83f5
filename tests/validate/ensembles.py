"""Distributions that the ensembles must have.

- Kinetic energy in NVT: 2K/kT of translation and of rotation follow chi-squared with their degrees of freedom
  (Kolmogorov-Smirnov on samples apart by twice the correlation time), and so do mean and variance.
- Volume in NPT at two pressures: the ratio of the distributions of V is exp(-(P1 - P2) V/kT); the slope that the package
  physical_validation (Merz and Shirts, PLoS ONE 13, e0202764 (2018)) finds must agree with that within 3 standard errors.
"""

import contextlib
import io

import numpy as np
import physical_validation
import scipy.stats

import uncertainty
from report import Row, table
from trajectory import ATMOSPHERE, BOLTZMANN, replicas

SMALLEST_P = 1e-3  # one false alarm in a thousand


def kinetic_rows(runs, stage, target=700.0):
    rows = []
    for name, freedom in zip(("translational", "rotational"), runs[0].degrees_of_freedom()):
        series = [freedom * run.thermo(stage, f"{name}_temperature")[1] / target for run in runs]
        value, error = uncertainty.mean(series)
        rows.append(Row(f"{name}: <2K/kT>", value, freedom, error, 4 * error, "4 s.e."))
        variance, error = uncertainty.mean([(s - freedom) ** 2 for s in series])
        rows.append(Row(f"{name}: variance of 2K/kT", variance, 2 * freedom, error, 4 * error, "4 s.e."))
        apart = [s[:: max(1, int(np.ceil(2 * uncertainty.correlation_time(s))))] for s in series]
        p = scipy.stats.kstest(np.concatenate(apart), scipy.stats.chi2(freedom).cdf).pvalue
        # As a row: 1 - p may not exceed 1 - SMALLEST_P.
        rows.append(Row(f"{name}: 1 - p of chi-squared", 1 - p, 0.0, 0.0, 1 - SMALLEST_P, "1e-3 false alarms"))
    return rows


def ensemble_data(run, stage, pressure):
    """One replica as the package wants it, in units of kJ/mol, nm^3 and bar."""
    atoms = len(run.species)
    translation, rotation = run.degrees_of_freedom()
    _, volume, potential, kinetic = run.thermo(stage, "volume", "potential_energy", "kinetic_energy")
    units = physical_validation.data.UnitData(
        kb=BOLTZMANN * 1e-2,
        energy_str="kJ/mol",
        energy_conversion=1.0,
        length_str="nm",
        length_conversion=1.0,
        volume_str="nm^3",
        volume_conversion=1.0,
        temperature_str="K",
        temperature_conversion=1.0,
        pressure_str="bar",
        pressure_conversion=1.0,
        time_str="ps",
        time_conversion=1.0,
    )
    system = physical_validation.data.SystemData(
        natoms=atoms,
        nconstraints=3 * atoms - 3 - translation - rotation,
        ndof_reduction_tra=3,
        ndof_reduction_rot=0,
        mass=run.mass,
    )
    ensemble = physical_validation.data.EnsembleData(
        "NPT", natoms=atoms, pressure=pressure / ATMOSPHERE * 1.01325, temperature=700.0
    )
    observables = physical_validation.data.ObservableData(
        kinetic_energy=kinetic * 1e-2,
        potential_energy=potential * 1e-2,
        total_energy=(kinetic + potential) * 1e-2,
        volume=volume * 1e-3,
    )
    return physical_validation.data.SimulationData(
        units=units, system=system, ensemble=ensemble, observables=observables
    )


def pressure_rows(runs, stage):
    """Replicas sorted into two pressures; the first of each is paired with the first of the other, and so on."""
    by_pressure = {}
    for run in runs:
        by_pressure.setdefault(round(float(run.thermo(stage, "target_pressure")[1][0]), 9), []).append(run)
    (low, first), (high, second) = sorted(by_pressure.items())
    rows = []
    for a, b in zip(first, second):
        # All samples: thinned to independent ones, 200 ps leave too few for the package's histograms. Its analytical error
        # allows for correlations: on made-up Gaussian volumes with correlation times of 0.2 to 50 samples and the right ratio,
        # the deviation is 0.6 to 0.8 of it (root mean square).
        with contextlib.redirect_stdout(io.StringIO()) as said:
            quantiles = physical_validation.ensemble.check(
                ensemble_data(a, stage, low),
                ensemble_data(b, stage, high),
                data_is_uncorrelated=True,
                bootstrap_seed=1,
                verbosity=2,
            )
        print(said.getvalue())
        name = f"ln P(V) ratio, {low / ATMOSPHERE:.0f} and {high / ATMOSPHERE:.0f} atm: deviation of slope in s.e."
        rows.append(Row(name, abs(float(quantiles[0])), 0.0, 1.0, 3.0, "3 s.e., as the package advises"))
    return rows


def check_kinetic(directory, stage):
    return table(f"kinetic energy in NVT, {directory}", kinetic_rows(replicas(directory), stage))


def check_pressures(directory, stage):
    return table(f"ensemble ratio in NPT, {directory}", pressure_rows(replicas(directory), stage))
