"""The IDM planner's plan by GEOS: for the few decisions that the kernel leaves open, and as its slow twin in tests.

Reference: nuplan-devkit e924167, AbstractIDMPlanner and STRTreeOccupancyMap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import shapely

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.arc_path import clamp_progress, cut_rail, pose_at
from roadcraft.core.driving.geometry.boxes import box_corners
from roadcraft.core.driving.geometry.corridor import exact_corridor
from roadcraft.core.driving.geometry.polyline import project_point
from roadcraft.core.driving.motion.idm import idm_acceleration, idm_advance
from roadcraft.planners.idm.kernel import IdmObservation, IdmParams, IdmPath, nearer_touched


def exact_plan(
    path: IdmPath,
    seen: IdmObservation,
    red_surfaces: Sequence[Sequence[F64]],
    params: IdmParams,
    ego: F64,
    ego_box: F64,
    vehicle_box: F64,
    out: F64,
) -> None:
    """Fill out (T, 10) as ``plan_along`` does. red_surfaces: rings of the surfaces of the lanes that are red now."""
    count = len(path.progress)
    x, y, heading = ego_box[:3]
    inside = [k for k in range(len(seen.box)) if math.hypot(seen.box[k, 0] - x, seen.box[k, 1] - y) < params.radius]
    shapes = [shapely.Polygon(seen.corners[k]) for k in inside]
    shapes += [shapely.Polygon(rings[0], rings[1:]) for rings in red_surfaces]
    s, speed = project_point(path.line, path.arcs, x, y)[0], float(ego[3])
    for k in range(len(out)):
        if k > 0:
            lead, gap = _find_lead(path, params, shapes, s, box_corners(x, y, heading, vehicle_box[1], vehicle_box[2]))
            lead_speed = 0.0
            if lead < 0:
                gap = path.progress[-1] - s - 0.5 * vehicle_box[1]
            o, gap = nearer_touched(seen.touched, s, inside[lead] if 0 <= lead < len(inside) else -1, gap)
            if o >= 0 and not seen.still[o]:
                lead_speed = math.hypot(*seen.velocity[o]) * math.cos(seen.box[o, 2] - heading)
            accel = idm_acceleration(
                speed, path.target, gap, lead_speed, params.min_gap, params.headway, params.max_accel, params.max_decel
            )
            moved, speed = idm_advance(speed, accel, params.interval)
            s += moved
        x, y, heading = pose_at(
            path.progress, path.points, path.heading, count, clamp_progress(path.progress, count, s)
        )
        out[k, :4] = x - vehicle_box[0] * math.cos(heading), y - vehicle_box[0] * math.sin(heading), heading, speed
        if k == 0:
            x, y, heading = ego_box[:3]


def _find_lead(
    path: IdmPath, params: IdmParams, shapes: list[shapely.Polygon], s: float, edges: F64
) -> tuple[int, float]:
    """The nearest shape that meets the expanded path, or -1, and its distance from ego's footprint."""
    count, points = len(path.progress), np.empty((len(path.progress) + 2, 2))
    start = clamp_progress(path.progress, count, s)
    end = clamp_progress(path.progress, count, s + abs(path.target) * params.horizon)
    n = cut_rail(path.progress, path.points, path.heading, count, start, end, points)
    own = shapely.Polygon(edges)
    expanded = shapely.union(exact_corridor(points[:n], path.half_width, square=True), own)
    met = [k for k, shape in enumerate(shapes) if shape.intersects(expanded)]
    if not met:
        return -1, 0.0
    lead = met[int(shapely.STRtree([shapes[k] for k in met]).nearest(own))]
    return lead, float(own.distance(shapes[lead]))
