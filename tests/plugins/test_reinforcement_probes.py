"""Whether the learner learns: small tasks with thresholds that a learner with one mistake does not reach."""

from __future__ import annotations

from typing import Any

import collecting
import numpy as np
import pytest
import torch
from collecting import Collector
from probe_tasks import Bandit, Delayed, NoisyTarget, Probe, Sign, SmallPolicy, learn
from torch import nn

from roadcraft.plugins.training.policy_config import PolicyGradientConfig
from roadcraft.plugins.training.reinforcement.learner import Learner, SampleWeight

PLAIN = PolicyGradientConfig(minibatch=256, epochs=4, advantage_filter=0.0, kl_coef=0.0, max_kl=0.0)


def made(size: int, actions: int, seed: int = 0, **more: Any) -> SmallPolicy:
    torch.manual_seed(seed)
    return SmallPolicy(size, actions, **more)


@pytest.mark.parametrize("filtered", [0.0, 0.01])
def test_a_bandit(filtered: float) -> None:
    """The best of three arms, in 5,120 samples."""
    policy = made(1, 3)
    learn(Bandit(32, 1, 1), policy, PolicyGradientConfig(epochs=4, advantage_filter=filtered, entropy_coef=0.0), 20)
    p = policy({"x": torch.ones(1, 1)}).distribution.log_p.exp()
    assert p[0, 1] > 0.95


def test_the_sign_of_what_is_seen() -> None:
    policy = made(1, 2)
    learn(Sign(32, 1, 5), policy, PLAIN, 20)
    p = policy({"x": torch.tensor([[-1.0], [1.0]])}).distribution.log_p.exp()
    assert p[0, 0] > 0.95
    assert p[1, 1] > 0.95


def test_a_reward_that_comes_one_step_late() -> None:
    policy = made(2, 2)
    learn(Delayed(32), policy, PLAIN, 20)
    assert policy({"x": torch.eye(2)}).distribution.log_p[0, 1].exp() > 0.95


def test_a_continuous_action_under_noise() -> None:
    policy = made(1, 1, continuous=True)
    x = torch.linspace(-0.7, 0.7, 15)[:, None]
    assert (policy({"x": x}).distribution.best() - x).abs().mean() > 0.3
    learn(NoisyTarget(64, 1, 4), policy, PLAIN, 60)
    assert (policy({"x": x}).distribution.best() - x).abs().mean() < 0.08


@pytest.mark.parametrize(("cut", "bootstrap"), [(True, True), (True, False), (False, True)])
def test_an_episode_that_is_cut_off_goes_on_in_the_value_and_one_that_ends_does_not(cut: bool, bootstrap: bool) -> None:
    """Reward 1, an end every 10 steps, discount 0.9: 1 / (1 - 0.9) = 10 where the end is a cut that is bootstrapped,
    else the sum of what is left."""

    class Constant(Probe):
        def seen(self) -> None:
            self.obs["x"][:] = np.eye(10)[np.minimum(self.time, 9)]

    env = Constant(16, 10, 10, cut=cut)
    env.time[:] = np.arange(16) % 10
    env.seen()
    policy = made(10, 2, hidden=0)
    config = PolicyGradientConfig(epochs=8, minibatch=160, discount=0.9, advantage_filter=0.0)
    learn(env, policy, config, 60, unroll=10, bootstrap=bootstrap, rate=5e-2)
    value = policy({"x": torch.eye(10)}).value.detach().numpy()
    expected = np.full(10, 10.0) if cut and bootstrap else (1 - 0.9 ** np.arange(10, 0, -1)) / 0.1
    assert value == pytest.approx(expected, rel=0.05)


