"""The least-risk stop: onto the shoulder, all units clear of the lane."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.planners.freight_pdm.config import FreightPdmConfig
from roadcraft.planners.freight_pdm.line import LineEdges
from roadcraft.planners.freight_pdm.pace import Truck, slowed_before
from roadcraft.planners.freight_pdm.route import Route

_RUN_M, _RUN_S = (26.0, 90.0), 5.5  # way over which it leaves the lane, and time that it takes at least
_SLOWING, _SPARE_M = 1.8, 3.0  # times as hard as before curves; what is left free at the shoulder's end


def way_onto_shoulder(
    route: Route, offset: F64, at: float, speed: float, truck: Truck, config: FreightPdmConfig
) -> tuple[Route, F64] | None:
    """The route that ends on the first shoulder ahead that is long enough, and the offsets of the way there. offset
    (S,): of the way that is driven; at, speed: unit 0's station and speed, m/s. None where there is no such shoulder.
    """
    length, slowing = truck.front + truck.behind, _SLOWING * config.slowing_mps2
    stations = np.arange(len(offset), dtype=np.float64)
    for begin, end, width, side in route.shoulders.tolist():
        run = float(np.clip(0.4 * (end - begin - length), *_RUN_M))
        slow = min(run / _RUN_S, max(speed, 1.0))
        needed = max(speed * speed - slow * slow, 0.0) / (2.0 * slowing) + speed
        leave = max(begin, at + needed)
        halt = min(leave + run + 1.1 * length + 10.0, end - _SPARE_M)
        if halt - truck.front - truck.behind < leave + 0.8 * run:
            continue
        edge = route.edges.own[:, 1 if side > 0.0 else 0]
        goal = edge + 0.5 * side * width
        u = np.clip((stations - leave) / run, 0.0, 1.0)
        share = u**3 * (10.0 + u * (6.0 * u - 15.0))
        way = offset + share * (goal - offset)
        there = stations >= leave - 20.0
        wider = [e.copy() for e in route.edges[:3]]
        for e in wider:
            column = 1 if side > 0.0 else 0
            reach = edge[there] + side * width
            e[there, column] = np.maximum(e[there, 1], reach) if side > 0.0 else np.minimum(e[there, 0], reach)
        wider[1][there] = wider[0][there]  # who is on the way to the shoulder takes no other lane
        cap = np.minimum(route.road.cap, np.where(stations >= leave - 4.0, slow, np.inf))
        road = route.road._replace(cap=slowed_before(cap, slowing), halt=min(halt, route.road.halt))
        return route._replace(edges=LineEdges(*wider, *route.edges[3:]), road=road, centered=way), way
    return None
