"""The vocabulary of motion tokens: how it is drawn, matched and rolled."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_tokens import motions, poses, slow_corner_distance

from roadcraft.plugins.tokens.geometry import as_pose, as_real, compose, corner_distance
from roadcraft.plugins.tokens.vocabulary import BOXES, POSES, draw, k_disk, labels, made_up, match, roll

BOX = np.array([[4.8, 2.0]], np.float32)


def test_a_vocabulary_covers_its_motions_and_stands_still_first() -> None:
    rng = np.random.default_rng(0)
    seen = motions(rng, 3000)
    words, radius = draw(seen, 0, 100, 0.05, rng)
    assert len(words) <= 100
    assert radius > 0.05, "a hundred tokens cannot cover all that at 5 cm"
    np.testing.assert_array_equal(words[0, :, :2], 0.0)
    gap = [min(slow_corner_distance(m[-1], w[-1], *BOXES[0]) for w in words) for m in seen[:200]]
    assert max(gap) <= radius + 1e-6
    between = [slow_corner_distance(a[-1], b[-1], *BOXES[0]) for i, a in enumerate(words[:40]) for b in words[:i]]
    assert min(between) > radius - 1e-6, "tokens are farther apart than the radius"


def test_a_large_vocabulary_needs_no_larger_radius() -> None:
    words, radius = draw(motions(np.random.default_rng(0), 60), 0, 2048, 0.05, np.random.default_rng(0))
    assert radius == 0.05
    assert len(words) <= 61


def test_faults_of_the_log_are_not_learned() -> None:
    seen = motions(np.random.default_rng(0), 50)
    seen[0, -1, 0], seen[1, -1, 2:], seen[2] = 300.0, (-1.0, 0.0), np.nan
    words, _ = draw(seen, 0, 64, 0.05, np.random.default_rng(0))
    assert np.isfinite(words).all()
    assert words[:, -1, 0].max() < 30.0
    assert words[:, -1, 2].min() > 0.0


def test_k_disk_says_when_it_runs_out() -> None:
    end = np.ascontiguousarray(motions(np.random.default_rng(0), 500)[:, -1])
    assert k_disk(end, 0.01, 4.8, 2.0, 20)[-1] == -1


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_the_made_up_vocabulary(kind: int) -> None:
    words = made_up(kind, 90)
    assert words.shape == (90, POSES, 4)
    np.testing.assert_allclose(np.hypot(words[..., 2], words[..., 3]), 1.0, atol=1e-6)
    assert not words[0, :, :2].any()
    assert len(np.unique(words[:, -1].round(5), axis=0)) == 90


def test_matching_is_by_the_nearest_corners() -> None:
    rng = np.random.default_rng(2)
    words = np.concatenate([made_up(0, 80), made_up(1, 30), made_up(2, 20)])
    end, bounds = np.ascontiguousarray(words[:, -1]), np.array([[0, 80], [80, 110], [110, 130]])
    here, kind = poses(rng, 40), rng.integers(0, 3, 40)
    goal = compose(here, as_pose(torch.from_numpy(motions(rng, 40)[:, -1])))
    size = np.array([BOXES[k] for k in kind], np.float32)
    got = match(as_real(here).numpy(), as_real(goal).numpy(), size, kind, end, bounds)
    for i in range(40):
        low, high = bounds[kind[i]]
        reached = as_real(compose(here[i].expand(high - low, 2), as_pose(torch.from_numpy(end[low:high])))).numpy()
        far = [slow_corner_distance(r, as_real(goal[i]).numpy(), *size[i].astype(float)) for r in reached]
        assert far[got[i] - low] <= min(far) + 1e-5


@pytest.mark.parametrize(("kind", "count", "spread"), [(0, 300, 0.3), (1, 30, 0.1), (2, 20, 0.2)])
def test_labels_are_shared_among_near_tokens(kind: int, count: int, spread: float) -> None:
    rng = np.random.default_rng(4)
    end = np.ascontiguousarray(made_up(kind, count)[:, -1])
    here = poses(rng, 20)
    goal = compose(here, as_pose(torch.from_numpy(motions(rng, 20)[:, -1])))
    size = np.array([BOXES[kind]] * 20, np.float32)
    args = as_real(here).numpy(), as_real(goal).numpy(), size
    got, nearest = labels(*args, end, spread), match(*args, np.zeros(20, np.int64), end, np.array([[0, count]]))
    np.testing.assert_allclose(got.sum(1), 1.0, atol=1e-5)
    assert (got > 1e-3).sum(1).max() > 3
    for i in range(20):
        reached = as_real(compose(here[i].expand(count, 2), as_pose(torch.from_numpy(end)))).numpy()
        far = np.array([slow_corner_distance(r, as_real(goal[i]).numpy(), *size[i].astype(float)) for r in reached])
        want = np.exp(-(far**2 - far.min() ** 2) / (2.0 * spread**2))
        np.testing.assert_allclose(got[i], want / want.sum(), atol=3e-3)
        assert got[i].argmax() == nearest[i]


def test_rolling_does_not_add_up_errors() -> None:
    rng = np.random.default_rng(3)
    words, radius = draw(motions(rng, 5000), 0, 512, 0.05, rng)
    way = [as_pose(torch.tensor([3.0, -2.0, 1.0, 0.0]))]
    for step in motions(rng, 40):
        way.append(compose(way[-1], as_pose(torch.from_numpy(step[-1]))))
    goal, valid = as_real(torch.stack(way)[None]).numpy(), np.ones((1, 41), np.bool_)
    token, pose = roll(
        goal, valid, BOX, np.zeros(1, np.int64), np.ascontiguousarray(words[:, -1]), np.array([[0, len(words)]] * 3)
    )
    gap = corner_distance(
        as_pose(torch.from_numpy(pose)), as_pose(torch.from_numpy(goal)), torch.from_numpy(BOX)[:, None]
    )
    assert gap.max() < 3.0 * radius
    rebuilt = way[0][None]
    for t in range(40):
        rebuilt = compose(rebuilt, as_pose(torch.from_numpy(words[token[:, t], -1])))
    np.testing.assert_allclose(as_real(rebuilt), pose[:, -1], atol=1e-3)


def test_a_gap_in_a_trajectory_is_jumped() -> None:
    goal = np.zeros((1, 6, 4), np.float32)
    goal[..., 0], goal[..., 2] = 2.0 * np.arange(6), 1.0
    valid = np.array([[True, True, False, True, True, True]])
    end = np.ascontiguousarray(made_up(0, 80)[:, -1])
    token, pose = roll(goal, valid, BOX, np.zeros(1, np.int64), end, np.array([[0, 80]] * 3))
    assert token[0, 1] == token[0, 2] == 0
    np.testing.assert_array_equal(pose[0, 3], goal[0, 3])
    assert token[0, 3] > 0
