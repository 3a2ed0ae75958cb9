"""Trucks on the dynamic chain that follow a path: what tests and benchmarks of trackers drive."""

from __future__ import annotations

import numpy as np

from roadcraft.core.driving.motion.chain import unit_poses
from roadcraft.core.driving.motion.dynamic_chain import advance_dynamic, dynamic_chain_of, road_rows, start_motion
from roadcraft.core.driving.motion.lqr import track
from roadcraft.core.driving.motion.truck_lqr import track_trucks, truck_gains
from roadcraft.core.driving.motion.truck_lqr_config import TruckLqrConfig
from roadcraft.core.vehicles.state import level_road
from roadcraft.core.vehicles.vehicle import Vehicle, load_vehicle

DT = 0.1


class Path:
    """Poses along a path by arc length, from its curvature at many places."""

    def __init__(self, s: np.ndarray, curvature: np.ndarray) -> None:
        step = np.diff(s)
        self.s = s
        self.heading = np.concatenate([[0.0], np.cumsum(0.5 * (curvature[1:] + curvature[:-1]) * step)])
        mean = 0.5 * (self.heading[1:] + self.heading[:-1])
        self.x = np.concatenate([[0.0], np.cumsum(np.cos(mean) * step)])
        self.y = np.concatenate([[0.0], np.cumsum(np.sin(mean) * step)])

    def at(self, s: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(s, self.s, v) for v in (self.x, self.y, self.heading)], -1)

    def nearest(self, xy: np.ndarray, guess: float) -> tuple[float, float]:
        """Arc length and signed lateral distance of a point near ``guess``."""
        for reach in (3.0, 0.05):
            s = np.maximum(guess + np.linspace(-reach, reach, 121), 0.0)
            guess = float(s[np.hypot(*(self.at(s)[:, :2] - xy).T).argmin()])
        x, y, heading = self.at(np.array([guess]))[0]
        return guess, float(-(xy[0] - x) * np.sin(heading) + (xy[1] - y) * np.cos(heading))


def turn(radius: float, clothoid: float) -> Path:
    """90 degrees to the left between clothoids."""
    s, arc = np.arange(0.0, 200.0, 0.05), radius * np.pi / 2.0 - clothoid
    ends = np.cumsum([0.0, 15.0, clothoid, arc, clothoid])
    return Path(s, np.interp(s, ends, [0.0, 0.0, 1.0 / radius, 1.0 / radius, 0.0]))


def lane_change(width: float, length: float) -> Path:
    """A quintic from one lane to the next."""
    s = np.arange(0.0, 900.0, 0.1)
    u = np.clip((s - 50.0) / length, 0.0, 1.0)
    return Path(s, width / length**2 * (60.0 * u - 180.0 * u**2 + 120.0 * u**3))


class Run:
    """B vehicles of one kind on the dynamic chain."""

    def __init__(self, vehicle: Vehicle, ego: np.ndarray) -> None:
        self.vehicle, self.ego = vehicle, ego
        self.model, self.gains = dynamic_chain_of(vehicle), truck_gains(vehicle, TruckLqrConfig())
        self.joints = np.zeros((len(ego), vehicle.joints))
        self.motion = start_motion(vehicle, ego, self.joints)
        self.road = road_rows(level_road(len(ego)), vehicle)
        self.noise = np.zeros_like(self.joints)

    def follow(self, plan: np.ndarray, nuplan: bool = False) -> None:
        b, t = plan.shape[:2]
        plan_us = np.tile(np.arange(t) * 100_000, (b, 1))
        now, length = np.zeros(b, np.int64), np.full(b, t)
        if nuplan:
            controls = track(self.ego, now, plan_us, plan, length, self.vehicle.body.wheel_base_m)
        else:
            rates = np.ascontiguousarray(self.motion[:, : self.vehicle.joints + 1])
            seen = self.joints + self.noise
            controls = track_trucks(self.ego, seen, rates, now, (plan_us, plan, length), self.gains)
        self.ego, self.joints, self.motion = advance_dynamic(
            self.ego, self.joints, self.motion, controls, np.full(b, DT), self.road, self.model
        )


def straight_run(vehicle: Vehicle, speed: np.ndarray, offset: float) -> Run:
    ego = np.zeros((len(speed), 10))
    ego[:, 1], ego[:, 3] = offset, speed
    return Run(vehicle, ego)


def follow_path(name: str, path: Path, speed: float, seconds: float, nuplan: bool = False) -> np.ndarray:
    """Lateral errors of the rear axle, step by step."""
    run, s, errors = straight_run(load_vehicle(name, load="loaded"), np.array([speed]), 0.0), 0.0, []
    for _ in range(round(seconds / DT)):
        s, error = path.nearest(run.ego[0, :2], s)
        errors.append(error)
        plan = np.zeros((1, 31, 10))
        plan[0, :, :3], plan[0, :, 3] = path.at(s + speed * DT * np.arange(31)), speed
        run.follow(plan, nuplan)
    return np.abs(errors)


def back_up(name: str, noise_rad: float = 0.0, meters: float = 90.0) -> tuple[np.ndarray, np.ndarray]:
    """Distance driven by unit 0 and lateral position of the last axle, in reverse at 1 m/s from 3 m beside the line."""
    run, plan = straight_run(load_vehicle(name, load="loaded"), np.array([-1.0]), 3.0), np.zeros((1, 41, 10))
    generator, gone, lateral = np.random.default_rng(5), [], []
    for _ in range(round(meters / DT)):
        plan[0, :, 0], plan[0, :, 3] = run.ego[0, 0] - DT * np.arange(41), -1.0
        run.noise = noise_rad * generator.standard_normal(run.joints.shape)
        run.follow(plan)
        gone.append(-run.ego[0, 0])
        lateral.append(unit_poses(run.ego, run.joints, run.model.chain)[0, -1, 1])
    return np.array(gone), np.abs(lateral)
