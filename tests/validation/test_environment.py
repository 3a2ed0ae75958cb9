"""The environment: the simulator itself, rewards that sum up to the score, episodes, states, and bad input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roadcraft.core.arrays import Ragged, to_arrays
from roadcraft.core.config.rules import RuleError
from roadcraft.core.data.rollout import ObservationBatch, Rollout
from roadcraft.core.data.scenario import Ego, Scenario
from roadcraft.core.driving.features.build import build_features
from roadcraft.core.driving.features.scene import scenes_of
from roadcraft.core.driving.features.spec import FeatureSpec
from roadcraft.core.errors import ConfigError, DataError, ScenarioError
from roadcraft.core.interfaces import Planner
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.random import scenario_key, step_keys
from roadcraft.core.testing import made_up_scenario
from roadcraft.core.types import PlannerNeeds
from roadcraft.scenario_io import find, open_source
from roadcraft.validation import evaluate, simulate
from roadcraft.validation.environments.actions import plan_of_actions
from roadcraft.validation.environments.batch_env import BatchEnv
from roadcraft.validation.environments.config import ActionConfig, EnvironmentConfig
from roadcraft.validation.environments.score_arrays import SCORE_PARTS

CHALLENGE = "closed_loop_nonreactive_agents"
WAIT = EnvironmentConfig(slots=4, autoreset=False, end_at_failure=False)
TRAJECTORY = ActionConfig("trajectory", points=4)


@pytest.fixture(scope="module")
def scenarios(small_store: Path) -> list[Scenario]:
    """Eight scenarios of 51 and 61 iterations at 10 Hz, in turn."""
    source = open_source(small_store)
    return [source.scenario(c.row, c.type, c.window_us) for c in find(source)]


def drawn(obs: ObservationBatch, size: int) -> np.ndarray:
    """Actions (B, size) that depend on scenario and step alone: wild driving."""
    keys = [int(step_keys([scenario_key(1, t)], i)[0]) for t, i in zip(obs.token, obs.iteration.tolist(), strict=True)]
    out = np.stack([np.random.default_rng(k).uniform(-0.3, 0.5, size) for k in keys])
    if size > 2:  # poses ahead
        out[:, ::3] = np.cumsum(np.abs(out[:, ::3]) * 6.0, axis=1)
    return out


def actions_of(env: BatchEnv, draw: Callable[..., np.ndarray] = drawn) -> np.ndarray:
    out = np.full((env.slots, env.action_size), np.nan)  # of slots that wait: ignored
    for cohort in env.cohorts:
        out[cohort.running] = draw(cohort.loop.obs, env.action_size)
    return out


class Acting(Planner):
    """Plans as the environment does of the same actions."""

    def __init__(self, config: ActionConfig, draw: Callable[..., np.ndarray] = drawn) -> None:
        self.config, self.draw = config, draw

    def needs(self) -> PlannerNeeds:
        return PlannerNeeds(log=True)  # for the time stamps to come

    def plan(self, obs, state, keys):
        size = 2 if self.config.kind == "controls" else 3 * self.config.points
        next_us = np.array([s.time_us[i + 1] for s, i in zip(obs.scenarios, obs.iteration, strict=True)])
        dt_s = (next_us - obs.time_us) * 1e-6
        return plan_of_actions(self.draw(obs, size), obs, self.config, dt_s), state


def episode(env: BatchEnv) -> tuple[list[Rollout], np.ndarray]:
    """Drive all slots to the end: their rollouts, and the sum of rewards."""
    (cohort,) = env.cohorts
    total = np.zeros(env.slots)
    while env.alive.any():
        env.step(actions_of(env))
        total += env.reward
    rollouts: list[Any] = [cohort.loop.result(slot) for slot in range(env.slots)]
    return rollouts, total


@pytest.mark.parametrize("agents", ["log", "idm"])
@pytest.mark.parametrize("action", [ActionConfig(), TRAJECTORY], ids=lambda a: a.kind)
def test_equal_actions_drive_as_score_does_and_rewards_sum_up_to_its_score(scenarios, agents: str, action) -> None:
    env = BatchEnv(scenarios, replace(WAIT, slots=8, agents=PluginRef(agents), action=action))
    env.reset(scenarios=np.arange(8))
    begun = env.parts[:, 0].copy()
    rollouts, total = episode(env)
    want = simulate(scenarios, Acting(action), agents=agents)
    lengths = set()
    for b, (mine, theirs) in enumerate(zip(rollouts, want, strict=True)):
        assert isinstance(theirs, Rollout)
        left, right = to_arrays(mine.drive)[0], to_arrays(theirs.drive)[0]
        assert left.keys() == right.keys()
        assert all(left[k].tobytes() == right[k].tobytes() for k in left)
        result = evaluate(theirs, CHALLENGE)
        assert env.final_parts[b, 0] == pytest.approx(result.score, abs=1e-12)
        assert total[b] == pytest.approx(result.score - begun[b], abs=1e-5)  # float32 rewards
        assert env.truncated[b] or env.step_count[b] < env.step_count.max()
        lengths.add(int(env.step_count[b]))
    assert lengths == {49, 59}, "N iterations: N - 1 samples, N - 2 actions"
    assert not env.failures


def test_an_episode_depends_neither_on_slot_nor_company(scenarios) -> None:
    def drive(slots: int, own: int, others: list[int]) -> list[bytes]:
        env = BatchEnv(scenarios, replace(WAIT, slots=slots))
        env.reset(scenarios=np.array([*others[:own], 3, *others[own:]]))
        seen = []
        while env.alive[own]:
            env.step(actions_of(env))
            seen.append(b"".join(a[own].tobytes() for a in (*env.obs.values(), env.reward, env.parts)))
        return seen

    alone = drive(1, 0, [])
    assert len(alone) == int(len(scenarios[3]) - 2)
    assert drive(5, 2, [0, 1, 4, 3]) == alone
    assert drive(3, 0, [7, 6]) == alone


@pytest.mark.parametrize("agents", ["log", "idm"])
def test_slots_at_different_iterations_are_driven_together_as_each_alone(scenarios, agents: str) -> None:
    """A slot begins anew while others are under way, in a loop that has room for it; what it drove before is
    forgotten, and its record is that of ``simulate``."""
    spec = FeatureSpec(agents=8, lanes=6, past_steps=5, past_interval_s=0.2)
    settings = replace(WAIT, slots=4, agents=PluginRef(agents))

    def seen(env: BatchEnv, slot: int) -> bytes:
        return b"".join(a[slot].tobytes() for a in (*env.obs.values(), env.reward, env.parts, env.steps_left))

    def alone(number: int) -> list[bytes]:
        env = BatchEnv(scenarios, replace(settings, slots=1), spec)
        env.reset(scenarios=[number])
        out = [seen(env, 0)]
        while env.alive[0]:
            env.step(actions_of(env))
            out.append(seen(env, 0))
        return out

    env = BatchEnv(scenarios, settings, spec)
    env.reset(scenarios=[0, 1, 2, 3])
    begins = {7: {1: 4}, 19: {0: 5, 3: 0}, 26: {1: 3}, 40: {2: 7}}  # step: slot and number
    drives: dict[int, list[tuple[int, list[bytes]]]] = {s: [(s, [seen(env, s)])] for s in range(4)}
    (cohort,) = env.cohorts
    for step in range(110):
        if step in begins:
            mask, numbers = np.zeros(4, np.bool_), np.zeros(4, np.int64)
            for slot, number in begins[step].items():
                mask[slot], numbers[slot] = True, number
            env.reset_rows(mask, numbers)
            for slot, number in begins[step].items():
                drives[slot].append((number, [seen(env, slot)]))
        alive = env.alive.copy()
        env.step(actions_of(env))
        for slot in np.flatnonzero(alive).tolist():
            drives[slot][-1][1].append(seen(env, slot))
        if env.alive.any():
            assert env.cohorts == [cohort], "one loop, wherever its rows are"
    assert not env.alive.any()
    for some in drives.values():
        for number, own in some:
            assert own == alone(number)[: len(own)]
        assert len(some[-1][1]) == len(alone(some[-1][0])), "the last of each slot ran to its end"
    for slot, some in drives.items():
        (want,) = simulate([scenarios[some[-1][0]]], Acting(ActionConfig()), agents=agents)
        left, right = (to_arrays(r.drive)[0] for r in (cohort.loop.result(slot), want))  # type: ignore[union-attr]
        assert all(left[k].tobytes() == right[k].tobytes() for k in right)


def test_what_is_kept_of_a_maneuver_does_not_depend_on_the_clocks_of_others(scenarios) -> None:
    """Time stamps that jitter pass a pose of the trajectory a step sooner in one log than in another."""
    some = [jittered(s, 2_000) for s in scenarios]
    settings = replace(WAIT, slots=8, action=ActionConfig("maneuver", repeat=5))
    together, alone = BatchEnv(some, settings), BatchEnv(some, replace(settings, slots=1))
    together.reset(scenarios=np.arange(8))
    seen = []
    for step in range(6):
        together.step(np.full(8, 3 if step % 2 else 1))
        seen.append(together.obs["observation"].copy())
    for slot in range(8):
        alone.reset(scenarios=[slot])
        for step in range(6):
            alone.step([3 if step % 2 else 1])
            assert alone.obs["observation"][0].tobytes() == seen[step][slot].tobytes()


def test_features_are_those_of_the_planner_learned(scenarios) -> None:
    spec = FeatureSpec(agents=8, lanes=6, reference_lines=3, past_steps=5, past_interval_s=0.2)
    env = BatchEnv(scenarios, replace(WAIT, slots=3), spec)
    env.reset(scenarios=[0, 1, 2])
    for _ in range(7):
        env.step(actions_of(env))
    (cohort,) = env.cohorts
    want = build_features(spec, scenes_of(cohort.loop.obs, spec))
    assert want.keys() == env.obs.keys()
    assert all(want[k].tobytes() == env.obs[k].tobytes() for k in want)
    assert np.abs(want["agent"]).sum() > 0.0


def test_the_flat_observation_names_its_numbers(scenarios) -> None:
    env = BatchEnv(scenarios, replace(WAIT, slots=1))
    env.reset(scenarios=[0])
    names = env.observation.names  # type: ignore[attr-defined]
    row, ego = dict(zip(names, env.obs["observation"][0], strict=True)), scenarios[0].expert[0]
    assert len(set(names)) == len(names) == 534
    assert row["ego.vx"] == pytest.approx(0.05 * ego[Ego.VX], rel=1e-6)
    assert 0.0 < abs(row["reference_info.0.limit_here"]) * 20.0 < 40.0
    assert np.abs(env.obs["observation"]).max() <= 10.0


def test_the_next_scenario_is_that_of_seed_slot_and_episode(scenarios) -> None:
    def tokens(slots: int, seed: int) -> np.ndarray:
        env = BatchEnv(scenarios, replace(WAIT, slots=slots))
        env.reset(seed)
        seen = [env.token.copy()]
        for _ in range(12):
            env.reset_rows(np.ones(slots, np.bool_))
            seen.append(env.token.copy())
        return np.array(seen)

    many = tokens(5, 3)
    assert (tokens(2, 3) == many[:, :2]).all()
    assert (tokens(5, 4) != many).any()
    assert set(many.ravel()) == set(range(8)), "in the end all are driven"
    assert (many[:, 0] != many[:, 1]).any()


@pytest.mark.parametrize("repeat", [1, 3])
def test_where_an_episode_ends_the_next_begins_in_the_same_step(scenarios, repeat: int) -> None:
    settings = replace(WAIT, slots=2, end_at_failure=True, action=ActionConfig(repeat=repeat))
    held, going = BatchEnv(scenarios, settings), BatchEnv(scenarios, replace(settings, autoreset=True))
    for env in (held, going):
        env.reset(5)
    ended = 0
    while ended < 4:
        actions = actions_of(held)
        for env in (held, going):
            env.step(actions)
        done = held.terminated | held.truncated
        assert (held.reward == going.reward).all()
        assert (held.terminated == going.terminated).all()
        assert (held.truncated == going.truncated).all()
        assert going.alive.all()
        assert not held.alive[done].any()
        for name in held.obs:
            assert (going.final_obs[name][done] == held.obs[name][done]).all()
            assert (going.final_obs[name][done] == held.final_obs[name][done]).all()
        if done.any():
            ended += int(done.sum())
            held.reset_rows(done)
        for name in held.obs:
            assert (held.obs[name] == going.obs[name]).all()
        assert (held.token == going.token).all()
        assert (held.episode == going.episode).all()


def test_a_state_is_gone_on_from_as_often_as_wanted(scenarios) -> None:
    for agents in ("log", "idm"):
        env = BatchEnv(scenarios, replace(WAIT, slots=3, agents=PluginRef(agents), autoreset=True))
        env.reset(1)

        def drive(steps: int, env: BatchEnv = env) -> list[bytes]:
            seen = []
            for _ in range(steps):
                env.step(actions_of(env))
                seen.append(b"".join(v.tobytes() for v in env._buffers().values()))
            return seen

        drive(20)
        state = env.state()
        first = drive(60)
        for _ in range(2):
            env.set_state(state)
            assert drive(60) == first
        assert len(set(first)) == len(first)


def test_copies_of_one_start_stay_equal(scenarios) -> None:
    env = BatchEnv(scenarios, WAIT)
    env.reset(scenarios=2)
    for _ in range(10):
        env.step(actions_of(env))
        assert (env.obs["observation"] == env.obs["observation"][0]).all()
    assert (env.parts == env.parts[0]).all()


def stand(obs: ObservationBatch, size: int) -> np.ndarray:
    return np.tile([-1.0, 0.0], (len(obs), 1))


def jittered(scenario: Scenario, most_us: int) -> Scenario:
    """The scenario with time stamps that are up to ``most_us`` off."""
    drive = scenario.drive
    off = np.random.default_rng(len(scenario)).integers(-most_us, most_us + 1, len(drive.time_us))
    return replace(scenario, drive=replace(drive, time_us=drive.time_us + off))


@pytest.mark.parametrize("jitter_us", [0, 2_000])
def test_nobody_drives_backwards(scenarios, jitter_us: int) -> None:
    env = BatchEnv([jittered(s, jitter_us) for s in scenarios], replace(WAIT, slots=8))
    env.reset(scenarios=np.arange(8))
    loops = [c.loop for c in env.cohorts]
    while env.alive.any():
        env.step(actions_of(env, stand))
    egos = np.concatenate([loop.result(b).drive.ego for loop in loops for b in range(len(loop.scenarios))])
    assert egos[:, Ego.VX].min() > -1e-9
    assert np.abs(egos[-1, Ego.VX]) < 1e-6


def test_ends_by_failure_and_by_the_log(scenarios) -> None:
    def run(**settings: Any) -> BatchEnv:
        env = BatchEnv(scenarios, replace(WAIT, slots=8, **settings))
        env.reset(scenarios=np.arange(8))
        env.over = np.zeros((2, 8), np.bool_)  # type: ignore[attr-defined]
        while env.alive.any():
            env.step(actions_of(env, lambda obs, size: np.tile([1.0, 0.6], (len(obs), 1))))
            env.over |= [env.terminated, env.truncated]  # type: ignore[attr-defined]
        return env

    failing, whole = run(end_at_failure=True), run()
    exact = run(log_end="terminate")
    assert failing.over[0].all()  # type: ignore[attr-defined]
    assert (failing.final_parts[:, 0] == 0.0).all()
    assert (failing.step_count < whole.step_count).all()
    assert (failing.steps_left > 0).all()
    assert whole.over.tolist() == [[False] * 8, [True] * 8]  # type: ignore[attr-defined]
    assert exact.over.tolist() == [[True] * 8, [False] * 8]  # type: ignore[attr-defined]
    assert (whole.steps_left == 0).all()


def test_graded_rewards_go_on_after_the_first_violation(scenarios) -> None:
    def brake_once(obs: ObservationBatch, size: int) -> np.ndarray:
        return np.stack([np.where((obs.iteration >= 10) & (obs.iteration < 16), -1.0, 0.2), np.zeros(len(obs))], axis=1)

    parts, hard = {}, ActionConfig(max_braking_mps2=9.0)
    for reward in ("score", "graded"):
        env = BatchEnv(scenarios, replace(WAIT, slots=1, reward=reward, action=hard))
        env.reset(scenarios=[0])
        begun, total = env.parts[0].copy(), 0.0
        while env.alive.any():
            env.step(actions_of(env, brake_once))
            total += float(env.reward[0])
        parts[reward] = env.final_parts[0]
        column = SCORE_PARTS.index("score" if reward == "score" else "graded_score")
        assert total == pytest.approx(parts[reward][column] - begun[column], abs=1e-5)
    comfort, score, graded = (SCORE_PARTS.index(n) for n in ("comfort", "score", "graded_score"))
    assert (parts["score"] == parts["graded"]).all()
    assert parts["score"][comfort] == 0.0
    assert parts["score"][score] < parts["score"][graded] < 1.0


@pytest.mark.parametrize("reward", ["score", "gigaflow"])
def test_an_action_for_several_steps_is_that_action_several_times(scenarios, reward: Any) -> None:
    once = BatchEnv(scenarios, replace(WAIT, slots=3, end_at_failure=True, reward=reward))
    more = BatchEnv(scenarios, replace(once.config, action=ActionConfig(repeat=4)))
    for env in (once, more):
        env.reset(scenarios=[0, 1, 2])
    random = np.random.default_rng(0)
    while more.alive.any():
        actions, paid, terms = random.uniform(-0.5, 0.7, (3, 2)), np.zeros(3), 0.0 * once.reward_terms
        over = np.zeros((2, 3), np.bool_)
        for _ in range(4):
            once.step(actions)
            paid, terms = paid + once.reward, terms + once.reward_terms
            over |= [once.terminated, once.truncated]
        more.step(actions)
        assert (more.parts == once.parts).all()
        assert more.reward == pytest.approx(paid, abs=1e-6)
        assert more.reward_terms == pytest.approx(terms, abs=1e-12)
        assert (over == [more.terminated, more.truncated]).all()
        assert (more.step_count == once.step_count).all()
        for name in once.obs:
            assert (more.obs[name] == once.obs[name]).all()
            assert (more.final_obs[name] == once.final_obs[name]).all()
    assert not once.alive.any()
    assert more.terminated.any() or (more.step_count % 4 != 0).any()


def test_maneuvers_drive_a_line_at_a_speed() -> None:
    """On a straight road with two lanes of 3.6 m, the ego at 8 m/s on the right one; the limit is 13 m/s."""
    env = BatchEnv([made_up_scenario()], replace(WAIT, slots=4, action=ActionConfig("maneuver", repeat=5)))
    assert (env.action_size, env.action_count) == (1, 12)
    env.reset(scenarios=0)
    begun = env.cohorts[0].loop.obs.ego.copy()
    for _ in range(20):
        env.step([0, 2, 4 + 1, 8 + 2])  # brake; 0.7 of the limit; to the left at 0.35; no lane to the right: the own
    ego = env.cohorts[0].loop.obs.ego
    assert ego[:, Ego.VX] == pytest.approx([0.0, 0.7 * 13.0, 0.35 * 13.0, 0.7 * 13.0], abs=0.1)
    assert (ego - begun)[:, Ego.Y] == pytest.approx([0.0, 0.0, 3.6, 0.0], abs=0.2)
    comfort = SCORE_PARTS.index("comfort")
    assert env.parts[1, comfort] == 1.0
    for action, said in (
        ([0, 12, 0, 0], r"slots \[1\]: there are maneuvers 0 to 11, not 12"),
        ([0, 0, 0.5, 0], r"slots \[2\]: there are"),
    ):
        with pytest.raises(ValueError, match=said):
            env.step(action)
    with pytest.raises(RuleError, match="speeds"):
        ActionConfig("maneuver", speeds=())


def test_bad_input_is_refused_by_name(scenarios) -> None:
    env = BatchEnv(scenarios, replace(WAIT, slots=2))
    with pytest.raises(RuntimeError, match="reset"):
        env.step(np.zeros((2, 2)))
    env.reset(0)
    before = env.state().buffers
    for actions, said in (
        ([[0.0, 0.0]], r"actions are \(2, 2\), got \(1, 2\)"),
        ([[0.0, 0.0], [np.nan, 0.0]], r"slots \[1\] are not finite"),
        ([[0.0, np.inf], [0.0, 0.0]], r"slots \[0\] are not finite"),
    ):
        with pytest.raises(ValueError, match=said):
            env.step(actions)
    assert all((before[k] == v).all() for k, v in env._buffers().items()), "a refused action changes nothing"
    for mask, said in (([1, 0], "bool"), (np.ones(3, np.bool_), r"\(2,\)")):
        with pytest.raises(ValueError, match=said):
            env.reset_rows(mask)
    with pytest.raises(ValueError, match=r"none has the numbers \[8\]"):
        env.reset(3, scenarios=[8, 0])
    assert env.seed == 0
    assert len(env.cohorts) > 0, "a refused number changes nothing"
    assert all((before[k] == v).all() for k, v in env._buffers().items())
    for slots, spec in ((1, None), (2, FeatureSpec(agents=4))):
        with pytest.raises(ValueError, match="the state is that of another environment"):
            env.set_state(BatchEnv(scenarios, replace(WAIT, slots=slots), spec).state())
    assert all((before[k] == v).all() for k, v in env._buffers().items()), "a refused state changes nothing"
    with pytest.raises(ConfigError, match="data=STORE"):
        BatchEnv()
    with pytest.raises(ConfigError, match="controls need"):
        BatchEnv(scenarios, replace(WAIT, simulation=replace(WAIT.simulation, controller="perfect")))
    with pytest.raises(ConfigError, match=r"a trajectory of 0\.05 s, where the controller needs 0\.1 s"):
        BatchEnv(scenarios, replace(WAIT, action=ActionConfig("trajectory", points=1, interval_s=0.05)))
    slow = [replace(s, stride=2 * s.stride) for s in scenarios]
    assert slow[0].interval_s == pytest.approx(0.2)
    with pytest.raises(ScenarioError, match=r"says where to be for 0\.15 s, the next iteration is up to 0\.2 s away"):
        BatchEnv(slow, replace(WAIT, action=ActionConfig("trajectory", points=1, interval_s=0.15))).reset()
    with pytest.raises(DataError, match="no scenarios"):
        BatchEnv([])


def test_actions_beyond_the_bounds_are_clipped(scenarios) -> None:
    seen = []
    for scale in (1.0, 40.0):
        env = BatchEnv(scenarios, replace(WAIT, slots=1))
        env.reset(scenarios=[0])
        for _ in range(5):
            env.step(scale * np.array([[1.0, -1.0]]))
        seen.append(env.obs["observation"].tobytes())
    assert seen[0] == seen[1]


def test_the_action_of_a_slot_that_waits_is_ignored(scenarios) -> None:
    env = BatchEnv(scenarios, replace(WAIT, slots=2))
    env.reset(scenarios=[0, 1])  # 51 and 61 iterations
    for _ in range(55):
        env.step(actions_of(env))
    assert env.alive.sum() == 1
    dead = int(np.flatnonzero(~env.alive)[0])
    assert env.reward[dead] == 0.0
    assert not env.terminated[dead]
    assert not env.truncated[dead]


def test_scenarios_too_short_and_without_a_route(scenarios) -> None:
    s = scenarios[0]
    short = replace(s, last=s.first + s.stride)
    env = BatchEnv([short, s], replace(WAIT, slots=6))
    env.reset(0)
    assert (env.token == 1).all(), "what cannot be begun is passed over"
    assert {f.stage for f in env.failures} == {"load"}
    assert "too few" in env.failures[0].error
    with pytest.raises(Exception, match=r"cannot be begun.*2 iterations are too few"):
        BatchEnv([short], replace(WAIT, slots=1)).reset()
    scenes = replace(s.drive.scenes, route=Ragged.build([[]] * len(s.drive.scenes)))
    bare = replace(s, drive=replace(s.drive, scenes=scenes))
    env = BatchEnv([bare], replace(WAIT, slots=1))
    env.reset()
    for _ in range(3):
        env.step(actions_of(env))
    assert np.isfinite(env.obs["observation"]).all()
    assert not env.failures


def test_a_slot_whose_scenario_cannot_be_begun_waits(scenarios) -> None:
    s = scenarios[0]
    env = BatchEnv([replace(s, last=s.first + s.stride), s], replace(WAIT, slots=2))
    env.reset(scenarios=1)
    with pytest.raises(ScenarioError, match="too few"):
        env.reset_rows(np.array([True, False]), scenarios=0)
    assert env.alive.tolist() == [False, True]
    env.step(actions_of(env))
    assert env.step_count.tolist() == [0, 1]
    env.reset_rows(~env.alive, scenarios=1)
    assert env.alive.all()


def test_the_last_failures_are_kept_and_go_with_the_state(scenarios) -> None:
    s = scenarios[0]
    short = replace(s, last=s.first + s.stride)
    env = BatchEnv([short, s], replace(WAIT, slots=1), sampler=lambda seed, slot, episode: int(episode % 19 == 18))
    env.reset()
    assert len(env.failures) == 18
    state = env.state()
    for _ in range(6):
        env.reset_rows(np.ones(1, np.bool_))
    assert len(env.failures) == 100, "18 of each episode, no more than 100"
    env.set_state(state)
    assert len(env.failures) == 18


def test_agents_that_fail_cost_their_episode_alone(scenarios) -> None:
    from roadcraft.core.config.factory import create

    class Failing:
        def __init__(self) -> None:
            self.inner = create("agents", "log")

        def start(self, some, vehicle, keys):
            return self.inner.start(some, vehicle, keys)

        def step(self, some, obs, state, keys):
            if any(s.token == scenarios[1].token for s in some) and obs.iteration[0] == 4:
                raise ZeroDivisionError("lost")
            return self.inner.step(some, obs, state, keys)

    env = BatchEnv(scenarios, replace(WAIT, slots=3))
    env.setup = replace(env.setup, agents=Failing())
    env.reset(scenarios=[0, 1, 2])
    for k in range(6):
        env.step(actions_of(env))
        assert env.truncated.tolist() == [False, k == 4, False]
    assert env.alive.tolist() == [True, False, True]
    assert [(f.token, f.stage, f.step) for f in env.failures] == [(scenarios[1].token, "agents", 4)]
