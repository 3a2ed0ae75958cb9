"""A road along a reference line: both directions, lanes in pieces that short connectors join, in (s along, d to the
left) coordinates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.map import AreaKind
from roadcraft.scenario_io.synthetic.roads.curves import smoothstep
from roadcraft.scenario_io.synthetic.roads.sketch import Sketch, ring_of

Edge = float | Callable[[F64], F64]


@dataclass(frozen=True)
class Chain:
    """The reference line: points (n, 2) and headings (n,), ``ds`` meters apart."""

    points: F64
    heading: F64
    ds: float = 0.5

    @property
    def length(self) -> float:
        return (len(self.points) - 1) * self.ds

    def at(self, s: F64, d: Edge) -> F64:
        """Points (m, 2) at distance s along and d to the left."""
        s = np.asarray(s, float)
        grid = np.arange(len(self.points)) * self.ds
        x, y = np.interp(s, grid, self.points[:, 0]), np.interp(s, grid, self.points[:, 1])
        h = np.interp(s, grid, self.heading)
        dd = d(s) if callable(d) else np.full(s.shape, float(d))
        return np.stack([x - np.sin(h) * dd, y + np.cos(h) * dd], 1)

    def line(self, s0: float, s1: float, d: Edge, step: float) -> F64:
        """The line at offset d from s0 to s1 (backwards where s1 < s0), at even steps of at most ``step``."""
        return self.at(np.linspace(s0, s1, max(2, int(np.ceil(abs(s1 - s0) / step)) + 1)), d)

    def strip(self, s0: float, s1: float, right: Edge, left: Edge, step: float = 3.0) -> F64:
        """Closed outline between two offsets."""
        return ring_of(self.line(s0, s1, left, step), self.line(s0, s1, right, step))


def middle(a: Edge, b: Edge) -> Edge:
    """The offset half-way between two."""
    return lambda s: 0.5 * (_value(a, s) + _value(b, s))


def _value(edge: Edge, s: F64) -> F64:
    return edge(s) if callable(edge) else np.full(np.shape(s), float(edge))


def blend(a: float, b: float, s0: float, s1: float) -> Edge:
    """The offset that goes smoothly from a at s0 to b at s1."""
    return lambda s: a + (b - a) * smoothstep((np.asarray(s) - s0) / (s1 - s0))


def lay_lanes(sketch: Sketch, chain: Chain, s0: float, s1: float, edges: Sequence[Edge], limit: float) -> list[int]:
    """Lanes from s0 to s1 (s1 < s0: driven backwards); edges from left to right as driven. Returns their segment
    numbers."""
    lines = [chain.line(s0, s1, e, 2.7) for e in edges]
    centers = [chain.line(s0, s1, middle(a, b), 0.85) for a, b in pairwise(edges)]
    return sketch.lanes(lines, centers, limit)


def lay_links(
    sketch: Sketch,
    chain: Chain,
    s0: float,
    s1: float,
    links: Sequence[tuple[int, int, Edge, Edge]],
    limit: float,
    intersection: int,
) -> list[int]:
    """Connectors from s0 to s1: (source lane, target lane, left edge, right edge) from left to right as driven."""
    strips = [
        (chain.line(s0, s1, a, 1.4), chain.line(s0, s1, middle(a, b), 0.7), chain.line(s0, s1, b, 1.4))
        for _, _, a, b in links
    ]
    return sketch.connectors(strips, [(i, j) for i, j, _, _ in links], limit, intersection)


@dataclass(frozen=True)
class Profile:
    """Cross-section of a two-way or one-way road: lane width, lanes forward (right of the reference) and backward (left
    of it), half the median, and what lies beside the outermost lanes: shoulder (drivable) on the right and on the left,
    and a walkway."""

    width: float
    forward: int
    backward: int
    median: float = 0.0
    shoulder_right: float = 0.5
    shoulder_left: float = 0.5
    walkway: bool = True

    @property
    def right(self) -> float:
        """Offset of the right road edge (negative)."""
        return -self.median - self.forward * self.width - self.shoulder_right

    @property
    def left(self) -> float:
        return self.median + self.backward * self.width + self.shoulder_left

    def forward_edges(self) -> list[float]:
        return [-self.median - k * self.width for k in range(self.forward + 1)]

    def backward_edges(self) -> list[float]:
        """Left to right as driven, which is from the middle of the road outwards."""
        return [self.median + k * self.width for k in range(self.backward + 1)]


def lay_road(
    sketch: Sketch,
    chain: Chain,
    profile: Profile,
    cuts: Sequence[tuple[float, float]],
    ends: tuple[float, float],
    limit: float,
) -> tuple[list[list[int]], list[list[int]]]:
    """A road with the same cross-section from end to end. ``cuts`` are the (s0, s1) stretches of connectors between its
    pieces.

    Returns the segment numbers of forward lanes, piece by piece along the reference, and of backward lanes, piece by
    piece as driven.
    """
    bounds = [ends[0], *[s for c in cuts for s in c], ends[1]]
    spans = list(zip(bounds[::2], bounds[1::2], strict=True))
    fe, be = profile.forward_edges(), profile.backward_edges()
    forward = [lay_lanes(sketch, chain, a, b, fe, limit) for a, b in spans] if profile.forward else []
    backward = [lay_lanes(sketch, chain, b, a, be, limit) for a, b in reversed(spans)] if profile.backward else []
    for k, (a, b) in enumerate(cuts):
        mini = sketch.area(AreaKind.INTERSECTION, chain.strip(a, b, profile.right, profile.left))
        if profile.forward:
            joins = [(forward[k][i], forward[k + 1][i], fe[i], fe[i + 1]) for i in range(profile.forward)]
            lay_links(sketch, chain, a, b, joins, limit, mini)
        if profile.backward:
            r = len(cuts) - 1 - k
            joins = [(backward[r][i], backward[r + 1][i], be[i], be[i + 1]) for i in range(profile.backward)]
            lay_links(sketch, chain, b, a, joins, limit, mini)
    for a, b in spans:
        sketch.area(AreaKind.ROAD_SEGMENT, chain.strip(a, b, profile.right, profile.left))
    if profile.walkway:
        for a, b in [(ends[0], ends[1])]:
            sketch.area(AreaKind.WALKWAY, chain.strip(a, b, profile.right - 2.6, profile.right))
            sketch.area(AreaKind.WALKWAY, chain.strip(a, b, profile.left, profile.left + 2.6))
    return forward, backward
