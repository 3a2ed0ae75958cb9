"""``BatchEnv`` of one slot as a ParallelEnv of PettingZoo (extra ``rl``)."""

# pyright: reportMissingImports=false

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Space
from pettingzoo import ParallelEnv

from roadcraft.validation.environments.batch_env import BatchEnv
from roadcraft.validation.environments.gymnasium_vector import GymnasiumVector

EGO = "ego"


class OneWorldParallel(ParallelEnv):
    """One world whose only agent is ``ego``, for learners that want PettingZoo's dicts. The episode does not begin anew
    by itself: ``reset`` does that."""

    metadata = {"name": "roadcraft_drive_v0", "render_modes": []}  # noqa: RUF012 (as PettingZoo declares it)

    def __init__(self, env: BatchEnv) -> None:
        """env: one slot, without autoreset. Raises ValueError for another."""
        if env.slots != 1 or env.config.autoreset:
            raise ValueError("one world needs slots=1 and autoreset=false")
        self.vector = GymnasiumVector(env)
        self.possible_agents, self.agents = [EGO], list[str]()
        self.render_mode = None

    def observation_space(self, agent: str) -> Space[Any]:
        """That of ``ego``."""
        return self.vector.single_observation_space

    def action_space(self, agent: str) -> Space[Any]:
        """That of ``ego``."""
        return self.vector.single_action_space

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begin the next episode; with a seed, the first one of that seed."""
        seen, infos = self.vector.reset(seed=seed, options=options)
        self.agents = [EGO]
        return {EGO: _row(seen)}, {EGO: _info(infos)}

    def step(self, actions: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """Drive one step: observations, rewards, terminations, truncations and infos, by agent."""
        if not self.agents:
            return {}, {}, {}, {}, {}
        seen, reward, terminated, truncated, infos = self.vector.step(np.asarray(actions[EGO])[None])
        if terminated[0] or truncated[0]:
            self.agents = []
        return (
            {EGO: _row(seen)},
            {EGO: float(reward[0])},
            {EGO: bool(terminated[0])},
            {EGO: bool(truncated[0])},
            {EGO: _info(infos)},
        )

    def render(self) -> None:
        """Nothing; ``roadcraft report`` draws what was driven."""


def _row(seen: Any) -> Any:
    return {name: block[0] for name, block in seen.items()} if isinstance(seen, dict) else seen[0]


def _info(infos: dict[str, Any]) -> dict[str, Any]:
    return {name: infos[name][0] for name in ("parts", "token")}
