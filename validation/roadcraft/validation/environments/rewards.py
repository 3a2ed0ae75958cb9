"""What a step of a drive earns: the rewards by name, of its running score and its facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, Mask
from roadcraft.validation.environments.drive_facts import FACTS
from roadcraft.validation.environments.reward_config import (
    CarlReward,
    GigaflowReward,
    PufferDriveReward,
    RewardName,
    RewardWeights,
)
from roadcraft.validation.environments.score_arrays import SCORE_PARTS

_MULTIPLIERS = slice(1, 4)  # of SCORE_PARTS: what stays 0 once it is
_FACT = {name: k for k, name in enumerate(FACTS)}
_Terms = dict[str, F64]


class RewardStep(NamedTuple):
    """What R drives earn in one step."""

    reward: F64
    """(R,) What each earns."""
    terms: F64
    """(R, P) What it is made of, columns ``Reward.names``."""
    failed: Mask
    """(R,) Whether nothing can be earned any more."""


class Reward:
    """A reward by its name: what a step earns, and the terms that it is made of.

    ``score`` and ``graded`` are differences of the running score; ``carl``, ``gigaflow`` and ``pufferdrive`` are those
    of the works of these names (see their settings), of the facts of a step.
    """

    names: tuple[str, ...]
    """Of the terms. The reward is the sum of the first ``summed``; the others are factors that it contains."""
    summed: int
    """How many terms add up to the reward."""
    of_facts: bool
    """Whether it needs the facts of a step, ``FACTS``."""

    def __init__(self, name: RewardName = "score", weights: RewardWeights | None = None) -> None:
        self.name, self.weights = name, weights or RewardWeights()
        self.of_facts = name in _OF_FACTS
        self.names, self.summed = ("score",), 1
        if self.of_facts:
            added, factors = self._terms(np.zeros((1, len(FACTS))))
            self.names, self.summed = (*added, *factors), len(added)

    def __call__(self, before: F64, now: F64, facts: F64 | None = None) -> RewardStep:
        """Of R drives: before and now (R, 10), ``SCORE_PARTS`` before and after the step; facts (R, F), ``FACTS`` of
        the step, where the reward is of them."""
        failed: Mask = (now[:, _MULTIPLIERS] == 0.0).any(axis=1)
        if not self.of_facts:
            column = SCORE_PARTS.index("score" if self.name == "score" else "graded_score")
            earned = now[:, column] - before[:, column]
            return RewardStep(earned, earned[:, None], failed)
        assert facts is not None
        added, factors = self._terms(facts)
        terms = np.stack([*added.values(), *factors.values()], axis=1)
        reward = terms[:, : self.summed].sum(axis=1)
        if self.name == "carl":
            failed = failed | carl_failed(facts)
        if self.name == "pufferdrive" and self.weights.pufferdrive.clamp:
            reward = reward.clip(-self.weights.pufferdrive.clamp, self.weights.pufferdrive.clamp)
        return RewardStep(reward, terms, failed)

    def _terms(self, facts: F64) -> tuple[_Terms, _Terms]:
        """By name, (R,) each: the terms that are added, and the factors within them."""
        return _OF_FACTS[self.name](facts, self.weights)


def _column(facts: F64, name: str) -> F64:
    column: F64 = facts[:, _FACT[name]]
    return column


def carl_failed(facts: F64) -> Mask:
    """CaRL's hard failures (R,): a contact while ego moves, or a corner off the road by any distance."""
    failed: Mask = (_column(facts, "moving_contacts") > 0) | (_column(facts, "off_road_m") > 0.0)
    return failed


def _carl(facts: F64, weights: RewardWeights) -> tuple[_Terms, _Terms]:
    c: CarlReward = weights.carl
    way = np.maximum(_column(facts, "along_m"), 0.0) / np.maximum(_column(facts, "expert_m"), 1e-9)
    beyond = np.maximum(np.abs(_column(facts, "offset_m")) - c.free_offset_m, 0.0)
    share = beyond / np.maximum(beyond + _column(facts, "edge_m"), 1e-9)
    factors = {
        "lane_distance": 1.0 - 0.5 * share,
        "too_fast": np.maximum(0.0, 1.0 - _column(facts, "overspeed_mps") / c.max_overspeed_mps),
        "on_route": _column(facts, "on_route"),
        "comfort": _column(facts, "comfort"),
        "time_to_collision": np.where(_column(facts, "close") > 0.0, c.close, 1.0),
    }
    failed = carl_failed(facts)
    soft = np.prod(list(factors.values()), axis=0) * ~failed
    added = {
        "progress": c.scale * (1.0 - c.survival) * way * soft,
        "survival": c.scale * c.survival * _column(facts, "step_share") * ~failed,
        "penalty": -c.penalty * failed,
    }
    return added, factors


def _gigaflow(facts: F64, weights: RewardWeights) -> tuple[_Terms, _Terms]:
    g: GigaflowReward = weights.gigaflow
    dt, v, on = _column(facts, "step_s"), _column(facts, "forward_mps"), _column(facts, "on_lane")
    turned, off = _column(facts, "heading_rad"), np.abs(_column(facts, "offset_m") - g.center_bias_m)
    facing = np.cos(turned)
    aligned = np.minimum(facing, 0.0) + g.against_speed * np.minimum(v * facing, 0.0)
    aligned = aligned + 0.0025 * (1.0 - np.abs(turned) / (np.pi / 2.0))
    centered = (facing > 0.5) * off - 0.05 * np.exp(-(off - 0.5))
    harsh = (np.abs(_column(facts, "acceleration_mps2")) > 3.0).astype(np.float64)
    harsh = harsh + (np.abs(_column(facts, "jerk_mps3")) > 5.0)
    added = {
        "goal": g.goal * _reached(facts, g.goal_radius_m),
        "collision": -(g.collision + g.collision_per_mps * _column(facts, "speed_mps"))
        * (_column(facts, "contacts") > 0),
        "off_road": -g.off_road * (_column(facts, "off_road_m") > 0.0),
        "red_light": -g.red_light * _column(facts, "ran_red"),
        "alignment": g.alignment * dt * aligned * on,
        "center": -g.center * dt * centered * on,
        "comfort": -g.comfort * harsh,
        "velocity": g.velocity * _column(facts, "along_m"),
        "reverse": -g.reverse * dt * (v < -0.01),
        "time": -g.time * dt * (_column(facts, "speed_mps") > 0.01),
        "overspeed": -g.overspeed * _column(facts, "overspeed_mps"),
    }
    return added, {}


def _pufferdrive(facts: F64, weights: RewardWeights) -> tuple[_Terms, _Terms]:
    p: PufferDriveReward = weights.pufferdrive
    added = {
        "goal": p.goal * _reached(facts, p.goal_radius_m),
        "collision": -p.collision * (_column(facts, "contacts") > 0),
        "off_road": -p.off_road * (_column(facts, "off_road_m") > 0.0),
        "log_distance": -p.log_distance * _column(facts, "log_m"),
    }
    return added, {}


def _reached(facts: F64, radius_m: float) -> Mask:
    """Whether the goal is reached in this step, for the first time (R,)."""
    reached: Mask = (_column(facts, "goal_m") <= radius_m) & (_column(facts, "goal_before_m") > radius_m)
    return reached


_OF_FACTS: dict[str, Callable[[F64, RewardWeights], tuple[_Terms, _Terms]]] = {
    "carl": _carl,
    "gigaflow": _gigaflow,
    "pufferdrive": _pufferdrive,
}
