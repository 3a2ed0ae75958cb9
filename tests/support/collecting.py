"""Drives a policy in an environment, step by step, into the roll-outs that a learner takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

from roadcraft.plugins.training.reinforcement.rollouts import Policy, PolicyAnswer, PolicyRollout

MASK = "action_mask"  # the observation block that holds an environment's mask of actions, where it has one


class Environment(Protocol):
    """R rows that act at once, in buffers that ``step`` overwrites. ``roadcraft.validation.BatchEnv`` is one."""

    @property
    def obs(self) -> Mapping[str, NDArray[Any]]:
        """Blocks (R, ...): what each row sees."""
        ...

    @property
    def final_obs(self) -> Mapping[str, NDArray[Any]]:
        """As obs: what a row saw last whose episode the last step ended."""
        ...

    @property
    def reward(self) -> NDArray[Any]:
        """(R,), of the last action."""
        ...

    @property
    def terminated(self) -> NDArray[Any]:
        """bool (R,): the last action ended the episode."""
        ...

    @property
    def truncated(self) -> NDArray[Any]:
        """bool (R,): the episode was cut off after the last action."""
        ...

    @property
    def alive(self) -> NDArray[Any]:
        """bool (R,): the row takes the next action."""
        ...

    def step(self, action: Any) -> None:
        """Act, once in each row."""
        ...


def seen_by(env: Environment) -> dict[str, Tensor]:
    """The observation blocks of an environment, and its mask of actions where it has one; no copy."""
    mask = getattr(env, MASK, None)
    blocks = {k: torch.from_numpy(v) for k, v in env.obs.items()}
    return blocks if mask is None else {**blocks, MASK: torch.from_numpy(mask)}


def value_of(answer: PolicyAnswer, rows: int) -> Tensor:
    """The value (N,), or zeros."""
    return torch.zeros(rows) if answer.value is None else answer.value.float().cpu()


class Collector:
    """Drives a policy in an environment into buffers that are allocated once; ``collect`` overwrites what the one
    before gave.

    device: where the network is.
    """

    def __init__(self, env: Environment, steps: int, device: torch.device | str = "cpu") -> None:
        self.env, self.steps, self.device = env, steps, torch.device(device)
        self._buffers: dict[str, Tensor] = {}

    def _put(self, name: str, step: int, values: Tensor) -> None:
        if name not in self._buffers:
            self._buffers[name] = torch.zeros((self.steps, *values.shape), dtype=values.dtype)
        self._buffers[name][step] = values

    @torch.no_grad()
    def collect(self, policy: Policy, generator: torch.Generator | None = None) -> PolicyRollout:
        """Up to ``steps`` actions of every row, drawn from ``generator``; fewer where no row is alive any more."""
        env, done = self.env, 0
        answer = self._answer(policy, seen_by(env))
        for done in range(1, self.steps + 1):
            t, blocks = done - 1, seen_by(env)
            for name, block in blocks.items():
                self._put(f"obs.{name}", t, block)
            alive = torch.from_numpy(env.alive).clone()
            action = answer.distribution.sample(generator)
            self._put("action", t, action.cpu())
            self._put("log_prob", t, answer.distribution.log_prob(action).cpu())
            self._put("value", t, value_of(answer, len(alive)))
            self._put("alive", t, alive)
            env.step(action.numpy())
            for name in ("reward", "terminated", "truncated"):
                self._put(name, t, torch.from_numpy(getattr(env, name)))
            self._put("final_value", t, self._final_values(policy, alive))
            answer = self._answer(policy, seen_by(env))
            if not env.alive.any():
                break
        kept = {name: buffer[:done] for name, buffer in self._buffers.items()}
        obs = {name.removeprefix("obs."): kept.pop(name) for name in list(kept) if name.startswith("obs.")}
        return PolicyRollout(obs=obs, last_value=value_of(answer, len(kept["value"][0])), **kept)

    def _answer(self, policy: Policy, blocks: Mapping[str, Tensor]) -> PolicyAnswer:
        return policy({k: v.to(self.device) for k, v in blocks.items()})

    def _final_values(self, policy: Policy, alive: Tensor) -> Tensor:
        """(R,): of what was seen last where an episode was truncated."""
        values = torch.zeros(len(alive))
        rows = (torch.from_numpy(self.env.truncated) & alive).nonzero()[:, 0]
        if len(rows):
            last = {k: torch.from_numpy(v)[rows] for k, v in self.env.final_obs.items()}
            if (mask := getattr(self.env, MASK, None)) is not None:
                last[MASK] = torch.ones((len(rows), mask.shape[1]), dtype=torch.bool)  # no value depends on it
            values[rows] = value_of(self._answer(policy, last), len(rows))
        return values
