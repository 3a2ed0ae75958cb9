"""The bird's-eye raster: every cell against a slow twin, and what it shows of a scene."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from roadcraft.core.arrays import Polygons, Polylines, Ragged
from roadcraft.core.data.layers import Grid, LayerKind, RasterLayers
from roadcraft.core.data.map import MapData
from roadcraft.core.driving.features import raster_kernels as k
from roadcraft.core.driving.features.build import allocate, build_features
from roadcraft.core.driving.features.raster import CHANNELS, LAYER_RANGE, RasterChannel, cell_centers, raster_map
from roadcraft.core.driving.features.scene import LogScenes, SceneArrays, scenes_of
from roadcraft.core.errors import DataError
from roadcraft.core.types import FeatureSpec
from roadcraft.core.vehicles.vehicle import load_vehicle

CELLS, CELL_M = 64, 0.75
SPEC = FeatureSpec(agents=6, static=3, lanes=12, lane_points=10, raster_cells=CELLS, raster_cell_m=CELL_M)
NEAR_M = 1e-9  # a centre this near to an edge may go either way


@pytest.fixture(scope="module")
def world(tiny_world: Any) -> Any:
    return tiny_world.make_map()


@pytest.fixture(scope="module")
def drives(tiny_world: Any, world: Any) -> list[Any]:
    return [tiny_world.make_drive(world, i) for i in range(3)]


def raster(scene: SceneArrays, spec: FeatureSpec = SPEC) -> np.ndarray:
    return build_features(spec, [scene])["raster"][0]


def pose(rng: np.random.Generator) -> np.ndarray:
    """An ego state somewhere in a frame with large coordinates."""
    ego = np.zeros(10)
    ego[:3] = 331_000.0 + rng.uniform(-50, 50), 4_690_000.0 + rng.uniform(-50, 50), rng.uniform(-7, 7)
    return ego


def centers() -> np.ndarray:
    """(CELLS, CELLS, 2) x, y of the cells in the ego frame."""
    x, y = cell_centers(CELLS, CELL_M)
    return np.stack(np.meshgrid(x, y, indexing="ij"), -1)


def local(points: np.ndarray, ego: np.ndarray) -> np.ndarray:
    c, s = np.cos(ego[2]), np.sin(ego[2])
    d = points - ego[:2]
    return np.stack([c * d[..., 0] + s * d[..., 1], c * d[..., 1] - s * d[..., 0]], -1)


def to_segments(at: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Distance of places (..., 2) to the nearest segment of a line (V, 2)."""
    best = np.full(at.shape[:-1], np.inf)
    for a, b in itertools.pairwise(line):
        d = b - a
        t = np.clip(((at - a) @ d) / max(d @ d, 1e-300), 0.0, 1.0)
        best = np.minimum(best, np.linalg.norm(at - a - t[..., None] * d, axis=-1))
    return best


def inside(at: np.ndarray, rings: list[np.ndarray]) -> np.ndarray:
    """Even-odd rule: a ray to the right crosses an odd number of edges."""
    odd = np.zeros(at.shape[:-1], bool)
    for ring in rings:
        for a, b in itertools.pairwise(ring):
            crosses = (a[1] > at[..., 1]) != (b[1] > at[..., 1])
            height = b[1] - a[1] if b[1] != a[1] else 1.0
            odd ^= crosses & (at[..., 0] < a[0] + (at[..., 1] - a[1]) * (b[0] - a[0]) / height)
    return odd


def agree(drawn: np.ndarray, wanted: np.ndarray, distance: np.ndarray) -> None:
    clear = distance > NEAR_M
    np.testing.assert_array_equal(drawn[clear], wanted[clear])


