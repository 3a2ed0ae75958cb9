"""Joints of ego, and whether it jackknifes or a trailer swings."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.arrays import F64, Mask
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.core.driving.motion.chain import pull_joints
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.validation.metrics.common.events import runs, span_text
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.once import once_per_rollout
from roadcraft.validation.metrics.freight.common.channels import channels
from roadcraft.validation.metrics.freight.common.thresholds import ArticulationConfig
from roadcraft.validation.metrics.freight.common.units import units


class Articulation(Metric):
    """Multiplier. 0 where ego jackknifes or a trailer swings, else 1; no score for a vehicle of one unit.

    The expected joints are those of a chain that is pulled along unit 0's path and points where it goes: what the
    joints would be if no tire slipped. A jackknife: unit 0's axle slips by more than ``slip_rad`` while the first joint
    moves away from what is expected; or a joint is more than ``off_rad`` away from it above ``off_mps``; or a joint is
    at its limit. Trailer swing: a trailer's axle slips by more than ``slip_rad`` while its joint moves away. Slips are
    those of the vehicle model; one without slip knows the other two signs alone."""

    role: ClassVar[str] = "multiplier"

    def __init__(self, config: ArticulationConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c, name, joints = self.config, "articulation", context.rollout.drive.joints
        if not joints.shape[1]:
            return MetricResult(name, None)
        u, time_us = units(context), frames(context).time_us
        rates = u.yaw_rate[:, 1:] - u.yaw_rate[:, :-1]
        fast, swift = u.speed[:, 0] > c.off_mps, u.speed[:, 0] > c.swift_mps
        most = np.abs(joints).max(axis=1)
        found = self._events(context)
        events = tuple(
            Event(int(a), f"{what}, {span_text(time_us, int(a), int(b))}")
            for what, flags in found.items()
            for a, b in zip(*runs(flags), strict=True)
        )
        bent = float(np.mean(fast & (most > c.bent_rad)))
        swift_rate = float(np.abs(rates[swift]).max(initial=0.0))
        stats: dict[str, float | int | bool | None] = {
            "max_abs_joint_[rad]": float(most.max()),
            "max_abs_joint_rate_[rad_per_s]": float(np.abs(rates).max()),
            f"max_abs_joint_rate_above_{c.swift_mps:g}_mps_[rad_per_s]": swift_rate,
            "joint_rate_within_bounds": swift_rate <= c.max_rate_radps,
            f"share_of_time_beyond_{c.bent_rad:g}_rad_above_{c.off_mps:g}_mps": bent,
            "jackknife": any(flags.any() for what, flags in found.items() if "jackknife" in what),
            "trailer_swing": any(flags.any() for what, flags in found.items() if "swings" in what),
        }
        names = tuple(f"joint {i}" for i in range(1, joints.shape[1] + 1))
        return MetricResult(name, 0.0 if events else 1.0, stats, Series(time_us, joints, "rad", names), events)

    def _events(self, context: MetricContext) -> dict[str, Mask]:
        """(n,) for each kind of event."""
        c, u, vehicle = self.config, units(context), context.rollout.vehicle
        joints, speed = context.rollout.drive.joints, u.speed[:, 0]
        off = np.abs(wrap_array(joints - expected_joints(context)))
        away = np.diff(off, axis=0, prepend=off[:1]) > 0.0
        limits = np.array([unit.joint_limit_rad for unit in vehicle.units[1:]])
        found = {
            "jackknife: a joint at its limit": np.asarray((np.abs(joints) >= limits - 1e-6).any(axis=1)),
            "jackknife: a joint far from what the path asks for": np.asarray(
                (off > c.off_rad).any(axis=1) & (speed > c.off_mps)
            ),
        }
        slips = channels(context, "slip", vehicle.joints + 1)
        if slips is not None:
            slides = (np.abs(slips) > c.slip_rad) & (speed > c.slip_mps)[:, None]
            found["jackknife: the drive axles slip"] = np.asarray(slides[:, 0] & away[:, 0])
            for i in range(1, vehicle.joints + 1):
                found[f"unit {i} swings"] = np.asarray(slides[:, i] & away[:, i - 1])
        return found


@once_per_rollout
def expected_joints(context: MetricContext) -> F64:
    """Joints (n, J) of a chain without slip on unit 0's path."""
    u, ego, joints = units(context), frames(context).ego, context.rollout.drive.joints
    poses = u.poses[:, 0].copy()
    poses[:, 2] += np.arctan2(ego[:, Ego.VY], np.maximum(np.abs(ego[:, Ego.VX]), 1.0)) * np.sign(ego[:, Ego.VX])
    first = joints[:1].copy()
    first[:, 0] -= poses[0, 2] - u.poses[0, 0, 2]
    course: F64 = pull_joints(np.ascontiguousarray(poses[None]), first, u.chain)[0]
    return course
