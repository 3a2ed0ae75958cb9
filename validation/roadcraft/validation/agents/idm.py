"""Cars on lanes follow the intelligent driver model, everybody slower or fixed follows the log (nuPlan's reactive
agents)."""

from __future__ import annotations

from collections.abc import Sequence
from operator import gt
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from roadcraft.core.arrays import I64
from roadcraft.core.data.map import MapData
from roadcraft.core.data.rollout import Objects, ObservationBatch
from roadcraft.core.data.scenario import Ego, ObjectKind, Scenario
from roadcraft.core.driving.geometry.capsules import CHUNK
from roadcraft.core.driving.held import Held
from roadcraft.core.driving.motion.chain import chain_of
from roadcraft.core.interfaces import AgentPolicy
from roadcraft.core.types import Keys
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.agents.agent_batch import (
    BEGINS,
    UNCLEAR,
    WANTS_ROOM,
    WANTS_SWEEP,
    AgentBatch,
    Constants,
    IdmAgentParams,
    agents_of,
    constants_of,
    join_agents,
    join_constants,
    widen_feet,
)
from roadcraft.validation.agents.configs import IdmAgentsConfig
from roadcraft.validation.agents.ego_units import first_ego_boxes, room_for_ego
from roadcraft.validation.agents.idm_exact import ExactInput, exact_leads
from roadcraft.validation.agents.idm_lead import MAX_STOPS, World
from roadcraft.validation.agents.idm_place import Cars, lanes_under, place
from roadcraft.validation.agents.idm_roads import road_arrays, roads_of
from roadcraft.validation.agents.idm_step import Fixed, memory_of, new_moment, new_turns, step_agents
from roadcraft.validation.agents.logged import logged_objects, stack_objects
from roadcraft.validation.agents.objects import outlines, room_for_shown
from roadcraft.validation.agents.rails import Rails, move_rails, new_rails
from roadcraft.validation.agents.towing import chain_of_boxes, vehicles_of


class IdmBatch(NamedTuple):
    """State of the agents of B scenarios: the agents, an ``AgentBatch`` in one block of memory, and ``Fixed``; how many
    decisions were left to exact geometry so far, (B,); who moves agents, adding to the store of rails and writing to
    ``fixed``, which all states since ``start`` share, holds ``moving``; their maps; the ego's vehicle; params: of the
    driver model; last (B,): the last iterations that have a next one."""

    agents: Held
    fixed: Held
    exact: I64
    moving: Lock
    maps: tuple[MapData, ...]
    vehicle: Vehicle
    params: IdmAgentParams
    last: tuple[int, ...]

    @property
    def world(self) -> World:
        """All that the agents are moved by."""
        return _world(self.agents, self.fixed)


class _Part(NamedTuple):
    """One scenario of a batch that is yet to be joined."""

    world: World
    map: MapData
    exact: I64


class IdmAgentsState(NamedTuple):
    """State of one scenario: row ``b`` of a batch. A step makes a new batch, but for what never changes."""

    batch: IdmBatch
    b: int

    @property
    def agents(self) -> AgentBatch:
        """The scenario's agents: views."""
        world = self.batch.world
        return agents_of(world.agents, *world.constants.agent_low[self.b : self.b + 2])

    @property
    def exact(self) -> int:
        """How many decisions were left to exact geometry so far."""
        return int(self.batch.exact[self.b])


