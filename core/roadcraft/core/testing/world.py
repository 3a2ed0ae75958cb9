"""A small made-up world for tests: two lanes, a junction with a light, two lanes again, some traffic. Small enough to
reason about by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, Polygons, Polylines, Ragged
from roadcraft.core.data.map import AreaKind, Areas, LaneKind, Lanes, LineKind, Lines, MapData, RoadBlocks
from roadcraft.core.data.rollout import Lights, Objects, ObservationBatch, PlanLog, Rollout
from roadcraft.core.data.scenario import (
    EGO_SIZE,
    Drive,
    Ego,
    LightFrames,
    LightState,
    ObjectFrames,
    ObjectKind,
    Scenario,
    Scenes,
    Tracks,
)
from roadcraft.core.types import PlannerNeeds
from roadcraft.core.vehicles.vehicle import Vehicle, load_vehicle

ORIGIN = (664_000.0, 3_997_000.0)  # positions as large as real ones, so that a kernel in float32 shows
WIDTH_M = 3.6
LIMIT_MPS = 13.0
HISTORY = 22


class LaneSketch(NamedTuple):
    """What ``sketch_map`` needs of a lane."""

    id: int
    block: int
    """Id of its road block."""
    line: F64
    """Center line (P, 2), meters."""
    successors: tuple[int, ...] = ()
    """Ids."""
    connector: bool = False
    limit_mps: float = float("nan")
    """NaN: none."""
    light: bool = False
    stops: tuple[int, ...] = ()
    """Rows of areas."""
    edges: tuple[int, int] = (-1, -1)
    """Rows of the lines at its left and right, -1: none."""


def sketch_map(
    lanes: Sequence[LaneSketch],
    areas: Sequence[tuple[int, AreaKind, int, list[F64]]] = (),
    lines: Sequence[tuple[int, F64]] = (),
    *,
    width_m: float = WIDTH_M,
    intersections: Mapping[int, int] = MappingProxyType({}),
    name: str = "made-up",
    version: str = "1",
    epsg: int = 0,
) -> MapData:
    """A map by the center lines of its lanes, which are all ``width_m`` wide.

    Areas are (id, kind, subtype, rings), lines (id, points) of boundaries, ``intersections`` maps ids of blocks to rows
    of areas.
    """
    row = {lane.id: i for i, lane in enumerate(lanes)}
    blocks = list(dict.fromkeys(lane.block for lane in lanes))
    left, right = ([_beside(lane.line, side * width_m) for lane in lanes] for side in (0.5, -0.5))
    members = [[i for i, lane in enumerate(lanes) if lane.block == b] for b in blocks]
    for rows in members:  # from left to right
        x, y = left[rows[0]][0] - right[rows[0]][0]
        rows.sort(key=lambda i: -float(lanes[i].line[0] @ (x, y)))
    after = [[row[s] for s in lane.successors] for lane in lanes]
    after_block = [sorted({blocks.index(lanes[s].block) for i in rows for s in after[i]}) for rows in members]

    def outline(first: int, last: int) -> list[F64]:
        sides = _bends(left[first]), _bends(right[last])[::-1]
        return [np.concatenate([*sides, sides[0][:1]])]

    return MapData(
        name=name,
        version=version,
        source="made-up",
        licence="CC0-1.0",
        epsg=epsg,
        lanes=Lanes(
            id=np.array([lane.id for lane in lanes], np.int64),
            kind=np.array([LaneKind.CONNECTOR if lane.connector else LaneKind.LANE for lane in lanes], np.uint8),
            block=np.array([blocks.index(lane.block) for lane in lanes], np.int64),
            lane_index=np.array([members[blocks.index(a.block)].index(i) for i, a in enumerate(lanes)], np.int64),
            speed_limit_mps=np.nan_to_num([lane.limit_mps for lane in lanes]),
            has_speed_limit=~np.isnan([lane.limit_mps for lane in lanes]),
            has_light=np.array([lane.light for lane in lanes], np.bool_),
            polygons=Polygons.build([outline(i, i) for i in range(len(lanes))]),
            centerlines=Polylines.build([lane.line for lane in lanes]),
            left=Polylines.build(left),
            right=Polylines.build(right),
            successors=Ragged.build(after),
            predecessors=Ragged.build(_reversed(after)),
            stops=Ragged.build([lane.stops for lane in lanes]),
            left_line=np.array([lane.edges[0] for lane in lanes], np.int64),
            right_line=np.array([lane.edges[1] for lane in lanes], np.int64),
        ),
        blocks=RoadBlocks(
            id=np.array(blocks, np.int64),
            kind=np.array([LaneKind.CONNECTOR if lanes[m[0]].connector else LaneKind.LANE for m in members], np.uint8),
            polygons=Polygons.build([outline(m[0], m[-1]) for m in members]),
            lanes=Ragged.build([sorted(rows) for rows in members]),
            successors=Ragged.build(after_block),
            predecessors=Ragged.build(_reversed(after_block)),
            intersection=np.array([intersections.get(b, -1) for b in blocks], np.int64),
        ),
        areas=Areas(
            id=np.array([a for a, _, _, _ in areas], np.int64),
            kind=np.array([kind for _, kind, _, _ in areas], np.uint8),
            subtype=np.array([subtype for _, _, subtype, _ in areas], np.int64),
            polygons=Polygons.build([rings for _, _, _, rings in areas]),
        ),
        lines=Lines(
            id=np.array([k for k, _ in lines], np.int64),
            kind=np.full(len(lines), LineKind.BOUNDARY, np.uint8),
            subtype=np.zeros(len(lines), np.int64),
            lines=Polylines.build([points for _, points in lines]),
        ),
    )


def _beside(line: F64, left_m: float) -> F64:
    """The line moved to the left."""
    along = np.gradient(line, axis=0)
    moved: F64 = line + left_m * np.stack([-along[:, 1], along[:, 0]], 1) / np.hypot(*along.T)[:, None]
    return moved


def _bends(line: F64) -> F64:
    """The line without vertices at which it goes straight on."""
    (x, y), turns = np.diff(line, axis=0).T, np.ones(len(line), np.bool_)
    turns[1:-1] = x[:-1] * y[1:] != y[:-1] * x[1:]
    return line[turns]


def _reversed(after: Sequence[Sequence[int]]) -> list[list[int]]:
    return [[a for a, following in enumerate(after) if b in following] for b in range(len(after))]


def rectangle(low: tuple[float, float], high: tuple[float, float]) -> list[F64]:
    """The closed ring of an upright rectangle, as the rings of an area."""
    return [np.array([low, (high[0], low[1]), high, (low[0], high[1]), low])]


def made_up_map() -> MapData:
    """A road along +x: blocks 1 (lanes 10 left, 11 right, x 0..100), 2 (connectors 20, 21, x 100..130, with a light), 3
    (lanes 30, 31, to x 400)."""
    x0, y0 = ORIGIN
    sides = {0: WIDTH_M / 2, 1: -WIDTH_M / 2}

    def line(first: float, last: float, offset_m: float) -> F64:
        x = np.arange(first, last + 0.5, 1.0)
        return np.stack([x, np.full(len(x), offset_m)], 1) + ORIGIN

    def road(first: float, last: float) -> list[F64]:
        return rectangle((first + x0, y0 - WIDTH_M), (last + x0, y0 + WIDTH_M))

    lanes = [
        *(
            LaneSketch(10 + k, 1, line(0, 100, y), (20 + k,), False, LIMIT_MPS, edges=(k, k + 1))
            for k, y in sides.items()
        ),
        *(LaneSketch(30 + k, 3, line(130, 400, y), (), False, LIMIT_MPS, edges=(k, k + 1)) for k, y in sides.items()),
        *(
            LaneSketch(20 + k, 2, line(100, 130, y), (30 + k,), True, LIMIT_MPS, True, (3,), (k, k + 1))
            for k, y in sides.items()
        ),
    ]
    areas = [
        (500, AreaKind.ROAD_SEGMENT, 0, road(0, 100)),
        (503, AreaKind.ROAD_SEGMENT, 0, road(130, 400)),
        (501, AreaKind.INTERSECTION, 0, road(100, 130)),
        (502, AreaKind.STOP, 2, road(97, 99)),
    ]
    edges = [np.concatenate([line(0, 100, y), line(100, 130, y), line(130, 400, y)]) for y in (WIDTH_M, 0.0, -WIDTH_M)]
    return sketch_map(lanes, areas, list(enumerate(edges, 900)), intersections={2: 2}, epsg=32611)


class ObjectSketch(NamedTuple):
    """What ``sketch_drive`` needs of n objects that are seen in all T frames."""

    kinds: Sequence[ObjectKind]
    box: F64
    """(T, n, 5)."""
    velocity: F64
    """(T, n, 2), m/s."""


class Mission(NamedTuple):
    """Where the ego of a sketched drive goes."""

    route: Sequence[int]
    """Ids of blocks."""
    goal: Sequence[float] | None = None
    """x, y, heading; None: none."""


def sketch_drive(
    name: str,
    map_name: str,
    ego: F64,
    objects: ObjectSketch,
    lights: Mapping[int, Any],
    mission: Mission,
    *,
    first_token: int = 1,
    tags: Mapping[int, str] = MappingProxyType({}),
) -> Drive:
    """A drive of T frames at 20 Hz in which the same objects are seen all the time.

    ``ego`` is (T, 10). ``lights`` maps ids of lanes to a state, or to one for each frame, ``tags`` frames to types of
    scenario; tokens count on from ``first_token``.
    """
    (kinds, box, velocity), (route, goal) = objects, mission
    frames, n, m = len(ego), len(kinds), len(lights)
    states = np.stack([np.broadcast_to(state, frames) for state in lights.values()], 1)
    names = tuple(dict.fromkeys(tags.values()))
    return Drive(
        name=name,
        map_name=map_name,
        source="made-up",
        licence="CC0-1.0",
        vehicle="pacifica",
        interval_us=50_000,
        time_us=1_600_000_000_000_000 + 50_000 * np.arange(frames, dtype=np.int64),
        token=np.arange(frames, dtype=np.uint64) + np.uint64(first_token),
        ego=ego,
        joints=np.zeros((frames, 0)),
        tracks=Tracks(
            np.arange(1, n + 1, dtype=np.uint64),
            np.array(kinds, np.uint8),
            np.arange(n, dtype=np.int64),
            np.zeros(n, np.uint8),
            np.full(n, 1.6),
        ),
        objects=ObjectFrames(
            n * np.arange(frames + 1, dtype=np.int64),
            np.tile(np.arange(n, dtype=np.int64), frames),
            box.reshape(-1, 5),
            velocity.reshape(-1, 2),
        ),
        lights=LightFrames(
            m * np.arange(frames + 1, dtype=np.int64),
            np.tile(np.array(list(lights), np.int64), frames),
            states.astype(np.uint8).ravel(),
        ),
        scenes=Scenes(
            np.zeros(1, np.int64),
            Ragged.build([route]),
            np.array([[0.0, 0.0, 0.0] if goal is None else goal]),
            np.array([goal is not None]),
            ("scene-1",),
        ),
        tag_frame=np.array(list(tags), np.int64),
        tag_type=np.array([names.index(t) for t in tags.values()], np.int64),
        tag_names=names,
    )


def made_up_scenario(
    token: str = "00000000000000aa",
    speed_mps: float = 8.0,
    lane: int = 1,
    seconds: float = 15.0,
    light: LightState = LightState.GREEN,
) -> Scenario:
    """The ego drives at constant speed along ``lane`` (0 left, 1 right) from x = 10 m; a car leads 25 m ahead at the
    same speed, a cyclist rides on the other lane, a pedestrian stands beside the road, two cones stand on its edge. 20
    Hz, 3 s of past, 10 s of future."""
    past, ahead = 60, round(seconds * 20)
    frames = past + ahead + 1 + 200
    t = (np.arange(frames) - past) * 0.05
    y = WIDTH_M / 2 if lane == 0 else -WIDTH_M / 2
    ego = np.zeros((frames, EGO_SIZE))
    ego[:, Ego.X], ego[:, Ego.Y], ego[:, Ego.VX] = ORIGIN[0] + 10 + speed_mps * t, ORIGIN[1] + y, speed_mps
    cone, kind = ObjectKind.TRAFFIC_CONE, "following_lane_with_lead"
    kinds = [ObjectKind.VEHICLE, ObjectKind.PEDESTRIAN, ObjectKind.BICYCLE, cone, cone]
    n = len(kinds)
    box = np.zeros((frames, n, 5))
    box[:, :, 3:] = [[4.7, 2.0], [0.7, 0.6], [1.8, 0.7], [0.4, 0.4], [0.4, 0.4]]
    box[:, :, 0] = np.stack([35 + speed_mps * t, 0 * t + 60, 30 + 5 * t, 0 * t + 80, 0 * t + 82], 1) + ORIGIN[0]
    box[:, :, 1] = np.array([y, -WIDTH_M - 2, -y, -WIDTH_M - 0.3, -WIDTH_M - 0.3]) + ORIGIN[1]
    velocity = np.zeros((frames, n, 2))
    velocity[:, 0, 0], velocity[:, 2, 0] = speed_mps, 5.0
    drive = sketch_drive(
        "made-up-log",
        "made-up",
        ego,
        ObjectSketch(kinds, box, velocity),
        {20: light, 21: light},
        Mission([1, 2, 3], [ORIGIN[0] + 390, ORIGIN[1] + y, 0.0]),
        first_token=int(token, 16),
        tags={past: kind},
    )
    return Scenario(token, kind, drive.tag_names, "made-up", drive, made_up_map(), past, past + ahead, 2)


def observe(
    scenarios: Sequence[Scenario], iteration: int = 0, needs: PlannerNeeds | None = None, vehicle: Vehicle | None = None
) -> ObservationBatch:
    """What a planner would see at an iteration if everybody, the ego included, had driven as logged. Slow and
    obvious."""
    needs = needs or PlannerNeeds(object_past=21)
    histories = [_history(s, iteration, HISTORY) for s in scenarios]
    now = slice(iteration, iteration + 1)
    past = [_history(s, iteration, needs.object_past) for s in scenarios] if needs.object_past else None
    goals = [s.goal if s.goal is not None else np.zeros(3) for s in scenarios]
    return ObservationBatch(
        token=tuple(s.token for s in scenarios),
        iteration=np.full(len(scenarios), iteration, np.int64),
        time_us=np.array([s.time_us[iteration] for s in scenarios], np.int64),
        interval_s=np.array([s.interval_s for s in scenarios]),
        ego_past=np.stack([s.drive.ego[np.maximum(h, 0)] for s, h in zip(scenarios, histories, strict=True)]),
        ego_past_us=np.stack([s.drive.time_us[np.maximum(h, 0)] for s, h in zip(scenarios, histories, strict=True)]),
        ego_past_valid=np.stack([h >= 0 for h in histories]),
        joints=np.stack([s.drive.joints[s.frames[iteration]] for s in scenarios]),
        objects=Objects.concat([Objects.logged(s.drive, s.frames[now]) for s in scenarios]),
        lights=Lights.concat([s.drive.lights.select(s.frames[now]) for s in scenarios]),
        maps=tuple(s.map for s in scenarios),
        route=Ragged.build([s.route for s in scenarios]),
        goal=np.stack(goals),
        has_goal=np.array([s.goal is not None for s in scenarios]),
        vehicle=vehicle or load_vehicle(scenarios[0].drive.vehicle),
        objects_past=None
        if past is None
        else Objects.concat([Objects.logged(s.drive, f) for s, f in zip(scenarios, past, strict=True)]),
        scenarios=tuple(scenarios) if needs.log else None,
        instruction=tuple(s.drive.instructions.at(int(s.time_us[iteration])) for s in scenarios)
        if any(len(s.drive.instructions) for s in scenarios)
        else None,
        layers=tuple(s.drive.layers.at(int(s.frames[iteration])) for s in scenarios),
    )


def made_up_rollout(scenario: Scenario | None = None, sideways_m: float = 0.0) -> Rollout:
    """The log driven again, shifted by ``sideways_m`` to the left: n = N - 1 frames, as a simulation would leave it."""
    s = scenario or made_up_scenario()
    keep = s.frames[:-1]
    ego = s.drive.ego[keep].copy()
    ego[:, Ego.Y] += sideways_m
    drive = replace(
        s.drive,
        name=f"simulation of {s.token}",
        source="simulation",
        interval_us=s.drive.interval_us * s.stride,
        time_us=s.drive.time_us[keep],
        token=s.drive.token[keep],
        ego=ego,
        joints=s.drive.joints[keep],
        objects=s.drive.objects.select(keep),
        lights=s.drive.lights.select(keep),
        tag_frame=np.zeros(1, np.int64),
    )
    plans = PlanLog(np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)))
    return Rollout(s, drive, plans, (), np.zeros((0, len(drive))), load_vehicle(s.drive.vehicle))


def _history(s: Scenario, iteration: int, steps: int) -> I64:
    """Drive frames of ``steps`` iterations up to and with this one, -1 before the log's start."""
    frames = s.frames[iteration] - s.stride * np.arange(steps - 1, -1, -1, dtype=np.int64)
    return np.where(frames < 0, -1, frames)
