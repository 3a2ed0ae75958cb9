"""The planner ``docking``: plans a maneuver to the dock, follows it, and plans again where it does not come right."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.places import PlaceKind
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.motion.chain import chain_of, pull_joints, unit_poses
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import SinglePlanner
from roadcraft.planners.docking.config import DockingConfig
from roadcraft.planners.docking.curves import curvature_of
from roadcraft.planners.docking.follow import TICK_S, PlaceOnLeg, ReversePace, place_on, standing, states_along
from roadcraft.planners.docking.maneuver import Leg, find_maneuver
from roadcraft.planners.docking.space import Room, Shape, shape_of

REACH_M = 80.0
"""Things farther from the dock and from ego are not looked at."""
ASTRAY_M, ASTRAY_RAD = 0.5, 0.12
"""Distance from the path, and heading, beyond which the truck stops and plans again."""
_STOOD, _NEAR_END_M, _STALLED, _HALTED = 0.02, 0.1, 20, 5
_TURN, _DOCK = ReversePace(1.0, 0.3, 0.5, 0.2), ReversePace(1.0, 0.2, 0.22, 0.2)  # most: of the settings


@dataclass(frozen=True)
class DockingState:
    """State of one scenario."""

    goal: F64
    """(4,) pose of the last unit at the dock."""
    dock: F64
    """(3,) pose of the dock."""
    legs: tuple[Leg, ...]
    """What is left to drive, the present leg first; none where nothing was found, or it is done."""
    way: float
    """Way driven in the present leg, m."""
    before: F64
    """(3,) pose of unit 0 in the step before."""
    joints: F64
    """(J,) joint angles, estimated."""
    still: int = 0
    """Steps that it has stood."""
    pull_ups: int = 0
    """Forward moves after a reversal."""
    reversed: bool = False
    """Whether it has driven in reverse."""
    plans: int = 0
    """Maneuvers planned."""
    halting: bool = False
    """Whether it stops to plan again."""


class Docking(SinglePlanner):
    """Drives a truck to a dock: the one of the map that is nearest to the route's goal, else to ego.

    The last unit's path is built backward from the dock of turns with bounded curvature and change of curvature; joints
    and the path of unit 0 follow from it. Set-up poses are those at which such paths begin and to which a path leads
    from where the truck is; among those on which all units keep clear, the cheapest is driven. Where none is found with
    one reversal, pull-ups are added, one after the other. Where the joint or the error is too large, or the truck
    stands beside the dock, it plans again, with a pull-up. It knows the joints by ``obs.joints`` and rolling without
    slip, and stays where it finds no way.
    """

    def __init__(self, config: DockingConfig) -> None:
        self.config = config

    def start_one(self, obs: ObservationBatch, key: int) -> DockingState:
        """Plans the maneuver. Raises DataError where the map has no dock, ConfigError for a vehicle that it does not
        know."""
        shape, c = self._shape(obs), self.config
        dock = self._dock(obs, shape)
        heading = dock[2]
        off = c.gap_m + shape.rear[-1]
        goal = np.array([dock[0] + off * np.cos(heading), dock[1] + off * np.sin(heading), heading, 0.0])
        state = DockingState(goal, dock, (), 0.0, obs.ego[0, :3].copy(), obs.joints[0].copy())
        return self._replanned(obs, state, shape)

    def plan_one(self, obs: ObservationBatch, state: DockingState, key: int) -> tuple[Plan, DockingState]:
        """A plan with K = 1, every 0.1 s to the end of the present leg, at most ``HORIZON_S``."""
        shape, ego, c = self._shape(obs), obs.ego[0], self.config
        state = self._estimated(obs, state)
        place = PlaceOnLeg(0.0, 0.0, 0.0)
        if state.legs:
            state, place = self._advanced(obs, state, shape)
        if state.legs and not state.halting:
            leg = state.legs[0]
            pace = _TURN if leg.forward or len(state.legs) > 1 else _DOCK
            most = c.forward_mps if leg.forward else c.reverse_mps
            states = states_along(leg, place.way, ego, pace._replace(most=most))
        else:
            states = standing(ego)
        time_us = obs.time_us[:, None] + round(TICK_S * 1e6) * np.arange(len(states), dtype=np.int64)
        debug = {
            "leg": float(len(state.legs)),
            "lateral": place.lateral,
            "pull_ups": float(state.pull_ups),
            "plans": float(state.plans),
        }
        told = {k: np.array([v]) for k, v in debug.items()}
        return Plan(time_us, states[None, None], np.zeros((1, 1)), debug=told), state

    # -- what is known

    def _shape(self, obs: ObservationBatch) -> Shape:
        return shape_of(obs.vehicle, self.config.steering_share, self.config.joint_share)

    def _dock(self, obs: ObservationBatch, shape: Shape) -> F64:
        places = obs.maps[0].places
        rows = places.of(PlaceKind.DOCK) if len(places) else np.zeros(0, np.int64)
        if not len(rows):
            raise DataError(
                f"the planner docking needs a dock, and the map {obs.maps[0].name!r} has none",
                where=f"scenario {obs.token[0]}",
                remedy="give the map a place of kind DOCK, or drive worlds with docks: roadcraft synth OUT "
                "suite=freight 'situations=[dock_reverse]'",
            )
        docks = places.pose[rows]
        reach = shape.rear[-1] + shape.length - shape.hitch  # dock to unit 0's axle
        at = docks[:, :2] + reach * np.stack([np.cos(docks[:, 2]), np.sin(docks[:, 2])], 1)
        near = obs.goal[0, :2] if obs.has_goal[0] else obs.ego[0, :2]
        return np.array(docks[int(np.argmin(np.hypot(*(at - near).T)))])

    def _room(self, obs: ObservationBatch, dock: F64) -> Room:
        box = obs.objects.box[obs.objects.rows(0)]
        near = np.minimum(np.hypot(*(box[:, :2] - dock[:2]).T), np.hypot(*(box[:, :2] - obs.ego[0, :2]).T)) < REACH_M
        drivable = obs.maps[0].index.drivable.arrays
        return Room(frozen(box[near]), drivable, self.config.clearance_m, frozen(dock))

    def _estimated(self, obs: ObservationBatch, state: DockingState) -> DockingState:
        """The joints that rolling from the step before leads to, drawn to those that are measured."""
        ego, joints = obs.ego[0], state.joints
        if len(joints) and int(obs.iteration[0]) > 0:
            poses = np.ascontiguousarray(np.stack([state.before, ego[:3]])[None])
            rolled = np.asarray(pull_joints(poses, joints[None], chain_of(obs.vehicle), 2))[0, -1]
            off = np.array([wrap(d) for d in obs.joints[0] - rolled])
            joints = rolled + self.config.joint_gain * off
        return replace(state, joints=joints, before=ego[:3].copy())

    def _last(self, obs: ObservationBatch, state: DockingState) -> F64:
        """Pose (3,) of the last unit."""
        ego = np.ascontiguousarray(obs.ego[:1])
        return np.asarray(unit_poses(ego, state.joints[None], chain_of(obs.vehicle)))[0, -1]

    def _now(self, obs: ObservationBatch, state: DockingState, shape: Shape) -> F64:
        """Pose of the last unit and curvature of its path (4,)."""
        joint = float(state.joints[0]) if len(state.joints) else 0.0
        bent = curvature_of(joint, float(obs.ego[0, Ego.STEERING]), shape)
        return np.append(self._last(obs, state), min(max(bent, -shape.most), shape.most))

    # -- what is done

    def _advanced(self, obs: ObservationBatch, state: DockingState, shape: Shape) -> tuple[DockingState, PlaceOnLeg]:
        """The state at this step, and the place along its present leg."""
        ego, leg = obs.ego[0], state.legs[0]
        last = self._last(obs, state)
        place = place_on(leg, ego, last, state.way)
        still = state.still + 1 if abs(ego[Ego.VX]) < _STOOD else 0
        state = replace(state, way=place.way, still=still)
        left = float(leg.way[-1]) - place.way
        final = len(state.legs) == 1
        if still and (left < (0.02 if final else _NEAR_END_M) or (still > _STALLED and left < 0.5)):
            return self._leg_done(obs, state, shape)
        if state.halting or (not leg.forward and self._is_lost(state, place, shape)):
            if still > _HALTED:
                return self._turned_to(obs, self._replanned(obs, state, shape))
            state = replace(state, halting=True)
        return state, place

    def _is_lost(self, state: DockingState, place: PlaceOnLeg, shape: Shape) -> bool:
        joint = float(np.abs(state.joints).max()) if len(state.joints) else 0.0
        folds = joint > min(self.config.joint_share * shape.no_return + 0.1, shape.no_return)
        return folds or abs(place.lateral) > ASTRAY_M or abs(place.heading) > ASTRAY_RAD

    def _leg_done(self, obs: ObservationBatch, state: DockingState, shape: Shape) -> tuple[DockingState, PlaceOnLeg]:
        gone = state.legs[0]
        backed = state.reversed or not gone.forward
        state = replace(state, legs=state.legs[1:], way=0.0, still=0, reversed=backed)
        if state.legs:
            up = state.reversed and state.legs[0].forward
            return self._turned_to(obs, replace(state, pull_ups=state.pull_ups + up))
        last, c = self._last(obs, state), self.config
        h = state.goal[2]
        aside = (last[1] - state.goal[1]) * np.cos(h) - (last[0] - state.goal[0]) * np.sin(h)
        if (abs(aside) > c.lateral_m or abs(wrap(last[2] - h)) > c.heading_rad) and state.pull_ups < c.pull_ups:
            return self._turned_to(obs, self._replanned(obs, state, shape))
        return state, PlaceOnLeg(0.0, float(aside), float(wrap(last[2] - h)))

    def _turned_to(self, obs: ObservationBatch, state: DockingState) -> tuple[DockingState, PlaceOnLeg]:
        """The place at the begin of the next leg."""
        if not state.legs:
            return state, PlaceOnLeg(0.0, 0.0, 0.0)
        place = place_on(state.legs[0], obs.ego[0], self._last(obs, state), 0.0)
        return replace(state, way=place.way), place

    def _replanned(self, obs: ObservationBatch, state: DockingState, shape: Shape) -> DockingState:
        """The state with a new maneuver from where the truck is; without legs where there is none. The first forward
        leg is no pull-up while it has not reversed."""
        spare = max(self.config.pull_ups - state.pull_ups, 0) + (not state.reversed)
        room = self._room(obs, state.dock)
        found = find_maneuver(self._now(obs, state, shape), state.goal, shape, room, spare)
        legs = () if found is None else found.legs
        up = bool(legs) and legs[0].forward and state.reversed
        return replace(
            state, legs=legs, way=0.0, still=0, halting=False,
            pull_ups=state.pull_ups + up, plans=state.plans + 1,
        )  # fmt: skip
