"""The way that a truck's rear axle is to take along a road, and the offset that keeps all units in the lane."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import KDTree

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.boxes import corners
from roadcraft.core.driving.motion.chain import chain_of, pull_joints, unit_boxes
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.scenario_io.synthetic.roads.chain import Chain, Edge
from roadcraft.scenario_io.synthetic.roads.curves import headings, lengths

POINT_M = 0.5
"""Distance between the points of a course."""
_ROUNDS, _SMOOTH_M, _COARSE = 14, 7.0, 2


class Gust(NamedTuple):
    """Wind along a stretch of a road's reference line."""

    begin: float
    """Where it begins, m."""
    end: float
    """Where it ends, m."""
    speed: float
    """Speed of the air, m/s."""
    direction: float
    """Where it moves to, rad, local frame."""


class Surface(NamedTuple):
    """What a road is like by place along its reference line; a number holds everywhere."""

    grade: Edge = 0.0
    """Rise over run in driving direction."""
    bank: Edge = 0.0
    """Slope across the road, positive where its left side is the lower one."""
    friction: Edge = 0.8
    """Coefficient between tire and road."""
    gusts: tuple[Gust, ...] = ()
    """Wind, one stretch after the other."""


class Course(NamedTuple):
    """P points of the way of unit 0's rear axle, ``POINT_M`` apart along the road's reference line."""

    xy: F64
    """(P, 2) m, local frame."""
    heading: F64
    """(P,) rad, unwrapped."""
    s: F64
    """(P,) m along the way."""
    curvature: F64
    """(P,) 1/m, to the left positive."""
    station: F64
    """(P,) m along the reference line."""
    grade: F64
    """(P,) rise over run."""
    bank: F64
    """(P,) slope across the road."""
    friction: F64
    """(P,) coefficient."""
    wind: F64
    """(P, 2) m/s, local frame."""

    def arc(self, station: float) -> float:
        """Place along the way of a place along the reference line."""
        return float(np.interp(station, self.station, self.s))


def course_along(chain: Chain, offset: Edge | F64, surface: Surface) -> Course:
    """The course at an offset, m to the left, from a reference line; an array gives it every ``POINT_M``."""
    station = np.arange(0.0, chain.length + 1e-9, POINT_M)
    side = offset if isinstance(offset, np.ndarray) else edge_at(offset, station)
    base, heading = chain.at(station, 0.0), np.interp(station, np.arange(len(chain.heading)) * chain.ds, chain.heading)
    xy = base + np.stack([-np.sin(heading), np.cos(heading)], 1) * side[:, None]
    return course_on(xy, station, surface)


def course_on(xy: F64, station: F64, surface: Surface) -> Course:
    """The course through points (P, 2), with their places (P,) along the reference line."""
    heading, s = headings(xy), lengths(xy)
    curvature = gaussian_filter1d(np.gradient(heading, s), 2.0, mode="nearest")
    grade, bank, friction = (edge_at(f, station) for f in surface[:3])
    wind = np.zeros((len(station), 2))
    for g in surface.gusts:
        blown = (station >= g.begin) & (station <= g.end)
        wind[blown] = g.speed * np.cos(g.direction), g.speed * np.sin(g.direction)
    return Course(xy, heading, s, curvature, station, grade, bank, friction, wind)


def edge_at(edge: Edge, station: F64) -> F64:
    """Values of an edge, or of anything else that is given like one."""
    return np.asarray(edge(station), float) if callable(edge) else np.full(station.shape, float(edge))


def poses_on(course: Course, s: F64) -> F64:
    """Poses (T, 3) of the rear axle at places s (T,) along the course, straight on beyond its ends."""
    beyond = s - np.clip(s, course.s[0], course.s[-1])
    out = np.stack([np.interp(s, course.s, v) for v in (course.xy[:, 0], course.xy[:, 1], course.heading)], 1)
    out[:, 0] += beyond * np.cos(out[:, 2])
    out[:, 1] += beyond * np.sin(out[:, 2])
    return out