def star(rng: np.random.Generator, center: np.ndarray, low: float, high: float, corners: int) -> np.ndarray:
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    ring = center + rng.uniform(low, high, corners)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return np.concatenate([ring, ring[:1]])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31))
def test_polygons_with_holes_against_a_slow_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ego = pose(rng)
    center = ego[:2] + rng.uniform(-40, 40, 2)
    rings = [star(rng, center, 8, 40, 9), star(rng, center, 2, 7, 6), star(rng, center + 12, 1, 9, 5)][
        : rng.integers(1, 4)
    ]
    shape = Polygons.build([rings])
    out, scratch = np.zeros((CELLS, CELLS), np.uint8), np.zeros((CELLS, CELLS + 1), np.uint8)
    k.fill_polygon(out, scratch, shape.points, shape.rings, 0, len(rings), k.view_of(ego, CELL_M), 200)
    assert not scratch.any()
    mine = [local(r, ego) for r in rings]
    distance = np.minimum.reduce([to_segments(centers(), r) for r in mine])
    agree(out == 200, inside(centers(), mine), distance)


def test_a_polygon_on_the_lattice_of_centres_is_filled_once() -> None:
    """Tiles that share edges and corners through centres: no cell is left out and none is filled twice."""
    ego, out = np.zeros(10), np.zeros((CELLS, CELLS), np.uint8)
    x, y = cell_centers(CELLS, CELL_M)
    total = np.zeros((CELLS, CELLS), np.int64)
    xs, ys = [x[-1] - 5, x[40], x[20], x[0] + 5], [y[-1] - 5, y[33], y[10], y[0] + 5]
    for a, b in itertools.pairwise(xs):
        for p, q in itertools.pairwise(ys):
            shape = Polygons.build([[np.array([[a, p], [b, p], [b, q], [a, q], [a, p]])]])
            out[:] = 0
            scratch = np.zeros((CELLS, CELLS + 1), np.uint8)
            k.fill_polygon(out, scratch, shape.points, shape.rings, 0, 1, k.view_of(ego, CELL_M), 1)
            total += out
    np.testing.assert_array_equal(total, 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.5, None]))
def test_boxes_and_lines_against_a_slow_twin(seed: int, quarter_turns: float | None) -> None:
    rng = np.random.default_rng(seed)
    center, length, width = rng.uniform(-30, 40, 2), rng.uniform(0.2, 25), rng.uniform(0.2, 4)
    heading = rng.uniform(-7, 7) if quarter_turns is None else quarter_turns * np.pi
    ego, out = np.zeros(10), np.zeros((CHANNELS, CELLS, CELLS), np.uint8)
    box, frames = np.array([[*center, heading, length, width]]), np.array([[0, 1]], np.int64)
    k.draw_objects(out, ego, CELL_M, np.zeros(1, np.uint8), box, np.zeros((1, 2)), frames)
    ahead, aside = np.array([np.cos(heading), np.sin(heading)]), np.array([-np.sin(heading), np.cos(heading)])
    least = 2 * k.BOX_CELLS * CELL_M
    across = np.abs((centers() - center) @ aside) - 0.5 * max(width, least)
    along = np.abs((centers() - center) @ ahead) - 0.5 * max(length, least)
    agree(out[k.VEHICLE] == 255, (across < 0) & (along < 0), np.abs(np.maximum(across, along)))
    out[:] = 0
    half, start = rng.uniform(0.3, 2.0), center - 0.5 * length * ahead
    u, v = k.to_cells(*start, k.view_of(ego, CELL_M), CELLS)
    bar = k.RasterBar(u, v, -ahead[0], -ahead[1], length / CELL_M, half / CELL_M)
    k.draw_bar(out, 3, bar, True, 9, -1, 0, 0)
    gap = to_segments(centers(), np.stack([start, start + length * ahead])) - half
    agree(out[3] == 9, gap < 0, np.abs(gap))


@settings(max_examples=100, deadline=None)
@given(st.floats(-15, 30), st.floats(-20, 20), st.floats(-4, 4))
def test_nobody_is_lost_between_cells(x: float, y: float, heading: float) -> None:
    out = np.zeros((CHANNELS, CELLS, CELLS), np.uint8)
    box, frames = np.array([[x, y, heading, 0.3, 0.3]]), np.array([[0, 1]], np.int64)
    k.draw_objects(out, np.zeros(10), CELL_M, np.ones(1, np.uint8), box, np.zeros((1, 2)), frames)
    if -11 < x < 34:
        assert out[k.PEDESTRIAN].any()


