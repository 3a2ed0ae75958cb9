"""Places of a map: what is checked, what is kept, and that a map without any is as it always was."""

from __future__ import annotations

import pickle
from copy import deepcopy
from dataclasses import fields, replace
from math import nan
from typing import Any

import numpy as np
import pytest
import tiny_world

from roadcraft.core.arrays import from_arrays, to_arrays
from roadcraft.core.data.map import MapData
from roadcraft.core.data.places import NO_PLACES, PlaceKind, Places, RoadPlace
from roadcraft.core.errors import DataError

K = PlaceKind
SQUARE = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 3.0], [0.0, 0.0]])
SOME = [
    RoadPlace(K.GRADE, 1, (10.0, 60.0), 0.06, 0.02),
    RoadPlace(K.CLEARANCE, 1, (70.0, 80.0), 4.1, 900.0),
    RoadPlace(K.RAIL_CROSSING, 3, (20.0, 24.0), polygon=[SQUARE]),
    RoadPlace(K.DOCK, value=1.2, pose=(5.0, -3.0, 1.5)),
    RoadPlace(K.CURB, value=0.15, polygon=[SQUARE, 0.5 * SQUARE]),
    RoadPlace(K.SHOULDER, 0, (0.0, 100.0), 3.0, -1.0),
    RoadPlace(K.WIND, 0, (0.0, 5.0), 20.0, -2.0),
]


def same(a: Places, b: Places) -> bool:
    x, y = to_arrays(a)[0], to_arrays(b)[0]
    return x.keys() == y.keys() and all(np.array_equal(x[k], y[k], equal_nan=True) for k in x)


def test_a_map_without_places_is_as_it_always_was() -> None:
    m = tiny_world.make_map()
    assert m.places is NO_PLACES
    assert m.content_hash == "e448e73444ac3a9abd5fb22c01ed251f"  # of a roadcraft without places
    for copy in (pickle.loads(pickle.dumps(tiny_world.make_map())), deepcopy(m), replace(m, places=Places.build([]))):
        assert copy.places is NO_PLACES
        assert copy.content_hash == m.content_hash
    assert not any(k.startswith("places") for k in to_arrays(m)[0])


def test_places_come_back_from_arrays_pickles_and_one_by_one() -> None:
    m = replace(tiny_world.make_map(), places=Places.build(SOME))
    assert m.content_hash != tiny_world.make_map().content_hash
    assert same(from_arrays(MapData, *to_arrays(m)).places, m.places)
    assert same(pickle.loads(pickle.dumps(m)).places, m.places)
    assert same(Places.build([m.places[i] for i in range(len(m.places))]), m.places)
    assert m.places.of(K.DOCK, K.GRADE).tolist() == [0, 3]


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (RoadPlace(K.GRADE, -1, (0.0, 0.0), 0.1), r"place 0 \(GRADE\): it lies on no lane"),
        (RoadPlace(K.GRADE, 1, (5.0, 4.0), 0.1), "reversed or negative"),
        (RoadPlace(K.GRADE, 1, (-1.0, 4.0), 0.1), "reversed or negative"),
        (RoadPlace(K.GRADE, 1, (0.0, nan), 0.1), "span is not finite"),
        (RoadPlace(K.GRADE, 1, (0.0, 4.0)), "its value is missing or out of range"),
        (RoadPlace(K.GRADE, 1, (0.0, 4.0), 6.0), r"-1 to 1"),
        (RoadPlace(K.GROSS_LIMIT, 1, (0.0, 4.0), 3.6e4, 1.0), "it has a second value"),
        (RoadPlace(K.RAIL_CROSSING, 1, (0.0, 4.0), 1.0), "it has a value"),
        (RoadPlace(K.CLEARANCE, 1, (0.0, 4.0), 4.0, 0.0), "second value is missing or out of range"),
        (RoadPlace(K.WIND, 1, (0.0, 4.0), 4.0), "second value is missing"),
        (RoadPlace(K.CURB, 1, (0.0, 4.0), 0.1), "no side and no polygon"),
        (RoadPlace(K.CURB, 1, (0.0, 4.0), 0.1, 0.5), "no side and no polygon"),
        (RoadPlace(K.APRON, value=0.1), "it lies nowhere"),
        (RoadPlace(K.APRON, value=0.1, polygon=[SQUARE + np.inf]), "its polygon is not finite"),
        (RoadPlace(K.APRON, span=(0.0, 1.0), value=0.1, polygon=[SQUARE]), "a span but no lane"),
        (RoadPlace(K.DOCK, value=1.0, polygon=[SQUARE]), "its pose"),
        (RoadPlace(K.GRADE, 1, (0.0, 1.0), 0.0, pose=(0.0, 0.0, 0.0)), "its pose"),
        (RoadPlace(K.GRADE, -2, (0.0, 1.0), 0.0), "lane is negative"),
    ],
)
def test_a_place_that_cannot_be_is_named(place: RoadPlace, says: str) -> None:
    with pytest.raises(DataError, match=says):
        Places.build([place])
    with pytest.raises(DataError, match="place 2 "):
        Places.build([*SOME[:2], place])


def test_arrays_that_do_not_fit_each_other() -> None:
    good = Places.build(SOME)
    for f in fields(good):
        if f.name not in ("kind", "polygons"):
            with pytest.raises(DataError, match=f"{f.name} has shape"):
                replace(good, **{f.name: getattr(good, f.name)[:-1]})
    short: dict[str, Any] = {f.name: getattr(good, f.name)[:-1] for f in fields(good) if f.name != "polygons"}
    with pytest.raises(DataError, match="7 polygons for 6 places"):
        replace(good, **short)
    with pytest.raises(DataError, match="place 1: kind 99 is unknown"):
        replace(good, kind=np.array([0, 99, *good.kind[2:]], np.uint8))


def test_a_map_has_the_lanes_of_its_places() -> None:
    m = tiny_world.make_map()
    with pytest.raises(DataError, match=r"place 1 \(GROSS_LIMIT\): lane 10 \(the map has 10 lanes\)"):
        replace(m, places=Places.build([SOME[0], RoadPlace(K.GROSS_LIMIT, 10, (0.0, 1.0), 1.0)]))
    with pytest.raises(DataError, match=r"place 7 .*the span ends at 101 m \(its lane is 100.00 m long\)"):
        replace(m, places=Places.build([*SOME, RoadPlace(K.NO_TRUCKS, 0, (0.0, 101.0), 0.0)]))
