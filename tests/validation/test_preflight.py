"""Before a run begins: every mistake of names, paths and data at once, the same from ``score`` and from ``config
check``, and nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from roadcraft.core.errors import ConfigError, DataError
from roadcraft.validation.scoring.preflight import preflight
from roadcraft.validation.scoring.score import load_score_config, stored_tree

TRUCK = (
    "name: rig\nunits:\n  - {front_m: 4, rear_m: 1, width_m: 2.5, height_m: 3, wheel_base_m: 3}\n"
    "  - {front_m: 8, rear_m: 4, width_m: 2.5, height_m: 4, wheel_base_m: 8}\nmax_steering_rad: 1\naccel_lag_s: "
    "0\nsteering_lag_s: 0\n"
)
Call = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["suite.filter.preset=maped"], 2,
        "suite.filter.preset (command line): no preset 'maped'; did you mean 'mapped'?"),
        (["vehicle=pacfica"], 2, "vehicle (command line): there is no vehicle 'pacfica'; did you mean 'pacifica'?"),
        (["vehicle=conf/truck.yaml"], 4,
        "error: vehicle (command line): DIR/conf/truck.yaml: cannot be read: No such file or directory\n"),
        (["vehicle=rig.yaml"], 2,
        "vehicle (command line): 'rig' has 2 units, kinematic_bicycle drives one; choose another "
        "simulation.vehicle_model"),
        (["data=nowhere"], 4,
        "error: suite.data (command line): DIR/nowhere: there is no such file or folder (accepted: a store"),
        (["data="], 2, "  - suite.data is missing (command line): say data=STORE"),
        (["planner=learned"], 4,
        "error: planner.params (command line): no checkpoint is named (checkpoint=RUN/best, a folder written by: "
        "roadcraft train)\n"),
        (["planner=learned", "planner.checkpoint=none"], 4,
        "error: planner.params.checkpoint (command line): DIR/none: there is no such file or folder\n"),
        (["planner=guard", "planner.planner={name: learned, checkpoint: none}"], 4,
        "error: planner.params.planner.params.checkpoint (command line): DIR/none: there is"),
        (["planner=guard", "planner.planner=idm", "planner.fallback=pdm_closd"], 2,
        "planner.params.fallback (command line): no planner named 'pdm_closd'; did"),
        (["planner=learned", "planner.checkpoint=."], 4,
        "error: planner.params (command line): DIR: config.yaml and model.safetensors missing"),
        (["suite.filter.tokens_file=none.txt"], 4,
        "error: suite.filter.tokens_file (command line): DIR/none.txt: there is no such file or folder\n"),
        (["filter={preset: mapped, preset: val14}"], 2,
        "suite.filter (command line): expected a map, got '{preset: mapped, preset: val14}': the key preset stands "
        "twice\n"),
        (["modes=[]"], 2, "suite.modes (command line): must name each mode once, and at least one, got []\n"),
        (["out=rig.yaml"], 2, "  - out (command line): DIR/rig.yaml is a file; name a new folder with out="),
        (["suite.filter.scenario_types=[left_trun]", "suite.missing=refuse"], 4,
        "error: suite.filter (command line): "),
    ],
)  # fmt: skip
def test_check_and_score_refuse_the_same_and_leave_nothing_behind(
    call: Call, small_store: Path, tmp_path: Path, words: list[str], code: int, told: str
) -> None:
    (tmp_path / "rig.yaml").write_text(TRUCK)
    given = ["planner=idm", f"data={small_store}", *words]
    out = [] if any(w.startswith("out=") for w in words) else ["out=run"]
    checked, scored = call("config", "check", *given, *out, "--for", "score"), call("score", *given, *out)
    for found in (checked, scored):
        assert told.replace("DIR", str(tmp_path)) in found[2]
        assert found[0] == code
        assert "Traceback" not in found[2]
    assert [p.name for p in tmp_path.iterdir()] == ["rig.yaml"], "nothing was written"


def test_a_token_that_was_lost_does_not_drive_all(call: Call, small_store: Path, tmp_path: Path) -> None:
    code, _, told = call("score", "planner=idm", f"data={small_store}", "scenario=", "out=run")
    assert (code, list(tmp_path.iterdir())) == (2, [])
    assert "scenario (command line): has no value (of an empty variable?); leave it out to drive all" in told


def test_every_mistake_is_told_at_once(small_store: Path, tmp_path: Path) -> None:
    config = load_score_config(
        ["planner=learned", f"planner.checkpoint={tmp_path}/none", "vehicle=pacfica", f"data={tmp_path}/no"]
    ).config
    with pytest.raises(ConfigError) as caught:
        preflight(config)
    lines = str(caught.value).splitlines()
    assert lines[0] == "3 mistakes in the configuration:"
    assert lines[1] == f"  - planner.params.checkpoint: {tmp_path}/none: there is no such file or folder"
    assert lines[2].startswith("  - vehicle: there is no vehicle 'pacfica'")
    assert lines[3].startswith(f"  - suite.data: {tmp_path}/no: there is no such file or folder")
    with pytest.raises(DataError, match="2 mistakes in what is read:"):
        preflight(load_score_config(["planner=learned", f"data={tmp_path}/no"]).config)


def test_what_is_right_is_said_to_be_with_the_size_of_the_run(call: Call, small_store: Path) -> None:
    code, out, _ = call("config", "check", "planner=idm", f"data={small_store}", "modes=[nonreactive, reactive]")
    assert code == 0
    scenarios = len(preflight(load_score_config([f"data={small_store}"]).config).items)
    assert out.splitlines()[0] == f"{scenarios} scenarios, {2 * scenarios} drives"
    assert out.splitlines()[1] == "ok: a configuration for `roadcraft score`, 3 keys given"


def test_a_run_that_is_there_is_refused_by_check_too(call: Call, small_store: Path, tmp_path: Path) -> None:
    words = ["planner=idm", f"data={small_store}", "filter={sample: 1}", "out=run"]
    assert call("score", *words, "workers=1")[0] == 0
    for verb in (("score",), ("config", "check")):
        code, _, told = call(*verb, *words)
        assert code == 2
        assert told == (
            "error: 1 mistake in the configuration:\n"
            f"  - out (command line): {tmp_path}/run holds a run already; add --resume to go on with it, or choose "
            "another out=\n"
        )


def test_one_folder_is_named(call: Call, small_store: Path, tmp_path: Path) -> None:
    code, _, told = call("score", "planner=idm", f"data={small_store}", "--out", "a", "out=b")
    assert (code, told) == (2, f"error: out (command line): given twice, --out a and out={tmp_path}/b; take one out\n")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_refused_before_a_folder_is_made(call: Call, small_store: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from roadcraft.planners.learned.checkpoint_writing import save_checkpoint
    from roadcraft.planners.learned.network import build_network

    encoder = {"name": "vector_transformer", "params": {"dim": 16, "layers": 1, "heads": 2}}
    model = {"name": "multimodal", "params": {"layers": 1, "heads": 2}}
    save_checkpoint(tmp_path / "best", build_network(encoder, model), {"encoder": encoder, "model": model}, {}, "card")
    words = ["planner=learned", "planner.checkpoint=best", f"data={small_store}", "out=run"]
    assert call("config", "check", *words)[0] == 0
    weights = tmp_path / "best" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    for given in (words, ["planner=guard", "planner.planner={name: learned, checkpoint: best}", *words[2:]]):
        for verb in (("score",), ("config", "check")):
            code, _, told = call(*verb, *given)
            assert code == 4
            assert told.startswith("error: planner.params")
            assert f"{weights}: is not the file that was written: its digest differs (the file is damaged or" in told
    assert [p.name for p in tmp_path.iterdir()] == ["best"]


def test_a_run_keeps_every_default_and_no_out(tmp_path: Path) -> None:
    tree = stored_tree(load_score_config(["planner=idm", f"out={tmp_path}/run"]).config)
    assert "out" not in tree
    assert tree["planner"]["params"]["headway_s"] == 1.5
    json.dumps(tree)


def test_agents_that_drive_nobody_are_told_before_a_run(call: Call, small_store: Path) -> None:
    code, _, told = call("config", "check", "planner=idm", f"data={small_store}", "agents=log")
    assert code == 0
    assert told == "warning: suite.agents=log drives nobody: suite.modes is ['nonreactive'], without 'reactive'\n"


def test_a_runs_own_configuration_warns_of_nothing(call: Call, small_store: Path, tmp_path: Path) -> None:
    tree = stored_tree(load_score_config(["planner=idm", f"data={small_store}"]).config)
    (tmp_path / "config.yaml").write_text(json.dumps(tree))
    code, _, told = call("config", "check", "config.yaml")
    assert (code, told) == (0, "")


def test_the_folder_of_a_run_is_refused_as_what_was_typed(call: Call, small_store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, told = call("score", "planner=idm", f"data={small_store}", "--out", "file")
    assert (code, told.splitlines()[1]) == (2, "  - out (command line): file is a file; name a new folder with out=")


def test_a_run_that_goes_on_with_something_else_is_told_what(call: Call, small_store: Path, tmp_path: Path) -> None:
    assert (
        call("score", "planner=log_replay", f"data={small_store}", "filter={sample: 1}", "workers=1", "--out", "r")[0]
        == 0
    )
    code, _, told = call("score", "--resume", "--out", "r", "seed=3")
    assert (code, told) == (
        2,
        "error: r cannot be resumed with another configuration:\n  - seed: began with 0, now 3\n",
    )
