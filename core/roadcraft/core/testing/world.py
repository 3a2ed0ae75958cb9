"""A small made-up world for tests: two lanes, a junction with a light, two lanes again, some traffic. Small enough to reason about by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from roadcraft.core.arrays import F64, I64, Polygons, Polylines, Ragged, offsets_of
from roadcraft.core.interfaces import PlannerNeeds
from roadcraft.core.map import AreaKind, Areas, LaneKind, Lanes, LineKind, Lines, MapData, RoadBlocks
from roadcraft.core.rollout import Lights, Objects, ObservationBatch, PlanLog, Rollout
from roadcraft.core.scenario import (
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
from roadcraft.core.vehicle import Vehicle, load_vehicle

ORIGIN = (664_000.0, 3_997_000.0)  # positions as large as real ones, so that a kernel in float32 shows
WIDTH_M = 3.6
LIMIT_MPS = 13.0
HISTORY = 22


def made_up_map() -> MapData:
    """A road along +x: blocks 1 (lanes 10 left, 11 right, x 0..100), 2 (connectors 20, 21, x 100..130, with a light), 3 (lanes 30, 31, to x 400)."""
    stretches = [(0.0, 100.0), (100.0, 130.0), (130.0, 400.0)]
    order = [
        (0, 0),
        (0, 1),
        (2, 0),
        (2, 1),
        (1, 0),
        (1, 1),
    ]  # lanes first, then connectors: (stretch, index from the left)
    row = {key: i for i, key in enumerate(order)}
    ids = np.array([10, 11, 30, 31, 20, 21], np.int64)

    def line(stretch: int, offset_m: float) -> F64:
        x = np.arange(stretches[stretch][0], stretches[stretch][1] + 0.5, 1.0)
        return np.stack([x, np.full(len(x), offset_m)], 1) + ORIGIN

    def box(stretch: int, low_m: float, high_m: float) -> list[F64]:
        (a, b), (x, y) = stretches[stretch], ORIGIN
        low, high = low_m + y, high_m + y
        return [np.array([[a + x, low], [b + x, low], [b + x, high], [a + x, high], [a + x, low]])]

    def sides(i: int) -> tuple[float, float]:
        return (0.0, WIDTH_M) if i == 0 else (-WIDTH_M, 0.0)

    following = {0: [1], 1: [2], 2: []}
    before = {0: [], 1: [0], 2: [1]}
    connector = np.array([s == 1 for s, _ in order])
    lanes = Lanes(
        id=ids,
        kind=np.where(connector, LaneKind.CONNECTOR, LaneKind.LANE).astype(np.uint8),
        block=np.array([{0: 0, 2: 1, 1: 2}[s] for s, _ in order], np.int64),
        lane_index=np.array([i for _, i in order], np.int64),
        speed_limit_mps=np.full(6, LIMIT_MPS),
        has_speed_limit=np.ones(6, bool),
        has_light=connector,
        polygons=Polygons.build([box(s, *sides(i)) for s, i in order]),
        centerlines=Polylines.build([line(s, sum(sides(i)) / 2) for s, i in order]),
        left=Polylines.build([line(s, sides(i)[1]) for s, i in order]),
        right=Polylines.build([line(s, sides(i)[0]) for s, i in order]),
        successors=Ragged.build([[row[n, i] for n in following[s]] for s, i in order]),
        predecessors=Ragged.build([[row[n, i] for n in before[s]] for s, i in order]),
        stops=Ragged.build([[3] if s == 1 else [] for s, _ in order]),
        left_line=np.array([0 if i == 0 else 1 for _, i in order], np.int64),
        right_line=np.array([1 if i == 0 else 2 for _, i in order], np.int64),
    )
    blocks = RoadBlocks(
        id=np.array([1, 3, 2], np.int64),
        kind=np.array([LaneKind.LANE, LaneKind.LANE, LaneKind.CONNECTOR], np.uint8),
        polygons=Polygons.build([box(s, -WIDTH_M, WIDTH_M) for s in (0, 2, 1)]),
        lanes=Ragged.build([[0, 1], [2, 3], [4, 5]]),
        successors=Ragged.build([[2], [], [1]]),
        predecessors=Ragged.build([[], [2], [0]]),
        intersection=np.array([-1, -1, 2], np.int64),
    )
    stop = [np.array([[97.0, -WIDTH_M], [99.0, -WIDTH_M], [99.0, WIDTH_M], [97.0, WIDTH_M], [97.0, -WIDTH_M]]) + ORIGIN]
    areas = Areas(
        id=np.array([500, 503, 501, 502], np.int64),
        kind=np.array([AreaKind.ROAD_SEGMENT, AreaKind.ROAD_SEGMENT, AreaKind.INTERSECTION, AreaKind.STOP], np.uint8),
        subtype=np.array([0, 0, 0, 2], np.int64),
        polygons=Polygons.build(
            [box(0, -WIDTH_M, WIDTH_M), box(2, -WIDTH_M, WIDTH_M), box(1, -WIDTH_M, WIDTH_M), stop]
        ),
    )
    edges = [np.concatenate([line(s, y) for s in (0, 1, 2)]) for y in (WIDTH_M, 0.0, -WIDTH_M)]
    lines = Lines(
        id=np.array([900, 901, 902], np.int64),
        kind=np.full(3, LineKind.BOUNDARY, np.uint8),
        subtype=np.zeros(3, np.int64),
        lines=Polylines.build(edges),
    )
    return MapData("made-up", "1", "made-up", "CC0-1.0", 32611, lanes, blocks, areas, lines)


def made_up_scenario(
    token: str = "00000000000000aa",
    speed_mps: float = 8.0,
    lane: int = 1,
    seconds: float = 15.0,
    light: LightState = LightState.GREEN,
) -> Scenario:
    """The ego drives at constant speed along ``lane`` (0 left, 1 right) from x = 10 m; a car leads 25 m ahead at the same speed, a cyclist
    rides on the other lane, a pedestrian stands beside the road, two cones stand on its edge. 20 Hz, 3 s of past, 10 s of future."""
    past, ahead = 60, round(seconds * 20)
    frames = past + ahead + 1 + 200
    t = (np.arange(frames) - past) * 0.05
    y = WIDTH_M / 2 if lane == 0 else -WIDTH_M / 2
    ego = np.zeros((frames, EGO_SIZE))
    ego[:, Ego.X], ego[:, Ego.Y], ego[:, Ego.VX] = ORIGIN[0] + 10 + speed_mps * t, ORIGIN[1] + y, speed_mps
    kinds = [
        ObjectKind.VEHICLE,
        ObjectKind.PEDESTRIAN,
        ObjectKind.BICYCLE,
        ObjectKind.TRAFFIC_CONE,
        ObjectKind.TRAFFIC_CONE,
    ]
    n = len(kinds)
    box = np.zeros((frames, n, 5))
    box[:, :, 3:] = [[4.7, 2.0], [0.7, 0.6], [1.8, 0.7], [0.4, 0.4], [0.4, 0.4]]
    box[:, :, 0] = np.stack([35 + speed_mps * t, 0 * t + 60, 30 + 5 * t, 0 * t + 80, 0 * t + 82], 1) + ORIGIN[0]
    box[:, :, 1] = np.array([y, -WIDTH_M - 2, -y, -WIDTH_M - 0.3, -WIDTH_M - 0.3]) + ORIGIN[1]
    velocity = np.zeros((frames, n, 2))
    velocity[:, 0, 0], velocity[:, 2, 0] = speed_mps, 5.0
    drive = Drive(
        name="made-up-log",
        map_name="made-up",
        source="made-up",
        licence="CC0-1.0",
        vehicle="pacifica",
        interval_us=50_000,
        time_us=1_600_000_000_000_000 + np.arange(frames, dtype=np.int64) * 50_000,
        token=np.arange(frames, dtype=np.uint64) + np.uint64(int(token, 16)),
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
            np.arange(frames + 1, dtype=np.int64) * n,
            np.tile(np.arange(n, dtype=np.int64), frames),
            box.reshape(-1, 5),
            velocity.reshape(-1, 2),
        ),
        lights=LightFrames(
            np.arange(frames + 1, dtype=np.int64) * 2,
            np.tile(np.array([20, 21], np.int64), frames),
            np.full(2 * frames, light, np.uint8),
        ),
        scenes=Scenes(
            np.zeros(1, np.int64),
            Ragged.build([[1, 2, 3]]),
            np.array([[ORIGIN[0] + 390, ORIGIN[1] + y, 0.0]]),
            np.ones(1, bool),
            ("scene-1",),
        ),
        tag_frame=np.array([past], np.int64),
        tag_type=np.zeros(1, np.int64),
        tag_names=("following_lane_with_lead",),
    )
    return Scenario(
        token, "following_lane_with_lead", drive.tag_names, "made-up", drive, made_up_map(), past, past + ahead, 2
    )


def observe(
    scenarios: Sequence[Scenario], iteration: int = 0, needs: PlannerNeeds | None = None, vehicle: Vehicle | None = None
) -> ObservationBatch:
    """What a planner would see at an iteration if everybody, the ego included, had driven as logged. Slow and obvious."""
    needs = needs or PlannerNeeds(object_past=21)
    histories = [_history(s, iteration, HISTORY) for s in scenarios]
    lights = [s.drive.lights.rows(int(s.frames[iteration])) for s in scenarios]
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
        objects=_objects(scenarios, [s.frames[iteration : iteration + 1] for s in scenarios]),
        lights=Lights(
            offsets_of([r.stop - r.start for r in lights]),
            np.concatenate([s.drive.lights.lane[r] for s, r in zip(scenarios, lights, strict=True)]),
            np.concatenate([s.drive.lights.state[r] for s, r in zip(scenarios, lights, strict=True)]),
        ),
        maps=tuple(s.map for s in scenarios),
        route=Ragged.build([s.route for s in scenarios]),
        goal=np.stack(goals),
        has_goal=np.array([s.goal is not None for s in scenarios]),
        vehicle=vehicle or load_vehicle(scenarios[0].drive.vehicle),
        objects_past=None if past is None else _objects(scenarios, past),
        scenarios=tuple(scenarios) if needs.log else None,
        layers=tuple(s.drive.layers.at(int(s.frames[iteration])) for s in scenarios),
    )


def made_up_rollout(scenario: Scenario | None = None, sideways_m: float = 0.0) -> Rollout:
    """The log driven again, shifted by ``sideways_m`` to the left: n = N - 1 frames, as a simulation would leave it."""
    s = scenario or made_up_scenario()
    keep = s.frames[:-1]
    ego = s.drive.ego[keep].copy()
    ego[:, Ego.Y] += sideways_m
    objects = _objects([s], [keep])
    light_rows = [s.drive.lights.rows(int(f)) for f in keep]
    drive = replace(
        s.drive,
        name=f"simulation of {s.token}",
        source="simulation",
        interval_us=s.drive.interval_us * s.stride,
        time_us=s.drive.time_us[keep],
        token=s.drive.token[keep],
        ego=ego,
        joints=s.drive.joints[keep],
        objects=ObjectFrames(
            objects.offsets,
            np.searchsorted(s.drive.tracks.id, objects.id).astype(np.int64),
            objects.box,
            objects.velocity,
        ),
        lights=LightFrames(
            offsets_of([r.stop - r.start for r in light_rows]),
            np.concatenate([s.drive.lights.lane[r] for r in light_rows]),
            np.concatenate([s.drive.lights.state[r] for r in light_rows]),
        ),
        tag_frame=np.zeros(1, np.int64),
    )
    plans = PlanLog(np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)))
    return Rollout(s, drive, plans, (), np.zeros((0, len(drive))), load_vehicle(s.drive.vehicle))


def _history(s: Scenario, iteration: int, steps: int) -> I64:
    """Drive frames of ``steps`` iterations up to and with this one, -1 before the log's start."""
    frames = s.frames[iteration] - s.stride * np.arange(steps - 1, -1, -1, dtype=np.int64)
    return np.where(frames < 0, -1, frames)


def _objects(scenarios: Sequence[Scenario], frames: Sequence[I64]) -> Objects:
    parts = []
    for s, wanted in zip(scenarios, frames, strict=True):
        parts += [(s, s.drive.objects.rows(int(f)) if f >= 0 else slice(0, 0)) for f in wanted]
    track = [s.drive.objects.track[r] for s, r in parts]
    return Objects(
        offsets_of([r.stop - r.start for _, r in parts]),
        np.concatenate([s.drive.tracks.id[t] for (s, _), t in zip(parts, track, strict=True)]),
        np.concatenate([s.drive.tracks.kind[t] for (s, _), t in zip(parts, track, strict=True)]),
        np.concatenate([s.drive.tracks.vehicle[t] for (s, _), t in zip(parts, track, strict=True)]),
        np.concatenate([s.drive.tracks.unit[t] for (s, _), t in zip(parts, track, strict=True)]),
        np.concatenate([s.drive.objects.box[r] for s, r in parts]),
        np.concatenate([s.drive.objects.velocity[r] for s, r in parts]),
    )