def test_a_scene_is_what_its_parts_are(tiny_world: Any, world: Any, drives: list[Any]) -> None:
    drive, frame = drives[1], 130
    scene = LogScenes(drive, world, load_vehicle(), SPEC).at(frame)
    picture, ego = raster(scene), drive.ego[frame]
    for kind, channel in ((0, RasterChannel.DRIVABLE), (1, RasterChannel.CROSSWALK)):
        rings = [local(r, ego) for r in world.areas.polygons[kind]]
        agree(picture[channel] == 255, inside(centers(), rings), to_segments(centers(), rings[0]))
    route = [r for r in range(len(world.lanes)) if world.lanes.block[r] in world.block_rows(scene.route)]
    surface, distance = np.zeros((CELLS, CELLS), bool), np.full((CELLS, CELLS), np.inf)
    for r in route:
        ring = local(world.lanes.polygons[r][0], ego)
        surface |= inside(centers(), [ring])
        distance = np.minimum(distance, to_segments(centers(), ring))
    agree(picture[RasterChannel.ROUTE] == 255, surface, distance)
    assert picture[RasterChannel.SPEED_LIMIT].max() == round(13.4 / 40 * 255)
    lane = picture[RasterChannel.LANE] == 255
    c, s = ((picture[ch].astype(float) - 128) / 127 for ch in (RasterChannel.LANE_COS, RasterChannel.LANE_SIN))
    np.testing.assert_allclose(np.hypot(c, s)[lane], 1.0, atol=0.02)
    assert not c[~lane].any()
    light = drive.lights.state[drive.lights.rows(frame)][0]
    stop, go = picture[RasterChannel.LIGHT_STOP], picture[RasterChannel.LIGHT_GO]
    assert (stop.any(), go.any()) == ((True, False) if light == 2 else (False, True))


def test_agents_fade_and_tell_their_velocity(world: Any, drives: list[Any]) -> None:
    drive, frame = drives[0], 120
    picture, ego = raster(LogScenes(drive, world, load_vehicle(), SPEC).at(frame)), drive.ego[frame]
    rows = drive.objects.rows(frame)
    x, y = cell_centers(CELLS, CELL_M)
    lead = drive.objects.box[rows][0]
    place = local(lead[None, :2], ego)[0]
    i, j = int(np.abs(x - place[0]).argmin()), int(np.abs(y - place[1]).argmin())
    assert picture[RasterChannel.VEHICLE, i, j] == 255
    turn = drive.objects.velocity[rows][0]
    forward = np.cos(ego[2]) * turn[0] + np.sin(ego[2]) * turn[1]
    assert picture[RasterChannel.VELOCITY_X, i, j] == k.signed(forward, k.VELOCITY_MPS)
    trail = picture[RasterChannel.VEHICLE, :, j]
    trail = trail[(trail > 0) & (trail < 255)]
    assert trail.min() >= k.OLDEST
    assert len(np.unique(trail)) > 5
    assert (picture[RasterChannel.STATIC] == 255).any()
    now = (picture[RasterChannel.VEHICLE : RasterChannel.BICYCLE + 1] == 255).any(0)
    assert (picture[RasterChannel.VELOCITY_X][~now] == 128).all()


def turned(world: MapData, drive: Any, angle: float, shift: np.ndarray) -> tuple[MapData, Any]:
    """The whole world, rotated about the origin of its frame's START and shifted."""
    c, s = np.cos(angle), np.sin(angle)
    pivot = drive.ego[0, :2].copy()

    def move(points: np.ndarray) -> np.ndarray:
        d = points - pivot
        return np.stack([c * d[:, 0] - s * d[:, 1], s * d[:, 0] + c * d[:, 1]], 1) + pivot + shift

    def lines(p: Any) -> Any:
        return replace(p, points=move(p.points))

    la = world.lanes
    moved = replace(
        world,
        lanes=replace(la, polygons=lines(la.polygons), centerlines=lines(la.centerlines), left=lines(la.left),
        right=lines(la.right)),
        areas=replace(world.areas, polygons=lines(world.areas.polygons)),
    )  # fmt: skip
    ego, box, velocity = drive.ego.copy(), drive.objects.box.copy(), drive.objects.velocity
    ego[:, :2], box[:, :2] = move(ego[:, :2]), move(box[:, :2])
    ego[:, 2] += angle
    box[:, 2] += angle
    turn = np.stack([c * velocity[:, 0] - s * velocity[:, 1], s * velocity[:, 0] + c * velocity[:, 1]], 1)
    grids = {
        LayerKind(int(drive.layers.kind[i])).name.lower(): replace(
            g := drive.layers[i], pose=(*move(np.array([g.pose[:2]]))[0], g.pose[2] + angle)
        )
        for i in range(len(drive.layers))
    }
    objects = replace(drive.objects, box=box, velocity=turn)
    return moved, replace(drive, ego=ego, objects=objects, layers=RasterLayers.build(grids))


