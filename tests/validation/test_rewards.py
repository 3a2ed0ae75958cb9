"""Rewards by name: each term on a drive whose return is known by hand, and in the environment as of a rollout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import Ego, LightState, Scenario
from roadcraft.core.testing import made_up_rollout, made_up_scenario
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io import find, open_source
from roadcraft.validation import (
    SCORE_PARTS,
    BatchEnv,
    CarlReward,
    EnvironmentConfig,
    GigaflowReward,
    PufferDriveReward,
    Reward,
    RewardTrace,
    RewardWeights,
    evaluate,
    running_reward,
)

STEPS, DT, SPEED = 149, 0.1, 8.0  # of a made-up scenario of 15 s: 151 iterations, 150 samples
WAY = SPEED * DT


def trace_of(rollout: Rollout, name: Any, **weights: Any) -> tuple[RewardTrace, dict[str, np.ndarray]]:
    """The trace, and its terms by name (n,)."""
    reward = Reward(name, RewardWeights(**weights))
    trace = running_reward(rollout, reward)
    return trace, dict(zip(reward.names, trace.terms.T, strict=True))


def returns(rollout: Rollout, name: Any, **weights: Any) -> dict[str, float]:
    """Sums of the terms that are not 0."""
    _, terms = trace_of(rollout, name, **weights)
    return {k: float(v.sum()) for k, v in terms.items() if v.any()}


def changed(rollout: Rollout, **columns: Any) -> Rollout:
    """The rollout with other columns of ego's states."""
    ego = rollout.drive.ego.copy()
    for name, values in columns.items():
        ego[:, Ego[name]] = values
    return replace(rollout, drive=replace(rollout.drive, ego=ego))


def chasing() -> tuple[Rollout, int]:
    """Ego at 12 m/s behind a car of 8 m/s 25 m ahead, and the step of the first contact."""
    rollout = made_up_rollout()
    vehicle, t = load_vehicle(), DT * np.arange(150)
    front = float(vehicle.box[0]) + 0.5 * float(vehicle.box[1])  # of the rear axle
    gap = 25.0 - 4.7 / 2 - front - (12.0 - SPEED) * t
    x = rollout.drive.ego[0, Ego.X] + 12.0 * t
    return changed(rollout, X=x, VX=12.0), int(np.flatnonzero(gap <= 0.0)[0])


# ---- CaRL ----------------------------------------------------------------------------------------------------------


def test_carl_pays_for_progress_as_a_share_of_the_experts() -> None:
    assert returns(made_up_rollout(), "carl")["progress"] == pytest.approx(100.0 * STEPS / 150, rel=1e-6)
    survival = returns(made_up_rollout(), "carl", carl=CarlReward(survival=0.2))
    assert survival["progress"] == pytest.approx(80.0 * STEPS / 150, rel=1e-6)
    assert survival["survival"] == pytest.approx(20.0, rel=1e-9)


def test_carl_pays_less_beside_the_lanes_middle_and_above_the_limit() -> None:
    """1 m from the middle, 0.8 m from the edge of a lane of 3.6 m."""
    trace, terms = trace_of(made_up_rollout(sideways_m=1.0), "carl")
    assert terms["lane_distance"][1:] == pytest.approx(1.0 - 0.5 * 0.5 / (0.5 + 0.8), rel=1e-6)
    assert trace.reward.sum() == pytest.approx(100.0 * STEPS / 150 * (1.0 - 0.25 / 1.3), rel=1e-6)
    fast = made_up_rollout(made_up_scenario(speed_mps=13.0 + 2.23 / 4))
    assert trace_of(fast, "carl")[0].reward.sum() == pytest.approx(75.0 * STEPS / 150, rel=1e-6)


def test_carl_halves_once_a_collision_was_near_and_fails_at_the_first_contact() -> None:
    rollout, contact = chasing()
    trace, terms = trace_of(rollout, "carl", carl=CarlReward(penalty=7.0))
    near = int(np.flatnonzero(terms["time_to_collision"] == 0.5)[0])
    assert (terms["time_to_collision"][near:] == 0.5).all()
    assert 0.8 < (contact - near) * DT <= 1.0  # a time to collision of 0.95 s, foreseen in steps
    assert int(np.flatnonzero(trace.failed)[0]) == contact
    assert terms["penalty"][contact] == -7.0
    assert terms["progress"][contact] == 0.0
    assert trace.reward[near : contact - 1] == pytest.approx(50.0 * 1.5 / 150, rel=1e-6)  # 1.5 times the expert's way


def test_carl_pays_nothing_off_the_route_and_by_the_share_of_comfort_that_is_left() -> None:
    trace, terms = trace_of(made_up_rollout(sideways_m=8.0), "carl")
    assert (terms["on_route"][1:] == 0.0).all()
    assert trace.failed.all()
    assert (trace.reward == 0.0).all()
    accel = np.where((np.arange(150) >= 60) & (np.arange(150) < 75), -6.0, 0.0)
    _, harsh = trace_of(changed(made_up_rollout(), AX=accel), "carl")
    assert harsh["comfort"][30] == 1.0
    assert harsh["comfort"][-1] == pytest.approx(4 / 6)  # acceleration along and its jerk
    assert (np.diff(harsh["comfort"]) <= 0.0)[1:].all()
    assert harsh["progress"][-1] == pytest.approx(100.0 / 150 * 4 / 6, rel=1e-6)


# ---- GIGAFLOW ------------------------------------------------------------------------------------------------------


