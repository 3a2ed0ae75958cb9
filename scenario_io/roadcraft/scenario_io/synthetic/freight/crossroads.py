"""Crossroads that trucks turn at: four straight arms at right angles, whose turns may be wider than their lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.scenario import LightState
from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.scenario_io.synthetic.freight.stage import Stage
from roadcraft.scenario_io.synthetic.roads.chain import Chain, Profile
from roadcraft.scenario_io.synthetic.roads.junction import Arm, Control, lay_junction
from roadcraft.scenario_io.synthetic.roads.sketch import Sketch, ring_of
from roadcraft.scenario_io.synthetic.situations.scene import STEPS
from roadcraft.scenario_io.synthetic.traffic.drivers import DT


def lay_crossroads(
    stage: Stage, profiles: Sequence[Profile], mouths: Sequence[float], reach: Sequence[float], limit: float
) -> list[Arm]:
    """Arms to the south, east, north and west of the origin, m from it to their mouths and on to their ends, under
    lights whose groups are those of ``lay_junction`` with left turns of their own."""
    arms = []
    for k, (profile, mouth, length) in enumerate(zip(profiles, mouths, reach, strict=True)):
        heading = float(wrap_array(0.5 * np.pi * (k - 1)))
        along = np.arange(mouth, mouth + length + 0.25, 0.5)
        points = along[:, None] * np.array([np.cos(heading), np.sin(heading)])
        arms.append(Arm(Chain(points, np.full(len(points), heading)), profile, limit))
    stage.scene.walks = lay_junction(stage.scene.sketch, arms, Control.LIGHT, protected=True)
    return arms


def lights_of(greens: dict[int, tuple[float, float]], yellow: float = 3.0) -> np.ndarray:
    """Lights (STEPS, 4): each group is green once, from and to so many s, then yellow, else red."""
    t, out = np.arange(STEPS) * DT, np.full((STEPS, 4), int(LightState.RED), np.uint8)
    for group, (begin, end) in greens.items():
        out[(t >= begin) & (t < end), group] = int(LightState.GREEN)
        out[(t >= end) & (t < end + yellow), group] = int(LightState.YELLOW)
    return out


def link_between(sketch: Sketch, source: int, target: int) -> int:
    """The connector from one lane to another. Raises StopIteration where there is none."""
    return next(k for k, s in enumerate(sketch.segments) if (s.source, s.target) == (source, target))


def widen(sketch: Sketch, link: int, left: F64, right: F64, center: F64 | None = None) -> None:
    """Gives a connector, alone in its block, other edges and, where it says, another center line."""
    seg = sketch.segments[link]
    for number, edge in ((seg.left, left), (seg.right, right)):
        sketch.lines[number] = (sketch.lines[number][0], edge)
    seg.ring = ring_of(left, right)
    seg.center = seg.center if center is None else center
    sketch.blocks[seg.block].ring = seg.ring


def add_link(sketch: Sketch, beside: int, join: tuple[int, int], strip: tuple[F64, F64, F64]) -> int:
    """A connector (source, target) of edges and center line (left, center, right) that is entered like another; it has
    a block of its own. Returns its number."""
    like, inside = sketch.segments[beside], sketch.blocks[sketch.segments[beside].block].intersection
    (link,) = sketch.connectors([strip], [join], like.limit, inside)
    seg = sketch.segments[link]
    sketch.segments[link] = replace(seg, light=like.light, stop=like.stop, control=like.control, priority=like.priority)
    return link


def paths_between(stage: Stage, arms: Sequence[Arm], begin: int, end: int) -> list[int]:
    """The traffic's paths from one arm to another."""
    first, last = set(arms[begin].inbound), set(arms[end].outbound)
    return [i for i, r in enumerate(stage.scene.routes) if r.segments[0] in first and r.segments[-1] in last]


def queue_up(stage: Stage, path: int, line: float, count: int) -> None:
    """Cars that stand in a line, the first of them at a place of a path."""
    rng, s = stage.rng, line
    for _ in range(count):
        size = float(rng.uniform(4.3, 5.2))
        stage.scene.driver(path, s - 0.5 * size, 0.0, spawn=-1.0, changes=0, length=size)
        s -= size + float(rng.uniform(1.9, 3.0))
