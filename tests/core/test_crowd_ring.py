"""The ring road as a small world: who follows the lane's points and keeps a gap drives round after round without a
fault, among others, behind one that has broken down, and with a trailer; who drives blindly does not."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from ring_roads import RingShape, ring_crowd, ring_roads

from roadcraft.core.arrays import F32, F64
from roadcraft.core.driving.multi_agent.crowd import Crowd
from roadcraft.core.driving.multi_agent.observation import NEIGHBORS, observation_columns

COLUMN = {name: k for k, (name, _, _) in enumerate(observation_columns())}
DT_S, SECONDS = 0.1, 40.0
ROADS = {
    "pacifica": (RingShape(120.0, 5, 4.0), RingShape(110.0, 3, 6.0)),
    "us_sleeper_53": (RingShape(280.0, 1, 0.0), RingShape(260.0, 2, 4.0)),  # as wide as its trailer needs
}


def _near(seen: F32, name: str) -> F32:
    return seen[..., [COLUMN[f"near_{k}.{name}"] for k in range(NEIGHBORS)]]


def careful(seen: F32) -> F64:
    """Pure pursuit of its line's points, and a speed that keeps a gap to who is in the way; from observations alone."""
    seen = seen.astype(np.float64)
    speed, length = seen[..., COLUMN["speed"]], seen[..., COLUMN["length"]]
    ahead = 3 + (speed > 6.0)  # the point 10 or 15 m ahead
    x = np.choose(ahead - 3, [seen[..., COLUMN[f"own_{k}.x"]] for k in (3, 4)]) + seen[..., COLUMN["axle_to_center"]]
    y = np.choose(ahead - 3, [seen[..., COLUMN[f"own_{k}.y"]] for k in (3, 4)])
    base = seen[..., COLUMN["wheel_base"]]
    wanted = np.arctan(2.0 * base * y / np.maximum(x * x + y * y, 1.0))
    rate = (wanted - seen[..., COLUMN["steering"]]) / 0.3
    there, nx, ny = _near(seen, "length") > 0.0, _near(seen, "x"), _near(seen, "y")
    bend = (2.0 * y / np.maximum(x * x + y * y, 1.0))[..., None]  # the arc that it steers along
    in_way = there & (nx > 0.0) & (np.abs(ny - 0.5 * bend * nx * nx) < 2.6)
    gap = np.where(in_way, nx - 0.5 * (length[..., None] + _near(seen, "length")), 1e3).min(axis=-1) - 3.0
    least = np.sqrt(2.0 * 2.0 * np.maximum(gap, 0.0))
    target = np.minimum(np.minimum(seen[..., COLUMN["limit"]] * 0.8, least), 9.0)
    return np.stack([2.0 * (target - speed), rate], -1)


def blind(seen: F32) -> F64:
    """Keeps its speed and its line, and sees nobody."""
    out = careful(seen)
    out[..., 0] = 0.0
    return out


@cache
def _start(vehicle: str, count: int) -> Crowd:
    """In each scenario the first vehicle has broken down."""
    crowd = ring_crowd(8, ring_roads(ROADS[vehicle], exits=False), vehicle, count, spread_m=0.0, apart=True)
    first = crowd.rows.vehicle == 0
    crowd.rows.driven[first], crowd.rows.state[first, 3] = False, 0.0
    return crowd


def _drive(crowd: Crowd, policy) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Share of vehicles that touched somebody or left the road, and mean speed of all, m/s."""
    failed, speeds, names = np.zeros(crowd.rows.there.shape, bool), [], crowd.rows.vehicle
    crowd.check()
    for _ in range(round(SECONDS / DT_S)):
        crowd.step(policy(crowd.observe()), DT_S)
        failed |= crowd.off.any(axis=-1) | (crowd.touched >= 0)
        speeds.append(crowd.rows.state[crowd.rows.there & (crowd.rows.towed[..., 0] == 0.0), 3].mean())
    lead = crowd.rows.there & (names == np.arange(names.shape[1]))
    by_vehicle = [failed[b][names[b] == i].any() for b, i in np.argwhere(lead).tolist()]
    return float(np.mean(by_vehicle)), float(np.mean(speeds))


@pytest.mark.parametrize(("vehicle", "count"), [("pacifica", 24), ("us_sleeper_53", 8)])
def test_careful_drivers_make_no_mistake_and_blind_ones_do(vehicle: str, count: int) -> None:
    """Both numbers count: standing still makes no mistake either."""
    start = _start(vehicle, count)
    kept = start.state()
    faults, speed = _drive(start, careful)
    assert faults == 0.0
    assert speed > 4.0
    start.set_state(kept)
    faults, speed = _drive(start, blind)
    assert faults > 0.05
    assert speed > 3.0
