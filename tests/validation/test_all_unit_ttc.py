"""Time to collision of all units: nuPlan's where nothing turns, and a slow twin's where something does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings, strategies as st
from made_freight import TRACTOR, TRUCK, along, drive, judged, loaded, mirrored, straight, thing

from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.rollout_context import RolloutContext
from roadcraft.core.data.scenario import Ego, ObjectKind
from roadcraft.core.driving.geometry.boxes import box_corners
from roadcraft.core.driving.geometry.facing import AHEAD_RAD, BEHIND_RAD
from roadcraft.core.errors import ConfigError
from roadcraft.core.testing import made_up_rollout, made_up_scenario
from roadcraft.core.testing.world import ORIGIN
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.routes import corners, route_of_corners
from roadcraft.validation.metrics.freight.all_unit_collisions import unit_contacts
from roadcraft.validation.metrics.freight.all_unit_ttc import unit_times
from roadcraft.validation.metrics.freight.common.units import units

ALONE = replace(TRUCK, name="alone", units=(TRACTOR,))
CAR, PERSON = ObjectKind.VEHICLE, ObjectKind.PEDESTRIAN


def others(rng: np.random.Generator, count: int, steps: int) -> list[dict]:
    """Cars that go straight on, from anywhere around the way of the truck."""
    found = []
    for _ in range(count):
        heading, speed = rng.uniform(-3.1, 3.1), rng.uniform(0.0, 9.0)
        velocity = speed * np.array([np.cos(heading), np.sin(heading)])
        box = np.zeros((steps, 5))
        box[:, :2] = rng.uniform([55, -14], [130, 12]) + velocity * 0.1 * np.arange(steps)[:, None]
        box[:, 2:] = [heading, 4.5, 1.9]
        found.append(thing(CAR, box, velocity))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_car_that_does_not_turn_has_nuplan_s_to_the_last_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ego = straight(rng.uniform(4.0, 9.0), 100, y=rng.uniform(-3.0, 3.0))
    ego[:, Ego.HEADING] = rng.uniform(-0.05, 0.05)
    rollout = drive(ego, ALONE, others(rng, 14, 100))
    ours, theirs = judged("all_unit_ttc", rollout), judged("time_to_collision_within_bound", rollout)
    assert ours.series.values[:, 0].tobytes() == theirs.series.values.tobytes()
    assert (ours.score, ours.stats["min_time_to_collision_of_unit_0"]) == (
        theirs.score,
        theirs.stats["min_time_to_collision"],
    )
    assert np.isfinite(ours.series.values).any()


def slow_times(rollout: Rollout, unit: int, steps: range) -> list[float]:
    """Seconds at the given steps, by shapely, an object and an interval after the other."""
    context, d = RolloutContext(rollout), rollout.drive
    u, objects = units(context), frames(context).objects
    route = corners(context) if unit == 0 else route_of_corners(context, u.corners[:, unit], "it")
    contacts = {(c.unit, int(d.tracks.vehicle[d.objects.track[c.row]])): c for c in unit_contacts(context)}
    faults = {(c.unit, c.step) for c in contacts.values() if c.at_fault}
    areas = rollout.scenario.map.index.intersections.polygons
    crossings = [shapely.Polygon(areas[k][0]) for k in range(len(areas))]
    out = []
    for i in steps:
        (x, y, h), v, w = u.poses[i, unit], u.speed[i, unit], u.yaw_rate[i, unit]
        length, width = u.boxes[i, unit, 3:]
        ahead = float((u.boxes[i, unit, :2] - (x, y)) @ (np.cos(h), np.sin(h)))
        wide = not route.in_common[i] or any(a.contains(shapely.Point(x, y)) for a in crossings)
        found = 0.0 if (unit, i) in faults else np.inf
        for k in range(1, 30) if found and abs(v) > 0.005 else ():
            t, turn = 0.1 * k, 0.1 * k * w
            chord = v * t * (np.sin(0.5 * turn) / (0.5 * turn) if turn else 1.0)
            px, py = x + chord * np.cos(h + 0.5 * turn), y + chord * np.sin(h + 0.5 * turn)
            center = px + ahead * np.cos(h + turn), py + ahead * np.sin(h + turn)
            own = shapely.Polygon(box_corners(*center, h + turn, length, width))
            for r in range(objects.offsets[i], objects.offsets[i + 1]):
                first = contacts.get((unit, int(d.tracks.vehicle[objects.track[r]])))
                box = objects.box[r].copy()
                way = h if v > 0 else h + np.pi
                angle = np.arccos(
                    np.clip((box[:2] - (x, y)) @ (np.cos(way), np.sin(way)) / np.hypot(*(box[:2] - (x, y))), -1, 1)
                )
                counts = angle < AHEAD_RAD or (wide and angle <= BEHIND_RAD)
                if (first is not None and first.step <= i) or not counts:
                    continue
                box[:2] += objects.speed[r] * t * np.array([np.cos(box[2]), np.sin(box[2])])
                if own.intersects(shapely.Polygon(box_corners(*box))):
                    found = t
                    break
            if np.isfinite(found):
                break
        out.append(float(found))
    return out


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_turning_units_are_the_slow_twin_s(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ego = along(rng.uniform(-0.05, 0.05) * np.sin(np.arange(60) * 0.06), rng.uniform(-5.0, 8.0), 4.5)
    rollout = drive(ego, things=others(rng, 10, 60))
    seconds, hit = unit_times(RolloutContext(rollout), 0.1, 3.0)
    some = range(0, 60, 6)
    for unit in range(2):
        np.testing.assert_allclose(seconds[some, unit], slow_times(rollout, unit, some), atol=1e-6)
    assert (np.isfinite(seconds) & (seconds > 0.0) == (hit >= 0)).all()


def test_who_stands_where_the_trailer_cuts_in_is_foreseen() -> None:
    ego = along(np.full(100, -1 / 15.0), 3.0, 4.5)  # a right turn: the trailer cuts in
    inside = units(RolloutContext(drive(ego))).boxes[70, 1, :2] - ORIGIN
    rollout = drive(ego, things=[thing(PERSON, np.array([*inside, 0.0, 0.5, 0.5]))])
    result = judged("all_unit_ttc", rollout)
    contact = next(c for c in unit_contacts(RolloutContext(rollout)) if c.unit == 1)
    before = result.series.values[contact.step - 15 : contact.step, 1]
    assert np.isfinite(before[-5:]).all()
    assert (np.diff(before[np.isfinite(before)]) <= 1e-9).all()
    assert result.series.values[contact.step, 1] == 0.0
    assert result.score == 0.0
    assert any("unit 1 would hit a pedestrian" in e.what for e in result.events)
    assert judged("time_to_collision_within_bound", rollout).score == 1.0, "nuPlan's sees unit 0 alone"
    other = judged("all_unit_ttc", mirrored(rollout))
    np.testing.assert_allclose(other.series.values, result.series.values, atol=1e-9)


def test_in_reverse_the_rear_end_leads() -> None:
    rollout = drive(straight(-2.0, x=100.0), things=[thing(CAR, np.array([74.0, -1.8, 0.0, 4.5, 1.9]))])
    seconds, _ = unit_times(RolloutContext(rollout), 0.1, 3.0)
    gap = 100.0 + 0.3 - 12.5 - 2.7 - 74.0 - 2.25 - 2.0 * 0.1 * np.arange(150)
    soon = (gap > 0.3) & (gap < 5.5)
    np.testing.assert_allclose(seconds[soon, 1], np.ceil(gap[soon] / 0.2 - 1e-9) * 0.1, atol=1e-6)
    assert np.isinf(seconds[:60, 0]).all(), "its own trailer is between"


def test_a_car_in_the_made_up_world_is_judged_as_by_nuplan() -> None:
    rollout = made_up_rollout(made_up_scenario(speed_mps=12.0))
    assert (rollout.drive.ego[:, Ego.YAW_RATE] == 0.0).all()
    ours, theirs = judged("all_unit_ttc", rollout), judged("time_to_collision_within_bound", rollout)
    assert ours.series.values[:, 0].tobytes() == theirs.series.values.tobytes()
    assert judged("all_unit_ttc", drive(straight(), loaded())).stats["all_unit_ttc"]


def test_a_step_of_no_time_is_refused() -> None:
    with pytest.raises(ConfigError, match="step_s"):
        judged("all_unit_ttc", drive(straight()), step_s=0.0)
