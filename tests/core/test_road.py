"""The road under vehicles, by the places of their maps and the layers of their logs."""

from __future__ import annotations

import math
from dataclasses import replace
from math import nan

import numpy as np
import pytest
import shapely
import tiny_world
from hypothesis import given, settings, strategies as st

from roadcraft.core.data.layers import NO_LAYERS, Grid, RasterLayers
from roadcraft.core.data.map import MapData
from roadcraft.core.data.places import PlaceKind, Places, RoadPlace
from roadcraft.core.driving.road import BESIDE_M, road_under, says_of_roads
from roadcraft.core.errors import DataError
from roadcraft.core.vehicles.state import DRY_FRICTION, RoadState, level_road

K = PlaceKind
X, Y = tiny_world.START


def with_places(*places: RoadPlace) -> MapData:
    return replace(tiny_world.make_map(), places=Places.build(places))


def at(m: MapData, x: float, y: float, heading: float = 0.0, layers: RasterLayers = NO_LAYERS) -> list[float]:
    """Grade, bank, friction, wind x and y at one place of the tiny world."""
    ego = np.zeros((1, 10))
    ego[0, :3] = X + x, Y + y, heading
    road = road_under([m], ego, [layers] if len(layers) else ())
    return [float(road.grade[0]), float(road.bank[0]), float(road.friction[0]), *road.wind_mps[0].tolist()]


def test_without_places_all_share_one_level_road() -> None:
    m = tiny_world.make_map()
    assert road_under([m] * 3, np.zeros((3, 10))) is level_road(3)
    assert not level_road(3).grade.flags.writeable
    assert not says_of_roads(m, NO_LAYERS)
    assert not says_of_roads(with_places(RoadPlace(K.CLEARANCE, 1, (0.0, 9.0), 4.0)), NO_LAYERS)
    assert says_of_roads(with_places(RoadPlace(K.WIND, 1, (0.0, 9.0), 4.0, 0.0)), NO_LAYERS)
    assert says_of_roads(m, RasterLayers.build({"grade": Grid(np.zeros((1, 1), np.float32), 1.0)}))
    assert not says_of_roads(m, RasterLayers.build({"roughness": Grid(np.zeros((1, 1), np.float32), 1.0)}))


def test_values_within_their_spans() -> None:
    m = with_places(
        RoadPlace(K.GRADE, 1, (10.0, 30.0), 0.02, 0.06),
        RoadPlace(K.GRADE, 1, (30.0, 50.0), -0.05),
        RoadPlace(K.FRICTION, 1, (20.0, 40.0), 0.3),
        RoadPlace(K.FRICTION, 1, (20.0, 90.0), 0.5),
        RoadPlace(K.WIND, 1, (20.0, 40.0), 10.0, math.pi / 2),
    )
    assert at(m, 5.0, 0.0) == [0.0, 0.0, DRY_FRICTION, 0.0, 0.0]
    assert at(m, 15.0, 0.4) == pytest.approx([0.03, 0.0, DRY_FRICTION, 0.0, 0.0])
    assert at(m, 25.0, 0.0) == pytest.approx([0.05, 0.0, 0.3, 0.0, 10.0])
    assert at(m, 35.0, 0.0) == pytest.approx([-0.05, 0.0, 0.3, 0.0, 10.0])
    assert at(m, 60.0, 0.0) == pytest.approx([0.0, 0.0, 0.5, 0.0, 0.0])
    assert at(m, 25.0, 3.5) == [0.0, 0.0, DRY_FRICTION, 0.0, 0.0], "the lane beside says nothing"


def test_slopes_turn_with_the_vehicle() -> None:
    m = with_places(RoadPlace(K.GRADE, 1, (0.0, 100.0), 0.06), RoadPlace(K.BANK, 1, (0.0, 100.0), 0.02))
    assert at(m, 50.0, 0.0)[:2] == pytest.approx([0.06, 0.02])
    assert at(m, 50.0, 0.0, math.pi)[:2] == pytest.approx([-0.06, -0.02])
    # facing left: the road's left side is the lower one, and what was ahead is now on the right, higher
    assert at(m, 50.0, 0.0, math.pi / 2)[:2] == pytest.approx([-0.02, 0.06])


def test_of_lanes_above_each_other_the_one_in_the_vehicles_direction() -> None:
    m = with_places(RoadPlace(K.GRADE, 7, (0.0, 20.0), 0.01), RoadPlace(K.GRADE, 9, (0.0, 7.0), 0.09))
    line = shapely.LineString(m.lanes.centerlines[9])
    x, y = np.array(line.interpolate(0.5 * line.length).coords[0]) - (X, Y)
    assert at(m, x, y, -math.pi / 4)[0] == pytest.approx(0.09)
    assert at(m, 103.0, 0.0, 0.0)[0] == pytest.approx(0.01)


def test_beside_the_road_the_nearest_lane_holds() -> None:
    m = with_places(RoadPlace(K.GRADE, 1, (0.0, 100.0), 0.06))
    edge = -0.5 * tiny_world.WIDTH
    assert at(m, 50.0, edge - 0.9 * BESIDE_M)[0] == pytest.approx(0.06)
    assert at(m, 50.0, edge - 1.1 * BESIDE_M)[0] == 0.0


