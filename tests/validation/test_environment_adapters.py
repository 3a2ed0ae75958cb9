"""The environment as Gymnasium, PettingZoo and others see it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roadcraft.core.data.scenario import Scenario
from roadcraft.core.driving.features.spec import FeatureSpec
from roadcraft.scenario_io import find, open_source
from roadcraft.validation.environments.batch_env import BatchEnv
from roadcraft.validation.environments.config import ActionConfig, EnvironmentConfig

gymnasium = pytest.importorskip("gymnasium", reason="needs the extra rl")
pytest.importorskip("pettingzoo", reason="needs the extra rl")

from roadcraft.validation import check_vector_env, parallel_env, register_gymnasium  # noqa: E402
from roadcraft.validation.environments.gymnasium_vector import GymnasiumVector  # noqa: E402
from roadcraft.validation.environments.one_world import EGO  # noqa: E402

SETTINGS = EnvironmentConfig(slots=3)


@pytest.fixture(scope="module")
def scenarios(small_store: Path) -> list[Scenario]:
    source = open_source(small_store)
    return [source.scenario(c.row, c.type, c.window_us) for c in find(source)]


def vector(scenarios: list[Scenario], autoreset: bool = True, spec: FeatureSpec | None = None) -> GymnasiumVector:
    return GymnasiumVector(BatchEnv(scenarios, replace(SETTINGS, autoreset=autoreset), spec))


@pytest.mark.parametrize("autoreset", [True, False])
def test_the_vector_environment_keeps_the_api(scenarios, autoreset: bool) -> None:
    check_vector_env(vector(scenarios, autoreset), steps=70)


def test_blocks_of_features_are_a_dict(scenarios) -> None:
    check_vector_env(vector(scenarios, spec=FeatureSpec(agents=4, lanes=4, past_steps=2)), steps=60)


class Wrong(GymnasiumVector):
    """Breaks one promise."""

    def __init__(self, env: BatchEnv, fault: str) -> None:
        super().__init__(env)
        self.fault = fault

    def reset(self, *, seed=None, options=None):
        if self.fault == "seed":
            seed = None if seed is None else seed + int(self.env.episode[0] + 1)
        seen, infos = super().reset(seed=seed, options=options)
        if self.fault == "mask" and options:
            seen = seen + 1.0
        return seen, infos

    def step(self, actions):
        seen, reward, terminated, truncated, infos = super().step(actions)
        if self.fault == "final" and "final_obs" in infos:
            del infos["final_obs"], infos["_final_obs"]
        if self.fault == "dtype":
            seen = seen.astype(np.float64)
        if self.fault == "nan":
            seen[0, 0] = np.nan
        if self.fault == "flags":
            terminated = terminated.astype(np.int64)
        if self.fault == "infos":
            del infos["_token"]
        return seen, reward, terminated, truncated, infos

    def _check_open(self) -> None:
        if self.fault != "close":
            super()._check_open()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("seed", "the same seed"), ("mask", "touches other rows"), ("final", "_final_obs is"), ("dtype", "is float64"),
        ("nan", "NaN"), ("flags", "terminated is int64"), ("infos", "no mask _token"), ("close", "after close"),
    ],
)  # fmt: skip
def test_the_checker_finds_what_is_wrong(scenarios, fault: str, said: str) -> None:
    env = Wrong(BatchEnv(scenarios, replace(SETTINGS, autoreset=fault != "mask")), fault)
    with pytest.raises(AssertionError, match=said):
        check_vector_env(env, steps=60)


def test_made_by_name_from_a_store(small_store: Path) -> None:
    register_gymnasium()
    env: Any = gymnasium.make_vec("roadcraft/Drive-v0", num_envs=2, data=str(small_store), agents="idm")
    assert env.single_action_space.shape == (2,)
    wrapped = gymnasium.wrappers.vector.RecordEpisodeStatistics(env)
    seen, _ = wrapped.reset(seed=1)
    returns = []
    while len(returns) < 3:
        seen, _, terminated, truncated, infos = wrapped.step(np.zeros((2, 2), np.float32))
        done = terminated | truncated
        returns += infos.get("episode", {}).get("r", np.zeros(2))[done].tolist()
    assert seen.shape == (2, 534)
    assert all(-1.0 < r < 1.0 for r in returns)
    with pytest.raises(Exception, match="color"):
        gymnasium.make_vec("roadcraft/Drive-v0", data=str(small_store), color="red")


def test_maneuvers_are_counted_actions(scenarios) -> None:
    settings = replace(SETTINGS, slots=2, action=ActionConfig("maneuver", repeat=5))
    env = GymnasiumVector(BatchEnv(scenarios, settings))
    assert env.single_action_space == gymnasium.spaces.Discrete(12)
    check_vector_env(env, 30)


def test_one_seed_for_all_and_no_step_of_what_is_over(scenarios) -> None:
    env = vector(scenarios, autoreset=False)
    with pytest.raises(ValueError, match="one seed"):
        env.reset(seed=[1, 2, 3])
    env.reset(seed=0)
    with pytest.raises(ValueError, match="without reset_mask"):
        env.reset(seed=1, options={"reset_mask": np.ones(3, np.bool_)})
    with pytest.raises(RuntimeError, match="reset_mask"):  # noqa: PT012
        for _ in range(100):
            env.step(np.ones((3, 2), np.float32))


def test_without_a_seed_the_next_episodes_begin(scenarios) -> None:
    env = vector(scenarios)
    tokens = [env.reset(seed=seed)[1]["token"].tolist() for seed in (4, None, None, None, 4, None)]
    assert tokens[4:] == tokens[:2]
    assert len({tuple(t) for t in tokens[:4]}) > 1
    assert env.env.episode.tolist() == [1, 1, 1]


def test_without_copies_the_buffers_are_handed_out(scenarios) -> None:
    own = BatchEnv(scenarios, SETTINGS)
    env = GymnasiumVector(own, copy=False)
    seen, _ = env.reset(seed=0)
    assert seen is own.obs["observation"]
    assert env.step(np.zeros((3, 2)))[1] is own.reward
    assert vector(scenarios).reset(seed=0)[0] is not own.obs["observation"]


def test_one_world_for_pettingzoo(scenarios) -> None:
    from pettingzoo.test import parallel_api_test

    world = parallel_env(BatchEnv(scenarios, replace(SETTINGS, slots=1, autoreset=False)))
    parallel_api_test(world, num_cycles=120)
    first, _ = world.reset(seed=4)
    assert (world.reset(seed=4)[0][EGO] == first[EGO]).all()
    world.reset()
    assert world.vector.env.episode[0] == 1
    with pytest.raises(ValueError, match="slots=1"):
        parallel_env(BatchEnv(scenarios, SETTINGS))
