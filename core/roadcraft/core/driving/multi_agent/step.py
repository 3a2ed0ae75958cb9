"""A whole step of an environment in which every agent is driven: all agents of many scenarios move, then all are
checked.

The motion is ``bicycle.advance``, that of trailers the chord of the hitch (``chain.chord_turn``), the checks are
``collisions.check_crowd``; nothing is allocated per step once the arrays of :class:`CrowdStep` are there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.motion.bicycle import advance, motion_of
from roadcraft.core.driving.motion.chain import chord_turn
from roadcraft.core.driving.multi_agent.collisions import Checks, check_into
from roadcraft.core.driving.multi_agent.road_grid import RoadField
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.vehicle import Vehicle


@dataclass(frozen=True)
class Crowd:
    """B scenarios of N agents, a row for each unit; the units of a vehicle follow each other, the towing one first.
    state (B, N, 10) float64, columns ``Ego``, rear axle, changed by each step; body (B, N, 3): rear axle to box center,
    length, width (``Vehicle.box``); motion (B, N, 4): as ``bicycle.motion_of``; vehicle (B, N) int64: equal for the
    units of one vehicle; valid (B, N) bool: agents that are there; field, place (B,) int64: the road, and which of its
    maps each scenario is on; towed (B, N, 2), or none where nobody has a trailer: of a unit that the row before tows,
    the distance m of its axle behind the hitch, and how far ahead of that row's axle the hitch is; 0, 0 of a row that
    drives itself. :func:`rows_of` gives the rows of a vehicle."""

    state: F64
    body: F64
    motion: F64
    vehicle: I64
    valid: Mask
    field: RoadField
    place: I64
    towed: F64 | None = None


class UnitRows(NamedTuple):
    """What rows of a :class:`Crowd` hold of a vehicle's n units."""

    body: F64
    """(n, 3)."""
    motion: F64
    """(n, 4)."""
    towed: F64
    """(n, 2)."""


def rows_of(vehicle: Vehicle) -> UnitRows:
    """The rows of a vehicle: the towing unit, then its trailers."""
    units, ahead = vehicle.units, vehicle.units[:-1]
    towed = np.array([[0.0, 0.0], *([u.wheel_base_m, a.hitch_m] for u, a in zip(units[1:], ahead, strict=True))])
    body = np.array([[0.5 * (u.front_m - u.rear_m), u.front_m + u.rear_m, u.width_m] for u in units])
    body[0] = vehicle.box
    return UnitRows(body, np.tile(motion_of(vehicle), (len(units), 1)), towed)


class _Agents(NamedTuple):
    """Of a :class:`Crowd`, what no step changes."""

    body: F64
    motion: F64
    vehicle: I64
    valid: Mask
    place: I64
    towed: F64


class CrowdStep:
    """Steps a crowd. After a step, boxes (B, N, 5), corners (B, N, 4, 2), touched (B, N) int32 and off (B, N, 4) bool
    hold what ``crowd.check_crowd`` says of it; they are the same arrays at every step. ``check`` fills them without
    moving anyone. Raises ValueError where the crowd's shapes do not fit."""

    def __init__(self, crowd: Crowd) -> None:
        b, n = crowd.state.shape[:2]
        wanted = {"state": (b, n, 10), "body": (b, n, 3), "motion": (b, n, 4), "vehicle": (b, n), "valid": (b, n)}
        wanted["place"], wanted["towed"] = (b,), (b, n, 2)
        towed = np.zeros((b, n, 2)) if crowd.towed is None else crowd.towed
        for name, shape in wanted.items():
            found = towed.shape if name == "towed" else getattr(crowd, name).shape
            if found != shape:
                raise ValueError(f"Crowd.{name} is {found}, expected {shape}")
        hung = towed[..., 0] > 0.0
        apart = np.ones((b, n), np.bool_)
        apart[:, 1:] = (crowd.vehicle[:, 1:] != crowd.vehicle[:, :-1]) | (crowd.valid[:, 1:] & ~crowd.valid[:, :-1])
        if len(at := np.argwhere((hung & apart) | ~(towed[..., 0] >= 0.0) | ~np.isfinite(towed[..., 1]))):
            raise ValueError(f"Crowd.towed: row {at[0, 1]} of scenario {at[0, 0]} hangs on no unit of its vehicle")
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
            frozen(crowd.place, np.int64), frozen(towed),
        )  # fmt: skip
        self._checks = Checks(self.corners, self.touched, self.off, np.empty((n, 3)))

    def step(self, controls: F64, dt_s: float) -> None:
        """Move every agent that is there by ``dt_s`` > 0 seconds under controls (B, N, 2), acceleration m/s2 and
        steering rate rad/s, those of trailers not asked for; check all."""
        if controls.shape != self._still.shape or not dt_s > 0.0:
            raise ValueError(f"controls {controls.shape}, dt {dt_s}: expected {self._still.shape} and a positive time")
        self._run(controls, dt_s)

    def check(self) -> None:
        """Check every agent where it is."""
        self._run(self._still, 0.0)

    def _run(self, controls: F64, dt_s: float) -> None:
        _step(self.state, frozen(controls), float(dt_s), self._agents, self.crowd.field, self.boxes, self._checks)


