"""Cars on lanes follow the intelligent driver model, everybody slower or fixed follows the log (nuPlan's reactive
agents)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, U64
from roadcraft.core.driving.geometry.boxes import corners, ego_box
from roadcraft.core.driving.geometry.capsules import box_capsule
from roadcraft.core.interfaces import AgentPolicy
from roadcraft.core.rollout import Objects, ObservationBatch
from roadcraft.core.scenario import Ego, ObjectKind, Scenario
from roadcraft.core.types import Keys
from roadcraft.core.vehicle import Vehicle
from roadcraft.validation.agents.agent_batch import (
    AgentBatch,
    IdmAgentParams,
    Roads,
    Surroundings,
    copy_batch,
    roads_of,
    widen_batch,
    with_own_paths,
)
from roadcraft.validation.agents.configs import IdmAgentsConfig
from roadcraft.validation.agents.idm_exact import exact_lead
from roadcraft.validation.agents.idm_lead import DONE, UNCLEAR
from roadcraft.validation.agents.idm_place import lanes_under, place
from roadcraft.validation.agents.idm_step import WANTS_RAILS, WANTS_SWEEP, step_agents, sweep
from roadcraft.validation.agents.logged import LoggedObjects, logged_objects, stack_objects


@dataclass(frozen=True)
class AgentConstants:
    """What does not change while a scenario runs: the map, the replayed objects with their corners (R, 4, 2), capsules
    (R, 5) and extents (R, 4), the agents' identities (A,) and size (A, 2), the lights of all iterations (lane rows,
    states, offsets), the times (N,) s."""

    roads: Roads
    replayed: LoggedObjects
    corners: F64
    capsules: F64
    extents: F64
    id: U64
    vehicle: I64
    unit: U8
    size: F64
    light_lane: I64
    light_state: U8
    light_offsets: I64
    time_s: F64


@dataclass(frozen=True)
class IdmAgentsState:
    """State of one scenario. exact: how many decisions were left to exact geometry so far."""

    constants: AgentConstants
    agents: AgentBatch
    exact: int = 0


class IdmAgents(AgentPolicy):
    """Made from the cars of the first frame that stand on lanes; cars elsewhere, bicycles, and whoever appears later do
    not exist.

    Source: nuplan-devkit e924167, IDMAgents; Treiber, Hennecke, Helbing (2000).
    """

    def __init__(self, config: IdmAgentsConfig) -> None:
        self.config = config
        self._kinds = [ObjectKind[k.upper()] for k in config.replayed]
        self._params = IdmAgentParams(
            config.min_gap_m,
            config.headway_s,
            config.max_accel_mps2,
            config.max_decel_mps2,
            config.min_path_m,
            config.radius_m,
        )

    def start(self, scenarios: Sequence[Scenario], vehicle: Vehicle, keys: Keys) -> tuple[list[Any], Objects]:
        """Places the agents; the objects at iteration 0 are already the snapped ones."""
        state = [self._start(s, vehicle) for s in scenarios]
        return list(state), stack_objects([_columns(s, 0) for s in state])

    def step(
        self, scenarios: Sequence[Scenario], obs: ObservationBatch, state: list[Any], keys: Keys
    ) -> tuple[list[Any], Objects]:
        """Moves every agent once; they see ego before its own step, and replayed objects and lights of the next
        iteration."""
        boxes = ego_box(obs.ego, obs.vehicle.box)
        edges = corners(boxes)
        speed = np.hypot(obs.ego[:, Ego.VX], obs.ego[:, Ego.VY])
        moved: list[Any] = []
        for b, s in enumerate(state):
            moved.append(self._step(s, boxes[b], edges[b], float(speed[b]), int(obs.iteration[b])))
        return moved, stack_objects([_columns(s, int(i) + 1) for s, i in zip(moved, obs.iteration, strict=True)])

    def _start(self, scenario: Scenario, vehicle: Vehicle) -> IdmAgentsState:
        drive = scenario.drive
        roads = roads_of(scenario.map)
        replayed = logged_objects(scenario, self._kinds)
        edges, capsules = corners(replayed.box), np.empty((len(replayed.box), 5))
        for k, (x, y, heading, length, width) in enumerate(replayed.box):
            box_capsule(x, y, heading, length, width, capsules[k])
        cars = logged_objects(scenario, [ObjectKind.VEHICLE])
        id, _, unit_of, unit, box, velocity = cars.columns(0)
        towing = unit == 0
        id, unit_of, unit, box, velocity = id[towing], unit_of[towing], unit[towing], box[towing], velocity[towing]
        ego = scenario.expert[0]
        placed = place(
            roads,
            lanes_under(scenario.map, box[:, :2]),
            box,
            velocity,
            np.concatenate([ego_box(ego, vehicle.box)[None], replayed.columns(0)[4]]),
            float(np.hypot(ego[Ego.VX], ego[Ego.VY])),
            self.config.target_speed_mps,
        )
        lights, frames = drive.lights, scenario.frames
        lo, hi = lights.offsets[frames], lights.offsets[frames + 1]
        offsets = np.concatenate([[0], np.cumsum(hi - lo)]).astype(np.int64)
        rows = np.arange(offsets[-1]) + np.repeat(lo - offsets[:-1], hi - lo)
        constants = AgentConstants(
            roads,
            replayed,
            edges,
            capsules,
            np.concatenate([edges.min(axis=1), edges.max(axis=1)], axis=1),
            id[placed.row],
            unit_of[placed.row],
            unit[placed.row],
            placed.size,
            scenario.map.lane_rows(lights.lane[rows]),
            lights.state[rows],
            offsets,
            scenario.time_us * 1e-6,
        )
        return IdmAgentsState(constants, placed.agents)

    def _step(
        self, state: IdmAgentsState, ego: F64, ego_corners: F64, ego_speed: float, iteration: int
    ) -> IdmAgentsState:
        constants, params, after = state.constants, self._params, iteration + 1
        here, lit = constants.replayed.rows(after), slice(*constants.light_offsets[after : after + 2])
        capsule = np.empty(5)
        box_capsule(ego[0], ego[1], ego[2], ego[3], ego[4], capsule)
        surroundings = Surroundings(
            np.array([ego[0], ego[1], ego[2], ego_speed]),
            ego_corners,
            capsule,
            constants.corners[here],
            constants.capsules[here],
            constants.extents[here],
            constants.light_lane[lit],
            constants.light_state[lit],
            float(constants.time_s[after] - constants.time_s[iteration]),
        )
        agents, own_rails, exact, first, unsettled = copy_batch(state.agents), False, state.exact, 0, (0, -1.0)
        settled = unsettled
        while True:
            status, first = step_agents(
                agents, constants.size, constants.roads, surroundings, params, first, settled, own_rails
            )
            if status == DONE:
                return replace(state, agents=agents, exact=exact)
            settled = unsettled
            if status == UNCLEAR:
                settled = exact_lead(agents, constants.size, constants.roads, surroundings, first)
                exact += 1
            elif status == WANTS_RAILS:
                agents, own_rails = with_own_paths(agents), True
            else:
                agents = widen_batch(agents)
                if status == WANTS_SWEEP:
                    sweep(agents, constants.size, params.headway, first)
                    first += 1


def _columns(state: IdmAgentsState, iteration: int) -> tuple[U64, U8, I64, U8, F64, F64]:
    """Agents in the order of their placement, then the replayed objects of the iteration."""
    constants, agents = state.constants, state.agents
    alive = agents.alive
    pose, speed = agents.pose[alive], agents.speed[alive]
    box = np.concatenate([pose, constants.size[alive]], axis=1)
    velocity = speed[:, None] * np.stack([np.cos(pose[:, 2]), np.sin(pose[:, 2])], axis=1)
    kind = np.full(len(pose), ObjectKind.VEHICLE, np.uint8)
    driven = constants.id[alive], kind, constants.vehicle[alive], constants.unit[alive], box, velocity
    replayed = constants.replayed.columns(iteration)
    id, kinds, vehicle, unit, boxes, velocities = (np.concatenate(p) for p in zip(driven, replayed, strict=True))
    return id, kinds, vehicle, unit, boxes, velocities
