"""Sketches, each at its place, become one location's map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from roadcraft.core.arrays import F64, I64, Polygons, Polylines, Ragged
from roadcraft.core.data.map import AreaKind, Areas, LaneKind, Lanes, LineKind, Lines, MapData, RoadBlocks
from roadcraft.core.data.places import PlaceKind, Places
from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.scenario_io.synthetic.roads.sketch import Sketch

LICENCE = "CC0-1.0 (synthetic)"
PATCH_IDS = 10_000  # ids of patch n start at (n + 1) * PATCH_IDS


@dataclass(frozen=True)
class Place:
    """Where a patch lies: global = origin + R(angle) (local - center)."""

    origin: tuple[float, float]
    angle: float
    center: tuple[float, float]

    def move(self, xy: F64) -> F64:
        """Local points (..., 2) in the global frame."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        rotated = (np.asarray(xy, float) - np.asarray(self.center)) @ np.array([[c, s], [-s, c]])
        return np.asarray(rotated + np.asarray(self.origin))


@dataclass(frozen=True)
class Patch:
    """A sketch with its number in its location and its place."""

    number: int
    sketch: Sketch
    place: Place

    def segment_ids(self) -> I64:
        """Global id of each segment of the sketch: lanes first, then connectors."""
        kinds = np.array([int(s.kind) for s in self.sketch.segments])
        ids = np.empty(len(kinds), np.int64)
        ids[np.argsort(kinds, kind="stable")] = np.arange(len(kinds))
        return ids + self.base + 1

    def block_ids(self) -> I64:
        kinds = np.array([int(b.kind) for b in self.sketch.blocks])
        ids = np.empty(len(kinds), np.int64)
        ids[np.argsort(kinds, kind="stable")] = np.arange(len(kinds))
        return ids + self.base + 3001

    @property
    def base(self) -> int:
        return (self.number + 1) * PATCH_IDS


def build_map(name: str, version: str, epsg: int, patches: Sequence[Patch]) -> MapData:
    """The map of a location that holds the patches (in ascending number)."""
    order = _Order(patches)
    return MapData(
        name, version, "synthetic", LICENCE, epsg, _lanes(order), _blocks(order), _areas(order), _lines(order),
        _places(order),
    )  # fmt: skip


class _Order:
    """Row order of every table over all patches, and the row of each item by (patch, number in its sketch)."""

    def __init__(self, patches: Sequence[Patch]) -> None:
        self.patches = list(patches)

        def every(table: str) -> list[tuple[int, int]]:
            return [(p, k) for p, patch in enumerate(self.patches) for k in range(len(getattr(patch.sketch, table)))]

        def kind_of(table: str) -> Callable[[tuple[int, int]], int]:
            return lambda it: int(getattr(self.patches[it[0]].sketch, table)[it[1]].kind)

        self.segments = sorted(every("segments"), key=kind_of("segments"))
        self.blocks = sorted(every("blocks"), key=kind_of("blocks"))
        self.areas = sorted(every("areas"), key=lambda it: int(self.patches[it[0]].sketch.areas[it[1]][0]))
        self.lines = every("lines")
        self.segment_row = {it: r for r, it in enumerate(self.segments)}
        self.block_row = {it: r for r, it in enumerate(self.blocks)}
        self.area_row = {it: r for r, it in enumerate(self.areas)}
        self.line_row = {it: r for r, it in enumerate(self.lines)}