def test_gigaflow_on_the_logs_own_way() -> None:
    expected = {
        "goal": 1.0,
        "alignment": 0.025 * 0.0025 * DT * STEPS,
        "center": 0.0038 * 0.05 * np.exp(0.5) * DT * STEPS,
        "velocity": 2.5e-3 * WAY * STEPS,
        "time": -2.5e-5 * DT * STEPS,
    }
    assert returns(made_up_rollout(), "gigaflow") == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("rollout", "term", "expected"),
    [
        (lambda: made_up_rollout(sideways_m=1.0), "center", -0.0038 * (1.0 - 0.05 * np.exp(-0.5)) * DT * STEPS),
        (
            lambda: changed(made_up_rollout(), HEADING=np.pi),
            "alignment",
            0.025 * (-1.0 - 0.5 * SPEED - 0.0025) * DT * STEPS,
        ),
        (lambda: changed(made_up_rollout(), VX=-1.0), "reverse", -0.0038 * DT * STEPS),
        (lambda: changed(made_up_rollout(), AX=3.5), "comfort", -0.05 * STEPS),
        (lambda: made_up_rollout(made_up_scenario(speed_mps=14.0)), "overspeed", -0.5 * STEPS),
        (lambda: made_up_rollout(made_up_scenario(light=LightState.RED)), "red_light", -0.5),
        (lambda: made_up_rollout(sideways_m=8.0), "off_road", -3.0 * STEPS),
        (lambda: chasing()[0], "collision", -(3.0 + 0.1 * 12.0)),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_a_term_of_gigaflow(rollout: Any, term: str, expected: float) -> None:
    assert returns(rollout(), "gigaflow")[term] == pytest.approx(expected, rel=1e-6)
    assert returns(made_up_rollout(), "gigaflow").get(term) != pytest.approx(expected, rel=1e-3)


def test_gigaflow_conditions_by_its_weights() -> None:
    bias = returns(made_up_rollout(sideways_m=0.5), "gigaflow", gigaflow=GigaflowReward(center_bias_m=0.5))
    assert bias["center"] == pytest.approx(0.0038 * 0.05 * np.exp(0.5) * DT * STEPS, rel=1e-6)


# ---- PufferDrive ---------------------------------------------------------------------------------------------------


def test_terms_of_pufferdrive() -> None:
    assert returns(made_up_rollout(), "pufferdrive") == {"goal": 1.0}
    assert returns(made_up_rollout(sideways_m=8.0), "pufferdrive") == pytest.approx({"off_road": -0.2 * STEPS})
    assert returns(chasing()[0], "pufferdrive")["collision"] == -0.5
    beside = returns(made_up_rollout(sideways_m=1.0), "pufferdrive", pufferdrive=PufferDriveReward(log_distance=0.1))
    assert beside["log_distance"] == pytest.approx(-0.1 * STEPS)
    clamped, _ = trace_of(chasing()[0], "pufferdrive", pufferdrive=PufferDriveReward(collision=5.0))
    assert clamped.reward.min() == -1.0


# ---- all -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scenarios(small_store: Path) -> list[Scenario]:
    source = open_source(small_store)
    return [source.scenario(c.row, c.type, c.window_us) for c in find(source)]


def test_rewards_of_the_score_are_its_differences(scenarios) -> None:
    rollout = chasing()[0]
    trace, _ = trace_of(rollout, "score")
    assert trace.reward.sum() == pytest.approx(trace.parts[-1, 0] - trace.parts[0, 0], abs=1e-12)
    assert trace.parts[-1, 0] == pytest.approx(evaluate(rollout, "closed_loop_nonreactive_agents").score, abs=1e-12)
    graded, _ = trace_of(rollout, "graded")
    column = SCORE_PARTS.index("graded_score")
    assert graded.reward.sum() == pytest.approx(graded.parts[-1, column] - graded.parts[0, column], abs=1e-12)


@pytest.mark.parametrize("name", ["score", "graded", "carl", "gigaflow", "pufferdrive"])
def test_the_environment_pays_what_the_rollout_earned(scenarios, name: Any) -> None:
    weights = RewardWeights(CarlReward(0.3 * 100, 0.2, 5.0))
    config = EnvironmentConfig(slots=4, autoreset=False, end_at_failure=False, reward=name, weights=weights)
    env = BatchEnv(scenarios, config)
    env.reset(scenarios=np.arange(4))
    (cohort,), paid, terms = env.cohorts, [], []
    alive = []
    while env.alive.any():
        alive.append(env.alive.copy())
        env.step(np.tile([0.3, 0.05], (4, 1)))
        paid.append(env.reward.copy())
        terms.append(env.reward_terms.copy())
    for slot in range(4):
        trace = running_reward(cohort.loop.result(slot), Reward(name, weights))
        drove = np.array(alive)[:, slot]
        assert np.array(paid)[drove, slot] == pytest.approx(trace.reward[1:], abs=1e-5)
        assert np.array(terms)[drove, slot] == pytest.approx(trace.terms[1:], abs=1e-12)
    names, summed = env.rewards.names, env.rewards.summed
    assert len(names) == len(set(names))
    if name != "pufferdrive":  # which is clamped
        assert np.array(paid) == pytest.approx(np.array(terms)[..., :summed].sum(-1), abs=1e-4)


def test_carl_ends_an_episode_at_any_contact(scenarios) -> None:
    ends = {}
    for name in ("score", "carl"):
        env = BatchEnv(scenarios, EnvironmentConfig(slots=8, autoreset=False, reward=name))
        env.reset(scenarios=np.arange(8))
        while env.alive.any():
            env.step(np.tile([1.0, 0.15], (8, 1)))
        ends[name] = env.step_count.copy()
    assert (ends["carl"] <= ends["score"]).all()
    assert (ends["carl"] < ends["score"]).any()
