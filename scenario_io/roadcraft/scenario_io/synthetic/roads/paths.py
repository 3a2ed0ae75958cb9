"""The drivers' paths through a sketch, sampled evenly, with what a driver must look at on them: gates, crosswalks,
conflicts, merges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.map import LaneKind
from roadcraft.scenario_io.synthetic.roads.curves import headings, lengths
from roadcraft.scenario_io.synthetic.roads.junction import Control, Crosswalk
from roadcraft.scenario_io.synthetic.roads.sketch import Sketch

STEP = 0.5  # meters between path points
WALK_GATE = 9


@dataclass(frozen=True)
class SegmentRoute:
    """Segments in driving order."""

    segments: tuple[int, ...]


@dataclass
class DriverPath:
    """A route as driven: xy (n, 2) every STEP meters, heading (n,), speed cap (n,), start arc of each segment of the
    route."""

    route: SegmentRoute
    xy: F64
    heading: F64
    cap: F64
    starts: F64

    @property
    def length(self) -> float:
        return (len(self.xy) - 1) * STEP


@dataclass(frozen=True)
class PathTable:
    """All paths of a world as flat arrays for the kernel.

    off (P + 1,) rows of xy (Q, 2), heading (Q,), cap (Q,); left, right (P,) path in the neighboring lane or -1;
    gate_off (P + 1,) rows of gate_s, gate_kind, gate_light, gate_conn, gate_walk, gate_xy; conn_s (P, C) arc at which a
    path enters a connector, -1 where it does not; conf_in, conf_out (C, C): stretch of connector c that conflicts with
    d (in = inf: none); priority (C,); conn_light (C,); conn_control (C,); merge_s (P,) arc of the merge, inf where
    none; seg_of (P, S) arcs of segments are kept by ``DriverPath``.
    """

    off: I64
    xy: F64
    heading: F64
    cap: F64
    left: I64
    right: I64
    gate_off: I64
    gate_s: F64
    gate_kind: I64
    gate_light: I64
    gate_conn: I64
    gate_walk: I64
    gate_xy: F64
    conn_s: F64
    conf_in: F64
    conf_out: F64
    priority: I64
    conn_light: I64
    conn_control: I64
    merge_s: F64


def routes_of(sketch: Sketch) -> list[SegmentRoute]:
    """Every route from a lane that nothing leads into, to a lane that leads nowhere."""
    out: dict[int, list[int]] = {}
    entered = set()
    for k, seg in enumerate(sketch.segments):
        if seg.kind == LaneKind.CONNECTOR:
            out.setdefault(seg.source, []).append(k)
            entered.add(seg.target)
    found: list[SegmentRoute] = []

    def follow(lane: int, visited: tuple[int, ...]) -> None:
        if lane not in out:
            found.append(SegmentRoute(visited))
        for c in out.get(lane, []):
            follow(sketch.segments[c].target, (*visited, c, sketch.segments[c].target))

    for k, seg in enumerate(sketch.segments):
        if seg.kind == LaneKind.LANE and k not in entered:
            follow(k, (k,))
    return found


def make_path(
    sketch: Sketch,
    route: SegmentRoute,
    *,
    lat_accel: float = 2.2,
    decel: float = 1.4,
    default_limit: float = 13.0,
    shift: F64 | None = None,
    xy: F64 | None = None,
) -> DriverPath:
    """Samples a route. shift (k, 2): (arc, offset to the left) support points of a smooth sideways profile; xy
    overrides the line itself."""
    parts = [sketch.segments[k].center for k in route.segments]
    line = np.concatenate([parts[0], *[p[1:] for p in parts[1:]]])
    starts = np.concatenate([[0.0], np.cumsum([lengths(p)[-1] for p in parts])])
    if xy is not None:
        line = xy
    line = _even(line)
    if shift is not None:
        s = np.arange(len(line)) * STEP
        d = np.interp(s, shift[:, 0], shift[:, 1])
        d = gaussian_filter1d(d, 6.0 / STEP, mode="nearest")
        h = headings(line)
        line = _even(line + np.stack([-np.sin(h), np.cos(h)], 1) * d[:, None])
    h = gaussian_filter1d(headings(line), 1.5 / STEP, mode="nearest")
    curvature = np.abs(np.gradient(gaussian_filter1d(h, 1.0 / STEP, mode="nearest"), STEP))
    s = np.arange(len(line)) * STEP
    limits = np.array(
        [default_limit if np.isnan(sketch.segments[k].limit) else sketch.segments[k].limit for k in route.segments]
    )
    row = np.clip(np.searchsorted(starts, s, side="right") - 1, 0, len(limits) - 1)
    cap = np.minimum(limits[row], np.sqrt(lat_accel / np.maximum(curvature, 1e-6)))
    return DriverPath(route, line, h, _slow_before(cap, decel), starts)


def _even(line: F64) -> F64:
    keep = np.concatenate([[True], np.hypot(*np.diff(line, axis=0).T) > 0.05])
    line = line[keep]
    s = lengths(line)
    n = int(s[-1] / STEP)
    return np.ascontiguousarray(CubicSpline(s, line)(np.arange(n + 1) * STEP))


def _slow_before(cap: F64, decel: float) -> F64:
    """Caps that can be kept with the given deceleration: v(s)^2 <= cap(s')^2 + 2 decel (s' - s) for every s' >= s."""
    s = np.arange(len(cap)) * STEP
    speed_squared = cap * cap + 2.0 * decel * s
    return np.sqrt(np.minimum.accumulate(speed_squared[::-1])[::-1] - 2.0 * decel * s)


