"""Places that a vehicle meets on its way, and what they forbid it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import tiny_world
from hypothesis import given, settings, strategies as st

from roadcraft.core import load_vehicle
from roadcraft.core.data.map import MapData
from roadcraft.core.data.places import PlaceKind, Places, RoadPlace
from roadcraft.core.driving.route_places import (
    bridge_verdict,
    clearance_margins,
    closed_lanes,
    closed_places,
    height_under,
    is_truck,
    least_clearance,
    places_along,
    truck_speed_limits,
    weights_of,
)
from roadcraft.core.errors import ConfigError
from roadcraft.core.vehicles.geometry import static_loads

K = PlaceKind
LOADED = load_vehicle("us_sleeper_53", load="loaded")
EMPTY = load_vehicle("us_sleeper_53", load="empty")
CAR = load_vehicle("pacifica")
WAY = np.array([1, 7, 3])  # 100 m, 20 m, 160 m, straight on


def with_places(*places: RoadPlace) -> MapData:
    return replace(tiny_world.make_map(), places=Places.build(places))


def test_places_ahead_by_distance() -> None:
    m = with_places(
        RoadPlace(K.RAIL_CROSSING, 3, (30.0, 34.0)),
        RoadPlace(K.GROSS_LIMIT, 1, (20.0, 60.0), 3e4),
        RoadPlace(K.CLEARANCE, 7, (5.0, 15.0), 4.2),
        RoadPlace(K.CLEARANCE, 1, (10.0, 12.0), 4.0),
        RoadPlace(K.CLEARANCE, 0, (50.0, 60.0), 3.0),
        RoadPlace(K.DOCK, value=1.0, pose=(0.0, 0.0, 0.0)),
    )
    ahead = places_along(m, WAY, start_m=40.0)
    assert ahead.row.tolist() == [1, 2, 0]
    assert ahead.begin_m == pytest.approx([-20.0, 65.0, 110.0])
    assert ahead.end_m == pytest.approx([20.0, 75.0, 114.0])
    assert places_along(m, WAY, K.CLEARANCE).row.tolist() == [3, 2]
    assert places_along(m, np.zeros(0, np.int64)).row.tolist() == []
    assert places_along(tiny_world.make_map(), WAY).begin_m.shape == (0,)
    twice = places_along(m, np.array([7, 7]), K.CLEARANCE)
    assert twice.begin_m == pytest.approx([5.0, 25.0])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_along_any_way_as_one_place_after_another(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lanes, kinds = rng.integers(10, size=15).tolist(), rng.choice([K.NO_TRUCKS, K.GROSS_LIMIT, K.GRADE], 15)
    spans = np.sort(rng.uniform(0.0, 7.0, (15, 2))).tolist()
    m = with_places(*(RoadPlace(K(k), lane, tuple(s), 0.5) for k, lane, s in zip(kinds, lanes, spans, strict=True)))
    way, start = rng.integers(10, size=6), float(rng.uniform(0.0, 20.0))
    wanted, at = [], -start
    for lane in way.tolist():
        for row in range(len(m.places)):
            if lanes[row] == lane and kinds[row] != K.GRADE and at + spans[row][1] >= 0.0:
                wanted.append((at + spans[row][0], row, at + spans[row][1]))
        at += np.hypot(*np.diff(m.lanes.centerlines[lane], axis=0).T).sum()
    found = places_along(m, way, K.NO_TRUCKS, K.GROSS_LIMIT, start_m=start)
    wanted.sort()
    assert found.row.tolist() == [row for _, row, _ in wanted]
    assert found.begin_m == pytest.approx([begin for begin, _, _ in wanted], abs=1e-9)
    assert found.end_m == pytest.approx([end for _, _, end in wanted], abs=1e-9)


def test_weights_are_those_of_the_axles() -> None:
    gross, axle, group = weights_of(LOADED)
    loads = static_loads(LOADED)
    assert gross == pytest.approx(36_287.0)
    assert gross * 9.81 == pytest.approx(loads.steered_N + loads.axles_N.sum())
    assert axle == pytest.approx(loads.axles_N.max() / 2.0 / 9.81), "tandems"
    assert group == pytest.approx(loads.axles_N.max() / 9.81)
    assert all(math.isnan(w) for w in weights_of(CAR))


LIMITS = {
    "gross": (RoadPlace(K.GROSS_LIMIT, 0, (0.0, 9.0), 20_000.0), (True, False, False)),
    "axle": (RoadPlace(K.AXLE_LIMIT, 0, (0.0, 9.0), 7_000.0), (True, False, False)),
    "group": (RoadPlace(K.AXLE_LIMIT, 0, (0.0, 9.0), 9_000.0, 15_000.0), (True, False, False)),
    "light axles": (RoadPlace(K.AXLE_LIMIT, 0, (0.0, 9.0), 9_000.0, 16_000.0), (False, False, False)),
    "trucks": (RoadPlace(K.NO_TRUCKS, 0, (0.0, 9.0), 0.0), (True, True, False)),
    "heavy trucks": (RoadPlace(K.NO_TRUCKS, 0, (0.0, 9.0), 18_000.0), (True, False, False)),
    "low": (RoadPlace(K.CLEARANCE, 0, (0.0, 9.0), 4.15), (True, True, False)),
    "high": (RoadPlace(K.CLEARANCE, 0, (0.0, 9.0), 4.25), (False, False, False)),
    "in a sag": (RoadPlace(K.CLEARANCE, 0, (0.0, 9.0), 4.25, 300.0), (True, True, False)),
    "slope": (RoadPlace(K.GRADE, 0, (0.0, 9.0), 0.1), (False, False, False)),
}


@pytest.mark.parametrize("name", LIMITS)
def test_who_may_not_pass(name: str) -> None:
    place, closed = LIMITS[name]
    m = with_places(RoadPlace(K.WIND, 4, (0.0, 1.0), 3.0, 0.0), place)
    for vehicle, wanted in zip((LOADED, EMPTY, CAR), closed, strict=True):
        assert closed_places(m, vehicle).tolist() == [False, wanted]
        assert np.flatnonzero(closed_lanes(m, vehicle)).tolist() == ([0] if wanted else [])


def test_a_truck_of_unknown_mass_keeps_out_where_trucks_are_forbidden() -> None:
    unknown = load_vehicle("commonroad_4")
    assert is_truck(unknown)
    m = with_places(LIMITS["heavy trucks"][0], LIMITS["gross"][0])
    assert closed_places(m, unknown).tolist() == [True, False]


def test_least_clearance_ahead() -> None:
    m = with_places(
        RoadPlace(K.CLEARANCE, 1, (10.0, 12.0), 3.0),
        RoadPlace(K.CLEARANCE, 7, (5.0, 15.0), 4.5),
        RoadPlace(K.CLEARANCE, 3, (20.0, 21.0), 4.3),
    )
    margin, begin = least_clearance(m, LOADED, WAY, start_m=50.0)
    assert margin == pytest.approx(4.3 - 4.11)
    assert begin == pytest.approx(90.0)
    assert least_clearance(m, LOADED, WAY)[1] == pytest.approx(10.0)
    assert least_clearance(m, LOADED, np.array([2])) == (math.inf, math.inf)
    assert clearance_margins(m, CAR, np.array([0]))[0] == pytest.approx(3.0 - CAR.body.height_m)


def test_a_sag_lifts_the_middle_of_a_long_unit() -> None:
    radius, base = 500.0, LOADED.units[1].wheel_base_m
    lift = height_under(LOADED, radius) - height_under(LOADED)
    arc = radius - math.sqrt(radius**2 - (0.5 * base) ** 2)  # of a circle, of which the parabola is the start
    assert arc <= lift < arc + 0.005
    assert height_under(LOADED, 1e12) == pytest.approx(height_under(LOADED))


def test_truck_speed_limits() -> None:
    m = with_places(
        RoadPlace(K.TRUCK_SPEED_LIMIT, 1, (0.0, 9.0), 24.6),
        RoadPlace(K.TRUCK_SPEED_LIMIT, 1, (9.0, 19.0), 22.2, 30_000.0),
    )
    assert truck_speed_limits(m, LOADED)[:3].tolist() == [math.inf, 22.2, math.inf]
    assert truck_speed_limits(m, EMPTY)[1] == 24.6
    assert np.isinf(truck_speed_limits(m, CAR)).all()


def test_axles_against_the_bridge_formula() -> None:
    loaded, empty = bridge_verdict(LOADED), bridge_verdict(EMPTY)
    assert loaded.compliant
    assert empty.compliant
    assert loaded.gross_margin == pytest.approx(80_000.0 - 36_287.0 / 0.45359237)
    assert empty.group_margin > loaded.group_margin
    assert not bridge_verdict(load_vehicle("se_a_double", load="loaded")).compliant
    with pytest.raises(ConfigError, match="gives no masses"):
        bridge_verdict(CAR)