def _lanes(o: _Order) -> Lanes:
    segs = [o.patches[p].sketch.segments[k] for p, k in o.segments]
    ids = [patch.segment_ids() for patch in o.patches]
    move = [patch.place.move for patch in o.patches]
    n = len(segs)
    after: list[list[int]] = [[] for _ in range(n)]
    before: list[list[int]] = [[] for _ in range(n)]
    for r, (p, _) in enumerate(o.segments):
        if segs[r].kind == LaneKind.CONNECTOR:
            a, b = o.segment_row[p, segs[r].source], o.segment_row[p, segs[r].target]
            before[r], after[r] = [a], [b]
            after[a].append(r)
            before[b].append(r)
    limit = np.array([s.limit for s in segs])

    def edge(side: str) -> Polylines:
        rows = zip(segs, o.segments, strict=True)
        return Polylines.build([move[p](o.patches[p].sketch.lines[getattr(s, side)][1]) for s, (p, _) in rows])

    return Lanes(
        id=np.array([ids[p][k] for p, k in o.segments], np.int64),
        kind=np.array([int(s.kind) for s in segs], np.uint8),
        block=np.array([o.block_row[p, s.block] for s, (p, _) in zip(segs, o.segments, strict=True)], np.int64),
        lane_index=np.array([s.index if s.kind == LaneKind.LANE else -1 for s in segs], np.int64),
        speed_limit_mps=np.nan_to_num(limit),
        has_speed_limit=~np.isnan(limit),
        has_light=np.array([s.light >= 0 for s in segs]),
        polygons=Polygons.build([[move[p](s.ring)] for s, (p, _) in zip(segs, o.segments, strict=True)]),
        centerlines=Polylines.build([move[p](s.center) for s, (p, _) in zip(segs, o.segments, strict=True)]),
        left=edge("left"), right=edge("right"),
        successors=Ragged.build(after), predecessors=Ragged.build(before),
        stops=Ragged.build([[o.area_row[p, s.stop]] if s.light >= 0 and s.stop >= 0 else [] for s, (p, _) in zip(segs,
        o.segments, strict=True)]),
        left_line=np.array([o.line_row[p, s.left] for s, (p, _) in zip(segs, o.segments, strict=True)], np.int64),
        right_line=np.array([o.line_row[p, s.right] for s, (p, _) in zip(segs, o.segments, strict=True)], np.int64),
    )  # fmt: skip


def _blocks(o: _Order) -> RoadBlocks:
    ids = [patch.block_ids() for patch in o.patches]
    n = len(o.blocks)
    after: list[list[int]] = [[] for _ in range(n)]
    before: list[list[int]] = [[] for _ in range(n)]
    rings, lanes, inside = [], [], []
    for r, (p, k) in enumerate(o.blocks):
        sketch = o.patches[p].sketch
        block = sketch.blocks[k]
        rings.append([o.patches[p].place.move(block.ring)])
        lanes.append([o.segment_row[p, s] for s in block.segments])
        inside.append(o.area_row[p, block.intersection] if block.intersection >= 0 else -1)
        if block.kind == LaneKind.CONNECTOR:
            seg = sketch.segments[block.segments[0]]
            a = o.block_row[p, sketch.segments[seg.source].block]
            b = o.block_row[p, sketch.segments[seg.target].block]
            before[r], after[r] = [a], [b]
            after[a].append(r)
            before[b].append(r)
    return RoadBlocks(
        id=np.array([ids[p][k] for p, k in o.blocks], np.int64),
        kind=np.array([int(o.patches[p].sketch.blocks[k].kind) for p, k in o.blocks], np.uint8),
        polygons=Polygons.build(rings), lanes=Ragged.build(lanes),
        successors=Ragged.build(after), predecessors=Ragged.build(before), intersection=np.array(inside, np.int64),
    )  # fmt: skip


def _areas(o: _Order) -> Areas:
    rows = [o.patches[p].sketch.areas[k] for p, k in o.areas]
    return Areas(
        np.array([o.patches[p].base + 6001 + k for p, k in o.areas], np.int64),
        np.array([int(kind) for kind, _, _ in rows], np.uint8),
        np.array([subtype if kind == AreaKind.STOP else 0 for kind, subtype, _ in rows], np.int64),
        Polygons.build([[o.patches[p].place.move(ring)] for (_, _, ring), (p, _) in zip(rows, o.areas, strict=True)]),
    )


def _lines(o: _Order) -> Lines:
    rows = [o.patches[p].sketch.lines[k] for p, k in o.lines]
    return Lines(
        np.array([o.patches[p].base + 7001 + k for p, k in o.lines], np.int64),
        np.full(len(rows), int(LineKind.BOUNDARY), np.uint8),
        np.array([subtype for subtype, _ in rows], np.int64),
        Polylines.build([o.patches[p].place.move(points) for (_, points), (p, _) in zip(rows, o.lines, strict=True)]),
    )


def _places(o: _Order) -> Places:
    rows = []
    for p, patch in enumerate(o.patches):
        for q in patch.sketch.places:
            lane = -1 if q.lane < 0 else o.segment_row[p, q.lane]
            blows = q.kind == PlaceKind.WIND
            second = float(wrap_array(q.second + patch.place.angle)) if blows else q.second
            polygon = [patch.place.move(ring) for ring in q.polygon]
            rows.append(q._replace(lane=lane, second=second, polygon=polygon, pose=_posed(patch.place, q.pose)))
    return Places.build(rows)


def _posed(place: Place, pose: tuple[float, float, float] | None) -> tuple[float, float, float] | None:
    if pose is None:
        return None
    x, y = place.move(np.array(pose[:2])).tolist()
    return x, y, float(wrap_array(pose[2] + place.angle))
