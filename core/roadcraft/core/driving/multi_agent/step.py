"""A whole step of an environment in which every agent is driven: all agents of many scenarios move, then all are
checked.

The motion is ``bicycle.advance``, the checks are ``crowd.check_crowd``; nothing is allocated per step once the arrays
of :class:`CrowdStep` are there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.motion.bicycle import advance
from roadcraft.core.driving.multi_agent.collisions import Checks, check_into
from roadcraft.core.driving.multi_agent.road_grid import RoadField
from roadcraft.core.driving.readonly import frozen


@dataclass(frozen=True)
class Crowd:
    """B scenarios of N agents. state (B, N, 10) float64, columns ``Ego``, rear axle, changed by each step; body (B, N,
    3): rear axle to box center, length, width (``Vehicle.box``); motion (B, N, 4): as ``bicycle.motion_of``; vehicle
    (B, N) int64: equal for the units of one vehicle; valid (B, N) bool: agents that are there; field, place (B,) int64:
    the road, and which of its maps each scenario is on."""

    state: F64
    body: F64
    motion: F64
    vehicle: I64
    valid: Mask
    field: RoadField
    place: I64


class _Agents(NamedTuple):
    """Of a :class:`Crowd`, what no step changes."""

    body: F64
    motion: F64
    vehicle: I64
    valid: Mask
    place: I64


class CrowdStep:
    """Steps a crowd. After a step, boxes (B, N, 5), corners (B, N, 4, 2), touched (B, N) int32 and off (B, N, 4) bool
    hold what ``crowd.check_crowd`` says of it; they are the same arrays at every step. ``check`` fills them without
    moving anyone. Raises ValueError where the crowd's shapes do not fit."""

    def __init__(self, crowd: Crowd) -> None:
        b, n = crowd.state.shape[:2]
        wanted = {"state": (b, n, 10), "body": (b, n, 3), "motion": (b, n, 4), "vehicle": (b, n), "valid": (b, n)}
        wanted["place"] = (b,)
        for name, shape in wanted.items():
            if getattr(crowd, name).shape != shape:
                raise ValueError(f"Crowd.{name} is {getattr(crowd, name).shape}, expected {shape}")
        if crowd.state.dtype != np.float64 or not (crowd.state.flags.c_contiguous and crowd.state.flags.writeable):
            raise ValueError("Crowd.state must be a contiguous, writeable float64 array: steps change it in place")
        if b and not (crowd.place.min() >= 0 and crowd.place.max() < len(crowd.field.by_edges)):
            raise ValueError("Crowd.place names a map that the field does not have")
        self.crowd, self.state = crowd, crowd.state
        self.boxes, self.corners = np.zeros((b, n, 5)), np.zeros((b, n, 4, 2))
        self.touched, self.off = np.full((b, n), -1, np.int32), np.zeros((b, n, 4), np.bool_)
        self._still = np.zeros((b, n, 2))
        self._agents = _Agents(
            frozen(crowd.body), frozen(crowd.motion), frozen(crowd.vehicle, np.int64), frozen(crowd.valid, np.bool_),
            frozen(crowd.place, np.int64),
        )  # fmt: skip
        self._checks = Checks(self.corners, self.touched, self.off, np.empty((n, 3)))

    def step(self, controls: F64, dt_s: float) -> None:
        """Move every agent that is there by ``dt_s`` > 0 seconds under controls (B, N, 2), acceleration m/s2 and
        steering rate rad/s; check all."""
        if controls.shape != self._still.shape or not dt_s > 0.0:
            raise ValueError(f"controls {controls.shape}, dt {dt_s}: expected {self._still.shape} and a positive time")
        self._run(controls, dt_s)

    def check(self) -> None:
        """Check every agent where it is."""
        self._run(self._still, 0.0)

    def _run(self, controls: F64, dt_s: float) -> None:
        _step(self.state, frozen(controls), float(dt_s), self._agents, self.crowd.field, self.boxes, self._checks)


@njit(cache=True, nogil=True)
def _step(state, controls, dt, agents, field, boxes, checks):  # type: ignore[no-untyped-def]
    body, motion, vehicle, valid, place = agents
    corners, touched, off, scratch = checks
    for b in range(len(state)):
        for i in range(state.shape[1]):
            if not valid[b, i]:
                continue
            own = state[b, i]
            if dt > 0.0:
                advance(own, controls[b, i, 0], controls[b, i, 1], dt, motion[b, i], own)
            ahead = body[b, i, 0]
            boxes[b, i, 0] = own[0] + ahead * math.cos(own[2])
            boxes[b, i, 1] = own[1] + ahead * math.sin(own[2])
            boxes[b, i, 2], boxes[b, i, 3], boxes[b, i, 4] = own[2], body[b, i, 1], body[b, i, 2]
        out = Checks(corners[b], touched[b], off[b], scratch)
        check_into(boxes[b], vehicle[b], valid[b], field, place[b], out)
