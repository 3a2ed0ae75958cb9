"""The drawing board of one patch of road: lanes, connectors, road blocks, areas and lines in a local frame, before they
become a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.map import AreaKind, LaneKind
from roadcraft.core.data.places import PlaceKind, RoadPlace
from roadcraft.scenario_io.synthetic.roads.curves import lengths


@dataclass
class Segment:
    """A lane or connector. left, right: line numbers; source, target: lanes that a connector joins; light: signal group
    or -1; stop: area number of its stop polygon or -1; control and priority: how a junction is entered (see
    junction.py)."""

    kind: LaneKind
    center: F64
    left: int
    right: int
    ring: F64
    block: int
    index: int
    limit: float
    source: int = -1
    target: int = -1
    light: int = -1
    stop: int = -1
    control: int = 0
    priority: int = 0

    @property
    def length(self) -> float:
        return float(lengths(self.center)[-1])


@dataclass
class BlockSketch:
    """A road block: its segments from left to right, its outline, and the intersection (area number) that holds it, or
    -1."""

    kind: LaneKind
    segments: list[int]
    ring: F64
    intersection: int = -1


@dataclass
class Sketch:
    """Everything of a patch, in drawing order; numbers are positions in these lists. limit NaN: none is posted; places:
    their lane is a segment's number, their frame the sketch's."""

    segments: list[Segment] = field(default_factory=list)
    blocks: list[BlockSketch] = field(default_factory=list)
    areas: list[tuple[AreaKind, int, F64]] = field(default_factory=list)
    lines: list[tuple[int, F64]] = field(default_factory=list)
    places: list[RoadPlace] = field(default_factory=list)

    def area(self, kind: AreaKind, ring: F64, subtype: int = 0) -> int:
        """Adds an area from its open or closed outline; returns its number."""
        self.areas.append((kind, subtype, close(ring)))
        return len(self.areas) - 1

    def line(self, points: F64, subtype: int = 2) -> int:
        self.lines.append((subtype, np.asarray(points, float)))
        return len(self.lines) - 1

    def lanes(self, edges: Sequence[F64], centers: Sequence[F64], limit: float) -> list[int]:
        """A road block of parallel lanes: edges (n + 1 lines, left to right in driving direction), neighbors sharing
        theirs."""
        block, rows = len(self.blocks), []
        numbers = [self.line(e, 0 if k in (0, len(edges) - 1) else 2) for k, e in enumerate(edges)]
        for k, center in enumerate(centers):
            rows.append(len(self.segments))
            self.segments.append(
                Segment(
                    LaneKind.LANE, center, numbers[k], numbers[k + 1], ring_of(edges[k], edges[k + 1]), block, k, limit
                )
            )
        self.blocks.append(BlockSketch(LaneKind.LANE, rows, ring_of(edges[0], edges[-1])))
        return rows

    def connectors(
        self, strips: Sequence[tuple[F64, F64, F64]], joins: Sequence[tuple[int, int]], limit: float, intersection: int
    ) -> list[int]:
        """A road block of connectors, left to right: strips (left, center, right) and the (source, target) lanes they
        join."""
        block, rows = len(self.blocks), []
        for k, ((left, center, right), (source, target)) in enumerate(zip(strips, joins, strict=True)):
            rows.append(len(self.segments))
            self.segments.append(
                Segment(
                    LaneKind.CONNECTOR, center, self.line(left), self.line(right), ring_of(left, right), block, k,
                    limit,
                    source, target,
                )
            )  # fmt: skip
        self.blocks.append(BlockSketch(LaneKind.CONNECTOR, rows, ring_of(strips[0][0], strips[-1][2]), intersection))
        return rows

    def mirrored(self) -> Sketch:
        """The same for traffic on the other side of the road: everything on the other side of the x axis."""
        segments = [
            replace(
                s, center=flipped(s.center), left=s.right, right=s.left, ring=flipped(s.ring),
                index=len(self.blocks[s.block].segments) - 1 - s.index,
            )
            for s in self.segments
        ]  # fmt: skip
        blocks = [replace(b, segments=b.segments[::-1], ring=flipped(b.ring)) for b in self.blocks]
        areas = [(kind, subtype, flipped(ring)) for kind, subtype, ring in self.areas]
        lines = [(subtype, flipped(points)) for subtype, points in self.lines]
        return Sketch(segments, blocks, areas, lines, [_flipped_place(p) for p in self.places])


def flipped(points: F64) -> F64:
    """Points (..., 2), or whatever else (..., >= 2) begins with x and y, on the other side of the x axis."""
    out = np.array(points)
    out[..., 1] *= -1.0
    return out


def _flipped_place(p: RoadPlace) -> RoadPlace:
    value, second, pose = p.value, p.second, p.pose
    if p.kind == PlaceKind.BANK:
        value, second = -value, -second
    elif p.kind in (PlaceKind.CURB, PlaceKind.SHOULDER, PlaceKind.WIND):
        second = -second
    if pose is not None:
        pose = (pose[0], -pose[1], -pose[2])
    return p._replace(value=value, second=second, pose=pose, polygon=[flipped(ring) for ring in p.polygon])


def close(ring: F64) -> F64:
    """The outline with its first point repeated at its end."""
    return ring if np.array_equal(ring[0], ring[-1]) else np.concatenate([ring, ring[:1]])


def ring_of(left: F64, right: F64) -> F64:
    """Closed outline between two lines that run the same way."""
    return close(np.concatenate([left, right[::-1]]))
