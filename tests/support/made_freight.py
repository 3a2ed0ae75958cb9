"""Rollouts of heavy vehicles in the made-up world, along any path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.config.factory import create
from roadcraft.core.data.map import AreaKind, MapData
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.rollout_context import RolloutContext
from roadcraft.core.data.scenario import Drive, Ego, ObjectFrames, ObjectKind, Scenario, Tracks
from roadcraft.core.driving.motion.chain import chain_of, pull_joints
from roadcraft.core.interfaces import Metric
from roadcraft.core.testing import made_up_rollout, made_up_scenario
from roadcraft.core.testing.world import ORIGIN, LaneSketch, rectangle, sketch_map
from roadcraft.core.types import MetricResult
from roadcraft.core.vehicles.vehicle import RigidUnit, Vehicle, load_vehicle

TRACTOR = RigidUnit(5.4, 1.2, 2.44, 3.0, 4.5, hitch_m=0.3, kind="tractor")
VAN = RigidUnit(13.4, 2.7, 2.59, 4.1, 12.5, kind="semitrailer")
TRUCK = Vehicle("truck", (TRACTOR, VAN), 0.7, 0.2, 0.05)


def loaded(name: str = "us_sleeper_53", load: str = "loaded") -> Vehicle:
    """A vehicle with masses."""
    return load_vehicle(name, load=load)


def straight(speed: float = 8.0, steps: int = 150, x: float = 60.0, y: float = -1.8) -> F64:
    """Ego states (n, 10) along the right lane."""
    t, ego = np.arange(steps) * 0.1, np.zeros((steps, 10))
    ego[:, Ego.X], ego[:, Ego.Y], ego[:, Ego.VX] = ORIGIN[0] + x + speed * t, ORIGIN[1] + y, speed
    return ego


def along(curvature: F64, speed: F64 | float, wheel_base: float, start: Sequence[float] = (60.0, -1.8, 0.0)) -> F64:
    """Ego states (n, 10) of a rear axle that rolls with a curvature (n,) 1/m, to the left positive, and a speed."""
    n = len(curvature)
    v, ego = np.broadcast_to(np.asarray(speed, float), n), np.zeros((n, 10))
    turned = np.concatenate([[0.0], np.cumsum(0.05 * (curvature * v)[:-1] + 0.05 * (curvature * v)[1:])])
    heading = start[2] + turned
    x, y = (
        np.concatenate([[0.0], np.cumsum(0.05 * (f * v)[:-1] + 0.05 * (f * v)[1:])])
        for f in (np.cos(heading), np.sin(heading))
    )
    ego[:, Ego.X], ego[:, Ego.Y] = ORIGIN[0] + start[0] + x, ORIGIN[1] + start[1] + y
    ego[:, Ego.HEADING], ego[:, Ego.VX], ego[:, Ego.STEERING] = heading, v, np.arctan(wheel_base * curvature)
    ego[:, Ego.YAW_RATE], ego[:, Ego.AY] = curvature * v, curvature * v * v
    ego[:, Ego.AX] = np.gradient(v, 0.1)
    ego[:, Ego.YAW_ACCEL] = np.gradient(curvature * v, 0.1)
    return ego


def thing(kind: ObjectKind, box: F64, velocity: F64 | None = None, vehicle: int = -1, unit: int = 0) -> dict[str, Any]:
    """A road user or thing: box (n, 5) or (5,), velocity (n, 2) or (2,), relative to the world's origin."""
    return {"kind": kind, "box": box, "velocity": np.zeros(2) if velocity is None else velocity, "vehicle": vehicle,
            "unit": unit}  # fmt: skip


def drive(
    ego: F64,
    vehicle: Vehicle = TRUCK,
    things: Sequence[Mapping[str, Any]] = (),
    channels: Mapping[str, F64] | None = None,
    joints: F64 | None = None,
    scenario: Scenario | None = None,
    world: MapData | None = None,
) -> Rollout:
    """The rollout in which unit 0 drives ``ego`` (n, 10); the units behind are pulled along unless joints (n, J) are
    given."""
    n = len(ego)
    s = scenario or made_up_scenario(seconds=0.1 * n)
    if world is not None:
        s = replace(s, map=world)
    rollout = made_up_rollout(s)
    if joints is None:
        poses = np.ascontiguousarray(ego[None, :, :3])
        joints = pull_joints(poses, np.zeros((1, vehicle.joints)), chain_of(vehicle), 4)[0]
    count = len(things)
    ids = np.arange(1, count + 1, dtype=np.uint64)
    owner = np.array([t["vehicle"] if t["vehicle"] >= 0 else 1000 + k for k, t in enumerate(things)], np.int64)
    tracks = Tracks(
        ids,
        np.array([t["kind"] for t in things], np.uint8),
        owner,
        np.array([t["unit"] for t in things], np.uint8),
        np.full(count, 1.6),
    )
    boxes, moves = np.empty((n, count, 5)), np.empty((n, count, 2))
    for k, t in enumerate(things):
        boxes[:, k], moves[:, k] = t["box"], t["velocity"]
    boxes[..., :2] += ORIGIN
    objects = ObjectFrames(
        count * np.arange(n + 1, dtype=np.int64),
        np.tile(np.arange(count, dtype=np.int64), n),
        boxes.reshape(-1, 5),
        moves.reshape(-1, 2),
    )
    made: Drive = replace(rollout.drive, ego=ego, joints=joints, tracks=tracks, objects=objects)
    names = tuple(sorted(channels or {}))
    values = np.stack([channels[k] for k in names]) if channels else np.zeros((0, n))
    return replace(rollout, drive=made, vehicle=vehicle, channel_names=names, channels=values)


