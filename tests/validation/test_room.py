"""Scenarios in which a truck has no room to begin are left out, with a reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roadcraft.core import load_vehicle
from roadcraft.core.config.load import load_config
from roadcraft.core.data.scenario import Scenario, ScenarioRow
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.testing import made_up_scenario
from roadcraft.scenario_io import StoreWriter
from roadcraft.scenario_io.store.rollouts import read_rollout
from roadcraft.scenario_io.store.store import Store
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.scoring.preflight import preflight
from roadcraft.validation.scoring.room import no_room
from roadcraft.validation.scoring.score import score

TRUCK = load_vehicle("us_sleeper_53")


def later(token: str = f"{7:016x}") -> Scenario:
    """The made-up scenario from where its road reaches 30 m back."""
    s = made_up_scenario(token)
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
    bent = replace(s, drive=replace(s.drive, vehicle="us_sleeper_53", joints=np.full((len(s.drive), 1), 1.2)))
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


@pytest.fixture(scope="module")
def mixed_store(tmp_path_factory):
    """Logs of a car, of a loaded truck and of an articulated one without masses."""
    path = tmp_path_factory.mktemp("mixed") / "store"
    with StoreWriter(path) as out:
        for i, (vehicle, load) in enumerate([("pacifica", ""), ("us_straight_26", "loaded"), ("eu_road_train", "")]):
            s = later(f"{i + 1:016x}")
            joints = np.zeros((len(s.drive), load_vehicle(vehicle).joints))
            token = s.drive.token + np.uint64(1000 * i)
            drive = replace(s.drive, name=f"log_{i}", vehicle=vehicle, load=load, joints=joints, token=token)
            row = ScenarioRow(
                token=f"{int(token[s.first]):016x}", tags=(f"kind_{i}",), log=drive.name, split="made",
                map_name=drive.map_name, source=drive.source, licence=drive.licence,
                anchor_us=int(drive.time_us[s.first]), interval_us=drive.interval_us, stride=1, has_goal=False,
                first_us=int(drive.time_us[s.first]), last_us=int(drive.time_us[s.first + 30]),
            )  # fmt: skip
            out.add(drive.name, drive, s.map, [row])
    return path


def test_each_scenario_is_driven_with_the_vehicle_of_its_log(mixed_store, tmp_path) -> None:
    said = ["vehicle=log", "simulation.vehicle_model=kinematic_chain", f"out={tmp_path / 'run'}"]
    run = score(loaded(words(mixed_store, *said)))
    assert [r["status"] for r in run.records] == ["ok"] * 3
    store = Store(tmp_path / "run" / "rollouts" / "nonreactive")
    driven = {r["log"]: read_rollout(store, r["token"]).vehicle for r in run.records}
    assert {k: (v.name, v.load) for k, v in driven.items()} == {
        "log_0": ("pacifica", ""), "log_1": ("us_straight_26", "loaded"), "log_2": ("eu_road_train", ""),
    }  # fmt: skip
    alone = [*said[1:2], "vehicle=pacifica", "filter={log_names: [log_0]}", f"out={tmp_path / 'alone'}"]
    (same,) = score(loaded(words(mixed_store, *alone))).records
    assert same["score"] == next(r["score"] for r in run.records if r["log"] == "log_0")


def test_a_log_whose_vehicle_the_model_cannot_move_is_refused_at_once(mixed_store) -> None:
    with pytest.raises(ConfigError, match="'eu_road_train' has 3 units, kinematic_bicycle drives one"):
        preflight(loaded(words(mixed_store, "vehicle=log")))
    with pytest.raises(ConfigError, match="vehicle 'pacifica' gives no "):
        preflight(loaded(words(mixed_store, "vehicle=log", "simulation.vehicle_model=dynamic_chain")))


def test_a_believed_vehicle_must_be_one_and_have_no_more_units(small_store) -> None:
    with pytest.raises(ConfigError, match=r"planner_vehicle .*must name a vehicle or a file: log is for vehicle alone"):
        loaded(words(small_store, "planner.vehicle=log"))
    with pytest.raises(ConfigError, match="'us_sleeper_53' has 2 units, but the vehicle that is driven"):
        preflight(loaded(words(small_store, "planner.vehicle=us_sleeper_53")))