@small_njit
def _follow(front, before, own, facing, link):  # type: ignore[no-untyped-def]
    """A trailer, ``own`` (10,), behind the unit ``front`` (10,), which has moved from ``before`` (x, y, cosine and sine
    of its heading). facing: cosine and sine of the trailer's heading; link: distance from hitch to axle, the hitch
    ahead of the front unit's axle, and s of the step."""
    (x, y, c, s), (length, ahead, dt) = before, link
    fc, fs = math.cos(front[2]), math.sin(front[2])
    turn = chord_turn(front[0] - x + ahead * (fc - c), front[1] - y + ahead * (fs - s), facing[0], facing[1], length)
    own[2] = wrap(own[2] + turn)
    nc, ns = math.cos(own[2]), math.sin(own[2])
    own[0], own[1] = front[0] + ahead * fc - length * nc, front[1] + ahead * fs - length * ns
    speed, yaw_rate = front[3] * (fc * nc + fs * ns) + ahead * front[8] * (fc * ns - fs * nc), turn / dt
    own[5], own[9] = (speed - own[3]) / dt, (yaw_rate - own[8]) / dt
    own[3], own[4], own[6], own[7], own[8] = speed, 0.0, 0.0, 0.0, yaw_rate


@njit(cache=True, nogil=True)
def _step(state, controls, dt, agents, field, boxes, checks):  # type: ignore[no-untyped-def]
    body, motion, vehicle, valid, place, towed = agents
    corners, touched, off, scratch = checks
    for b in range(len(state)):
        x, y, c, s = 0.0, 0.0, 1.0, 0.0  # of the row before, before the step
        for i in range(state.shape[1]):
            if not valid[b, i]:
                continue
            own = state[b, i]
            if dt > 0.0:
                before, pulled = (x, y, c, s), towed[b, i, 0] > 0.0
                if pulled or (i + 1 < state.shape[1] and towed[b, i + 1, 0] > 0.0):
                    x, y, c, s = own[0], own[1], math.cos(own[2]), math.sin(own[2])
                if pulled:
                    _follow(state[b, i - 1], before, own, (c, s), (towed[b, i, 0], towed[b, i, 1], dt))
                else:
                    advance(own, controls[b, i, 0], controls[b, i, 1], dt, motion[b, i], own)
            ahead = body[b, i, 0]
            boxes[b, i, 0] = own[0] + ahead * math.cos(own[2])
            boxes[b, i, 1] = own[1] + ahead * math.sin(own[2])
            boxes[b, i, 2], boxes[b, i, 3], boxes[b, i, 4] = own[2], body[b, i, 1], body[b, i, 2]
        out = Checks(corners[b], touched[b], off[b], scratch)
        check_into(boxes[b], vehicle[b], valid[b], field, place[b], out)
