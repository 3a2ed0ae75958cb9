"""The demonstration of text commands: what it runs, and how it measures what a command changed."""

from __future__ import annotations

from pathlib import Path

import drive
import numpy as np
import pytest

from roadcraft.core.data.scenario import EGO_SIZE, Ego


def path(heading: float, speed: float, off: float = 0.0) -> np.ndarray:
    """Ten seconds straight on, the way drifting to the left by ``off`` metres."""
    t = np.linspace(0.0, 10.0, 101)
    ahead, left = speed * t, off * t / 10.0
    out = np.zeros((101, EGO_SIZE))
    out[:, Ego.X] = np.cos(heading) * ahead - np.sin(heading) * left
    out[:, Ego.Y] = np.sin(heading) * ahead + np.cos(heading) * left
    out[:, Ego.HEADING], out[:, Ego.VX] = heading, speed
    return out


@pytest.mark.parametrize("heading", [0.0, 2.5])
def test_what_lies_to_the_left_is_positive(heading: float) -> None:
    assert drive.aside(path(heading, 10.0), path(heading, 10.0, 3.5)[-1]) == pytest.approx(3.5)
    assert drive.aside(path(heading, 10.0), path(heading, 5.0, -2.0)[-1]) == pytest.approx(-2.0)


def test_the_effect_is_seen_beside_the_silent_drives() -> None:
    silent = {"a": path(0.3, 10.0), "b": path(-1.0, 8.0)}
    said = {"a": path(0.3, 10.0, 3.5), "b": path(-1.0, 0.0), "c": path(0.0, 1.0)}
    found = drive.effect(said, silent)
    assert found["scenarios"] == 2
    assert (found["at_rest"], found["left"], found["right"]) == (0.5, 0.5, 0.0)
    assert found["end_mps"] == pytest.approx(5.0)
    none = drive.effect(silent, silent)
    assert (none["at_rest"], none["left"], none["right"]) == (0.0, 0.0, 0.0)
    assert none["way_m"] == pytest.approx(90.0)
    assert "nothing said | 2 |" in drive.table({drive.SILENT: none})


def test_each_command_is_one_run_over_the_same_scenarios(tmp_path: Path) -> None:
    steps = drive.drive_steps(tmp_path / "best", tmp_path / "store", tmp_path, ("stop", "speed up"), 3)
    *runs, report = steps
    assert [s.name for s in runs] == ["nothing-said", "stop", "speed-up"]
    assert len({tuple(w for w in s.words if w.startswith("filter")) for s in runs}) == 1
    assert [any("instruction" in w for w in s.words) for s in runs] == [False, True, True]
    assert [Path(w).name for w in report.words[1:4]] == [s.name for s in runs]