def test_the_first_minibatch_has_ratio_1_and_the_others_a_divergence() -> None:
    seen: list[dict[str, float]] = []
    learn(Sign(32, 1, 5), made(1, 2), PLAIN, 1, watch=seen.append)
    assert seen[0]["approximate_kl"] == pytest.approx(0.0, abs=1e-9)
    assert seen[0]["clip_fraction"] == 0.0
    assert all(s["approximate_kl"] >= 0.0 for s in seen)
    assert seen[-1]["approximate_kl"] > 1e-6

    env, policy = NoisyTarget(32, 1, 4), made(1, 1, continuous=True)
    learner, collector = Learner("ppo", PLAIN), Collector(env, 8)
    rollout = collector.collect(policy, torch.Generator().manual_seed(0))
    whole, _ = learner.samples(rollout)
    now = policy(whole.obs).distribution.log_prob(whole.samples.action)
    assert ((now - whole.samples.log_prob).exp() - 1.0).abs().max() < 1e-6


def test_micro_batches_of_a_minibatch_sum_to_its_gradient() -> None:
    grads = []
    for micro in (7, 64):
        config = PolicyGradientConfig(minibatch=64, micro_batch=micro)
        policy, learner = made(1, 2), Learner("ppo", config)
        whole, _ = learner.samples(Collector(Sign(8, 1, 5), 8).collect(policy, torch.Generator().manual_seed(0)))
        batch = next(iter(learner.minibatches(whole, torch.Generator().manual_seed(0))))
        learner.backward(policy, batch)
        grads.append(torch.cat([p.grad.flatten() for p in policy.parameters() if p.grad is not None]))
        assert SampleWeight.of(batch.samples).policy > 0
    assert torch.allclose(*grads, atol=1e-6)
    assert grads[0].abs().max() > 1e-4


def test_roll_outs_hold_what_was_seen_before_the_action_that_was_paid() -> None:
    """Reward is 1 where the action was the sign of what lies in the same row."""
    rollout = Collector(Sign(16, 1, 5), 12).collect(made(1, 2), torch.Generator().manual_seed(0))
    right = rollout.action == (rollout.obs["x"][..., 0] > 0)
    assert (rollout.reward == right.float()).all()
    assert 0.2 < right.float().mean() < 0.8
    assert rollout.terminated[4::5].all()
    assert rollout.terminated.sum() == 2 * 16


def test_groups_learn_without_a_value() -> None:
    """vdgrpo on a bandit whose arms differ by less than its noise: groups of roll-outs of one scene."""
    policy = made(1, 3)
    config = PolicyGradientConfig(group_size=8, epochs=2, entropy_coef=0.0, advantage_scale=0.5, kl_coef=0.0)
    learn(Bandit(256, 1, 1), policy, config, 20, method="vdgrpo", unroll=1)
    assert policy({"x": torch.ones(1, 1)}).distribution.log_p[0, 1].exp() > 0.95


def test_a_reference_holds_a_policy_near_itself() -> None:
    """The stronger, the nearer."""
    left = []
    for coefficient in (0.0, 3.0, 30.0):
        policy, frozen = made(1, 3), made(1, 3)
        config = PolicyGradientConfig(epochs=4, entropy_coef=0.0, kl_coef=coefficient)
        generator = torch.Generator().manual_seed(0)
        learner, collector = Learner("ppo", config, frozen), Collector(Bandit(32, 1, 1), 8)
        optimizer = torch.optim.Adam(policy.parameters(), 3e-3)
        for _ in range(20):
            for batch in learner.minibatches(learner.samples(collector.collect(policy, generator))[0], generator):
                optimizer.zero_grad()
                learner.backward(policy, batch)
                nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
                optimizer.step()
        x = {"x": torch.ones(1, 1)}
        left.append(float(policy(x).distribution.divergence(frozen(x).distribution).detach()))
    assert left[0] > 2 * left[1] > 20 * left[2]


def test_an_observation_of_another_row_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by the test of what roll-outs hold."""
    monkeypatch.setattr(
        collecting, "seen_by", lambda env: {k: torch.from_numpy(v).roll(1, 0) for k, v in env.obs.items()}
    )
    with pytest.raises(AssertionError):
        test_roll_outs_hold_what_was_seen_before_the_action_that_was_paid()
