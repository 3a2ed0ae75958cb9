"""Work in steps: done once, resumed where a command was cut off, stopped by what fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadcraft.core.errors import RoadcraftError
from roadcraft.validation.demonstration.run import SIZES, steps as demo_steps
from roadcraft.validation.demonstration.steps import Step, run_steps

SCRIPT = """
import sys
from pathlib import Path
folder, code = Path(sys.argv[1]), int(sys.argv[2])
with (folder / "calls").open("a") as f:
    f.write(" ".join(sys.argv[2:]) + "\\n")
(folder / "begun").touch()
sys.exit(code)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_a_finished_step_is_not_repeated_until_its_command_changes(tmp_path: Path, script: Path) -> None:
    said: list[str] = []

    def run(word: str) -> dict[str, float]:
        step = Step("one", "Why.", (str(tmp_path), "0", word), script=script)
        return run_steps([step], tmp_path / "done", said.append)

    first = run("a")
    assert run("a") == first
    assert calls(tmp_path) == ["0 a"]
    assert "    done before" in said
    run("b")
    assert calls(tmp_path) == ["0 a", "0 b"]


def test_a_step_that_was_cut_off_is_resumed(tmp_path: Path, script: Path) -> None:
    def step(code: int) -> Step:
        return Step("one", "Why.", (str(tmp_path), str(code)), begun=tmp_path / "begun", script=script)

    with pytest.raises(RoadcraftError, match=r"the demo stopped: `python .*` ended with exit code 3; run it again"):
        run_steps([step(3)], tmp_path / "done", str, "the demo")
    run_steps([step(0)], tmp_path / "done", str)
    assert calls(tmp_path) == ["3", "0 --resume"]


def test_failed_scenarios_are_a_result_where_a_step_says_so(tmp_path: Path, script: Path) -> None:
    words = (str(tmp_path), "1")
    run_steps([Step("fine", "Why.", words, may_fail=True, script=script)], tmp_path / "done", str)
    with pytest.raises(RoadcraftError):
        run_steps([Step("not", "Why.", words, script=script)], tmp_path / "done", str)
    assert not (tmp_path / "done" / "not.json").exists()


def test_a_torn_note_is_as_if_it_were_not_there(tmp_path: Path, script: Path) -> None:
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "one.json").write_text('{"words": [')
    run_steps([Step("one", "Why.", (str(tmp_path), "0"), script=script)], tmp_path / "done", str)
    assert calls(tmp_path) == ["0"]


def test_the_demo_resumes_training_and_scoring(tmp_path: Path) -> None:
    made = {s.name: s for s in demo_steps(tmp_path, SIZES["quick"])}
    assert made["train"].go_on == ("--resume", f"{tmp_path}/model")
    assert made["score-idm"].begun == tmp_path / "runs" / "idm" / "config.yaml"
    assert made["score-idm"].line.startswith("roadcraft score planner=idm ")
    assert "'modes=[nonreactive, reactive]'" in made["score-idm"].line