def expert_of(speed: F64 | float, seconds: float = 15.0) -> Scenario:
    """A scenario whose expert drives at a speed (by iteration) along the right lane, from x = 60 m."""
    s = made_up_scenario(speed_mps=8.0, seconds=seconds)
    ego, past = s.drive.ego.copy(), s.first
    n = len(ego) - past
    given = np.atleast_1d(speed)
    v = np.interp(0.05 * np.arange(n), 0.1 * np.arange(len(given)), given)
    ego[past:, Ego.X] = ORIGIN[0] + 60.0 + np.concatenate([[0.0], np.cumsum(0.025 * (v[1:] + v[:-1]))])
    ego[past:, Ego.VX], ego[past:, Ego.Y] = v, ORIGIN[1] - 1.8
    return replace(s, drive=replace(s.drive, ego=ego))


def quiet(vehicle: Vehicle | None = None, n: int = 150, **changed: F64) -> dict[str, F64]:
    """Channels of a truck that goes straight on at rest of all that swings, but for those given."""
    vehicle = vehicle or loaded()
    m, zero = len(vehicle.units), np.zeros(n)
    names = [f"joint_rate_{i}" for i in range(1, m)] + [f"ay_{i}" for i in range(m)] + ["load_transfer_0"]
    names += [f"friction_use_{k}" for k in ("steered", *range(m))] + [f"slip_{k}" for k in ("steered", *range(m))]
    names += ["drive", "brake", "brake_temperature"]
    return {f"vehicle.{k}": np.broadcast_to(changed.get(k, zero), n) for k in names}


def judged(name: str, rollout: Rollout, **params: Any) -> MetricResult:
    """A metric's answer."""
    metric: Metric = create("metric", name, params)
    return metric.compute(RolloutContext(rollout))


def mirrored(rollout: Rollout) -> Rollout:
    """The same drive on the other side of the world's x axis, without a map of its own."""
    y = ORIGIN[1]
    d = rollout.drive
    ego = d.ego.copy()
    ego[:, Ego.Y] = 2.0 * y - ego[:, Ego.Y]
    ego[:, [Ego.HEADING, Ego.VY, Ego.AY, Ego.STEERING, Ego.YAW_RATE, Ego.YAW_ACCEL]] *= -1.0
    box, velocity = d.objects.box.copy(), d.objects.velocity.copy()
    box[:, 1], box[:, 2], velocity[:, 1] = 2.0 * y - box[:, 1], -box[:, 2], -velocity[:, 1]
    objects = replace(d.objects, box=box, velocity=velocity)
    odd = ("joint_rate", "steering_rate", "roll", "ay_", "load_transfer", "slip")
    channels = rollout.channels.copy()
    for k, name in enumerate(rollout.channel_names):
        if name.removeprefix("vehicle.").startswith(odd):
            channels[k] *= -1.0
    return replace(rollout, drive=replace(d, ego=ego, joints=-d.joints, objects=objects), channels=channels)


def two_way_road(width_m: float = 3.6) -> MapData:
    """A road along +x, x 0..400: lane 1 to the east (y -1.8), lane 2 to the west (y 1.8), 3 m of shoulder south."""
    x = np.arange(0.0, 400.5, 1.0)
    east = np.stack([x, np.full(len(x), -0.5 * width_m)], 1) + ORIGIN
    west = np.stack([x[::-1], np.full(len(x), 0.5 * width_m)], 1) + ORIGIN
    lanes = [LaneSketch(1, 1, east, (), False, 25.0), LaneSketch(2, 2, west, (), False, 25.0)]
    x0, y0 = ORIGIN
    road = rectangle((x0, y0 - width_m - 3.0), (x0 + 400.0, y0 + width_m))
    return sketch_map(lanes, [(500, AreaKind.ROAD_SEGMENT, 0, road)], width_m=width_m)