def make_table(
    sketch: Sketch, paths: Sequence[DriverPath], walks: Sequence[Crosswalk], common: int, merge_lane: int = -1
) -> PathTable:
    """The kernel's form of all paths of a world; lanes are changed among the first ``common`` paths only."""
    conns = [k for k, seg in enumerate(sketch.segments) if seg.kind == LaneKind.CONNECTOR and seg.priority > 0]
    number = {k: c for c, k in enumerate(conns)}
    conn_s = np.full((len(paths), max(1, len(conns))), -1.0)
    merge_s = np.full(len(paths), np.inf)
    gates: list[list[tuple[float, int, int, int, int, float, float]]] = []
    for p, path in enumerate(paths):
        rows = []
        for seg, start in zip(path.route.segments, path.starts, strict=False):
            if seg in number:
                conn_s[p, number[seg]] = start
                x = sketch.segments[seg]
                rows.append((start - 1.0, int(x.control) + 1, x.light, number[seg], -1, 0.0, 0.0))
            if seg == merge_lane:
                merge_s[p] = start
        for w, walk in enumerate(walks):
            hit = _crossing(path.xy, walk.ends)
            if hit is not None:
                rows.append((hit[0] - 4.2, WALK_GATE, -1, -1, w, hit[1], hit[2]))
        gates.append(sorted(rows))
    flat = [g for rows in gates for g in rows]
    cols = np.array(flat, float).reshape(-1, 7)
    conf_in, conf_out = _conflicts(sketch, conns)
    left, right = _neighbors(sketch, paths, common)
    return PathTable(
        off=np.concatenate([[0], np.cumsum([len(p.xy) for p in paths])]).astype(np.int64),
        xy=np.concatenate([p.xy for p in paths]),
        heading=np.concatenate([p.heading for p in paths]),
        cap=np.concatenate([p.cap for p in paths]),
        left=left, right=right,
        gate_off=np.concatenate([[0], np.cumsum([len(g) for g in gates])]).astype(np.int64),
        gate_s=cols[:, 0].copy(),
        gate_kind=cols[:, 1].astype(np.int64), gate_light=cols[:, 2].astype(np.int64),
        gate_conn=cols[:, 3].astype(np.int64), gate_walk=cols[:, 4].astype(np.int64), gate_xy=cols[:, 5:].copy(),
        conn_s=conn_s, conf_in=conf_in, conf_out=conf_out,
        priority=np.array([sketch.segments[k].priority for k in conns] or [0], np.int64),
        conn_light=np.array([sketch.segments[k].light for k in conns] or [-1], np.int64),
        conn_control=np.array([int(sketch.segments[k].control) for k in conns] or [0], np.int64),
        merge_s=merge_s,
    )  # fmt: skip


def _crossing(xy: F64, ends: F64) -> tuple[float, float, float] | None:
    """(arc, x, y) where a path crosses the line between two points, or None."""
    a, d = ends[0], ends[1] - ends[0]
    length = np.hypot(*d)
    t, n = d / length, np.array([-d[1], d[0]]) / length
    side, along = (xy - a) @ n, (xy - a) @ t
    hits = np.flatnonzero((side[1:] * side[:-1] <= 0) & (along[1:] > -0.5) & (along[1:] < length + 0.5))
    if len(hits) == 0:
        return None
    k = int(hits[0])
    return (k + 0.5) * STEP, float(xy[k, 0]), float(xy[k, 1])


def _conflicts(sketch: Sketch, conns: list[int], reach: float = 2.7) -> tuple[F64, F64]:
    n = max(1, len(conns))
    conf_in, conf_out = np.full((n, n), np.inf), np.full((n, n), -np.inf)
    lines = [sketch.segments[k].center for k in conns]
    arcs = [lengths(x) for x in lines]
    for c in range(len(conns)):
        for d in range(c + 1, len(conns)):
            a, b = sketch.segments[conns[c]], sketch.segments[conns[d]]
            if a.source == b.source or (a.control != b.control and Control.LIGHT in (a.control, b.control)):
                continue
            near = ((lines[c][:, None] - lines[d][None]) ** 2).sum(2) < reach * reach
            if near.any():
                i, j = np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))
                conf_in[c, d], conf_out[c, d] = arcs[c][i[0]], arcs[c][i[-1]]
                conf_in[d, c], conf_out[d, c] = arcs[d][j[0]], arcs[d][j[-1]]
    return conf_in, conf_out


def _neighbors(sketch: Sketch, paths: Sequence[DriverPath], common: int) -> tuple[I64, I64]:
    """For each path, the path through the same road blocks one lane to the left and to the right."""
    key = [tuple(sketch.segments[k].block for k in p.route.segments) for p in paths]
    index = [np.array([sketch.segments[k].index for k in p.route.segments]) for p in paths]
    out = np.full((2, len(paths)), -1, np.int64)
    for a in range(common):
        for b in range(common):
            if a != b and key[a] == key[b]:
                lanes = slice(None, None, 2)
                step = index[b][lanes] - index[a][lanes]
                if np.all(step == -1):
                    out[0, a] = b
                if np.all(step == 1):
                    out[1, a] = b
    return out[0], out[1]