class IdmAgents(AgentPolicy):
    """Made from the cars of the first frame that stand on lanes; cars elsewhere, bicycles, and whoever appears later do
    not exist. Trailers of the log follow the agents that pull them, and the ego's trailers are in the way as the ego
    is.

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
        if not scenarios:
            return [], stack_objects([])
        batch = _joined([self._start(s, vehicle) for s in scenarios], vehicle, self._params)
        step_agents(batch.agents, batch.agents, batch.fixed, 0)
        return _states(batch), batch.fixed.fields.moment.shown.objects()

    def step(
        self, scenarios: Sequence[Scenario], obs: ObservationBatch, state: list[Any], keys: Keys
    ) -> tuple[list[Any], Objects]:
        """Moves every agent once; they see ego before its own step, and replayed objects and lights of the next
        iteration."""
        if not state:
            return [], stack_objects([])
        batch = _batch_of(state, obs.vehicle, self._params)
        asked = obs.iteration.tolist()
        if min(asked) < 0 or any(map(gt, asked, batch.last)):
            raise IndexError(f"iterations {asked} have no next one; the last that have are {list(batch.last)}")
        fixed = batch.fixed.fields
        with batch.moving:
            moment = fixed.moment
            moment.iteration[:], moment.ego[:] = obs.iteration, obs.ego
            if obs.vehicle.joints:
                moment.joints[:] = obs.joints
            after = _stepped(batch, fixed)
            return _states(after), moment.shown.objects()

    def _start(self, scenario: Scenario, vehicle: Vehicle) -> _Part:
        roads = road_arrays(scenario.map)
        replayed = logged_objects(scenario, self._kinds)
        cars = logged_objects(scenario, [ObjectKind.VEHICLE])
        id, _, unit_of, unit, box, velocity = cars.columns(0)
        rows = vehicles_of(unit_of, unit)
        id, unit_of, unit, box, velocity = id[rows], unit_of[rows], unit[rows], box[rows], velocity[rows]
        chain, ego = chain_of_boxes(cars, rows), scenario.expert[0]
        placed = place(
            roads,
            lanes_under(scenario.map, box[:, :2]),
            Cars(box, velocity, unit, chain),
            np.concatenate([first_ego_boxes(scenario, vehicle), replayed.columns(0)[4]]),
            float(np.hypot(ego[Ego.VX], ego[Ego.VY])),
            self.config.target_speed_mps,
        )
        lights, time_s = scenario.drive.lights.select(scenario.frames), scenario.time_us * 1e-6
        constants = Constants(
            np.array([0, len(placed.row)]),
            np.array([0, len(lights.offsets)]),
            replayed.offsets,
            lights.offsets,
            np.append(time_s, time_s[-1]),
            placed.size,
            id[placed.row],
            unit_of[placed.row],
            unit[placed.row],
            chain.wheel_base[placed.row],
            chain.hitch[placed.row],
            chain.front[placed.row],
            chain.rear[placed.row],
            *outlines(replayed.box),
            replayed.id,
            replayed.kind,
            replayed.vehicle,
            replayed.unit,
            replayed.box,
            replayed.velocity,
            scenario.map.lane_rows(lights.lane),
            lights.state,
        )
        return _Part(World(placed.agents, placed.rails, constants, roads.fields), scenario.map, np.zeros(1, np.int64))


def _stepped(batch: IdmBatch, parts: Fixed) -> IdmBatch:
    """The batch one step on. parts: what its ``fixed`` holds."""
    agents, fixed, exact, turns = batch.agents.copy(), batch.fixed, batch.exact, parts.turns
    turns.status.fill(BEGINS)
    while step_agents(agents, batch.agents, fixed, 1):
        world = _world(agents, fixed)
        room, sweep = (turns.status == WANTS_ROOM).any(), (turns.status == WANTS_SWEEP).any()
        if room:
            world = _with_room(world, len(world.rails.progress))
        if sweep:
            world = world._replace(agents=widen_feet(world.agents, 2 * world.agents.foot_points.shape[1]))
        if room or sweep:
            turns = turns._replace(memory=memory_of(world, turns.candidates.shape[1]))
            agents = Held.copied(world.agents)
            fixed = Held(fixed.fields._replace(rails=world.rails, turns=turns))
        stopped = np.flatnonzero(turns.status == UNCLEAR)
        if len(stopped):
            exact_leads(_world(agents, fixed), ExactInput(parts.moment.iteration, parts.ego), turns, stopped)
            exact = exact.copy()
            exact[stopped] += 1
    return IdmBatch(agents, fixed, exact, *batch[3:])


def _world(agents: Held, fixed: Held) -> World:
    return World(agents.fields, *fixed.fields[:3])


def _states(batch: IdmBatch) -> list[Any]:
    return [IdmAgentsState(batch, b) for b in range(len(batch.maps))]


def _batch_of(states: Sequence[IdmAgentsState], vehicle: Vehicle, params: IdmAgentParams) -> IdmBatch:
    """The batch of these states in their order, for an ego's vehicle: the one they are of, or a new one where they are
    not all of it."""
    first = states[0].batch
    whole = (first.vehicle is vehicle or first.vehicle == vehicle) and len(states) == len(first.maps)
    if whole and first.params == params:
        for b, (batch, row) in enumerate(states):
            if batch is not first or row != b:
                break
        else:
            return first
    return _joined([_alone(s.batch, s.b) for s in states], vehicle, params)


def _alone(batch: IdmBatch, b: int) -> _Part:
    """Scenario ``b`` of a batch on its own; its rails stay where they are."""
    world = batch.world
    agents = agents_of(world.agents, *world.constants.agent_low[b : b + 2])
    world = World(agents, world.rails, constants_of(world.constants, b), road_arrays(batch.maps[b]).fields)
    return _Part(world, batch.maps[b], batch.exact[b : b + 1])


def _joined(parts: Sequence[_Part], vehicle: Vehicle, params: IdmAgentParams) -> IdmBatch:
    """Several scenarios as one batch, for an ego's vehicle."""
    maps = tuple(p.map for p in parts)
    rails = new_rails(2 * sum(_taken(p.world.agents) for p in parts))
    agents = join_agents([_moved(p.world, rails) for p in parts])
    constants = join_constants([p.world.constants for p in parts])
    world = World(agents, rails, constants, roads_of(maps))
    objects = int(np.diff(constants.object_low).max())
    most = int(np.diff(constants.agent_low).max()) + objects + len(vehicle.units) + MAX_STOPS
    exact, turns = np.concatenate([p.exact for p in parts]), new_turns(world, len(maps), most)
    last, room = tuple((np.diff(constants.frame_low) - 3).tolist()), len(agents.alive) + len(parts) * objects
    ego = room_for_ego(len(maps), len(vehicle.units))
    moment = new_moment(len(maps), vehicle.joints, room_for_shown(len(maps), room))
    fixed = Held(Fixed(*world[1:], turns, chain_of(vehicle), ego, moment, params))
    return IdmBatch(Held.copied(agents), fixed, exact, Lock(), maps, vehicle, params, last)


def _with_room(world: World, more: int) -> World:
    """The same world with a store for ``more`` further vertices of rails; rails that no agent is on any more go."""
    rails = new_rails(_taken(world.agents) + more)
    return world._replace(agents=_moved(world, rails), rails=rails)


def _taken(agents: AgentBatch) -> int:
    """At most so many vertices do the rails of these agents, those that have not left, take in a store."""
    return int((agents.rail_count[agents.alive] + CHUNK).sum()) + CHUNK


def _moved(world: World, rails: Rails) -> AgentBatch:
    """The agents with their rails copied into ``rails``; whoever has left has none any more."""
    agents = world.agents
    count = np.where(agents.alive, agents.rail_count, 0)
    return agents._replace(rail_low=move_rails(world.rails, agents.rail_low, count, rails), rail_count=count)
