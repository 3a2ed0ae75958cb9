"""The bird's-eye raster: one scene with 32 agents and their history, beside its floor, the writing of its bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from roadcraft.core.arrays import Polygons, Polylines, Ragged
from roadcraft.core.data.layers import Grid, RasterLayers
from roadcraft.core.driving.features.build import allocate
from roadcraft.core.driving.features.map_tensors import feature_map
from roadcraft.core.driving.features.raster import write_raster
from roadcraft.core.driving.features.scene import LogScenes, SceneArrays
from roadcraft.core.types import FeatureSpec
from roadcraft.core.vehicles.vehicle import load_vehicle

SIZES = {"128 cells": (128, 0.75), "192 cells": (192, 0.5)}
AGENTS, PAST = 32, 21


def spec_of(size: str) -> FeatureSpec:
    cells, cell_m = SIZES[size]
    return FeatureSpec(lane_points=10, raster_cells=cells, raster_cell_m=cell_m)


def tiled(traffic: Any, side: int) -> Any:
    """The junction ``side`` x ``side`` times, 350 m apart: a map as large as a town, alike everywhere."""
    shifts = [np.array([350.0 * (i - side // 2), 350.0 * (j - side // 2)]) for i in range(side) for j in range(side)]
    n, la, ar = len(shifts), traffic.lanes, traffic.areas

    def polygons(p: Any) -> Any:
        return Polygons.build([[r + s for r in p[i]] for s in shifts for i in range(len(p))])

    def lines(p: Any) -> Any:
        return Polylines.build([p[i] + s for s in shifts for i in range(len(p))])

    def rows(p: Any, of: int) -> Any:
        return Ragged.build([p[i] + of * t for t in range(n) for i in range(len(p))])

    count, blocks = len(la), len(traffic.blocks)
    lanes = replace(
        la, **{k: np.tile(getattr(la, k), n) for k in ("kind", "lane_index", "speed_limit_mps", "has_speed_limit",
        "has_light", "left_line", "right_line")},
        id=np.arange(n * count), block=(la.block + blocks * np.arange(n)[:, None]).ravel(),
        polygons=polygons(la.polygons),
        centerlines=lines(la.centerlines), left=lines(la.left), right=lines(la.right), successors=rows(la.successors,
        count),
        predecessors=rows(la.predecessors, count), stops=Ragged.build([[]] * (n * count)),
    )  # fmt: skip
    areas = replace(
        ar,
        id=np.arange(n * len(ar)),
        kind=np.tile(ar.kind, n),
        subtype=np.tile(ar.subtype, n),
        polygons=polygons(ar.polygons),
    )
    order = np.argsort(areas.kind, kind="stable")
    areas = replace(areas, kind=areas.kind[order], polygons=Polygons.build([areas.polygons[int(i)] for i in order]))
    return replace(
        traffic, lanes=lanes, areas=areas, blocks=replace(traffic.blocks, lanes=rows(traffic.blocks.lanes, count))
    )


def busy(tiny_world: Any, traffic: Any, spec: FeatureSpec) -> SceneArrays:
    """A scene at the junction with 32 vehicles around the ego, each with 21 frames of history."""
    junction = tiny_world.make_map()
    drive = tiny_world.make_drive(junction, 1)
    scene = LogScenes(drive, junction, load_vehicle(), spec).at(130)
    rng = np.random.default_rng(0)
    start, heading = scene.ego[:2] + rng.uniform(-25, 40, (AGENTS, 2)), rng.uniform(-3, 3, AGENTS)
    velocity = 8.0 * np.stack([np.cos(heading), np.sin(heading)], 1)
    box = np.zeros((PAST, AGENTS, 5))
    box[:, :, :2] = start + 0.1 * np.arange(1 - PAST, 1)[:, None, None] * velocity
    box[:, :, 2], box[:, :, 3:] = heading, (4.7, 1.9)
    first = AGENTS * np.arange(PAST)
    return replace(
        scene, map=traffic, key=np.tile(np.arange(AGENTS), PAST), kind=np.zeros(PAST * AGENTS, np.uint8),
        box=box.reshape(-1, 5),
        velocity=np.tile(velocity, (PAST, 1)), frames=np.stack([first, first + AGENTS], 1),
    )  # fmt: skip


def draw(benchmark: Any, scene: SceneArrays, spec: FeatureSpec) -> None:
    fm, out = feature_map(scene.map, spec.lane_points), allocate(spec, 1)["raster"]
    run = lambda: write_raster(scene, fm, spec.raster_cell_m, out, 0)  # noqa: E731
    run()
    benchmark(run)
    benchmark.extra_info["bytes"] = out.nbytes


@pytest.mark.parametrize("size", SIZES)
def test_a_busy_scene(benchmark: Any, tiny_world: Any, size: str) -> None:
    draw(benchmark, busy(tiny_world, tiny_world.make_map(), spec_of(size)), spec_of(size))


def test_a_busy_scene_in_a_map_a_hundred_times_as_large(benchmark: Any, tiny_world: Any) -> None:
    spec = spec_of("192 cells")
    draw(benchmark, busy(tiny_world, tiled(tiny_world.make_map(), 10), spec), spec)


def test_with_five_layers_of_the_ground(benchmark: Any, tiny_world: Any) -> None:
    spec = spec_of("192 cells")
    scene = busy(tiny_world, tiny_world.make_map(), spec)
    x, y = scene.ego[:2]
    grid = Grid(np.random.default_rng(0).random((400, 400), np.float32), 0.5, (x - 100, y - 100, 0.3))
    names = ("grade", "friction", "roughness", "traversability", "occupancy")
    draw(benchmark, replace(scene, layers=RasterLayers.build(dict.fromkeys(names, grid))), spec)


@pytest.mark.parametrize("size", SIZES)
def test_floor_the_bytes_alone(benchmark: Any, size: str) -> None:
    out = allocate(spec_of(size), 1)["raster"]
    benchmark(lambda: out.fill(1))
    benchmark.extra_info["bytes"] = out.nbytes
