"""Stop signs, as networks see them: found on maps whose format links stop lines with traffic lights only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely

from roadcraft.core.data.map import AreaKind, LaneKind
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.features.build import build_features
from roadcraft.core.driving.features.map_tensors import MOUTH_M, STOP_SIGN, stop_signs
from roadcraft.core.driving.features.reference_lines import FAR_M, TO_STOP
from roadcraft.core.driving.features.scene import LogScenes
from roadcraft.core.types import FeatureSpec
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io.synthetic.synthesize import synthesize

SPEC = FeatureSpec(reference_lines=1, reference_points=40, reference_interval_m=2.0)


@pytest.fixture(scope="module")
def world() -> tuple[Any, Any]:
    return next(iter(synthesize(7, 1, ("stop_sign_alone",), locations=1)))


def slow_stop_signs(m: Any) -> np.ndarray:
    rows = [r for r in m.areas.of(AreaKind.STOP) if m.areas.subtype[r] == STOP_SIGN]
    signs = shapely.union_all([shapely.Polygon(m.areas.polygons[int(r)][0]) for r in rows])

    def touches(lane: int, from_end: bool) -> bool:
        line = shapely.LineString(m.lanes.centerlines[lane])
        at = np.arange(0.0, min(MOUTH_M, line.length), 0.05)
        points = shapely.line_interpolate_point(line, line.length - at if from_end else at)
        return bool(shapely.contains(signs, points).any())

    out = np.zeros(len(m.lanes), np.uint8)
    for lane in range(len(m.lanes)):
        if m.lanes.kind[lane] == LaneKind.CONNECTOR and touches(lane, False):
            out[lane] = 1
        if m.lanes.kind[lane] == LaneKind.LANE and touches(lane, True):
            out[m.lanes.successors[lane]] = 1
    return out


def test_signs_govern_what_begins_behind_them(world: tuple[Any, Any]) -> None:
    _, m = world
    got = stop_signs(m)
    assert 0 < got.sum() < len(got)
    np.testing.assert_array_equal(got, slow_stop_signs(m))


def test_a_sign_is_seen_until_it_is_passed(world: tuple[Any, Any]) -> None:
    drive, m = world
    scenes = LogScenes(drive, m, load_vehicle(drive.vehicle), SPEC)
    standing = drive.ego[:, Ego.VX] < 0.1
    first = int(np.argmax(standing))
    gone = np.hypot(*(drive.ego[:, :2] - drive.ego[first, :2]).T) > 15.0
    gone[:first] = False
    past = int(np.argmax(gone))
    last = int(np.flatnonzero(standing[:past])[-1])
    frames = [first - 60, first - 20, last, past]
    found = build_features(SPEC, [scenes.at(f) for f in frames])
    gap = found["reference_info"][:, 0, TO_STOP]
    assert gap[0] > gap[1] > gap[2] > 0.0
    assert gap[2] < 8.0, "rear axle to stop line, standing there"
    assert 20.0 < gap[3] <= FAR_M, "none, or the next one"
    np.testing.assert_allclose(found["ego"][:, 6], [0.0, 0.0, scenes.stopped_time_s[last], 0.0])
    assert scenes.stopped_time_s[last] > 1.0
