"""The ego's units and what its load makes of it, as rows of features."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.features.columns import EgoLoadColumn, EgoUnitColumn
from roadcraft.core.driving.motion.chain import ChainArrays, chain_of, unit_boxes
from roadcraft.core.memo import memo
from roadcraft.core.vehicles.vehicle import Vehicle


def unit_rows(vehicle: Vehicle, joints: F64 | None) -> F64:
    """Rows (n, EgoUnitColumn) of the units whose place is known: all for joints (J,) of the vehicle's number, else the
    first alone."""
    chain, fixed = memo(vehicle, "unit features", lambda: _fixed(vehicle))
    bent = np.zeros((1, vehicle.joints))
    known = 1
    if joints is not None and len(joints) == vehicle.joints:
        bent[0], known = joints, len(vehicle.units)
    out, box = np.array(fixed[:known]), unit_boxes(np.zeros((1, 3)), bent, chain)[0, :known]
    out[:, EgoUnitColumn.X], out[:, EgoUnitColumn.Y] = box[:, 0], box[:, 1]
    out[:, EgoUnitColumn.COS], out[:, EgoUnitColumn.SIN] = np.cos(box[:, 2]), np.sin(box[:, 2])
    out[1:, EgoUnitColumn.JOINT] = bent[0, : known - 1]
    return out


def load_row(vehicle: Vehicle) -> F64 | None:
    """Row (EgoLoadColumn,) of the state of load that is driven; None for a vehicle without masses."""
    return memo(vehicle, "load features", lambda: _load_row(vehicle))


def _fixed(vehicle: Vehicle) -> tuple[ChainArrays, F64]:
    """Lengths, and the rows with what does not move."""
    out = np.zeros((len(vehicle.units), len(EgoUnitColumn)))
    for row, unit in zip(out, vehicle.units, strict=True):
        row[EgoUnitColumn.LENGTH], row[EgoUnitColumn.WIDTH] = unit.length_m, unit.width_m
    for row, mass in zip(out, vehicle.masses, strict=False):  # none without masses
        row[EgoUnitColumn.MASS], row[EgoUnitColumn.COG_HEIGHT] = 1e-3 * mass.mass_kg, mass.cog_height_m
        row[EgoUnitColumn.ROLL_THRESHOLD] = mass.srt_g or 0.0
    return chain_of(vehicle), out


def _load_row(vehicle: Vehicle) -> F64 | None:
    if not vehicle.loads:
        return None
    first = next(iter(vehicle.loads))
    masses = {k: sum(u.loads.get(k, u.loads[first]).mass_kg for u in vehicle.units) for k in vehicle.loads}
    mass, lightest, heaviest = masses[vehicle.load], min(masses.values()), max(masses.values())
    limits, out = vehicle.loads[vehicle.load], np.zeros(len(EgoLoadColumn))
    out[EgoLoadColumn.MASS] = 1e-3 * mass
    out[EgoLoadColumn.POWER_PER_MASS] = vehicle.powertrain.power_W / mass if vehicle.powertrain else 0.0
    out[EgoLoadColumn.BRAKE], out[EgoLoadColumn.LAUNCH] = limits.brake_mps2, limits.launch_mps2
    out[EgoLoadColumn.LOAD] = (mass - lightest) / (heaviest - lightest) if heaviest > lightest else 0.0
    return out
