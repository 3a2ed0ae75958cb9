"""The reactive agents of a batch of scenarios as packed arrays, in the form their kernels read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, U64
from roadcraft.core.data.joined import joined
from roadcraft.core.driving.geometry.capsules import CHUNK

MAX_ROUTE = 5  # segments an agent remembers
DONE, WANTS_ROOM, UNCLEAR, WANTS_SWEEP, BEGINS = range(5)
"""How far a scenario has come in a step, see ``Turns``."""
FREE, STILL, EGO = -1, -2, -3
"""Leads that are no agent: none (the path's end), anything that counts as standing, ego (EGO - u: its unit u)."""


class AgentBatch(NamedTuple):
    """State of A agents, scenario after scenario, within one in the order in which they were placed, the order in which
    they move. The units that an agent pulls follow it as rows of their own, without rail, route and corridor; ``pose``
    is that of the box's center.

    alive (A,) bool; progress (A,) m along the rail, not clamped; speed, target (A,) m/s; pose (A, 3) x, y, heading on
    the rail; route (A, 5) int64 lane rows of the scenario's map, the first route_length (A,) valid; rail_low,
    rail_count (A,): the rail's vertices in ``Rails``; what others see of an agent, its box and the corridor it is about
    to sweep: box_corners (A, 4, 2), box_capsule (A, 5), foot_count (A,), foot_points (A, F, 2), foot_capsules (A, F /
    CHUNK + 2, 5); extent (A, 4): a bounding box that holds both, hull (A, 5): capsule around both.
    """

    alive: Any
    progress: F64
    speed: F64
    target: F64
    pose: F64
    route: I64
    route_length: I64
    rail_low: I64
    rail_count: I64
    box_corners: F64
    box_capsule: F64
    foot_count: I64
    foot_points: F64
    foot_capsules: F64
    extent: F64
    hull: F64


class Constants(NamedTuple):
    """What does not change while B scenarios run. Rows of the tables: agents ``agent_low[b]:agent_low[b + 1]``, frames
    (iteration i is frame ``frame_low[b] + i``; one more ends the last), replayed objects
    ``object_low[f]:object_low[f + 1]``, lights likewise; ``unit`` > 0: pulled by the row before.

    agent_low, frame_low (B + 1,); object_low, light_low (F,) int64; time_s (F,) float64. Of agents: size (A, 2) length,
    width; id, vehicle, unit (A,); wheel_base, hitch, front, rear (A,) as in ``ChainArrays``, of unit 0 from the box's
    center. Of replayed objects: corners (R, 4, 2), capsules (R, 5), extents (R, 4), and the
    columns of ``Objects``. Of lights: light_lane (T,) int64 lane rows, light_state (T,) LightState.
    """

    agent_low: I64
    frame_low: I64
    object_low: I64
    light_low: I64
    time_s: F64
    size: F64
    id: U64
    vehicle: I64
    unit: U8
    wheel_base: F64
    hitch: F64
    front: F64
    rear: F64
    corners: F64
    capsules: F64
    extents: F64
    object_id: U64
    object_kind: U8
    object_vehicle: I64
    object_unit: U8
    object_box: F64
    object_velocity: F64
    light_lane: I64
    light_state: U8


class IdmAgentParams(NamedTuple):
    """Parameters of the driver model (see ``IdmAgentsConfig``)."""

    min_gap: float
    headway: float
    max_accel: float
    max_decel: float
    min_path: float
    radius: float


_AGENTS = ("size", "id", "vehicle", "unit", "wheel_base", "hitch", "front", "rear")
_LIGHTS = ("light_lane", "light_state")


def constants_of(c: Constants, b: int) -> Constants:
    """Those of scenario ``b`` alone: views, but for the offsets."""
    agents, frames = slice(*c.agent_low[b : b + 2]), slice(*c.frame_low[b : b + 2])
    objects, lights = c.object_low[frames], c.light_low[frames]
    rows, lit = slice(objects[0], objects[-1]), slice(lights[0], lights[-1])
    columns = {
        "agent_low": np.array([0, agents.stop - agents.start]),
        "frame_low": np.array([0, frames.stop - frames.start]),
        "object_low": objects - objects[0],
        "light_low": lights - lights[0],
        "time_s": c.time_s[frames],
    }
    for name in Constants._fields[len(columns) :]:
        columns[name] = getattr(c, name)[agents if name in _AGENTS else lit if name in _LIGHTS else rows]
    return Constants(**columns)


def join_constants(parts: Sequence[Constants]) -> Constants:
    """Those of several batches as of one."""
    return joined(parts, ("agent_low", "frame_low"), {"object_low": "object_id", "light_low": "light_lane"})


def agents_of(agents: AgentBatch, low: int, high: int) -> AgentBatch:
    """Agents ``low`` .. ``high - 1``: views."""
    return AgentBatch(*(v[low:high] for v in agents))


def join_agents(parts: Sequence[AgentBatch]) -> AgentBatch:
    """The agents of several batches as of one; their rails must lie in one ``Rails``."""
    room = max(p.foot_points.shape[1] for p in parts)
    wide = [p if p.foot_points.shape[1] == room else widen_feet(p, room) for p in parts]
    return joined(wide)


def new_feet(count: int, room: int) -> tuple[F64, F64]:
    """``foot_points`` and ``foot_capsules`` of ``count`` agents, with room for ``room`` vertices each."""
    return np.zeros((count, room, 2)), np.zeros((count, room // CHUNK + 2, 5))


def widen_feet(agents: AgentBatch, room: int) -> AgentBatch:
    """The same agents with room for ``room`` vertices in a footprint."""
    points, capsules = new_feet(len(agents.alive), room)
    points[:, : agents.foot_points.shape[1]] = agents.foot_points
    capsules[:, : agents.foot_capsules.shape[1]] = agents.foot_capsules
    return agents._replace(foot_points=points, foot_capsules=capsules)
