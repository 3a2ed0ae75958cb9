"""Scripted drives of made-up scenarios, and the scores that ``simulate`` and ``evaluate`` give them, without the
environment: ``python tests/support/golden_returns.py`` writes them anew, which is right only where the score itself has
been meant to change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from roadcraft.core.data.plan import Plan
from roadcraft.core.data.scenario import Ego, LightState, Scenario
from roadcraft.core.interfaces import Planner
from roadcraft.core.testing import made_up_scenario

GOLDEN = Path(__file__).parents[1] / "validation" / "golden_returns.json"
CHALLENGE = "closed_loop_nonreactive_agents"
METRICS = (
    "no_ego_at_fault_collisions", "drivable_area_compliance", "driving_direction_compliance", "ego_is_making_progress",
    "ego_progress_along_expert_route", "time_to_collision_within_bound", "speed_limit_compliance", "ego_is_comfortable",
)  # fmt: skip
"""In the order of ``SCORE_PARTS`` behind the score."""
DRIVERS: dict[str, Callable[[int, np.ndarray], tuple[float, float]]] = {
    "keeps its speed": lambda i, ego: (0.0, 0.0),
    "slows down": lambda i, ego: (-2.0 if ego[Ego.VX] > 3.0 else 0.0, 0.0),
    "speeds": lambda i, ego: (1.2, 0.0),
    "weaves": lambda i, ego: (0.0, 0.125 if i % 8 in (0, 1, 6, 7) else -0.125),
}
"""Acceleration m/s2 and steering rate rad/s of each, by the step and the ego's state."""


def golden_scenarios() -> list[Scenario]:
    """Twenty of 8 s: five speeds on two lanes before a green and a red light."""
    speeds, lights = (5.0, 8.0, 11.0, 13.5, 16.0), (LightState.GREEN, LightState.RED)
    kinds = [(v, lane, light) for v in speeds for lane in (0, 1) for light in lights]
    return [made_up_scenario(f"{k:016x}", v, lane, 8.0, light) for k, (v, lane, light) in enumerate(kinds)]


class Scripted(Planner):
    """One of ``DRIVERS``."""

    def __init__(self, name: str) -> None:
        self.controls = DRIVERS[name]

    def plan(self, obs: Any, state: list[Any], keys: Any) -> tuple[Plan, list[Any]]:
        controls = np.array([self.controls(int(i), ego) for i, ego in zip(obs.iteration, obs.ego, strict=True)])
        time_us = obs.time_us[:, None] + 100_000 * np.arange(3)
        return Plan(
            time_us, np.repeat(obs.ego[:, None, None], 3, axis=2), np.zeros((len(obs), 1)), None, controls
        ), state


def main() -> None:
    """Write the golden file."""
    from roadcraft.core.data.rollout import Rollout
    from roadcraft.validation import evaluate, simulate

    scenarios, out = golden_scenarios(), {}
    for name in DRIVERS:
        rows = []
        for driven in simulate(scenarios, Scripted(name)):
            assert isinstance(driven, Rollout), driven
            result = evaluate(driven, CHALLENGE)
            rows.append([result.score, *(result.scores[m] for m in METRICS)])
        out[name] = rows
    lines = []
    for name, rows in out.items():
        body = ",\n".join(json.dumps(r) for r in rows)
        lines.append(f"{json.dumps(name)}: [\n{body}\n]")
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
