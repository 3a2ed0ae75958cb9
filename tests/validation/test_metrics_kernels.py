"""Metric kernels against slow twins written with sets, shapely and numpy, on random inputs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings, strategies as st

from roadcraft.core.driving.geometry.boxes import corners
from roadcraft.core.driving.readonly import frozen
from roadcraft.validation.metrics.common.dynamics import p90
from roadcraft.validation.metrics.common.events import runs
from roadcraft.validation.metrics.common.progress import _pairs
from roadcraft.validation.metrics.kernels.contacts import in_collision
from roadcraft.validation.metrics.kernels.corners import APART, COMMON, OUTSIDE, common_or_connected, corner_route
from roadcraft.validation.metrics.kernels.routes import Graph, thin_all


def ragged(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    return frozen(np.array([x for r in rows for x in r]), np.int64), frozen(offsets, np.int64)


def random_graph(rng: np.random.Generator, lanes: int = 4, connectors: int = 5) -> tuple[np.ndarray, list, list]:
    """Kinds, successors and predecessors of a made-up lane graph: connectors lead from lanes to lanes."""
    kind = np.array([0] * lanes + [1] * connectors, np.uint8)
    after: list[list[int]] = [[] for _ in kind]
    before: list[list[int]] = [[] for _ in kind]
    for c in range(lanes, lanes + connectors):
        a, b = (int(x) for x in rng.integers(0, lanes, 2))
        after[a].append(c)
        before[c].append(a)
        after[c].append(b)
        before[b].append(c)
    return kind, after, before


def random_rows(rng: np.random.Generator, lanes: int, connectors: int) -> list[int]:
    """What may hold one point: at most one lane, any connectors, ascending."""
    one = [int(rng.integers(0, lanes))] if rng.random() < 0.5 else []
    return one + [c for c in range(lanes, lanes + connectors) if rng.random() < 0.35]


def slow_corner_route(held: list[list[int]], kind: np.ndarray, after: list[list[int]]) -> list[list[list[int]]]:
    out, candidates = [], []
    for i in range(len(held) // 4):
        step, following = [], []
        for c in range(4):
            here = held[4 * i + c]
            found = [r for r in candidates if r in here]
            if not found and len(candidates) == 1:
                found = [r for r in after[candidates[0]] if r in here]
            if not found:
                found = [r for r in here if kind[r] == 0] or [r for r in here if kind[r] == 1]
                if i == 1:
                    candidates = candidates + [r for r in found if r not in candidates]
            following += [r for r in found if r not in following]
            step.append(found)
        out.append(step)
        candidates = following
    return out


def slow_common(step: list[list[int]], after: list[list[int]], before: list[list[int]]) -> set[int] | None:
    if not any(step):
        return set()
    if not all(step):
        return None
    front_left, rear_left, rear_right, front_right = (set(s) for s in step)
    common = front_left & rear_left & rear_right & front_right
    if common:
        return common
    right_on = rear_right | {e for r in rear_right for e in after[r]}
    left_on = rear_left | {e for r in rear_left for e in after[r]}
    if not (rear_left & right_on) | (rear_right & left_on):
        return None
    left_in = front_left | {e for r in front_left for e in before[r]}
    right_in = front_right | {e for r in front_right for e in before[r]}
    return (left_in & right_on & right_in & left_on) or None


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_corner_routes_and_common_lanes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kind, after, before = random_graph(rng)
    graph = Graph(frozen(kind, np.uint8), *ragged(after), *ragged(before))
    held = [random_rows(rng, 4, 5) for _ in range(4 * 8)]
    rows, count, fault = corner_route(*ragged(held), graph)
    assert fault == -1
    expected = slow_corner_route(held, kind, after)
    assert [[rows[i, c, : count[i, c]].tolist() for c in range(4)] for i in range(8)] == expected
    state, values, offsets = common_or_connected(rows, count, graph)
    for i in range(8):
        slow = slow_common(expected[i], after, before)
        assert state[i] == (APART if slow is None else COMMON if slow else OUTSIDE)
        assert set(values[offsets[i] : offsets[i + 1]].tolist()) == (slow or set())


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_thinning_of_connectors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kind, after, before = random_graph(rng)
    entries = []
    for _ in range(10):
        r = random_rows(rng, 4, 5)
        entries.append([x for x in r if kind[x] == 0] or [x for x in r if kind[x] == 1])
    rows, count = np.full((10, 6), -1, np.int64), np.array([len(e) for e in entries])
    for i, e in enumerate(entries):
        rows[i, : len(e)] = e
    thin_all(rows, count, Graph(frozen(kind, np.uint8), *ragged(after), *ragged(before)))
    slow = [list(e) for e in entries]
    for i in range(8, -1, -1):
        own, following = slow[i], slow[i + 1]
        if len(own) <= 1:
            continue
        if len(own) > len(following) and all(f in own for f in following):
            slow[i] = following
        if following and kind[following[0]] == 0:
            slow[i] = [o for o in own if o in before[following[0]]] or slow[i]
    assert [rows[i, : count[i]].tolist() for i in range(10)] == slow


def test_overlapping_lanes_are_told() -> None:
    held = [[0], [0], [0], [0], [1], [1], [0, 1], [1]]
    graph = Graph(frozen(np.zeros(2), np.uint8), *ragged([[], []]), *ragged([[], []]))
    # the third corner of the second step is under a candidate, so nothing is searched and nothing noticed, as in the
    # reference
    _, _, fault = corner_route(*ragged(held), graph)
    assert fault == -1
    held[2] = [0, 1]
    held[0] = held[1] = []
    _, _, fault = corner_route(*ragged(held), graph)
    assert fault == 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_pairs_of_the_expert_route(seed: int) -> None:
    rng = np.random.default_rng(seed)
    block = rng.integers(0, 3, 6)
    entries = [[int(x) for x in rng.permutation(6)[: rng.integers(0, 3)]] for _ in range(12)]
    rows, count = np.full((12, 3), -1, np.int64), np.array([len(e) for e in entries])
    for i, e in enumerate(entries):
        rows[i, : len(e)] = e
    kept: list[list[int]] = []
    for e in entries:
        if e and not (kept and set(kept[-1]) & set(e)):
            kept.append(e)
    pairs: list[list[int]] = []
    for e in kept:
        if not pairs or pairs[-1][0] != block[e[0]]:
            pairs.append([int(block[e[0]]), e[0]])
    assert _pairs(frozen(rows, np.int64), frozen(count, np.int64), frozen(block, np.int64)).tolist() == pairs


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_collision_is_a_touch_within_the_radii(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = rng.uniform([-5, -5, -4, 0.1, 0.1], [5, 5, 4, 6, 3], (30, 5)) + np.array([664_000.0, 3_997_000.0, 0, 0, 0])
    shapes = shapely.polygons(corners(boxes))
    for i in range(29):
        a, b = boxes[i], boxes[i + 1]
        near = math.hypot(a[0] - b[0], a[1] - b[1]) < (math.hypot(a[3], a[4]) + math.hypot(b[3], b[4])) / 2
        assert in_collision(a, b) == (near and shapes[i].intersects(shapes[i + 1]))


@pytest.mark.parametrize(("n", "index"), [(1, 0), (2, 1), (5, 4), (10, 8), (15, 12), (25, 22), (149, 133), (150, 134)])
def test_p90_is_an_observation(n: int, index: int) -> None:
    assert p90(np.random.default_rng(0).permutation(n).astype(np.float64)) == index


def test_runs() -> None:
    first, last = runs(np.array([1, 0, 1, 1, 0, 0, 1], bool))
    assert (first.tolist(), last.tolist()) == ([0, 2, 6], [0, 3, 6])
    assert [len(x) for x in runs(np.zeros(0, bool))] == [0, 0]