def joints_on(course: Course, s: float, vehicle: Vehicle) -> F64:
    """Joint angles (J,) that the way up to ``s`` leaves; straight on before its begin."""
    reach = 3.0 * sum(u.length_m for u in vehicle.units)
    poses = poses_on(course, np.arange(s - reach, s + 1e-9, POINT_M))
    return np.asarray(pull_joints(poses[None], np.zeros((1, vehicle.joints)), chain_of(vehicle))[0, -1])


def centered(chain: Chain, middle: Edge, vehicle: Vehicle) -> F64:
    """Offsets, every ``POINT_M`` along a reference line, of unit 0's rear axle with which the band that all units sweep
    lies about the middle of the lane, at the offset ``middle``.

    A fixed point: drive, see what is swept, move by half of what it lies off, smoothed; the best round is kept.
    """
    station = np.arange(0.0, chain.length + 1e-9, POINT_M)
    lane = course_along(chain, middle, Surface())
    base, shift, best = edge_at(middle, station), np.zeros(len(station)), (np.inf, np.zeros(len(station)))
    tree, normal, stale = KDTree(lane.xy), _left_of(lane), 0
    for _ in range(_ROUNDS):
        course = course_on(lane.xy + normal * shift[:, None], station, Surface())
        poses = poses_on(course, course.s[::_COARSE])
        bent = np.asarray(pull_joints(poses[None], np.zeros((1, vehicle.joints)), chain_of(vehicle)))[0]
        low, high = _swept(np.asarray(unit_boxes(poses, bent, chain_of(vehicle))), tree, lane)
        worst = float(np.maximum(np.abs(low), np.abs(high)).max())
        stale = 0 if worst < best[0] - 5e-3 else stale + 1
        if worst < best[0]:
            best = worst, shift.copy()
        if stale == 2:
            break
        shift = shift - 0.5 * gaussian_filter1d(0.5 * (low + high), _SMOOTH_M / POINT_M, mode="nearest")
    return base + best[1]


def recentered(course: Course, lane: Course, boxes: F64, surface: Surface) -> Course:
    """A course moved so that what its units sweep, as they were driven (T, n, 5), comes to lie about the middle of a
    lane."""
    low, high = _swept(boxes, KDTree(lane.xy), lane)
    shift = -0.8 * gaussian_filter1d(0.5 * (low + high), _SMOOTH_M / POINT_M, mode="nearest")
    return course_on(course.xy + _left_of(lane) * shift[:, None], course.station, surface)


def _left_of(course: Course) -> F64:
    """Unit vectors (P, 2) to the left of a course."""
    return np.stack([-np.sin(course.heading), np.cos(course.heading)], 1)


def _swept(boxes: F64, tree: KDTree, lane: Course) -> tuple[F64, F64]:
    """Least and greatest offset (P,) from a lane's middle of what units (T, n, 5) sweep beside each of its points."""
    edge = outline(boxes).reshape(-1, 2)
    near = np.asarray(tree.query(edge)[1])
    side = ((edge - lane.xy[near]) * _left_of(lane)[near]).sum(1)
    half = 0.5 * float(boxes[..., 4].max())
    low, high = np.full(len(lane.s), -half), np.full(len(lane.s), half)
    inside = (near > 0) & (near < len(lane.s) - 1)
    np.minimum.at(low, near[inside], side[inside])
    np.maximum.at(high, near[inside], side[inside])
    return low, high


def outline(boxes: F64) -> F64:
    """Points (..., 18, 2) around boxes (..., 5): nine along each side."""
    c = corners(boxes.reshape(-1, 5)).reshape(*boxes.shape[:-1], 4, 2)
    f = np.linspace(0.0, 1.0, 9)[:, None]
    left, right = c[..., :1, :] * (1 - f) + c[..., 1:2, :] * f, c[..., 2:3, :] * (1 - f) + c[..., 3:, :] * f
    return np.concatenate([left, right], -2)
