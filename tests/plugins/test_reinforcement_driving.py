"""A policy learns to drive in the environment, and a learner from outside does through Gymnasium."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from collecting import Collector
from made_up_task import behind_a_slow_car, store_of
from probe_tasks import SmallPolicy
from torch import Tensor, nn

from roadcraft.core.driving.features.spec import FeatureSpec
from roadcraft.plugins.training.policy_config import PolicyGradientConfig
from roadcraft.plugins.training.reinforcement.learner import Learner
from roadcraft.plugins.training.reinforcement.rollouts import PolicyAnswer
from roadcraft.validation import ActionConfig, BatchEnv, EnvironmentConfig, FlatObservation

SEEN = FeatureSpec(
    agents=4, past_steps=1, lanes=0, route_lanes=0, crosswalks=0, static=0,
    reference_lines=3, reference_points=4, reference_interval_m=10.0,
)  # fmt: skip
SETTINGS = EnvironmentConfig(slots=48, action=ActionConfig("maneuver", repeat=5), autoreset=False, log_end="terminate")
LEARN = PolicyGradientConfig(
    minibatch=128,
    epochs=16,
    clip_range=0.4,
    entropy_coef=0.0,
    kl_coef=0.0,
    max_kl=0.0,
    advantage_filter=0.0,
    discount=0.95,
    gae_lambda=0.9,
)
RANDOM, LEARNED = 0.5, 0.9


class Driver(SmallPolicy):
    def forward(self, obs: Mapping[str, Tensor]) -> PolicyAnswer:
        return super().forward({"x": obs["observation"]})


@pytest.mark.parametrize("seed", [0, 1])
def test_one_scenario_is_learned_by_maneuvers(seed: int) -> None:
    """Twelve maneuvers, a decision every half a second, paid by the running score."""
    env = BatchEnv([behind_a_slow_car()], SETTINGS, FlatObservation(SEEN))
    env.reset(0)
    torch.manual_seed(seed)
    policy = Driver(env.obs["observation"].shape[1], env.action_count, hidden=64)
    learner, collector, generator = Learner("ppo", LEARN), Collector(env, 30), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(policy.parameters(), 5e-3, eps=1e-5)
    scores, decisions = list[float](), 0
    while decisions < 20_000:
        env.reset_rows(np.ones(48, np.bool_))
        rollout = collector.collect(policy, generator)
        decisions += int(rollout.alive.sum())
        scores.append(float(env.final_parts[:, 0].mean()))
        if scores[-1] >= LEARNED:
            break
        for batch in learner.minibatches(learner.samples(rollout, generator)[0], generator):
            optimizer.zero_grad()
            learner.backward(policy, batch)
            nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
            optimizer.step()
    assert scores[0] < RANDOM, "choices drawn evenly do badly"
    assert scores[-1] >= LEARNED, f"after {decisions} decisions, scores of the roll-outs {scores}"


def test_an_unmodified_learner_from_outside_reaches_the_same(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3", reason="needs pip install 'roadcraft[rl]'")
    from ppo import learn

    random, driven = learn(store_of(behind_a_slow_car(), tmp_path / "store"), decisions=9_000)
    assert random < RANDOM
    assert driven >= LEARNED
