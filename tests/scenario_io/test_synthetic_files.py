"""Synthetic worlds as files: the verb, what it writes, and that the number of processes does not show."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from roadcraft.core.config.load import load_config
from roadcraft.core.errors import ConfigError
from roadcraft.scenario_io import NuplanSource
from roadcraft.scenario_io.nuplan.config import NuplanConfig
from roadcraft.scenario_io.synthetic.config import SITUATIONS, SynthConfig
from roadcraft.scenario_io.synthetic.synthesize import synth, synthesize

CHOSEN = ("slow_lead", "fast_curve", "unprotected_left")


def _digest(root: Path) -> dict[str, str]:
    return {
        str(p.relative_to(root)): blake2b(p.read_bytes(), digest_size=8).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("synth")
    seen = []
    report = synth(
        root,
        SynthConfig(worlds=3, seed=11, processes=1, situations=CHOSEN, locations=2),
        lambda a, b: seen.append((a, b)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert report.worlds == 3
    assert set(report.situations) == set(CHOSEN)
    assert report.tagged_frames >= 3
    return root


def test_what_is_written_reads_back(written):
    source = NuplanSource(NuplanConfig(data_root=str(written)))
    made = synthesize(seed=11, worlds=3, situations=CHOSEN, locations=2)
    assert source.logs() == sorted(d.name for d, _ in made)
    for drive, m in made:
        back, map_back = source.drive(drive.name), source.map(drive.name)
        assert np.abs(back.ego[:, :7] - drive.ego[:, :7]).max() < 1e-9
        assert np.array_equal(back.objects.box, drive.objects.box)
        assert np.array_equal(back.lights.state, drive.lights.state)
        assert [back.scenes.route[k].tolist() for k in range(7)] == [drive.scenes.route[k].tolist() for k in range(7)]
        assert np.array_equal(map_back.lanes.id, m.lanes.id)
        assert np.abs(map_back.lanes.centerlines.points - m.lanes.centerlines.points).max() < 1e-5
        rows = [r for r in source.rows(drive.name) if r.tags]
        assert {r.token for r in rows} == {f"{int(drive.token[f]):016x}" for f in drive.tag_frame}
        assert all(r.has_goal for r in rows)


def test_two_processes_write_the_same_bytes(written, tmp_path):
    synth(tmp_path, SynthConfig(worlds=3, seed=11, processes=2, situations=CHOSEN, locations=2))
    assert _digest(tmp_path) == _digest(written)


def test_the_verb_speaks_json(tmp_path):
    from typer import Typer

    from roadcraft.scenario_io.synthetic.commands import synth as verb

    app = Typer()
    app.command()(verb)
    result = CliRunner().invoke(app, [str(tmp_path / "out"), "worlds=1", "situations=[free_road]", "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.output)
    assert report["situations"] == {"free_road": 1}
    assert len(list((tmp_path / "out" / "splits" / "synthetic").glob("*.db"))) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["worlds=0"], "worlds (command line): must be from 1 to 100000, got 0"),
        (["situations=[u_turn]"], "situations[0] (command line): must be among car_following, slow_lead"),
        (["situations=[fast_curv]"], "did you mean 'fast_curve'"),
        (["locations=5"], "locations (command line): must be from 1 to 4, got 5"),
        (["processes=-1"], "processes (command line): must be from 0 to 1024, got -1"),
        (["wolds=3"], "did you mean 'worlds'"),
        (["split=a/b"], "name of a folder"),
    ],
)
def test_bad_settings_are_told(words, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        load_config(SynthConfig, words)


def test_there_are_twenty_situations_and_more():
    assert len(set(SITUATIONS)) == len(SITUATIONS) >= 20


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_takes_no_more_is_told_and_leaves_nothing_half_written(tmp_path, workers):
    code = f"""
import resource, sys
from roadcraft.core.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))  # inherited by workers; a log is larger
main(["synth", {str(tmp_path / "s")!r}, "worlds=2", "processes={workers}", "situations=[free_road]", "--json"])
"""
    words = [sys.executable, "-B", "-c", code]  # -B: the limit would leave bytecode cut off
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.returncode == 4, run.stderr
    assert "cannot be written" in run.stderr
    assert ".db" in run.stderr
    assert "Traceback" not in run.stderr
    assert [p for p in (tmp_path / "s").rglob("*") if p.is_file()] == []
