"""What paired differences decide."""

from __future__ import annotations

import numpy as np
import pytest

from roadcraft.validation.comparing.paired import paired_figure
from roadcraft.validation.intervals import DIFFERENCE, mean_interval

LOGS = [f"log{i // 2}" for i in range(80)]


def figure(difference, logs=LOGS, margin=0.02):
    a = np.full(len(difference), 0.5)
    return paired_figure(a, a + difference, logs, margin)


def noise(mean, sd, n=80, seed=3):
    d = np.random.default_rng(seed).normal(size=n)
    return mean + sd * (d - d.mean()) / d.std()


@pytest.mark.parametrize(
    ("mean", "sd", "verdict", "reason"),
    [
        (-0.05, 0.1, "worse", "the 95 % interval excludes 0"),
        (0.05, 0.1, "better", "the 95 % interval excludes 0"),
        (0.0, 0.02, "not worse", "a loss of 0.02 or more is excluded"),
        (0.0, 0.2, "undecided", "the interval holds 0, and a loss of 0."),
    ],
)
def test_one_of_four_answers(mean, sd, verdict, reason):
    found = figure(noise(mean, sd))
    assert (found["verdict"], found["reason"][: len(reason)]) == (verdict, reason)
    assert found["difference"] == pytest.approx(mean, abs=1e-12)
    assert found["sd"] == pytest.approx(sd * np.sqrt(80 / 79))
    assert found["logs"] == 40
    assert (found["worse"], found["better"]) == (verdict == "worse", verdict == "better")


def test_the_margin_is_held_one_sided():
    d = noise(0.0, 0.05)
    low = mean_interval(d, LOGS, 0.90, DIFFERENCE).low
    assert figure(d, margin=-low * 1.01)["verdict"] == "not worse"
    assert figure(d, margin=-low * 0.99)["verdict"] == "undecided"


def test_rounding_is_no_difference():
    d = np.zeros(80)
    d[3] = -9e-7
    found = figure(d)
    assert (found["verdict"], found["reason"]) == ("equal", "no scenario differs by more than 1e-06")
    d[3] = -2e-6
    assert figure(d)["verdict"] == "undecided"


def test_few_logs_give_no_verdict_whatever_the_difference():
    found = figure(np.full(18, -0.4), [f"log{i // 2}" for i in range(18)])
    assert found["verdict"] == "undecided"
    assert found["reason"] == "no interval: 9 logs, 10 are needed"
    assert (found["ci"], found["worse"], found["detectable"]) == (None, False, None)


def test_a_loss_that_is_the_same_everywhere_is_a_loss():
    logs = [f"log{i}" for i in range(100)]
    found = paired_figure(np.full(100, 0.5), np.full(100, 0.25), logs)
    assert (found["verdict"], found["exact"]) == ("worse", True)
    few = paired_figure(np.full(10, 0.5), np.full(10, 0.25), logs[:10])
    assert (few["verdict"], few["exact"]) == ("undecided", True)


def test_few_changed_scenarios_decide_nothing_however_alike_they_are():
    d = np.zeros(80)
    d[::20] = 0.009
    found = figure(d)
    assert (found["verdict"], found["exact"]) == ("undecided", True)
    assert found["ci"][0] < 0.0 < found["ci"][1]
    assert "nearly all scenarios are equal" in found["reason"]


def test_scenarios_with_a_value_in_one_run_only_are_left_out():
    a, b = np.full(80, 0.5), np.full(80, 0.4) + noise(0.0, 0.01)
    a[:3] = np.nan
    found = paired_figure(a, b, LOGS)
    assert (found["scenarios"], found["logs"]) == (77, 39)
    nothing = paired_figure(np.full(3, np.nan), np.zeros(3), LOGS[:3])
    assert (nothing["difference"], nothing["reason"]) == (None, "no value in both runs")


def test_logs_whose_scenarios_move_together_weigh_less():
    alone = figure(noise(0.0, 0.1))
    together = figure(np.repeat(noise(0.0, 0.1, 40), 2))
    assert together["design_effect"] == pytest.approx(2.0, rel=0.05)
    assert together["detectable"] > 1.2 * alone["detectable"]
