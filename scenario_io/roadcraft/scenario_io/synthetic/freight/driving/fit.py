"""Ways through tight places: how far a truck's units reach beyond where they may be, and the way on which that is
least, found with the exact chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import shapely
from scipy.ndimage import minimum_filter1d
from scipy.optimize import minimize

from roadcraft.core.arrays import F64
from roadcraft.core.driving.motion.chain import chain_of, pull_joints, unit_boxes
from roadcraft.core.vehicles.geometry import length_of
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.scenario_io.synthetic.freight.driving.course import Course, Surface, course_on, outline, poses_on
from roadcraft.scenario_io.synthetic.roads.curves import lengths

STEP_M = 2.0
"""Distance between the poses at which units are looked at."""
_LOCK_SHARE = 0.9  # of the largest steering angle that a way may ask for
_RATE_SHARE, _SLOWEST_MPS = 0.6, 1.2
_TRIALS, _BEGINS = 90, 2


class Ground(NamedTuple):
    """Where units may be."""

    first: shapely.Geometry
    """Unit 0."""
    behind: shapely.Geometry
    """The units behind it."""

    def less(self, margin: float) -> Ground:
        """The same, so many m farther in."""
        return Ground(shapely.buffer(self.first, -margin), shapely.buffer(self.behind, -margin))


def one_ground(rings: Sequence[F64]) -> Ground:
    """The union of areas, for all units."""
    area = shapely.union_all([shapely.Polygon(r).buffer(0.02) for r in rings])
    return Ground(area, area)


def even_course(xy: F64) -> Course:
    """The course through points on a level road, its places those along itself."""
    return course_on(xy, lengths(xy), Surface())


def swept_boxes(course: Course, vehicle: Vehicle) -> F64:
    """Boxes (T, n, 5) of the units as they roll along a course that begins straight, every ``STEP_M`` from where all
    of them are on it to where unit 0 comes to its end."""
    begin, end = length_of(vehicle), course.s[-1] - vehicle.body.front_m
    poses, chain = poses_on(course, np.arange(begin, end, STEP_M)), chain_of(vehicle)
    bent = np.asarray(pull_joints(poses[None], np.zeros((1, vehicle.joints)), chain))[0]
    return np.asarray(unit_boxes(poses, bent, chain))


def reach_beyond(boxes: F64, ground: Ground) -> float:
    """Farthest that any unit (T, n, 5) reaches beyond its ground, m."""
    worst = 0.0
    for area, units in ((ground.first, boxes[:, :1]), (ground.behind, boxes[:, 1:])):
        points = outline(units).reshape(-1, 2)
        shapely.prepare(area)
        out = points[~shapely.contains_xy(area, points[:, 0], points[:, 1])]
        if len(out):
            worst = max(worst, float(shapely.distance(area, shapely.points(out)).max()))
    return worst


def most_curvature(vehicle: Vehicle) -> float:
    """Curvature of unit 0's way that its steering follows, 1/m."""
    return float(np.tan(_LOCK_SHARE * vehicle.max_steering_rad) / vehicle.body.wheel_base_m)


def steering_cap(course: Course, vehicle: Vehicle) -> F64:
    """Speeds (P,) at which the steering turns as fast as a course's curvature changes, m/s, by a margin."""
    turned = np.abs(np.gradient(np.arctan(vehicle.body.wheel_base_m * course.curvature), course.s))
    rate = np.inf if vehicle.max_steering_rate_radps is None else vehicle.max_steering_rate_radps
    slow = np.maximum(_RATE_SHARE * rate / np.maximum(turned, 1e-6), _SLOWEST_MPS)
    return np.asarray(minimum_filter1d(slow, 17, mode="nearest"))


def fitted(
    way: Callable[[F64], F64],
    begins: Sequence[Sequence[float]],
    scale: Sequence[float],
    vehicle: Vehicle,
    grounds: Callable[[F64], Sequence[tuple[Ground, float]]],
) -> tuple[F64, float]:
    """Parameters of the way whose units reach least beyond where they may be, and that reach, m.

    way: points (P, 2) of unit 0's rear axle from parameters; begins: parameters; the search starts from the best
    two of them; scale: first steps of the search; grounds: of what the units sweep (T, n, 5), where they
    may be, with the weight that a reach beyond it has.
    """
    lock, best = most_curvature(vehicle), (np.inf, np.zeros(0))

    def cost(p: F64) -> float:
        course = even_course(way(p))
        over = max(float(np.abs(course.curvature).max()) - lock, 0.0) / lock
        boxes = swept_boxes(course, vehicle)
        return 5.0 * over + sum(weight * reach_beyond(boxes, ground) for ground, weight in grounds(boxes))

    for first in sorted((np.array(b, float) for b in begins), key=cost)[:_BEGINS]:
        simplex = np.concatenate([first[None], first + np.diag(np.asarray(scale, float))])
        found = minimize(
            cost, first, method="Nelder-Mead",
            options={"maxfev": _TRIALS, "initial_simplex": simplex, "xatol": 0.02, "fatol": 0.01},
        )  # fmt: skip
        if found.fun < best[0]:
            best = float(found.fun), found.x
        if best[0] < 0.02:
            break
    return best[1], best[0]
