"""The data path of training: samples, targets, order, weights, streams."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st

from roadcraft.core.data.scenario import Ego
from roadcraft.core.errors import DataError
from roadcraft.core.types import FeatureSpec
from roadcraft.plugins.training.augment.augment import random_numbers
from roadcraft.plugins.training.config import AugmentConfig, BalanceConfig
from roadcraft.plugins.training.data.balance import PATTERNS, patterns, scenario_weights, weigher
from roadcraft.plugins.training.data.order import ROUNDS, BatchOrder, chunks, split_logs, spread, systematic
from roadcraft.plugins.training.data.samples import SampleBuilder, SampleSet, find_samples, log_facts
from roadcraft.plugins.training.data.stream import Stream
from roadcraft.scenario_io import Store

SPEC = FeatureSpec(
    agents=4, static=2, lanes=8, lane_points=10, route_lanes=0, crosswalks=1, reference_points=30, future_agents=3
)


def found(source: Any, every_s: float = 0.5, logs: int | None = None) -> SampleSet:
    names = source.logs()[:logs]
    return find_samples(names, [log_facts(source, log) for log in names], every_s, 3.0)


def same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a.keys() == b.keys()
    for k in a:
        np.testing.assert_array_equal(a[k], b[k], err_msg=k)


def test_samples_lie_on_a_grid_and_have_a_future(made_up_source: Any) -> None:
    samples = found(made_up_source, logs=2)
    assert len(samples) == 2 * 22
    assert set(np.diff(samples.frame[samples.log == 0])) == {10}
    assert samples.frame.max() + 60 <= 280


def test_a_stores_index_and_its_drives_say_the_same(made_up_source: Any, made_up_store: Path) -> None:
    store = Store(made_up_store)
    for log in store.logs():
        assert log_facts(store, log) == log_facts(made_up_source, log)


def test_targets_are_the_logged_future_in_the_ego_frame(made_up_source: Any) -> None:
    builder = SampleBuilder(made_up_source, SPEC)
    log = made_up_source.logs()[1]
    drive = made_up_source.drive(log)
    out = builder.batch(SampleSet((log,), np.zeros(1, np.int32), np.array([100], np.int32)), np.zeros(1, np.int64))
    ego = drive.ego[100]
    c, s = np.cos(ego[2]), np.sin(ego[2])
    d = drive.ego[102:262:2, :2] - ego[:2]
    expected = np.stack([c * d[:, 0] + s * d[:, 1], c * d[:, 1] - s * d[:, 0]], 1)
    np.testing.assert_allclose(out["ego_future"][0, :, :2], expected, atol=1e-4)
    np.testing.assert_allclose(out["ego_future"][0, :, 4], drive.ego[102:262:2, 3], atol=1e-5)
    assert out["ego_future_valid"].all()
    assert out["agent_future_valid"][0, :2].all()


def test_a_future_beyond_the_end_of_the_log_is_not_valid(made_up_source: Any) -> None:
    log = made_up_source.logs()[0]
    samples = SampleSet((log,), np.zeros(1, np.int32), np.array([200], np.int32))
    out = SampleBuilder(made_up_source, SPEC).batch(samples, np.zeros(1, np.int64))
    assert out["ego_future_valid"][0].tolist() == [True] * 39 + [False] * 41
    assert not out["agent_future_valid"][0, :, 39:].any()


def test_batches_depend_on_seed_and_step_alone(made_up_source: Any) -> None:
    samples = found(made_up_source)
    one, two = BatchOrder(samples, 16, 3, 2), BatchOrder(samples, 16, 3, 2)
    forward = [one.rows(k) for k in range(20)]
    for k in (19, 3, 11):
        np.testing.assert_array_equal(two.rows(k), forward[k])
    epoch = np.concatenate(forward[: one.per_round])
    assert len(set(epoch.tolist())) == len(epoch)
    assert not np.array_equal(forward[0], forward[one.per_round])
    config = AugmentConfig(mirror=0.5, agent_dropout=0.5)
    a, b = (
        SampleBuilder(made_up_source, SPEC, keep=1).batch(samples, forward[0], config, random_numbers(0, 5, 16))
        for _ in range(2)
    )
    same(a, b)


def test_few_logs_are_in_use_at_a_time(made_up_source: Any) -> None:
    samples = found(made_up_source)
    order = BatchOrder(samples, 8, 0, 2)
    used = [set(samples.log[order.rows(k)].tolist()) for k in range(order.per_round)]
    assert max(len(u) for u in used) <= 4
    assert set.union(*used) == set(range(6))


def test_parts_of_a_batch_are_the_batch(made_up_source: Any) -> None:
    """What a sample becomes does not depend on the part of the batch it is built in."""
    samples = found(made_up_source)
    rows, config, random = np.arange(12), AugmentConfig(mirror=0.5, agent_dropout=0.5), random_numbers(0, 7, 12)
    builder = SampleBuilder(made_up_source, SPEC)
    whole = builder.batch(samples, rows, config, random)
    halves = [builder.batch(samples, rows[k : k + 6], config, random[k : k + 6]) for k in (0, 6)]
    same(whole, {k: np.concatenate([h[k] for h in halves]) for k in whole})


@pytest.mark.parametrize("workers", [1, 3])
def test_a_stream_keeps_the_order_whatever_the_workers(made_up_source: Any, workers: int) -> None:
    samples = found(made_up_source)
    builder, order = SampleBuilder(made_up_source, SPEC, keep=2), BatchOrder(samples, 16, 3, 2)

    def build(step: int) -> dict[str, Any]:
        return builder.batch(samples, order.rows(step), AugmentConfig(), random_numbers(0, step, 16))

    steps = 3 * order.per_round
    stream = iter(Stream(build, count(2), workers))
    for step in range(2, steps):
        same({k: v.numpy() for k, v in next(stream).items()}, build(step))
    stream.close()  # type: ignore[attr-defined]
    assert len(list(Stream(build, range(3, 5), workers))) == 2


def test_a_stream_tells_what_went_wrong() -> None:
    def build(step: int) -> dict[str, Any]:
        if step == 2:
            raise DataError("the shard is damaged", where="drives/7")
        return {"a": np.full(1, step)}

    stream = iter(Stream(build, count(), 2))
    assert [int(next(stream)["a"]) for _ in range(2)] == [0, 1]
    with pytest.raises(DataError, match="drives/7"):
        next(stream)


def test_logs_are_split_whole_and_stay_where_they_are() -> None:
    logs = [f"log-{k}" for k in range(40)]
    train_logs, held = split_logs(logs, 0.2, 0)
    assert len(held) == 8
    assert not set(train_logs) & set(held)
    _, more = split_logs([*logs, "new"], 0.2, 0)
    assert len(set(held) - set(more)) <= 1


def test_chunks_spread_over_all_samples() -> None:
    rows = list(chunks(spread(100, 24), 8))
    assert [len(r) for r in rows] == [8, 8, 8]
    assert (rows[0][0], rows[-1][-1]) == (0, 99)
    assert [len(r) for r in chunks(spread(10, 24), 8)] == [8, 2]


# ---- weights -------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.0, 9.0), min_size=1, max_size=30), st.integers(1, 90), st.floats(0.0, 0.999))
def test_systematic_sampling_gives_everyone_its_share(weights: list[float], size: int, offset: float) -> None:
    w = np.array(weights)
    if w.sum() < 1e-6:
        w += 1.0
    copies = systematic(w, size, offset)
    assert copies.sum() == size
    expected = w * size / w.sum()
    assert (np.abs(copies - expected) < 1.0 + 1e-6).all()


def test_equal_weights_are_an_epoch(made_up_source: Any) -> None:
    samples = found(made_up_source)
    order = BatchOrder(samples, 12, 0, 2, lambda progress: np.ones(len(samples)), steps=100_000)
    epoch = np.concatenate([order.rows(k) for k in range(order.per_round)])
    assert order.per_round == len(samples) // 12
    assert len(set(epoch.tolist())) == len(epoch)


def test_patterns_tell_turns_from_straights(made_up_source: Any) -> None:
    """Routes by turns: straight, left, right (``tiny_world``)."""
    samples = found(made_up_source, every_s=0.25)
    kind = patterns(made_up_source, samples)
    assert kind.min() >= 0
    assert kind.max() < PATTERNS
    for i in range(len(samples)):
        drive = made_up_source.drive(samples.logs[samples.log[i]])
        end = min(samples.frame[i] + 100, len(drive) - 1)
        turn = drive.ego[end, Ego.HEADING] - drive.ego[samples.frame[i], Ego.HEADING]
        faster = drive.ego[end, Ego.VX] - drive.ego[samples.frame[i], Ego.VX]
        turned, changed = divmod(int(kind[i]), 7)
        assert (turn > 0.8) == (turned == 6), (turn, turned)
        assert (turn < -0.8) == (turned == 0), (turn, turned)
        assert (faster > 1.5) == (changed >= 5), (faster, changed)


def test_balance_brings_rare_patterns_up_in_the_course_of_the_run(made_up_source: Any) -> None:
    samples = found(made_up_source, every_s=0.1)
    kind = patterns(made_up_source, samples)
    weights = weigher(BalanceConfig(pattern=1.0, curriculum=1.0), made_up_source, samples)
    assert weights is not None
    np.testing.assert_array_equal(weights(0.0), 1.0)
    share = np.bincount(kind, weights(1.0), PATTERNS)
    several = share[np.bincount(kind, minlength=PATTERNS) > len(kind) / 20]
    np.testing.assert_allclose(several, several[0])
    order = BatchOrder(samples, 16, 0, 2, weights, steps=400)
    assert order.per_round == 400 // ROUNDS
    rare = np.bincount(kind, minlength=PATTERNS)[kind] < len(kind) / 10
    early, late = (np.mean([rare[order.rows(k)].mean() for k in steps]) for steps in (range(20), range(380, 400)))
    assert early == pytest.approx(rare.mean(), abs=0.08)
    assert late > 1.5 * early
    np.testing.assert_array_equal(order.rows(7), BatchOrder(samples, 16, 0, 2, weights, steps=400).rows(7))


def test_scenarios_of_the_index_weigh_their_samples(made_up_source: Any, tmp_path: Path) -> None:
    samples = found(made_up_source, logs=1)
    plain = scenario_weights(BalanceConfig(tags={"traversing_crosswalk": 3.0}), made_up_source, samples)
    # anchors at frames 40, 80, 120, 160 with tags by turns: a sample has the weight of the nearest, the earlier one
    # where two are as near
    np.testing.assert_array_equal(
        plain, np.where((samples.frame > 60) & (samples.frame <= 100) | (samples.frame > 140), 3.0, 1.0)
    )
    token = made_up_source.rows(samples.logs[0])[0].token
    pq.write_table(pa.table({"token": [token], "weight": [0.0]}), tmp_path / "w.parquet")
    listed = scenario_weights(BalanceConfig(scenarios=str(tmp_path / "w.parquet")), made_up_source, samples)
    np.testing.assert_array_equal(listed, np.where(samples.frame <= 60, 0.0, 1.0))
    weights = weigher(BalanceConfig(scenarios=str(tmp_path / "w.parquet")), made_up_source, samples)
    order = BatchOrder(samples, 4, 0, 1, weights, steps=10)
    assert samples.frame[np.concatenate([order.rows(k) for k in range(10)])].min() > 60
    pq.write_table(pa.table({"token": [token]}), tmp_path / "bad.parquet")
    with pytest.raises(DataError, match=r"bad\.parquet"):
        scenario_weights(BalanceConfig(scenarios=str(tmp_path / "bad.parquet")), made_up_source, samples)
    with pytest.raises(DataError, match="weight 0"):
        scenario_weights(BalanceConfig(tags={"stationary": 0.0, "traversing_crosswalk": 0.0}), made_up_source, samples)


def test_settings_are_checked() -> None:
    assert weigher(BalanceConfig(), None, None) is None  # type: ignore[arg-type]
    for wrong in ({"pattern": 1.5}, {"curriculum": -0.1}, {"tags": {"a": -1.0}}):
        with pytest.raises(ValueError, match="must"):
            BalanceConfig(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="mirror"):
        replace(AugmentConfig(), mirror=2.0)