@pytest.mark.parametrize("angle", [0.3, 2.0, -1.1])
def test_a_turned_world_looks_the_same(world: Any, drives: list[Any], angle: float) -> None:
    rng = np.random.default_rng(7)
    ground = {
        "friction": Grid(
            rng.random((40, 60), np.float32), 1.3, (drives[1].ego[130, 0] - 20, drives[1].ego[130, 1] - 20, 0.4)
        )
    }
    drive = replace(drives[1], layers=RasterLayers.build(ground))
    other, moved = turned(world, drive, angle, np.array([1234.5, -321.1]))
    ego, off = drive.ego[130].copy(), np.array([0.123, 0.057, 0.0137])  # so that no edge lies on a row of centres
    ego[:3] += off
    c, s = np.cos(angle), np.sin(angle)
    ego_moved = moved.ego[130].copy()
    ego_moved[:3] += [c * off[0] - s * off[1], s * off[0] + c * off[1], off[2]]
    a = raster(LogScenes(drive, world, load_vehicle(), SPEC).at(130, ego))
    b = raster(LogScenes(moved, other, load_vehicle(), SPEC).at(130, ego_moved))
    assert (a[RasterChannel.FRICTION_KNOWN] == 255).any()
    differ = np.abs(a.astype(int) - b.astype(int))
    assert (differ > 1).sum() <= 3, "but for cells on an edge"
    assert (differ == 1).sum() <= 40, "but for codes that round the other way"


@pytest.mark.parametrize("frame", [0, 7, 130])
def test_log_and_observation_give_the_same_raster(tiny_world: Any, world: Any, drives: list[Any], frame: int) -> None:
    rng = np.random.default_rng(0)
    x, y = drives[0].ego[0, :2]
    layers = RasterLayers.build({
        "grade": Grid(rng.normal(0, 0.1, (50, 80)).astype(np.float32), 2.0, (x - 60, y - 60, 0.2)),
        "occupancy": [Grid(rng.random((30, 30), np.float32), 0.5, (x + f, y, 0.1 * f), f) for f in (0, 5, 100)],
    })  # fmt: skip
    with_layers = [replace(d, layers=layers) for d in drives]
    obs = replace(tiny_world.observe(drives, world, [frame] * 3), layers=tuple(layers.at(frame) for _ in drives))
    seen = build_features(SPEC, scenes_of(obs, SPEC))["raster"]
    logged = build_features(SPEC, [LogScenes(d, world, load_vehicle(), SPEC).at(frame) for d in with_layers])["raster"]
    np.testing.assert_array_equal(logged, seen)
    assert seen[:, RasterChannel.OCCUPANCY_KNOWN].any()
    alone = build_features(SPEC, scenes_of(obs.select([2]), SPEC))["raster"]
    np.testing.assert_array_equal(alone[0], seen[2])


