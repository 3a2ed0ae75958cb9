"""The third-party package of ``examples/``: installed as any other, found and scored by name; a broken one beside it is
reported and survived."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from command_line import environment, install, process, roadcraft

from roadcraft.core.plugins.registry import registry


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two short synthetic drives."""
    from roadcraft.scenario_io import ingest, synth
    from roadcraft.scenario_io.synthetic.config import SynthConfig

    folder = tmp_path_factory.mktemp("examples")
    synth(
        folder / "logs",
        SynthConfig(worlds=2, seed=5, situations=("car_following", "slow_lead"), locations=1, processes=1),
    )
    ingest("nuplan", folder / "logs", folder / "store", workers=1)
    return folder / "store"


def installed(name: str) -> None:
    try:
        distribution(name)
    except PackageNotFoundError:
        pytest.skip(f"the example is not installed: pip install -e examples/{name}")


def test_found_and_scored_by_name_beside_a_broken_plugin(store: Path, tmp_path: Path) -> None:
    installed("roadcraft-cautious")
    assert registry().find("planner", "cautious").provider == "roadcraft-cautious"
    site = install(tmp_path / "site", "broken", {"broken": "broken_plugin"})
    (site / "broken_plugin.py").write_text("raise RuntimeError('made to fail')\n")
    words = [
        "planner=cautious",
        "metrics=[hard_braking]",
        f"data={store}",
        "filter={preset: mapped}",
        "workers=1",
        f"out={tmp_path / 'run'}",
    ]
    done = process("score", *words, "--json", env=environment(site))
    assert done.returncode == 0, done.stderr
    assert "plugin 'broken' of broken 1.0 was left out: RuntimeError: made to fail" in done.stderr
    summary = json.loads(done.stdout)
    metrics = summary["challenges"]["closed_loop_nonreactive_agents"]["metrics"]
    assert "hard_braking" in metrics
    assert 0.0 <= summary["challenges"]["closed_loop_nonreactive_agents"]["score"] <= 1.0
    listing = process("--no-plugins", "plugins", "planner", env=environment(site))
    assert "cautious" not in listing.stdout
    assert "broken" not in listing.stderr


def test_a_model_is_trained_and_driven_by_name(store: Path, tmp_path: Path) -> None:
    installed("roadcraft-anchors")
    small = "encoder={name: vector_transformer, params: {dim: 16, layers: 1, heads: 2}}"
    words = [small, "model=anchors", f"data={store}", f"out={tmp_path / 'model'}", "steps=4", "batch=4"]
    done = roadcraft("train", *words, "validation_batches=1")
    assert done.returncode == 0, done.stderr
    config = (tmp_path / "model" / "best" / "config.yaml").read_text()
    assert "roadcraft-anchors" in config, "a checkpoint says whose model it holds"
    drive = ["planner=learned", f"planner.checkpoint={tmp_path / 'model' / 'best'}", "filter={preset: mapped}"]
    done = roadcraft("score", *drive, f"data={store}", "workers=1", f"out={tmp_path / 'run'}", "--json")
    assert done.returncode == 0, done.stderr
    assert not json.loads(done.stdout)["failures"]


@pytest.mark.parametrize("planner", ["constant_velocity", "idm"])
def test_a_planner_without_our_simulator(planner: str) -> None:
    script = Path(__file__).resolve().parents[2] / "examples" / "plan_without_simulator.py"
    done = subprocess.run([sys.executable, str(script), planner], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "t =  0.0 s   x =   0.00 m" in done.stdout
