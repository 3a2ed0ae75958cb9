"""What is compiled ahead: each part calls, on a made-up scenario, what a run calls, and so compiles the kernels that a
run needs."""

from __future__ import annotations

import contextlib
import io
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from roadcraft.core.cli import main
from roadcraft.core.config.factory import create
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import Drive, Ego, Scenario, ScenarioRow
from roadcraft.core.errors import RoadcraftError
from roadcraft.core.interfaces import Planner
from roadcraft.core.kernels.warming import Part
from roadcraft.core.random import scenario_key
from roadcraft.core.testing.world import made_up_scenario
from roadcraft.scenario_io.store.writer import StoreWriter
from roadcraft.validation.config import CHALLENGES
from roadcraft.validation.metrics import evaluate
from roadcraft.validation.simulation import simulate
from roadcraft.validation.simulation.observe import observe

_STEPS = 5


def _short() -> Scenario:
    """A few steps of a scenario with a light, a car ahead, and people and things beside the road."""
    scenario = made_up_scenario()
    return replace(scenario, last=scenario.first + _STEPS * scenario.stride)


def _simulation() -> None:
    """The loop, its tracker and vehicle model, agents, and all metrics."""
    for mode, challenge in CHALLENGES.items():
        agents = "idm" if mode == "reactive" else "log"
        for planner in ("log_replay", "constant_velocity"):
            (rollout,) = simulate([_short()], create("planner", planner), agents=agents, debug=True)
            assert isinstance(rollout, Rollout)
            evaluate(rollout, challenge)


def _astray() -> Scenario:
    """The same, in which the ego heads off the road."""
    scenario = _short()
    ego = np.array(scenario.drive.ego)
    ego[:, Ego.Y] += 2.0  # still on the road
    ego[:, Ego.HEADING] -= 0.3
    return replace(scenario, drive=replace(scenario.drive, ego=ego))


def _plan(planner: Planner, scenario: Scenario) -> None:
    obs = observe([scenario], 1, planner.needs())
    keys = np.array([scenario_key(0, scenario.token)], np.uint64)
    planner.plan(obs, planner.start(obs, keys), keys)


def _planning() -> None:
    """The planners that score trajectories."""
    _plan(create("planner", "pdm_closed"), _short())
    _plan(create("planner", "idm"), _short())
    _plan(create("planner", "guard", {"planner": "constant_velocity"}), _astray())


def _logs() -> None:
    """Synthetic logs, and a store of them."""
    with tempfile.TemporaryDirectory() as folder:
        logs, store = str(Path(folder) / "logs"), str(Path(folder) / "store")
        _command("synth", logs, "worlds=1", "seed=1")
        _command("ingest", "nuplan", logs, "--out", store)


def _rows(drive: Drive, s: Scenario) -> list[ScenarioRow]:
    """A few scenarios of a made-up drive."""
    where = (drive.name, "", drive.map_name, drive.source, drive.licence)
    return [
        ScenarioRow(f"{drive.token[f]:016x}", (), *where, int(drive.time_us[f]), drive.interval_us, s.stride, True)
        for f in range(s.first, s.first + 8)
    ]


def _training() -> None:
    """Training, and the plans of the network that it gives, guarded by what it predicts of others."""
    made = made_up_scenario()
    with tempfile.TemporaryDirectory() as folder:
        store, model = str(Path(folder) / "store"), str(Path(folder) / "model")
        with StoreWriter(store) as writer:
            for log in ("a", "b"):  # one to train on, one to validate on
                drive = replace(made.drive, name=log)
                writer.add(log, drive, made.map, _rows(drive, made))
        network = ("encoder=vector_transformer", "model=multimodal")
        _command("train", *network, f"data={store}", f"out={model}", "steps=1", "batch=2")
        learned = {"name": "learned", "params": {"checkpoint": f"{model}/best"}}
        _plan(create("planner", "guard", {"planner": learned}), _short())


def _command(*words: str) -> None:
    """Run a command in this process, unheard unless it fails. Raises RoadcraftError with what it said."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main(list(words))
    except SystemExit as e:
        if e.code:
            raise RoadcraftError(f"`roadcraft {' '.join(words)}` ended with {e.code}: {said.getvalue()}") from None


PARTS = (
    Part("planners", _planning),
    Part("simulation, agents, metrics", _simulation),
    Part("training", _training, ("torch", "pytorch_lightning", "torch_geometric")),
    Part("synthetic logs", _logs, ("pyogrio",)),
)
"""Parts by what they compile, costliest first."""
