"""How dense the traffic of a freight world is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from roadcraft.scenario_io.synthetic.traffic.drivers import FRONT, LENGTH, REAR, SPAWN, S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roadcraft.scenario_io.synthetic.freight.stage import Stage
    from roadcraft.scenario_io.synthetic.situations.scene import SyntheticScene

TRUCK_M = 7.0
"""Length from which on a vehicle is a truck."""


class TrafficDensity(NamedTuple):
    """The traffic that a world begins with, on the lanes that random traffic is on."""

    per_km: float
    """Vehicles per km and lane."""
    trucks: float
    """Share of trucks, 0 where there are no vehicles."""


def density_of(stage: Stage) -> TrafficDensity | None:
    """The density of a world's traffic, without the truck, and without queues that stand from the start and the
    stretches of lanes on which they stand; none where there is no random traffic."""
    lanes = lanes_of(stage.scene, stage.populated)
    if not lanes:
        return None
    there, km = lengths_on(stage.scene, lanes), 1e-3 * free_length(stage.scene, lanes)
    return TrafficDensity(len(there) / km, sum(x > TRUCK_M for x in there) / max(len(there), 1))


def lanes_of(scene: SyntheticScene, paths: Iterable[int]) -> set[int]:
    """The lanes of some paths, without connectors."""
    segments = {k for p in paths for k in scene.paths[p].route.segments}
    return {k for k in segments if scene.sketch.segments[k].source < 0}


def lengths_on(scene: SyntheticScene, lanes: set[int]) -> list[float]:
    """Lengths, m, of the vehicles that are on some lanes at the start, without the truck and queues."""
    rows = zip(scene.path_of[1:], scene.states[1:], scene.consts[1:], strict=True)
    return [
        float(constants[LENGTH])
        for path, state, constants in rows
        if path >= 0 and constants[SPAWN] == 0.0 and scene.segment_at(scene.paths[path], state[S])[0] in lanes
    ]


def free_length(scene: SyntheticScene, lanes: set[int]) -> float:
    """Length of some lanes, m, without the stretches on which queues stand."""
    queues: dict[int, tuple[float, float]] = {}
    for path, state, constants in zip(scene.path_of[1:], scene.states[1:], scene.consts[1:], strict=True):
        if path >= 0 and constants[SPAWN] < 0.0:
            lane, at = scene.segment_at(scene.paths[path], state[S])
            low, high = queues.get(lane, (at, at))
            queues[lane] = min(low, at - constants[REAR]), max(high, at + constants[FRONT])
    stands = sum(high - low for lane, (low, high) in queues.items() if lane in lanes)
    return float(sum(scene.sketch.segments[k].length for k in lanes) - stands)
