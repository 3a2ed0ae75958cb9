"""How dense the traffic of a freight world is."""

from __future__ import annotations

from typing import NamedTuple

from roadcraft.scenario_io.synthetic.freight.stage import Stage
from roadcraft.scenario_io.synthetic.traffic.drivers import LENGTH, SPAWN, S

TRUCK_M = 7.0
"""Length from which on a vehicle is a truck."""


class TrafficDensity(NamedTuple):
    """The traffic that a world begins with, on the lanes that random traffic is on."""

    per_km: float
    """Vehicles per km and lane."""
    trucks: float
    """Share of trucks, 0 where there are no vehicles."""


def density_of(stage: Stage) -> TrafficDensity | None:
    """The density of a world's traffic, without the truck and those that stand in queues from the start; none where
    there is no random traffic."""
    scene = stage.scene
    lanes = {k for p in stage.populated for k in scene.paths[p].route.segments if scene.sketch.segments[k].source < 0}
    if not lanes:
        return None
    there = [
        constants[LENGTH]
        for path, state, constants in zip(scene.path_of[1:], scene.states[1:], scene.consts[1:], strict=True)
        if path >= 0 and constants[SPAWN] == 0.0 and scene.segment_at(scene.paths[path], state[S])[0] in lanes
    ]
    km = 1e-3 * sum(scene.sketch.segments[k].length for k in lanes)
    return TrafficDensity(len(there) / km, sum(x > TRUCK_M for x in there) / max(len(there), 1))
