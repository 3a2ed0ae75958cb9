"""The running score of a drive ends at the score of the finished rollout, in all situations, however badly driven."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from roadcraft.core.config.factory import create
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import Scenario
from roadcraft.core.interfaces import Planner
from roadcraft.scenario_io import ScenarioFilter, find, ingest, open_source
from roadcraft.scenario_io.synthetic.config import SynthConfig
from roadcraft.scenario_io.synthetic.synthesize import synth
from roadcraft.validation import evaluate, simulate
from roadcraft.validation.environments.drive_score import running_score
from roadcraft.validation.environments.score_arrays import SCORE_PARTS

CHALLENGE = "closed_loop_nonreactive_agents"
METRICS = (
    "no_ego_at_fault_collisions", "drivable_area_compliance", "driving_direction_compliance", "ego_is_making_progress",
    "ego_progress_along_expert_route", "time_to_collision_within_bound", "speed_limit_compliance",
    "ego_is_comfortable",
)  # fmt: skip
"""In the order of ``SCORE_PARTS``."""


class Driver(Planner):
    """Controls that follow from the step and the ego's state."""

    def __init__(self, controls: Callable[[int, np.ndarray], tuple[float, float]]) -> None:
        self.controls = controls

    def plan(self, obs, state, keys):
        controls = np.array([self.controls(int(i), ego) for i, ego in zip(obs.iteration, obs.ego, strict=True)])
        time_us = obs.time_us[:, None] + 100_000 * np.arange(3)
        return Plan(
            time_us, np.repeat(obs.ego[:, None, None], 3, axis=2), np.zeros((len(obs), 1)), None, controls
        ), state


DRIVERS: dict[str, Callable[[int, np.ndarray], tuple[float, float]]] = {
    "stands": lambda i, e: (max(-4.0, -e[3] / 0.3), 0.0),
    "speeds": lambda i, e: (2.0, 0.0),
    "jerks": lambda i, e: (4.0 if i % 8 < 4 else -4.0, 0.3 * np.sin(i)),
    "leaves the road": lambda i, e: (0.5, 0.05),
    "turns round": lambda i, e: (6.0 - e[3], 0.6 if e[7] < 0.5 else 0.0),
    "reverses": lambda i, e: (-3.0 - e[3], 0.0),
    "swerves": lambda i, e: (0.0, 0.4 * np.cos(i * 0.3)),
}


@pytest.fixture(scope="module")
def situations(tmp_path_factory: pytest.TempPathFactory) -> list[Scenario]:
    """Two scenarios of each synthetic situation."""
    folder = tmp_path_factory.mktemp("situations")
    synth(folder / "logs", SynthConfig(worlds=26, seed=5, processes=1))
    ingest(None, folder / "logs", folder / "store", workers=1)
    source = open_source(folder / "store")
    return [source.scenario(c.row, c.type, c.window_us) for c in find(source, ScenarioFilter()) if c.row.tags]


def lost(rollouts: list[Any]) -> dict[str, int]:
    """Compares; how many scenarios lost something by each metric."""
    count = dict.fromkeys(METRICS, 0)
    for rollout in rollouts:
        assert isinstance(rollout, Rollout), rollout
        result, running = evaluate(rollout, CHALLENGE), running_score(rollout)
        want = [result.score, *(result.scores[name] for name in METRICS)]
        np.testing.assert_allclose(running[-1, : len(want)], want, rtol=0.0, atol=1e-12)
        for name in METRICS:
            count[name] += result.scores[name] < 1.0
        check_shape(running)
    return count


def check_shape(running: np.ndarray) -> None:
    """What the running parts may do on the way."""
    column = {name: running[:, c] for c, name in enumerate(SCORE_PARTS)}
    assert ((running >= 0.0) & (running <= 1.0)).all()
    for name in ("collisions", "time_to_collision", "comfort"):
        assert (np.diff(column[name]) <= 0.0).all(), f"{name} never recovers"
    assert (column["making_progress"][:-1] == 1.0).all()
    assert (column["graded_score"] >= column["score"] - 1e-12).all()


@pytest.mark.parametrize("name", DRIVERS)
def test_however_badly_driven(situations: list[Scenario], name: str) -> None:
    count = lost(simulate(situations, Driver(DRIVERS[name])))
    meant = {
        "stands": "ego_is_making_progress", "speeds": "speed_limit_compliance", "jerks": "ego_is_comfortable",
        "leaves the road": "drivable_area_compliance", "turns round": "no_ego_at_fault_collisions",
        "reverses": "driving_direction_compliance", "swerves": "time_to_collision_within_bound",
    }[name]  # fmt: skip
    assert count[meant] > 20, f"{len(situations)} scenarios: {count}"


def test_driven_well_among_reactive_agents(situations: list[Scenario]) -> None:
    count = lost(simulate(situations, create("planner", "idm"), agents="idm"))
    assert count["ego_progress_along_expert_route"] > 5


def test_the_first_value_is_that_of_a_drive_not_begun(situations: list[Scenario]) -> None:
    (rollout,) = simulate(situations[:1], create("planner", "log_replay"))
    assert isinstance(rollout, Rollout)
    running = running_score(rollout)
    assert running[0, 0] == pytest.approx((5.0 * running[0, SCORE_PARTS.index("progress")] + 11.0) / 16.0)
    assert running[0, 0] < 0.8 < running[-1, 0]
