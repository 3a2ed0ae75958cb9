"""From actions to the plans that the closed loop drives."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import EGO_SIZE, Ego
from roadcraft.core.driving.geometry.frames import from_frame
from roadcraft.core.driving.motion.pedals import PedalBounds, pedal_controls
from roadcraft.validation.environments.config import ActionConfig
from roadcraft.validation.environments.maneuvers import LINES, maneuver_poses


def action_size(config: ActionConfig) -> int:
    """Numbers in an action: 2 controls; x, y (m) and heading (rad) of each pose of a trajectory; the number of a
    maneuver."""
    return {"controls": 2, "trajectory": 3 * config.points, "maneuver": 1}[config.kind]


def action_count(config: ActionConfig) -> int:
    """How many maneuvers there are; 0 where actions are not counted."""
    return LINES * len(config.speeds) if config.kind == "maneuver" else 0


def plan_of_actions(actions: F64, obs: ObservationBatch, config: ActionConfig, dt_s: F64) -> Plan:
    """The plans (B) that actions (B, A) stand for. dt_s (B,): time to the next step as its time stamp says, s. Raises
    ValueError naming the rows whose action is not finite."""
    if config.kind == "controls":
        return _pedals(actions, obs, config, dt_s)
    if config.kind == "maneuver":
        interval_s = float(obs.interval_s[0])
        poses = maneuver_poses(actions[:, 0].astype(np.int64), obs, config, interval_s)
        return _trajectory(poses, obs, interval_s)
    bad = np.flatnonzero(~np.isfinite(actions).all(axis=1))
    if len(bad):
        raise ValueError(f"actions of rows {bad[:8].tolist()} are not finite")
    return _trajectory(actions.reshape(len(actions), config.points, 3), obs, config.interval_s)


def kept_plan(plan: Plan, obs: ObservationBatch) -> Plan:
    """What is left of plans (B) of trajectories from the present states on."""
    assert plan.length is not None
    passed = (plan.time_us <= obs.time_us[:, None]).sum(axis=1)  # one more or less, as each log's clock jitters
    left = plan.length - passed
    at = np.minimum(passed[:, None] + np.arange(left.max()), plan.length[:, None] - 1)
    time_us = np.concatenate([obs.time_us[:, None], np.take_along_axis(plan.time_us, at, 1)], axis=1)
    states = np.take_along_axis(plan.states, at[:, None, :, None], 2)
    return Plan(time_us, np.concatenate([obs.ego[:, None, None], states], axis=2), plan.scores, left + 1)


def _pedals(actions: F64, obs: ObservationBatch, config: ActionConfig, dt_s: F64) -> Plan:
    """Controls, and the present state twice: nothing of a plan but its controls is driven."""
    c, count = config, len(obs)
    bounds = PedalBounds(c.max_acceleration_mps2, c.max_braking_mps2, c.max_steering_rate_radps)
    controls = pedal_controls(actions, obs.ego, dt_s, obs.vehicle, bounds)
    # beyond the next iteration, whatever the jitter of the log's time stamps
    ahead = np.round(1e6 * (obs.interval_s + dt_s)).astype(np.int64)[:, None] * np.arange(2)
    states = np.repeat(obs.ego[:, None, None], 2, axis=2)
    return Plan(obs.time_us[:, None] + ahead, states, np.zeros((count, 1)), np.full(count, 2), controls)


def _trajectory(poses: F64, obs: ObservationBatch, interval_s: float) -> Plan:
    """Poses (B, T, 3) in the ego frame, with speeds and turning rates that agree with them, the present state first."""
    count, points = poses.shape[:2]
    states = np.zeros((count, 1, points + 1, EGO_SIZE))
    states[:, 0, 0] = obs.ego
    x, y, heading = (obs.ego[:, c, None] for c in (Ego.X, Ego.Y, Ego.HEADING))
    east, north = from_frame(poses[..., 0], poses[..., 1], np.cos(heading), np.sin(heading))
    states[:, 0, 1:, :3] = np.stack([x + east, y + north, heading + poses[..., 2]], axis=-1)
    states[..., Ego.HEADING] = np.unwrap(states[..., Ego.HEADING], axis=-1)
    path = np.concatenate([np.zeros((count, 1, 2)), poses[..., :2]], axis=1)
    states[:, 0, 1:, Ego.VX] = np.linalg.norm(np.diff(path, axis=1), axis=-1) / interval_s
    states[:, :, 1:, Ego.AX] = np.diff(states[..., Ego.VX], axis=-1) / interval_s
    states[:, :, 1:, Ego.YAW_RATE] = np.diff(states[..., Ego.HEADING], axis=-1) / interval_s
    step_us = np.round(np.arange(points + 1) * interval_s * 1e6).astype(np.int64)
    return Plan(obs.time_us[:, None] + step_us, states, np.zeros((count, 1)), np.full(count, points + 1))
