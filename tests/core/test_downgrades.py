"""Downgrades of maps, and the speed that is advised on them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from roadcraft.core import load_vehicle
from roadcraft.core.data.map import MapData
from roadcraft.core.data.places import PlaceKind, Places, RoadPlace
from roadcraft.core.driving.downgrades import advised_speeds, downgrades
from roadcraft.core.driving.motion.closed_forms import GSRS_LIMIT_F, gsrs_advised_speed, gsrs_temperature
from roadcraft.core.testing import made_up_map
from roadcraft.core.testing.world import LaneSketch, sketch_map

GRADE = PlaceKind.GRADE
LOADED = load_vehicle("us_sleeper_53", load="loaded")
MPH = 0.44704


def road(*lengths: float, places: tuple[RoadPlace, ...]) -> MapData:
    """Lanes one after the other along +x; the last two both follow the one before them."""
    lanes, x = [], 0.0
    for k, length in enumerate(lengths):
        begin = x - (lengths[-2] if k == len(lengths) - 1 and len(lengths) > 2 else 0.0)
        line = np.column_stack([np.linspace(begin, begin + length, 11), np.zeros(11)])
        after = {len(lengths) - 3: (len(lengths) - 1, len(lengths))} if len(lengths) > 2 else {}
        lanes.append(LaneSketch(k + 1, k + 1, line, after.get(k, (k + 2,) if k < len(lengths) - 3 else ())))
        x += length
    return replace(sketch_map(lanes), places=Places.build(places))


def test_stretches_follow_each_other_from_lane_to_lane_and_the_longer_branch_counts() -> None:
    m = road(
        1000.0, 2000.0, 3000.0, 500.0,
        places=(
            RoadPlace(GRADE, 0, (600.0, 1000.0), -0.05),
            RoadPlace(GRADE, 1, (0.0, 1000.0), -0.05, -0.07),
            RoadPlace(GRADE, 1, (1000.5, 2000.0), -0.04),
            RoadPlace(GRADE, 2, (0.0, 1500.0), -0.06),
            RoadPlace(GRADE, 3, (0.0, 500.0), -0.08),
            RoadPlace(GRADE, 0, (0.0, 500.0), -0.04),
            RoadPlace(GRADE, 0, (500.0, 600.0), -0.02),
            RoadPlace(GRADE, 2, (1800.0, 2000.0), 0.05),
        ),
    )  # fmt: skip
    found = downgrades(m)
    assert found is downgrades(m), "kept with the map"
    parts = np.split(np.arange(len(found.span_m)), found.first[1:-1])
    assert [len(p) for p in parts] == [2, 2, 1, 1]
    hills = [found.downgrade[p].tolist() for p in parts]
    short, long, branch = hills[0][0], hills[0][1], hills[3][0]
    assert hills == [[short, long], [long, long], [long], [branch]]
    assert found.length_m[[short, long, branch]] == pytest.approx([500.0, 3899.5, 2899.5])
    fall = 400.0 * 0.05 + 1000.0 * 0.06 + 999.5 * 0.04
    assert found.fall[[short, long, branch]] == pytest.approx(
        [0.04, (fall + 1500.0 * 0.06) / 3899.5, (fall + 500.0 * 0.08) / 2899.5]
    )


def test_a_short_ramp_that_joins_does_not_cut_the_way_down() -> None:
    """A ramp of 100 m comes first among the lanes before the last one, the main road of 2000 m second."""
    lines = [np.column_stack([np.linspace(a, b, 11), np.zeros(11)]) for a, b in ((-100, 0), (-2000, 0), (0, 1000))]
    lanes = [LaneSketch(k + 1, k + 1, line, (3,) if k < 2 else ()) for k, line in enumerate(lines)]
    falls = tuple(RoadPlace(GRADE, k, (0.0, end), -0.05) for k, end in enumerate((100.0, 2000.0, 1000.0)))
    found = downgrades(replace(sketch_map(lanes), places=Places.build(falls)))
    main, after = found.downgrade.tolist()[1:]
    assert found.length_m[main] == pytest.approx(3000.0)
    assert found.length_m[after] == pytest.approx(3000.0)


def test_a_level_map_has_none_and_neither_masses_nor_hills_no_advice() -> None:
    assert downgrades(made_up_map()).fall.shape == (0,)
    m = road(9000.0, places=(RoadPlace(GRADE, 0, (0.0, 9000.0), -0.06),))
    assert np.isinf(advised_speeds(m, load_vehicle("pacifica"))).all()
    heavy, light = advised_speeds(m, LOADED), advised_speeds(m, load_vehicle("us_sleeper_53", load="empty"))
    assert heavy[0] == pytest.approx(MPH * gsrs_advised_speed(36_287.0 / 0.45359237, 0.06, 9000.0 / 1609.344))
    assert heavy[0] < 11.0
    assert light[0] > heavy[0]
    assert np.isinf(advised_speeds(road(900.0, places=(RoadPlace(GRADE, 0, (0.0, 900.0), -0.04),)), LOADED)).all()


def test_the_advice_of_the_reference() -> None:
    """An 80,000 lb truck: at most 21 mph on 6 % x 5 mi, 62 mph on 6 % x 3 mi."""
    assert gsrs_advised_speed(80_000.0, 0.06, 5.0) == 21.0
    assert gsrs_advised_speed(80_000.0, 0.06, 3.0) == 62.0


@settings(max_examples=60, deadline=None)
@given(st.floats(20_000.0, 140_000.0), st.floats(0.03, 0.12), st.floats(0.2, 12.0))
def test_brakes_stay_below_the_limit_up_to_the_advice_and_not_above(pounds: float, fall: float, miles: float) -> None:
    advised = gsrs_advised_speed(pounds, fall, miles)
    last = 70 if math.isinf(advised) else int(advised)
    ends = [gsrs_temperature(pounds, fall, float(v), miles).total_F for v in range(1, last + 1)]
    assert last == 1 or max(ends) <= GSRS_LIMIT_F
    if math.isfinite(advised) and advised > 1.0:
        assert gsrs_temperature(pounds, fall, advised + 1.0, miles).total_F > GSRS_LIMIT_F
    assert gsrs_advised_speed(1.1 * pounds, fall, miles) <= advised
    assert gsrs_advised_speed(pounds, fall, 1.1 * miles) <= advised
