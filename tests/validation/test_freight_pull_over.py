"""A truck that is told to pull over: where it stands, how it got there, and what no longer counts against it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_freight import drive, judged, loaded, straight, two_way_road

from roadcraft.core.data.instructions import Instructions
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import Ego, Scenario
from roadcraft.core.testing import made_up_scenario

SLEEPER, SECONDS, TOLD_S = loaded(), 50, 4.0
WORLD = two_way_road()  # its shoulder reaches from y = -3.6 to -6.6
BESIDE = -3.6 - 1.5


def scene(*told: tuple[float, str]) -> Scenario:
    s = made_up_scenario(seconds=float(SECONDS))
    start = int(s.time_us[0])
    times = np.array([start + round(1e6 * t) for t, _ in told], np.int64)
    said = Instructions(times, tuple(text for _, text in told))
    return replace(s, map=WORLD, drive=replace(s.drive, instructions=said))


def stop(
    y: float, at_s: float = 20.0, brake: float = 2.0, told: tuple[float, str] = (TOLD_S, "Pull over, please")
) -> Rollout:
    """At 8 m/s in the lane, over to an offset within 4 s from when it is told on, and standing at a time."""
    n = 10 * SECONDS
    t = 0.1 * np.arange(n)
    v = np.clip(brake * (at_s - t), 0.0, 8.0)
    ego = straight(0.0, n)
    ego[:, Ego.X] += np.concatenate([[0.0], np.cumsum(0.05 * (v[1:] + v[:-1]))])
    u = np.clip((t - TOLD_S) / 4.0, 0.0, 1.0)
    ego[:, Ego.Y] += (y + 1.8) * u * u * (3.0 - 2.0 * u)
    ego[:, Ego.HEADING] = np.arctan2(np.gradient(ego[:, Ego.Y]), np.maximum(np.gradient(ego[:, Ego.X]), 1e-3))
    ego[:, Ego.VX], ego[:, Ego.AX] = v, np.where((v > 0.0) & (v < 8.0), -brake, 0.0)
    return drive(ego, SLEEPER, scenario=scene(told), world=WORLD)


def test_who_stands_beside_the_lane_in_time_has_all() -> None:
    rollout = stop(BESIDE)
    result = judged("shoulder_stop", rollout)
    assert (result.score, judged("pulls_over", rollout).score) == (1.0, 1.0)
    assert result.stats["stood_after_[s]"] == pytest.approx(16.0, abs=0.11)
    assert result.stats["units_in_lanes"] == 0
    assert result.events == ()


@pytest.mark.parametrize("y", [-1.8, -3.6, -4.7])
def test_a_unit_left_in_the_lane_costs_all(y: float) -> None:
    rollout = stop(y)
    reach = y + 0.5 * 2.59 + 3.6
    assert reach > 0.1
    assert (judged("shoulder_stop", rollout).score, judged("pulls_over", rollout).score) == (0.0, 0.0)
    assert "in a lane" in judged("shoulder_stop", rollout).events[0].what
    if reach < 1.2:
        assert judged("shoulder_stop", rollout, clear_m=reach + 0.01).score == 1.0


def test_who_drives_on_has_nothing() -> None:
    rollout = drive(straight(5.0, 10 * SECONDS), SLEEPER, scenario=scene((TOLD_S, "pull over")), world=WORLD)
    assert (judged("shoulder_stop", rollout).score, judged("pulls_over", rollout).score) == (0.0, 0.0)
    assert "drives on" in judged("pulls_over", rollout).events[0].what


def test_late_and_hard_stops_cost_their_share() -> None:
    late = judged("shoulder_stop", stop(BESIDE, at_s=TOLD_S + 36.0))
    assert late.score == pytest.approx(1.0 - 6.0 / 15.0, abs=0.02)
    hard = judged("shoulder_stop", stop(BESIDE, brake=3.6))
    assert hard.score == pytest.approx(0.6)
    assert judged("pulls_over", stop(BESIDE, brake=3.6)).score == 1.0


def test_who_is_not_told_or_has_no_time_is_not_judged() -> None:
    revoked = drive(straight(5.0, 10 * SECONDS), SLEEPER, scenario=scene((TOLD_S, "pull over"), (9.0, "")), world=WORLD)
    assert judged("pulls_over", revoked).score is None
    assert judged("progress_feasible", revoked).stats["expert_progress_[meters]"] > 8.0 * (SECONDS - 2)
    for told in ((TOLD_S, "keep left"), (1000.0, "pull over")):
        rollout = stop(BESIDE, told=told)
        assert judged("shoulder_stop", rollout).score is None
        assert judged("pulls_over", rollout).score is None
    assert judged("shoulder_stop", stop(-1.8, told=(SECONDS - 29.0, "pull over"))).score is None
    assert judged("pulls_over", stop(-1.8, told=(SECONDS - 29.0, "pull over"))).score is None


def test_the_shoulder_is_no_excess_and_the_stop_no_lack_of_progress() -> None:
    rollout, silent = stop(BESIDE), stop(BESIDE, told=(1000.0, ""))
    assert judged("lane_keeping_all_units", rollout).score == 1.0
    assert judged("lane_keeping_all_units", silent).score == 0.0
    made = judged("progress_feasible", rollout)
    assert made.score == pytest.approx(1.0, abs=0.01)
    assert made.stats["expert_progress_[meters]"] == pytest.approx(8.0 * TOLD_S, rel=0.05)
    assert judged("progress_feasible", silent).score < 0.5
    assert judged("makes_feasible_progress", rollout).score == 1.0
