"""Judges a drive of a truck: contacts of all units, lanes, load transfer, stopping margin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.places import PlaceKind
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.geometry.boxes import corners
from roadcraft.core.driving.motion.chain import chain_of, unit_boxes
from roadcraft.core.driving.motion.dynamic_chain import motion_columns
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.scenario_io.synthetic.freight.driving.course import outline
from roadcraft.scenario_io.synthetic.freight.driving.pace import LEADER_BRAKE_MPS2, Ahead
from roadcraft.scenario_io.synthetic.freight.driving.wheel import TruckDrive
from roadcraft.scenario_io.synthetic.roads.sketch import Sketch


class DriveVerdict(NamedTuple):
    """What a drive came to."""

    contact: int
    """Step of the first contact of any unit, -1 for none."""
    excess: float
    """Farthest that any unit reached beyond its lanes, m."""
    off_road: float
    """Farthest that any unit reached beyond the road, m."""
    load_transfer: float
    """Largest load transfer ratio."""
    margin: float
    """Share of the time in which the truck could have stopped behind whoever was ahead."""
    braking: float
    """Hardest deceleration, m/s2."""
    hottest: float
    """Temperature of the brakes, degrees C."""
    joint: float
    """Largest joint angle, rad."""
    wrong: str = ""
    """What it did wrong by the situation's own rule, empty where nothing."""


def botched(v: DriveVerdict) -> bool:
    """Whether a drive shows what no truck may do: touch others, tip, leave the road or its lanes by far, or what the
    situation is about."""
    return v.contact >= 0 or v.load_transfer >= 1.0 or v.excess > 0.8 or v.off_road > 0.3 or bool(v.wrong)


def judge(
    driven: TruckDrive, vehicle: Vehicle, others: tuple[F64, F64], ahead: Ahead, sketch: Sketch, own: list[F64]
) -> DriveVerdict:
    """Judges a drive every 0.1 s. others, ahead: of script.py; own: outlines that the units may be on."""
    chain, ego = chain_of(vehicle), np.ascontiguousarray(driven.ego[::2])
    boxes = np.asarray(unit_boxes(ego, np.ascontiguousarray(driven.joints[::2]), chain))
    edges = [outline(b).reshape(-1, 2) for b in (boxes[:, :1], boxes[:, 1:])]
    lanes = shapely.union_all([shapely.Polygon(ring).buffer(0.01) for ring in own])
    road = shapely.union_all([shapely.Polygon(ring).buffer(0.01) for kind, _, ring in sketch.areas if int(kind) <= 3])
    aprons = [shapely.Polygon(p.polygon[0], p.polygon[1:]) for p in sketch.places if p.kind == PlaceKind.APRON]
    columns = motion_columns(vehicle)
    transfer = [k for k, name in enumerate(columns) if name.startswith("load_transfer")]
    gap = ahead.s[: len(ego)] - driven.s[::2] - vehicle.body.front_m
    return DriveVerdict(
        first_contact(boxes, others[0][: len(ego)]),
        max(_outside(shapely.union_all([lanes, *more]), edge) for more, edge in zip(([], aprons), edges, strict=True)),
        max(_outside(shapely.union_all([road, *more]), edge) for more, edge in zip(([], aprons), edges, strict=True)),
        float(np.abs(driven.motion[:, transfer]).max()),
        float((stopping_margin(gap, ahead.speed[: len(ego)], ego[:, Ego.VX], vehicle) >= 0.0).mean()),
        float(-driven.ego[:, Ego.AX].min()),
        float(driven.motion[:, columns.index("brake_temperature")].max()),
        float(np.abs(driven.joints).max()) if vehicle.joints else 0.0,
    )


def stopping_margin(gap: F64, lead: F64, speed: F64, vehicle: Vehicle, react: float = 0.3) -> F64:
    """Room left, m, were whoever is ahead to brake hard and the truck to stop after ``react`` s on a dry level road."""
    brakes, b = vehicle.brakes, vehicle.loads[vehicle.load].brake_mps2
    assert brakes is not None
    need = speed * (react + brakes.dead_s + 0.5 * brakes.ramp_s) + 0.5 * speed * speed / b
    return gap + 0.5 * np.maximum(lead, 0.0) ** 2 / LEADER_BRAKE_MPS2 - need


def first_contact(units: F64, others: F64) -> int:
    """First step at which any unit (T, n, 5) touches any other box (T, N, 5), or -1."""
    step, _ = contacts(units, others)
    return int(step.min()) if len(step) else -1


def contacts(units: F64, others: F64) -> tuple[I64, I64]:
    """Steps (C,) at which a unit (T, n, 5) touches another box (T, N, 5), and the numbers (C,) of these boxes."""
    reach = 0.5 * np.hypot(units[..., 3], units[..., 4])[:, :, None]
    reach = reach + 0.5 * np.hypot(others[..., 3], others[..., 4])[:, None]
    with np.errstate(invalid="ignore"):
        gap = np.hypot(*(units[:, :, None, :2] - others[:, None, :, :2]).transpose(3, 0, 1, 2))
        step, unit, other = np.nonzero(gap < reach)
    a, b = corners(units[step, unit]), corners(others[step, other])
    hit = shapely.intersects(shapely.polygons(a), shapely.polygons(b))
    return step[hit], other[hit]


def from_behind(units: F64, others: F64) -> bool:
    """Whether all that units (n, 5) touch (N, 5) comes from behind them: its center lies behind their rear ends."""
    a, b = corners(units), corners(others[np.isfinite(others[:, 0])])
    unit, other = np.nonzero(shapely.intersects(shapely.polygons(a)[:, None], shapely.polygons(b)[None]))
    u, o = units[unit], others[np.isfinite(others[:, 0])][other]
    along = (o[:, 0] - u[:, 0]) * np.cos(u[:, 2]) + (o[:, 1] - u[:, 1]) * np.sin(u[:, 2])
    return bool((along < -0.45 * u[:, 3]).all())


def _outside(area: shapely.Geometry, points: F64) -> float:
    shapely.prepare(area)
    out = points[~shapely.contains_xy(area, points[:, 0], points[:, 1])]
    return float(shapely.distance(area, shapely.points(out)).max()) if len(out) else 0.0
