"""Intervals of means over scenarios, clustered by logs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from roadcraft.validation.intervals import (
    DIFFERENCE,
    MIN_LOGS,
    SCORE,
    count_logs,
    detectable,
    mean_interval,
    no_interval,
    standard_error,
)


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden" / "validation" / "statistics.json").read_text())


def each(values):
    """The values with a log of its own for each."""
    return np.asarray(values, np.float64), [f"log{i}" for i in range(len(values))]


def test_clustered_pairs_agree_with_the_reference(golden):
    case = golden["paired_clusters"]
    expected = case["expected"]
    d = np.array(case["b"]) - np.array(case["a"])
    for bounds in (None, DIFFERENCE):
        interval = mean_interval(d, case["log"], bounds=bounds)
        assert interval.pair == pytest.approx(expected["ci95_cr1_t"], abs=1e-8)
        assert not interval.exact
    assert standard_error(d, case["log"]) == pytest.approx(expected["cluster_se_cr1"], abs=1e-8)
    assert count_logs(d, case["log"]) == expected["clusters"]


def test_rare_failures_agree_with_the_reference(golden):
    rare = [c for c in golden["proportions"] if c["failures"] < 5]
    assert rare
    for case in rare:
        failed = np.zeros(case["n"])
        failed[: case["failures"]] = 1.0
        logs = np.arange(case["n"])
        assert mean_interval(failed, logs).pair == pytest.approx(case["beta"], abs=1e-8)
        passed = mean_interval(1.0 - failed, logs)
        assert passed.exact
        assert passed.pair == pytest.approx([1.0 - v for v in case["beta"][::-1]], abs=1e-8)


def test_under_ten_logs_there_is_no_interval():
    values, logs = each(np.linspace(0.0, 1.0, MIN_LOGS))
    assert mean_interval(values, logs, bounds=SCORE) is not None
    assert mean_interval(values[1:], logs[1:], bounds=SCORE) is None
    assert mean_interval(values, ["one"] * MIN_LOGS, bounds=SCORE) is None
    assert mean_interval(values[:0], logs[:0], bounds=SCORE) is None
    assert no_interval(9) == "no interval: 9 logs, 10 are needed"
    assert no_interval(1) == "no interval: 1 log, 10 are needed"


def test_values_that_are_not_there_are_left_out():
    values, logs = each(np.linspace(0.0, 1.0, 20))
    holes = np.append(values, np.nan)
    assert mean_interval(holes, [*logs, "more"]) == mean_interval(values, logs)
    values[:11] = np.nan
    assert mean_interval(values, logs) is None, "nine logs have a value"
    assert count_logs(values, logs) == 9


def test_equal_values_are_not_certain():
    ones, logs = each([1.0] * 39)
    interval = mean_interval(ones, logs, bounds=SCORE)
    assert interval.pair == pytest.approx([0.025 ** (1 / 39), 1.0], abs=1e-12)
    equal_runs = mean_interval(ones - 1.0, logs, bounds=DIFFERENCE)
    assert equal_runs.low == -equal_runs.high
    assert equal_runs.high == pytest.approx(1.0 - 0.025 ** (1 / 39))
    assert mean_interval(np.full(39, 3.7), logs) is None, "nothing says how far they could lie apart"
    halves = mean_interval(np.full(39, 0.5), logs, bounds=SCORE)
    assert halves.pair == pytest.approx([0.5 - 0.5 * equal_runs.high, 0.5 + 0.5 * equal_runs.high])


def test_scenarios_of_one_log_count_as_one_failure():
    logs = [f"log{i // 5}" for i in range(200)]
    failed = np.zeros(200)
    failed[:5] = 1.0
    alone = mean_interval(*each([1.0] + [0.0] * 39))
    assert mean_interval(failed, logs).pair == pytest.approx(alone.pair, abs=1e-12)
    one = np.zeros(200)
    one[0] = 1.0
    interval = mean_interval(one, logs)
    assert interval.low < one.mean() < interval.high == pytest.approx(alone.high)


def test_few_changed_scenarios_decide_nothing():
    d, logs = each([0.009] * 4 + [0.0] * 35)
    interval = mean_interval(d, logs, bounds=DIFFERENCE)
    assert interval.low < 0.0 < d.mean() < interval.high
    assert detectable(d, logs) is None


def test_limits_stay_within_what_is_possible():
    values, logs = each([0.0] * 9 + [1.0] * 7)
    assert mean_interval(values, logs, bounds=SCORE).low >= 0.0
    high, logs = each([1.0] * 9 + [0.0] * 5)
    interval = mean_interval(high, logs, bounds=SCORE, level=0.999)
    assert interval.pair[1] == 1.0


def test_the_order_of_scenarios_does_not_matter():
    rng = np.random.default_rng(5)
    logs = np.repeat(np.arange(30), 3)
    values = rng.uniform(size=90)
    order = rng.permutation(90)
    a, b = mean_interval(values, logs), mean_interval(values[order], logs[order])
    assert a.pair == pytest.approx(b.pair, abs=1e-14)


def test_the_detectable_difference_follows_the_table():
    rng = np.random.default_rng(7)
    d = rng.normal(size=1118)
    d *= 0.25 / d.std(ddof=1)
    assert detectable(np.clip(d, -1, 1), np.arange(1118)) == pytest.approx(0.0209, abs=2e-4)


def skewed(rng, n):
    """Differences as planners have them: 40 % zeros, 6 % where one of the two crashed, the rest small."""
    kind = rng.uniform(size=n)
    crashed = np.where(rng.uniform(size=n) < 0.5, -0.9, 0.9)
    return np.where(kind < 0.4, 0.0, np.where(kind < 0.46, crashed, rng.normal(0.0, 0.08, n))), 0.0


def clustered(rng, logs, each):
    effect = np.repeat(rng.normal(0.0, 0.1, logs), each)
    return 0.05 + effect + rng.normal(0.0, 0.15, logs * each), 0.05


@pytest.mark.parametrize(
    ("kind", "logs", "scenarios"),
    [("normal", 10, 3), *((kind, *size) for kind in ("normal", "skewed") for size in ((20, 3), (39, 2), (100, 4)))],
)
def test_intervals_hold_the_truth_as_often_as_they_say(kind, logs, scenarios):
    rng = np.random.default_rng(20_240_601)
    group = np.repeat(np.arange(logs), scenarios)
    hits, tries = 0, 1500
    for _ in range(tries):
        d, truth = clustered(rng, logs, scenarios) if kind == "normal" else skewed(rng, logs * scenarios)
        interval = mean_interval(np.clip(d, -1.0, 1.0), group, bounds=DIFFERENCE)
        hits += interval.low <= truth <= interval.high
    assert 0.93 <= hits / tries <= 0.97
