"""Reads the thermo rows and frames of a run directory.

Units: angstrom, ps, u, e, K; energies u A^2/ps^2, pressures u/(A ps^2).
"""

from pathlib import Path

import h5py
import numpy as np

BOLTZMANN = 0.831446261815324  # u A^2/ps^2/K
ATMOSPHERE = 6.101933e-3  # u/(A ps^2): 101325 Pa
KILOCALORIE_PER_MOLE = 418.4  # u A^2/ps^2
GRAM_PER_CUBIC_CENTIMETRE = 0.602214076  # u/A^3


class Replica:
    """One trajectory file."""

    def __init__(self, path):
        self.file = h5py.File(path, "r")
        particles = self.file["particles/all"]
        names = [n if isinstance(n, str) else n.decode() for n in particles["species"].attrs["names"]]
        self.species = np.array([names[s] for s in particles["species"][:]])
        self.mass = particles["mass"][:]
        centres = self.file["particles/centres"]
        self.centre_atom = centres["atom"][:]
        self.centre_mass = centres["mass"][:]

    def stage(self, name):
        """First step, number of steps and time step (ps) of a stage."""
        stages = self.file["vitrion/stages"]
        names = [n if isinstance(n, str) else n.decode() for n in stages["name"][:]]
        i = names.index(name)
        return int(stages["first_step"][i]), int(stages["steps"][i]), float(stages["timestep"][i])

    def thermo(self, stage, *quantities):
        """Time (ps) since the stage began, and columns, one row a sample; the row at its first step is left out."""
        first, steps, timestep = self.stage(stage)
        group = self.file["vitrion/thermo"]
        n = min(len(group[q]) for q in ("step", *quantities))
        step = group["step"][:n]
        rows = (step > first) & (step <= first + steps)
        return ((step[rows] - first) * timestep, *(group[q][:n][rows] for q in quantities))

    def frames(self, stage, group="centres", what="position"):
        """Time (ps) since the stage began, edges (frames x 3 x 3, rows are edge vectors), values (frames x particles x 3)."""
        first, steps, timestep = self.stage(stage)
        element = self.file[f"particles/{group}/{what}"]
        step = element["step"][:]
        value = element["value"]
        rows = np.flatnonzero((step >= first) & (step <= first + steps) & (np.arange(len(step)) < len(value)))
        edges = self.file["particles/all/box/edges/value"][rows[0] : rows[-1] + 1]
        return (step[rows] - first) * timestep, edges, value[rows[0] : rows[-1] + 1]

    def degrees_of_freedom(self):
        """Of the centres (their centre of mass is at rest) and of the rotations of rigid nitrates."""
        return 3 * len(self.centre_atom) - 3, 3 * int(np.sum(self.species == "N"))


def replicas(directory):
    """All replicas of a run, in order."""
    paths = sorted(Path(directory).glob("replica-*.h5"))
    if not paths:
        raise SystemExit(f"{directory}: no trajectories; run the configuration first")
    return [Replica(p) for p in paths]
