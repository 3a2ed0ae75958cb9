"""Which of our planners repeats a golden drive, with the parameters the drive names, and how far the two may lie
apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from roadcraft.core.config.factory import create
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import EGO_SIZE, Ego
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import Planner
from roadcraft.core.types import Keys
from roadcraft.validation.golden.files import GoldenDrive

_STRAIGHT_M, _CORRIDOR_M = 1e-6, 1e-5  # a gap to a buffered corridor is only defined to about 1e-6 m
_STEP_M = 1e-8  # a few units in the last place of coordinates


@dataclass(frozen=True)
class Repeat:
    """planner: None where the drive cannot be repeated, and ``why``; ego_m, agents_m: tolerances, for angles and speeds
    in rad and m/s as well; step_m: the same for one step from the reference's own state; ignored: parameters without a
    counterpart; plan_speeds: whether the reference's plans hold speeds (PDM-Closed leaves them 0)."""

    planner: Planner | None
    ego_m: float = _STRAIGHT_M
    agents_m: float = _STRAIGHT_M
    why: str = ""
    ignored: tuple[str, ...] = ()
    plan_speeds: bool = True
    step_m: float = _STEP_M


def repeat_of(golden: GoldenDrive) -> Repeat:
    """How to drive it again. Raises DataError where the planner's parameters are wrong."""
    given = dict(golden.data["planner"].get("config") or {})
    kind = str(given.pop("class", golden.data["planner"].get("name", "")))
    reactive = golden.data["challenge"] == "closed_loop_reactive_agents"
    if kind in _KNOWN:
        name, translate, ego_m = _KNOWN[kind]
        ours, used = translate(given)
        ignored = tuple(sorted(set(given) - used - {"_target_", "_convert_"}))
        agents_m = max(ego_m, _CORRIDOR_M) if reactive else ego_m
        step_m = _STEP_M if ego_m < _CORRIDOR_M else _STRAIGHT_M
        return Repeat(create("planner", name, ours), ego_m, agents_m, "", ignored, name != "pdm_closed", step_m)
    steps = [step for step, _ in golden.data["plans"]]
    if steps != list(range(len(golden.data["ego"]))):
        return Repeat(None, why=f"planner {kind or '?'} is not ours, and its plans are not stored for every step")
    return Repeat(StoredPlans(golden), _STRAIGHT_M, _CORRIDOR_M if reactive else _STRAIGHT_M)


class StoredPlans(Planner):
    """Answers the plans of one golden drive, step by step."""

    def __init__(self, golden: GoldenDrive) -> None:
        self._plans = {int(step): np.array(rows, np.float64).reshape(-1, 5) for step, rows in golden.data["plans"]}

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """The plan of the step, K = 1, for the one scenario of the batch."""
        step = int(obs.iteration[0])
        if step not in self._plans:
            raise DataError(f"no plan is stored for step {step}")
        rows = self._plans[step]
        states = np.zeros((1, 1, len(rows), EGO_SIZE))
        states[0, 0, :, : Ego.VX + 1] = rows[:, 1:]
        return Plan(rows[None, :, 0].astype(np.int64), states, np.zeros((1, 1))), state


_Params = Mapping[str, Any]


def _renamed(names: Mapping[str, str]) -> Callable[[_Params], tuple[dict[str, Any], set[str]]]:
    def translate(given: _Params) -> tuple[dict[str, Any], set[str]]:
        return {names[k]: v for k, v in given.items() if k in names}, set(names)

    return translate


_LOG_FUTURE = {"num_poses": "poses", "future_time_horizon": "horizon_s"}
_SIMPLE = {
    "horizon_seconds": "horizon_s",
    "sampling_time": "interval_s",
    "max_velocity": "max_speed_mps",
    "steering_angle": "steering_rad",
}
_IDM = {
    "target_velocity": "target_speed_mps",
    "min_gap_to_lead_agent": "min_gap_m",
    "headway_time": "headway_s",
    "accel_max": "max_accel_mps2",
    "decel_max": "max_decel_mps2",
    "planned_trajectory_samples": "poses",
    "planned_trajectory_sample_interval": "interval_s",
    "occupancy_map_radius": "radius_m",
}
_PDM_IDM = {
    "speed_limit_fraction": "speed_fractions",
    "fallback_target_velocity": "fallback_speed_mps",
    "min_gap_to_lead_agent": "min_gap_m",
    "headway_time": "headway_s",
    "accel_max": "max_accel_mps2",
    "decel_max": "max_decel_mps2",
}


def _simple(given: _Params) -> tuple[dict[str, Any], set[str]]:
    ours, used = _renamed(_SIMPLE)(given)
    if "acceleration" in given:
        ahead, *aside = np.atleast_1d(np.asarray(given["acceleration"], np.float64)).tolist()
        if any(aside):
            raise DataError(f"a lateral acceleration of {aside} cannot be repeated")
        ours["acceleration_mps2"] = ahead
    return ours, used | {"acceleration"}


def _pdm(given: _Params) -> tuple[dict[str, Any], set[str]]:
    ours, used = _renamed({"lateral_offsets": "lateral_offsets_m", "map_radius": "radius_m"})(given)
    plan, proposal = given.get("trajectory_sampling") or {}, given.get("proposal_sampling") or {}
    for sampling, steps in ((plan, "plan_steps"), (proposal, "proposal_steps")):
        ours |= _renamed({"num_poses": steps, "interval_length": "interval_s"})(sampling)[0]
    if plan.get("interval_length") != proposal.get("interval_length"):
        raise DataError("plan and proposals of different intervals cannot be repeated")
    return ours | _renamed(_PDM_IDM)(given.get("idm_policies") or {})[0], used | {
        "trajectory_sampling",
        "proposal_sampling",
        "idm_policies",
    }


_Translate = Callable[[_Params], tuple[dict[str, Any], set[str]]]
_KNOWN: Mapping[str, tuple[str, _Translate, float]] = {
    "LogFuturePlanner": ("log_replay", _renamed(_LOG_FUTURE), _STRAIGHT_M),
    "SimplePlanner": ("constant_velocity", _simple, _STRAIGHT_M),
    "IDMPlanner": ("idm", _renamed(_IDM), _CORRIDOR_M),
    "PDMClosedPlanner": ("pdm_closed", _pdm, _STRAIGHT_M),
}
REPEATED = {theirs: ours for theirs, (ours, _, _) in _KNOWN.items()}
