"""Scenarios in which a truck has no room to begin are left out, with a reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roadcraft.core import load_vehicle
from roadcraft.core.config import load_config
from roadcraft.core.errors import DataError
from roadcraft.core.scenario import Scenario
from roadcraft.core.testing import made_up_scenario
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.scoring.preflight import preflight
from roadcraft.validation.scoring.room import no_room
from roadcraft.validation.scoring.score import score

TRUCK = load_vehicle("us_sleeper_53")


def later() -> Scenario:
    """The made-up scenario from where its road reaches 30 m back."""
    s = made_up_scenario()
    return replace(s, first=s.first + 30)


def test_a_truck_on_its_lane_has_room() -> None:
    assert no_room(later(), TRUCK) == ""
    assert no_room(made_up_scenario(), TRUCK) == "unit 1 would begin 4.9 m off the drivable area"


def test_a_trailer_within_an_object_or_off_the_road_has_none() -> None:
    s = later()
    rows = s.drive.objects.rows(s.first)
    x, y, heading = s.drive.ego[s.first, :3]
    box = s.drive.objects.box.copy()
    box[rows.start] = x - 12.0 * np.cos(heading), y - 12.0 * np.sin(heading), heading, 4.0, 2.0
    behind = replace(s, drive=replace(s.drive, objects=replace(s.drive.objects, box=box)))
    token = f"{int(s.drive.tracks.id[s.drive.objects.track[rows.start]]):016x}"
    assert no_room(behind, TRUCK) == f"unit 1 would begin within object {token}"
    assert no_room(behind, load_vehicle("pacifica")) == ""
    bent = replace(s, drive=replace(s.drive, joints=np.full((len(s.drive), 1), 1.2)))
    assert no_room(bent, TRUCK).startswith("unit 1 would begin ")
    assert no_room(bent, TRUCK).endswith(" m off the drivable area")


def words(small_store, *more: str) -> list[str]:
    return ["planner=constant_velocity", f"data={small_store}", "workers=1", *more]


TRUCKS = ("vehicle=us_sleeper_53", "simulation.vehicle_model=kinematic_chain")


def loaded(words: list[str]) -> ScoreConfig:
    return load_config(ScoreConfig, words, short=ScoreConfig.SHORT).config


def test_a_run_says_what_it_leaves_out_and_why(small_store, tmp_path, monkeypatch, capsys) -> None:
    import roadcraft.validation.scoring.room as room

    all_items = preflight(loaded(words(small_store))).items
    first = all_items[0].row.token
    monkeypatch.setattr(room, "no_room", lambda s, v: "unit 1 would begin in a wall" if s.token == first else "")
    run = score(loaded(words(small_store, *TRUCKS, f"out={tmp_path / 'run'}")))
    said = capsys.readouterr().err
    assert f"'us_sleeper_53' has no room to begin in 1 of {len(all_items)} scenarios: {first} (unit 1 would" in said
    assert {r["token"] for r in run.records} == {i.row.token for i in all_items[1:]}
    assert run.missing == {"vehicle": [first]}
    assert preflight(loaded(words(small_store))).items == all_items, "a car is asked nothing"
    monkeypatch.setattr(room, "no_room", lambda s, v: "unit 1 would begin in a wall")
    with pytest.raises(DataError, match=f"has no room to begin in {len(all_items)} of {len(all_items)} scenarios"):
        preflight(loaded(words(small_store, *TRUCKS)))