def test_an_empty_place_and_no_agents(tiny_world: Any, world: Any, drives: list[Any]) -> None:
    none, line, ragged = np.zeros(0, np.int64), Polylines.build([]), Ragged.build([])
    lanes = replace(
        world.lanes, id=none, kind=none.astype(np.uint8), block=none, lane_index=none, speed_limit_mps=np.zeros(0),
        has_speed_limit=none.astype(bool), has_light=none.astype(bool), polygons=Polygons.build([]), centerlines=line,
        left=line,
        right=line, successors=ragged, predecessors=ragged, stops=ragged, left_line=none, right_line=none,
    )  # fmt: skip
    areas = replace(world.areas, id=none, kind=none.astype(np.uint8), subtype=none, polygons=Polygons.build([]))
    bare = replace(world, lanes=lanes, areas=areas)
    scene = LogScenes(drives[0], world, load_vehicle(), SPEC).at(40)
    blank = raster(
        replace(
            scene,
            map=bare,
            frames=np.zeros((21, 2), np.int64),
            light_lane=none,
            light_state=none.astype(np.uint8),
            route=none,
        )
    )
    expected = np.zeros_like(blank)
    expected[
        [
            RasterChannel.LANE_COS,
            RasterChannel.LANE_SIN,
            RasterChannel.VELOCITY_X,
            RasterChannel.VELOCITY_Y,
            RasterChannel.GRADE,
        ]
    ] = 128
    np.testing.assert_array_equal(blank, expected)
    far = scene.ego.copy()
    far[:2] += 1e5
    np.testing.assert_array_equal(raster(replace(scene, ego=far)), expected)


def test_without_a_raster_there_is_no_array() -> None:
    assert "raster" not in allocate(replace(SPEC, raster_cells=0), 2)
    assert allocate(SPEC, 2)["raster"].shape == (2, CHANNELS, CELLS, CELLS)


def test_degenerate_polygons_are_left_out(world: Any) -> None:
    bent = Polygons.build([[world.areas.polygons[0][0]], []])
    broken = replace(world, areas=replace(world.areas, polygons=bent))
    assert len(raster_map(broken).areas.lane) == 1 + len(world.lanes)
    assert raster_map(broken) is raster_map(broken)


# ---- raster layers -------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(list(LayerKind)))
def test_layers_against_a_slow_twin(seed: int, kind: LayerKind) -> None:
    rng = np.random.default_rng(seed)
    ego, (low, high) = pose(rng), LAYER_RANGE[kind]
    values = rng.uniform(low - 0.1, high + 0.1, (rng.integers(1, 30), rng.integers(1, 30))).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    cell_m = rng.uniform(0.3, 4.0)
    corner = np.array([*(ego[:2] + rng.uniform(-30, 30, 2)), rng.uniform(-4, 4)])
    out = np.zeros((CHANNELS, CELLS, CELLS), np.uint8)
    k.draw_grid(out, ego, CELL_M, int(kind), corner, cell_m, values, (low, high))
    c, s = np.cos(ego[2]), np.sin(ego[2])
    at = centers()
    world = np.stack([c * at[..., 0] - s * at[..., 1], s * at[..., 0] + c * at[..., 1]], -1) + ego[:2]
    column, row = np.moveaxis(local(world, corner) / cell_m - 0.5, -1, 0)
    rows, columns = values.shape
    within = (column >= -0.5) & (column <= columns - 0.5) & (row >= -0.5) & (row <= rows - 0.5)
    column, row = np.clip(column, 0, columns - 1), np.clip(row, 0, rows - 1)
    c0, r0 = np.floor(column).astype(int), np.floor(row).astype(int)
    c1, r1 = np.minimum(c0 + 1, columns - 1), np.minimum(r0 + 1, rows - 1)
    fx, fy = column - c0, row - r0
    parts = [(r0, c0, (1 - fx) * (1 - fy)), (r0, c1, fx * (1 - fy)), (r1, c0, (1 - fx) * fy), (r1, c1, fx * fy)]
    value = sum(w * values[r, q] for r, q, w in parts)
    wanted = within & ~np.isnan(value)
    known = out[k.FIRST_LAYER + k.LAYERS + kind] == 255
    assert (known != wanted).sum() <= 1, "but for a centre on the rim"
    both = known & wanted
    share = np.clip((value - low) / (high - low), 0, 1)
    code = 1 + 254 * share if low < 0 else 255 * share
    np.testing.assert_allclose(out[k.FIRST_LAYER + kind][both], code[both], atol=0.5 + 1e-4)
    assert not out[k.FIRST_LAYER + kind][~known].any()


