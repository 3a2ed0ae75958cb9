"""Speed of the metrics: all of a closed-loop scenario, and the kernels below them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from queries import distance_to_any, overlap_matrix

from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.rollout_context import RolloutContext
from roadcraft.core.data.scenario import ObjectFrames, Tracks
from roadcraft.core.driving.map_index.index import containing
from roadcraft.core.testing import made_up_map, made_up_rollout
from roadcraft.core.testing.world import ORIGIN
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.validation.metrics import challenge_metrics, evaluate, freight_metrics

OBJECTS = 40
CHALLENGE = "closed_loop_nonreactive_agents"


@pytest.fixture(scope="module")
def crowded() -> Rollout:
    """15 s of the made-up world with 40 objects, most of them level with ego or ahead of it."""
    rollout = made_up_rollout()
    n, rng = len(rollout), np.random.default_rng(0)
    start = np.column_stack([rng.uniform(0, 200, OBJECTS), rng.uniform(-15, 15, OBJECTS)]) + ORIGIN
    speed = rng.uniform(0, 10, OBJECTS)
    box = np.zeros((n, OBJECTS, 5))
    box[..., 0] = start[:, 0] + speed * np.arange(n)[:, None] * 0.1
    box[..., 1] = start[:, 1]
    box[..., 3:] = [4.5, 1.9]
    velocity = np.zeros((n, OBJECTS, 2))
    velocity[..., 0] = speed
    ids = np.arange(OBJECTS)
    tracks = Tracks(
        ids.astype(np.uint64), np.zeros(OBJECTS, np.uint8), ids, np.zeros(OBJECTS, np.uint8), np.ones(OBJECTS)
    )
    objects = ObjectFrames(np.arange(n + 1) * OBJECTS, np.tile(ids, n), box.reshape(-1, 5), velocity.reshape(-1, 2))
    return replace(rollout, drive=replace(rollout.drive, tracks=tracks, objects=objects))


def test_closed_loop_metrics(benchmark: Any, crowded: Rollout) -> None:
    metrics = challenge_metrics(CHALLENGE)
    benchmark(evaluate, crowded, CHALLENGE, metrics=metrics)


def test_freight_metrics_beside_them(benchmark: Any, crowded: Rollout) -> None:
    """What the freight score costs in addition: nuPlan's metrics are computed before, and share what they found."""
    truck, ego = load_vehicle("us_sleeper_53", load="loaded"), crowded.drive.ego.copy()
    ego[:, 0] += 50.0  # all units on the road
    drive = replace(crowded.drive, ego=ego, joints=np.zeros((len(ego), 1)))
    rollout, own, further = (
        replace(crowded, drive=drive, vehicle=truck),
        challenge_metrics(CHALLENGE),
        freight_metrics(),
    )

    def judged_before() -> tuple[tuple[RolloutContext], dict[str, Any]]:
        context = RolloutContext(rollout)
        for metric in own.values():
            metric.compute(context)
        return (context,), {}

    benchmark.pedantic(lambda c: [m.compute(c) for m in further.values()], setup=judged_before, rounds=50)


def test_containing_lanes(benchmark: Any) -> None:
    layer = made_up_map().index.lanes
    points = np.random.default_rng(0).uniform([0, -6], [400, 6], (1000, 2)) + np.array(ORIGIN)
    benchmark(containing, layer, points)


def test_distance_to_drivable_area(benchmark: Any) -> None:
    layer = made_up_map().index.drivable
    points = np.random.default_rng(0).uniform([0, -20], [400, 20], (1000, 2)) + np.array(ORIGIN)
    benchmark(distance_to_any, layer, points)


def test_overlap_matrix(benchmark: Any) -> None:
    boxes = np.random.default_rng(0).uniform([0, 0, -3, 1, 1], [60, 60, 3, 6, 3], (100, 5))
    benchmark(overlap_matrix, boxes, boxes)


def test_build_index(benchmark: Any) -> None:
    benchmark.pedantic(lambda m: m.index, lambda: ((made_up_map(),), {}), rounds=20)