def test_layers_tell_what_the_map_does_not() -> None:
    m = with_places(RoadPlace(K.GRADE, 1, (0.0, 40.0), 0.06))
    values = np.full((4, 30), 0.25, np.float32)
    values[:, 20] = nan
    grid = Grid(values, 2.0, (X + 20.0, Y - 4.0, 0.0))
    layers = RasterLayers.build({"grade": grid, "friction": Grid(values + 0.1, 2.0, grid.pose)})
    assert at(m, 30.0, 0.0, layers=layers)[:3] == pytest.approx([0.06, 0.0, 0.35])
    assert at(m, 50.0, 0.0, layers=layers)[:3] == pytest.approx([0.25, 0.0, 0.35])
    assert at(m, 61.0, 0.0, layers=layers)[:3] == [0.0, 0.0, DRY_FRICTION], "an unknown cell"
    assert at(m, 99.0, 0.0, layers=layers)[:3] == [0.0, 0.0, DRY_FRICTION], "outside of the grid"
    turned = RasterLayers.build({"friction": Grid(values, 2.0, (X + 50.0, Y, math.pi / 2))})
    assert at(m, 49.0, 1.0, layers=turned)[2] == pytest.approx(0.25)
    assert at(m, 51.0, 1.0, layers=turned)[2] == DRY_FRICTION


def test_a_bank_of_the_map_does_not_silence_the_grade_of_a_log() -> None:
    m = with_places(RoadPlace(K.BANK, 1, (0.0, 100.0), 0.04))
    values = np.full((10, 60), 0.05, np.float32)
    values[:, 45:] = nan
    layers = RasterLayers.build({"grade": Grid(values, 2.0, (X, Y - 10.0, 0.0))})
    assert at(m, 50.0, 0.0, layers=layers)[:2] == pytest.approx([0.05, 0.04])
    c, s = math.cos(0.3), math.sin(0.3)
    assert at(m, 50.0, 0.0, 0.3, layers)[:2] == pytest.approx([0.05, 0.04 * c]), "measured along the heading"
    assert at(m, 95.0, 0.0, 0.3, layers)[:2] == pytest.approx([-0.04 * s, 0.04 * c]), "an unknown cell"
    assert at(m, 50.0, 0.0, 0.3)[:2] == pytest.approx([-0.04 * s, 0.04 * c])
    both = with_places(RoadPlace(K.BANK, 1, (0.0, 100.0), 0.04), RoadPlace(K.GRADE, 1, (0.0, 40.0), -0.02))
    assert at(both, 20.0, 0.0, layers=layers)[:2] == pytest.approx([-0.02, 0.04]), "what the map knows counts"
    assert at(both, 60.0, 0.0, layers=layers)[:2] == pytest.approx([0.05, 0.04])


def slow_twin(m: MapData, x: float, y: float, heading: float) -> list[float]:
    """The same with shapely, a lane and a place at a time."""
    point, best = shapely.Point(x, y), None
    for row in range(len(m.lanes)):
        rings = m.lanes.polygons[row]
        if shapely.Polygon(rings[0], rings[1:]).contains(point):
            line = shapely.LineString(m.lanes.centerlines[row])
            arc = line.project(point)
            segments = np.cumsum(np.hypot(*np.diff(m.lanes.centerlines[row], axis=0).T))
            i = min(int(np.searchsorted(segments, arc)), len(segments) - 1)
            dx, dy = np.diff(m.lanes.centerlines[row], axis=0)[i]
            turn = heading - math.atan2(dy, dx)
            if best is None or math.cos(turn) > math.cos(best[2]) + 1e-12:
                best = (row, arc, turn)
    found: dict[int, float] = {}
    row, arc, turn = best or (-1, 0.0, 0.0)
    for place in (m.places[i] for i in range(len(m.places))):
        low, high = place.span
        if place.lane == row and low <= arc <= high and place.kind not in found:
            end = place.value if math.isnan(place.second) else place.second
            share = (arc - low) / (high - low) if high > low else 0.0
            found[place.kind] = place.value + share * (end - place.value)
    grade, bank = found.get(K.GRADE, 0.0), found.get(K.BANK, 0.0)
    return [
        grade * math.cos(turn) - bank * math.sin(turn),
        grade * math.sin(turn) + bank * math.cos(turn),
        found.get(K.FRICTION, DRY_FRICTION),
    ]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_many_at_once_are_as_one_by_one_and_as_the_slow_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = []
    for _ in range(12):
        lane, kind = int(rng.integers(10)), (K.GRADE, K.BANK, K.FRICTION)[rng.integers(3)]
        low, high = np.sort(rng.uniform(0.0, 7.0 if lane >= 6 else 100.0, 2)).tolist()
        a, b = rng.uniform(0.01, 0.3, 2).tolist()
        places.append(RoadPlace(kind, lane, (low, high), a, b if rng.random() < 0.5 else nan))
    m, bare = with_places(*places), tiny_world.make_map()
    lanes = rng.integers(10, size=40)
    ends = np.diff(m.lanes.centerlines.offsets)[lanes]
    vertex = m.lanes.centerlines.points[m.lanes.centerlines.offsets[lanes] + rng.integers(1, ends - 1)]
    ego = np.zeros((40, 10))
    ego[:, :2], ego[:, 2] = vertex + rng.uniform(-0.7, 0.7, (40, 2)), rng.uniform(-3.0, 3.0, 40)
    maps = [m if k % 3 else bare for k in range(40)]
    road = road_under(maps, ego)
    for b in range(40):
        alone = road_under([maps[b]], ego[b : b + 1])
        assert [c[0].tolist() for c in alone] == [c[b].tolist() for c in road]
        got = [float(c[b]) for c in road[:3]]
        assert got == pytest.approx(slow_twin(maps[b], *ego[b, :3].tolist()), abs=1e-6)
    assert isinstance(road.select(np.array([3, 1])), RoadState)


def test_a_road_without_any_friction_is_refused() -> None:
    with pytest.raises(DataError, match=r"place 0 \(FRICTION\): its value is missing or out of range \(0.01 to 2\)"):
        Places.build([RoadPlace(K.FRICTION, 1, (0.0, 1.0), 0.0)])