def test_unknown_where_there_are_none_or_nan(world: Any, drives: list[Any]) -> None:
    scene = LogScenes(drives[0], world, load_vehicle(), SPEC).at(40)
    assert not raster(scene)[RasterChannel.GRADE_KNOWN :].any()
    x, y = scene.ego[:2]
    holes = np.full((100, 100), 0.5, np.float32)
    holes[:, :50] = np.nan
    picture = raster(replace(scene, layers=RasterLayers.build({"friction": Grid(holes, 1.0, (x - 50, y - 50, 0.0))})))
    known = picture[RasterChannel.FRICTION_KNOWN] == 255
    assert known[:40].all(), "ahead, for the ego looks east"
    assert not known[-10:].any()
    assert (picture[RasterChannel.FRICTION][known] == 128).all()
    assert not picture[RasterChannel.TRAVERSABILITY_KNOWN].any()


def test_a_perceived_grid_lies_where_the_ego_saw_it(world: Any, drives: list[Any]) -> None:
    """A grid of the raster's own cells, made in the ego frame, comes out as it went in."""
    drive = drives[2]
    ego, rng = drive.ego[200], np.random.default_rng(3)
    values = np.round(rng.random((CELLS, CELLS)) * 255) / 255  # [row, column]: y to the left, x forward
    back, right = (CELLS // 4) * CELL_M, 0.5 * CELLS * CELL_M
    c, s = np.cos(ego[2]), np.sin(ego[2])
    corner = (ego[0] - c * back + s * right, ego[1] - s * back - c * right, float(ego[2]))
    layers = RasterLayers.build({"occupancy": Grid(values.astype(np.float32), CELL_M, corner)})
    picture = raster(replace(LogScenes(drive, world, load_vehicle(), SPEC).at(200), layers=layers))
    assert (picture[RasterChannel.OCCUPANCY_KNOWN] == 255).all()
    np.testing.assert_array_equal(picture[RasterChannel.OCCUPANCY], np.round(values * 255)[::-1, ::-1].T)


def test_grids_hold_until_the_next_of_their_kind() -> None:
    def grid(v: float, frame: int) -> Grid:
        return Grid(np.full((1, 1), v, np.float32), 1.0, frame=frame)

    layers = RasterLayers.build({"occupancy": [grid(1.0, 10), grid(2.0, 20)], "grade": grid(3.0, 0)})
    held = [
        sorted(float(layers.at(f)[i].values[0, 0]) for i in range(len(layers.at(f)))) for f in (0, 9, 10, 19, 20, 99)
    ]
    assert held == [[3.0], [3.0], [1.0, 3.0], [1.0, 3.0], [2.0, 3.0], [2.0, 3.0]]
    later = layers.shifted(15)
    assert sorted(float(later.at(0)[i].values[0, 0]) for i in range(2)) == [1.0, 3.0]
    assert layers.at(20).values is layers.values


@pytest.mark.parametrize(
    ("grids", "words"),
    [
        ({"frictoin": Grid(np.ones((2, 2), np.float32), 1.0)}, "no such raster layer: frictoin"),
        ({"friction": Grid(np.ones(4, np.float32), 1.0)}, "friction: values are float32 \\(4,\\)"),
        ({"grade": Grid(np.ones((0, 3), np.float32), 1.0)}, "grade: values are"),
        ({"grade": Grid(np.ones((2, 2), np.float32), 0.0)}, "grade: cell_m is 0.0"),
        ({"grade": Grid(np.ones((2, 2), np.float32), 1.0, (0.0, np.nan, 0.0))}, "grade: pose is"),
    ],
)
def test_bad_layers_are_named(grids: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        RasterLayers.build(grids)


def test_layers_that_do_not_fit_are_refused(tiny_world: Any, world: Any, drives: list[Any]) -> None:
    layers = RasterLayers.build({"grade": Grid(np.ones((4, 4), np.float32), 1.0)})
    with pytest.raises(DataError, match="more than there are values"):
        replace(layers, shape=np.array([[5, 4]]))
    with pytest.raises(DataError, match="pose has shape"):
        replace(layers, pose=np.zeros((1, 2)))
    with pytest.raises(DataError, match="unknown kind"):
        replace(layers, kind=np.array([9], np.uint8))
    obs = replace(tiny_world.observe(drives, world, [50] * 3), layers=(layers,))
    with pytest.raises(DataError, match="raster layers of 1 scenes"):
        scenes_of(obs, SPEC)
