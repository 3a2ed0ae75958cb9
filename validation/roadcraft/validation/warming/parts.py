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
from roadcraft.core.errors import RoadcraftError
from roadcraft.core.factory import create
from roadcraft.core.interfaces import Planner
from roadcraft.core.kernel_warming import Part
from roadcraft.core.random import scenario_key
from roadcraft.core.rollout import Rollout
from roadcraft.core.scenario import Scenario
from roadcraft.core.testing.world import made_up_scenario
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


def _plan(planner: Planner) -> None:
    scenario = _short()
    obs = observe([scenario], 1, planner.needs())
    keys = np.array([scenario_key(0, scenario.token)], np.uint64)
    planner.plan(obs, planner.start(obs, keys), keys)


def _planning() -> None:
    """The planners that score trajectories; the guard's kernels do not ask whose plans it judges."""
    _plan(create("planner", "pdm_closed"))
    _plan(create("planner", "idm"))
    _plan(create("planner", "guard", {"planner": "constant_velocity"}))


def _training() -> None:
    """What the demo's commands need until a network drives: synthetic logs, a store, training, the network's plans."""
    with tempfile.TemporaryDirectory() as folder:
        logs, store, model = (str(Path(folder) / name) for name in ("logs", "store", "model"))
        _command("synth", logs, "worlds=2", "seed=1")  # one to train on, one to validate on
        _command("ingest", "nuplan", logs, "--out", store)
        network = ("encoder=vector_transformer", "model=multimodal")
        _command("train", *network, f"data={store}", f"out={model}", "steps=1", "batch=2")
        _plan(create("planner", "learned", {"checkpoint": f"{model}/best"}))


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
    Part("synthetic logs, training", _training, ("torch", "pytorch_lightning", "torch_geometric", "pyogrio")),
)
"""Parts by what they compile, costliest first."""
