"""Settings of scoring: the vehicle, the guard's fallback, and rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadcraft.core.config.load import full_tree
from roadcraft.core.errors import ConfigError
from roadcraft.validation.config import VehicleRef
from roadcraft.validation.scoring.score import load_score_config

TRUCK = (
    "name: mule\nunits: [{front_m: 4, rear_m: 1, width_m: 2, height_m: 2, wheel_base_m: 3}]\nmax_steering_rad: "
    "1\naccel_lag_s: 0\nsteering_lag_s: 0\n"
)


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "truck.yaml").write_text(TRUCK)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "conf"


def vehicle(*words: str) -> VehicleRef:
    return load_score_config(words).config.vehicle


@pytest.mark.parametrize(
    "word", ["vehicle=conf/truck.yaml", "vehicle={file: conf/truck.yaml}", "vehicle.file=conf/truck.yaml"]
)
def test_a_vehicle_is_a_path_as_well_and_takes_its_name_from_the_file(conf: Path, word: str) -> None:
    assert vehicle(word) == VehicleRef("mule", str(conf / "truck.yaml"))


def test_a_path_in_a_file_is_relative_to_it(conf: Path) -> None:
    (conf / "base.yaml").write_text("vehicle: truck.yaml\n")
    assert vehicle("conf/base.yaml") == VehicleRef("mule", str(conf / "truck.yaml"))
    assert vehicle("conf/base.yaml", "vehicle=pacifica") == VehicleRef("pacifica", ""), "a name replaces the file"


def test_name_and_file_that_differ_are_refused(conf: Path) -> None:
    assert vehicle("vehicle={file: conf/truck.yaml, name: mule}").name == "mule"
    with pytest.raises(ConfigError) as caught:
        vehicle("vehicle={file: conf/truck.yaml, name: horse}")
    told = f"must be left out or be 'mule', which {conf}/truck.yaml says: give a name or a file, got 'horse'"
    assert f"vehicle.name (command line): {told}" in str(caught.value)


def test_the_guards_fallback_is_a_planner_like_any_other() -> None:
    with pytest.raises(
        ConfigError,
        match=r"planner.params.fallback \(command line\): no planner named 'pdm_closd'; did you mean 'pdm_closed'\?",
    ):
        load_score_config(["planner=guard", "planner.fallback=pdm_closd"])
    tree = load_score_config(["planner=guard", "planner.fallback={name: idm, headway_s: 2}"]).tree
    assert tree["planner"]["params"]["fallback"]["params"]["headway_s"] == 2.0
    for off in ("", "null", "''"):
        assert load_score_config(["planner=guard", f"planner.fallback={off}"]).config.planner.params["fallback"] is None


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("workers=-1", "workers (command line): must be at least 0, got -1"),
        ("seed=-1", "seed (command line): must be at least 0, got -1"),
        ("call_timeout_s=0", "call_timeout_s (command line): must be above 0, got 0.0"),
        ("modes=[]", "suite.modes (command line): must name each mode once, and at least one, got []"),
        ("modes=reactive,open_loop",
        "suite.modes (command line): expected a list, got 'reactive,open_loop'; write [reactive,open_loop]"),
        ("modes=reactiv",
        "suite.modes[0] (command line): 'reactiv' is not one of nonreactive, reactive, open_loop; did you mean "
        "'reactive'?"),
        ("suite.filter=null", "suite.filter (command line): expected a map with keys among preset, scenario_types,"),
        ("metrics=headwya", "metrics[0] (command line): no metric named 'headwya'; did you mean 'headway'?"),
        ("metrics=[3]", "metrics[0] (command line): no metric named '3'; known: "),
        ("tracker=lqr", "tracker (command line): unknown key; did you mean 'simulation.tracker'?"),
        ("missing=refuse", "missing (command line): unknown key; did you mean 'suite.missing'?"),
        ("filter.sampel=3", "suite.filter.sampel (command line): unknown key; did you mean 'sample'?"),
        ("simulation.tracker.horizon=1", "simulation.tracker.params.horizon (command line): must be at least 2, got 1"),
    ],
)  # fmt: skip
def test_refusals_name_key_value_and_rule(word: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_score_config([word])
    assert f"- {told}" in str(caught.value)
    assert str(caught.value).startswith("1 mistake in ")


def test_every_default_is_spelt_out() -> None:
    tree = full_tree(load_score_config([]).config)
    assert tree["planner"]["params"]["headway_s"] == 1.5
    assert tree["simulation"]["tracker"]["params"]["q_heading"] == 10.0


def test_short_keys_reach_within() -> None:
    words = [
        "filter.scenario_types=left_turn",
        "modes=reactive",
        "metrics=headway",
        "agents=idm",
        "agents.headway_s=2",
    ]
    config = load_score_config(words).config
    assert config.suite.filter.scenario_types == ("left_turn",)
    assert config.suite.modes == ("reactive",)
    assert [m.name for m in config.metrics] == ["headway"]
    assert config.suite.agents.params == {"headway_s": 2.0}
