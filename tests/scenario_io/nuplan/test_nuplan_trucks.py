"""What nuPlan's files have no place for: places of maps, joints, units of vehicles, the state of load, instructions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_logs import make_map

from roadcraft.core.arrays import to_arrays
from roadcraft.core.data.instructions import NO_INSTRUCTIONS, Instructions
from roadcraft.core.data.map import MapData
from roadcraft.core.data.places import NO_PLACES, PlaceKind, Places, RoadPlace
from roadcraft.core.data.scenario import Drive
from roadcraft.core.data.windows import window
from roadcraft.core.errors import DataError
from roadcraft.scenario_io.ingestion import ingest
from roadcraft.scenario_io.nuplan import write_drive, write_maps
from roadcraft.scenario_io.nuplan.trailers import JOINTS, TOLD, UNITS, leaders
from roadcraft.scenario_io.store.store import Store

K = PlaceKind
RING = np.array(
    [[331_000.125, 4_690_000.1], [331_004.0, 4_690_000.3], [331_004.0, 4_690_003.7], [331_000.125, 4_690_000.1]]
)
PLACES = Places.build(
    [
        RoadPlace(K.GRADE, 0, (0.1, 39.9), 0.06, 1 / 3),
        RoadPlace(K.CLEARANCE, 4, (3.0, 4.0), 4.1),
        RoadPlace(K.RAIL_CROSSING, 5, (3.0, 20.0)),
        RoadPlace(K.DOCK, value=1.2, pose=(331_012.0, 4_690_001.0, -1.6)),
        RoadPlace(K.CURB, value=0.15, polygon=[RING, RING + 0.3]),
    ]
)


def with_places(places: Places = PLACES) -> MapData:
    return replace(make_map(), places=places)


def truck_drive(drive: Drive) -> Drive:
    """The drive as of a truck with two joints, whose first and last three tracks are two other trucks."""
    rng, n = np.random.default_rng(5), len(drive.tracks)
    vehicle, unit = np.arange(n), np.zeros(n, np.uint8)
    vehicle[[n - 1, n - 2]], unit[n - 2], unit[n - 1] = n - 3, 1, 2
    vehicle[2], unit[0], unit[2] = 0, 1, 0
    tracks = replace(drive.tracks, vehicle=vehicle, unit=unit)
    joints = rng.uniform(-1.0, 1.0, (len(drive), 2))
    told = Instructions(drive.time_us[[3, 20]] + 7, ("pull over", "bei Müller \"rechts\"; 'halt'"))
    return replace(
        drive, tracks=tracks, joints=joints, vehicle="us_sleeper_53", load="cubed", instructions=told
    )  # fmt: skip


def places_file(world: Any) -> Path:
    return world.package.with_name("places.jsonl")


def test_places_come_back_to_the_last_bit(world: Any) -> None:
    write_maps([with_places()], world.maps)
    found, wanted = to_arrays(world.source().map(world.drive.name).places)[0], to_arrays(PLACES)[0]
    assert found.keys() == wanted.keys()
    assert all(found[k].tobytes() == wanted[k].tobytes() for k in wanted)
    lines = places_file(world).read_text().splitlines()
    assert json.loads(lines[0]) == {"format": "roadcraft-places", "version": 1, "places": 5}
    assert json.loads(lines[2]) == {"kind": "clearance", "lane": 40, "span": [3.0, 4.0], "value": 4.1}


def test_a_map_without_places_has_no_file_and_leaves_none(world: Any) -> None:
    assert not places_file(world).exists()
    package = world.package.read_bytes()
    write_maps([with_places()], world.maps)
    assert places_file(world).exists()
    assert world.package.read_bytes() == package, "the package itself knows nothing of them"
    write_maps([with_places(NO_PLACES)], world.maps)
    assert not places_file(world).exists()
    assert world.source().map(world.drive.name).places is NO_PLACES


HEAD = '{"format": "roadcraft-places", "version": 1, "places": 1}\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"line 1: cannot be read"),
        ('{"format": "roadcraft-places", "version": 2, "places": 0}\n', r"line 1: not a list of places of version 1"),
        (HEAD, "0 places, its first line promises 1 .*cut short"),
        (HEAD + '{"kind": "grade", "lane": 11, "span": [0.0, 4', "line 2: cannot be read"),
        (HEAD + "[]\n", "line 2: list is no place"),
        (HEAD + '{"kind": "gradient", "lane": 11}\n', "line 2: unknown kind 'gradient' .known: grade, bank"),
        (HEAD + '{"kind": "grade", "lane": 11, "height": 1}\n', "line 2: unknown key 'height'"),
        (HEAD + '{"kind": "grade", "lane": 12, "span": [0, 4], "value": 0.1}\n', "line 2: the map has no lane 12"),
        (HEAD + '{"kind": "grade", "lane": "11", "span": [0, 4], "value": 0.1}\n', "line 2: lane '11' is no id"),
        (HEAD + '{"kind": "grade", "lane": 11, "span": [0, 4], "value": NaN}\n', "line 2: cannot be read: NaN is no"),
        (HEAD + '{"kind": "grade", "lane": 11, "span": [0, 4, 5], "value": 0.1}\n', "line 2: a number is no number"),
        (HEAD + '{"kind": "grade", "lane": 11, "span": [0, 4], "value": "steep"}\n', "line 2: a number is no number"),
        (HEAD + '{"kind": "grade", "lane": 11, "span": [0, 4]}\n', "line 2: its value is missing"),
        (HEAD + '{"kind": "grade", "lane": 11, "span": [0, 41], "value": 0.1}\n', "line 2: the span ends at 41 m"),
        (HEAD + '{"kind": "apron", "value": 0.1, "polygon": [[1, 2], [3, 4]]}\n', "line 2: .*no list of .x, y."),
    ],
)
def test_a_file_that_cannot_be_is_told_with_its_line(world: Any, text: str, says: str) -> None:
    places_file(world).write_text(text)
    with pytest.raises(DataError, match=rf"places\.jsonl: {says}"):
        world.source().map(world.drive.name)


def test_a_truck_comes_back_to_the_last_bit(world: Any, assert_same: Callable[..., None]) -> None:
    drive = truck_drive(world.drive)
    write_drive(drive, world.map, world.log)
    source = world.source()
    assert_same(source.drive(drive.name), drive)
    row = source.rows(drive.name)[40]
    one = source.scenario(row, "unknown", (row.anchor_us, row.anchor_us + 2_000_000))
    first = int(np.flatnonzero(drive.time_us == one.drive.time_us[0])[0])
    assert_same(one.drive, window(drive, first, first + len(one.drive) - 1))


def test_a_truck_goes_from_the_log_into_the_store(world: Any, tmp_path: Path, assert_same: Callable[..., None]) -> None:
    drive = truck_drive(world.drive)
    write_drive(drive, world.map, world.log)
    write_maps([with_places()], world.maps)
    ingest("nuplan", world.logs, tmp_path / "store", {"maps_root": str(world.maps)}, workers=1)
    store = Store(tmp_path / "store")
    assert_same(store.drive(drive.name), drive)
    assert store.drive(drive.name).load == "cubed"
    assert store.drive(drive.name).instructions.text == drive.instructions.text
    assert len(store.map(drive.name).places) == len(PLACES)


def test_a_log_of_cars_has_no_tables_for_trailers(world: Any) -> None:
    with closing(sqlite3.connect(world.log)) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        assert not tables & {JOINTS, UNITS, TOLD}
        assert {key for (key,) in db.execute("SELECT key FROM roadcraft_log")} == {"source", "licence", "vehicle"}
    assert world.source().drive(world.drive.name).load == ""
    assert world.source().drive(world.drive.name).instructions is NO_INSTRUCTIONS


def test_units_of_a_vehicle_share_the_row_of_the_first() -> None:
    assert leaders(np.array([7, 9, 7, 9, 2])).tolist() == [0, 1, 0, 1, 4]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (f"DELETE FROM {JOINTS} WHERE rowid = 7", f"table {JOINTS}: no angle of each joint"),
        (f"UPDATE {JOINTS} SET angle_rad = NULL WHERE rowid = 7", f"table {JOINTS}: joint 0 .* has angle None"),
        (f"UPDATE {JOINTS} SET joint = 5 WHERE joint = 1", f"table {JOINTS}: joint 5 .*joints 0 to 1"),
        (
            f"UPDATE {UNITS} SET vehicle_track_token = x'0011' WHERE rowid = 1",
            rf"table {UNITS}: .*0011, \d. is no unit",
        ),
        (f"UPDATE {UNITS} SET unit = -1 WHERE rowid = 2", f"table {UNITS}: .* is no unit"),
        (f"UPDATE {TOLD} SET text = x'00'", f"table {TOLD}: .* is no instruction"),
        (
            f"UPDATE {UNITS} SET vehicle_track_token = (SELECT track_token FROM {UNITS} WHERE unit = 2) WHERE unit < 2",
            rf"table {UNITS}: track [0-9a-f]{{16}} is a unit of [0-9a-f]{{16}}, which is one of another vehicle",
        ),
        (
            f"CREATE TABLE t AS SELECT * FROM {UNITS}; DROP TABLE {UNITS}; ALTER TABLE t RENAME TO {UNITS};"
            f"INSERT INTO {UNITS} SELECT * FROM {UNITS} WHERE unit = 2",
            rf"table {UNITS}: track [0-9a-f]{{16}} is named twice",
        ),
        (f"UPDATE {UNITS} SET unit = 1", rf"table {UNITS}: tracks .* are both unit 1 of one vehicle"),
    ],
)
def test_damaged_tables_are_told(world: Any, change: str, says: str) -> None:
    drive = truck_drive(world.drive)
    write_drive(drive, world.map, world.log)
    with closing(sqlite3.connect(world.log)) as db:
        db.executescript(change)
        db.commit()
    with pytest.raises(DataError, match=says):
        world.source().drive(drive.name)
