"""A planner that keeps its direction and brakes gently to a standstill."""

from typing import Any

import numpy as np

from roadcraft.core import Ego, Keys, ObservationBatch, Plan, Planner

from __PACKAGE__.plugin import __CLASS__Config


class __CLASS__(Planner):
    def __init__(self, config: __CLASS__Config) -> None:
        self.config = config

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """All scenarios at once: B rows, one candidate each, 8 s in steps of 0.1 s."""
        t = np.arange(81) * 0.1
        speed = np.maximum(obs.ego[:, None, Ego.VX] - self.config.deceleration_mps2 * t, 0.0)  # (B, T)
        steps = 0.05 * (speed[:, 1:] + speed[:, :-1])
        distance = np.concatenate([np.zeros((len(obs), 1)), np.cumsum(steps, 1)], 1)
        heading = obs.ego[:, None, Ego.HEADING]
        states = np.repeat(obs.ego[:, None], len(t), 1)
        states[:, :, Ego.X] += distance * np.cos(heading)
        states[:, :, Ego.Y] += distance * np.sin(heading)
        states[:, :, Ego.VX] = speed
        time_us = obs.time_us[:, None] + (t * 1e6).round().astype(np.int64)
        return Plan(time_us, states[:, None], np.zeros((len(obs), 1))), state
