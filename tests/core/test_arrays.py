"""Ragged arrays and the flat form of the domain types."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from roadcraft.core.arrays import Polygons, Polylines, Ragged, from_arrays, offsets_of, to_arrays
from roadcraft.core.data.map import MapData, index_of
from roadcraft.core.data.scenario import Drive, LightFrames
from roadcraft.core.data.windows import window
from roadcraft.core.testing import made_up_map, made_up_scenario, observe


@given(st.lists(st.lists(st.integers(-(2**40), 2**40), max_size=5), max_size=6))
def test_ragged_rows_come_back(rows: list[list[int]]) -> None:
    ragged = Ragged.build(rows)
    assert len(ragged) == len(rows)
    assert [ragged[i].tolist() for i in range(len(rows))] == rows


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.data())
def test_selected_frames_have_their_own_rows(lengths: list[int], data: st.DataObject) -> None:
    rows = sum(lengths)
    lights = LightFrames(offsets_of(lengths), np.arange(rows), np.zeros(rows, np.uint8))
    frames = data.draw(st.lists(st.integers(-4, len(lengths) - 1), max_size=6))
    some = lights.select(np.array(frames, np.int64))
    some_again = lights.select(list(frames))  # a list picks as an array does
    assert some_again.lane.tolist() == some.lane.tolist()
    given_rows = [lights.lane[lights.rows(f)].tolist() if f >= 0 else [] for f in frames]
    assert [some.lane[some.rows(k)].tolist() for k in range(len(some))] == given_rows
    twice = LightFrames.concat([some, lights])
    assert twice.lane.tolist() == some.lane.tolist() + lights.lane.tolist()
    assert np.diff(twice.offsets).tolist() == np.diff(some.offsets).tolist() + lengths


def test_empty_polylines_and_polygons_keep_their_shapes() -> None:
    assert Polylines.build([]).points.shape == (0, 2)
    assert Polygons.build([]).points.shape == (0, 2)
    assert len(Polylines.build([np.zeros((0, 2)), np.ones((2, 2))])[0]) == 0


def test_domain_types_round_trip() -> None:
    scenario = made_up_scenario()
    for value, kind in ((scenario.drive, Drive), (scenario.map, MapData)):
        arrays, meta = to_arrays(value)
        again = from_arrays(kind, arrays, meta)
        a, m = to_arrays(again)
        assert m == meta
        for key in arrays:
            np.testing.assert_array_equal(a[key], arrays[key])
    with pytest.raises(KeyError, match=r"lanes\.id"):
        from_arrays(MapData, {}, to_arrays(made_up_map())[1])


def test_what_is_a_fields_default_is_left_out() -> None:
    drive = made_up_scenario().drive
    arrays, meta = to_arrays(drive)
    assert "load" not in meta
    assert from_arrays(Drive, arrays, meta).load == ""
    loaded = to_arrays(replace(drive, load="cubed"))
    assert loaded[1] == {**meta, "load": "cubed"}
    assert from_arrays(Drive, *loaded).load == "cubed"


def test_equal_maps_have_equal_hashes() -> None:
    assert made_up_map().content_hash == made_up_map().content_hash


@given(st.lists(st.integers(0, 50), unique=True, max_size=20), st.lists(st.integers(0, 50), max_size=20))
def test_index_of(ids: list[int], wanted: list[int]) -> None:
    rows = index_of(np.array(ids, np.int64), np.array(wanted, np.int64))
    assert rows.tolist() == [ids.index(w) if w in ids else -1 for w in wanted]


def test_window_is_a_drive_of_its_own() -> None:
    scenario = made_up_scenario()
    part = window(scenario.drive, 50, 99)
    assert len(part) == 50
    np.testing.assert_array_equal(
        part.objects.box[part.objects.rows(3)], scenario.drive.objects.box[scenario.drive.objects.rows(53)]
    )
    assert part.tag_frame.tolist() == [10]
    assert part.scenes.first.tolist() == [0]


def test_select_of_observations() -> None:
    scenarios = [made_up_scenario(f"{i:016x}", 5.0 + i, i % 2) for i in range(4)]
    obs = observe(scenarios, 12)
    part = obs.select([3, 1])
    for row, i in enumerate((3, 1)):
        np.testing.assert_array_equal(part.ego[row], obs.ego[i])
        np.testing.assert_array_equal(part.objects.box[part.objects.rows(row)], obs.objects.box[obs.objects.rows(i)])
        assert part.objects_past is not None
        assert obs.objects_past is not None
        np.testing.assert_array_equal(
            part.objects_past.id[part.objects_past.rows(row * 21 + 20)],
            obs.objects_past.id[obs.objects_past.rows(i * 21 + 20)],
        )
        np.testing.assert_array_equal(part.route[row], obs.route[i])
