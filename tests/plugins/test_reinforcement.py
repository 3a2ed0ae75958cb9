"""Distributions, advantages and losses of reinforcement learning, each against a plain definition."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from roadcraft.plugins.training.policy_config import PolicyGradientConfig
from roadcraft.plugins.training.reinforcement.advantages import (
    AdvantageFilter,
    EpisodeEnds,
    generalized_advantages,
    group_advantages,
    normalized,
)
from roadcraft.plugins.training.reinforcement.distributions import (
    BetaDistribution,
    ChoiceDistribution,
    joint_actions,
)
from roadcraft.plugins.training.reinforcement.learner import Learner
from roadcraft.plugins.training.reinforcement.losses import (
    LossCoefficients,
    PolicySamples,
    SampleWeight,
    approximate_kl,
    explained_variance,
    policy_losses,
)
from roadcraft.plugins.training.reinforcement.rollouts import PolicyAnswer, PolicyRollout
from roadcraft.plugins.training.reinforcement.scene_priorities import ScenePriorities


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---- distributions -------------------------------------------------------------------------------------------------


def test_a_beta_density_is_torchs_and_its_integral_is_1() -> None:
    parameters = 2.0 * draws(5, 4)
    policy = BetaDistribution(parameters)
    twin = torch.distributions.Beta(policy.alpha, policy.beta)
    action = torch.rand(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert torch.allclose(policy.log_prob(action), twin.log_prob((action + 1) / 2).sum(-1), atol=1e-9)
    assert torch.allclose(policy.entropy(), twin.entropy().sum(-1), atol=1e-9)
    u = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    for row in parameters[:, ::2]:  # alpha and beta of the first number
        one = BetaDistribution(row.expand(len(u), 2))
        log_density = one.log_prob(2 * u[:, None] - 1)
        density = log_density.exp()
        assert float(density.mean()) == pytest.approx(1.0, abs=1e-4)
        assert float(-(density * log_density).mean()) == pytest.approx(float(one.entropy()[0]), abs=1e-3)
        assert float((density * (2 * u - 1)).mean()) == pytest.approx(float(one.best()[0, 0]), abs=1e-4)


def test_divergences_are_torchs_and_zero_of_oneself() -> None:
    a, b = BetaDistribution(draws(6, 4)), BetaDistribution(draws(6, 4, seed=1))
    twins = [torch.distributions.Beta(d.alpha, d.beta) for d in (a, b)]
    assert torch.allclose(a.divergence(b), torch.distributions.kl_divergence(*twins).sum(-1), atol=1e-9)
    assert a.divergence(a).abs().max() < 1e-12
    p, q = ChoiceDistribution(draws(6, 4)), ChoiceDistribution(draws(6, 4, seed=1))
    twin = torch.distributions.kl_divergence(*(torch.distributions.Categorical(logits=d.log_p) for d in (p, q)))
    assert torch.allclose(p.divergence(q), twin, atol=1e-9)


def test_beta_actions_have_the_moments_of_their_density_and_a_finite_one() -> None:
    policy = BetaDistribution(torch.tensor([[3.0, -4.0, -30.0, 30.0]]).expand(50_000, 4))
    action = policy.sample(torch.Generator().manual_seed(0))
    assert action.abs().max() < 1.0
    assert torch.allclose(action.mean(0), policy.best()[0], atol=0.01)
    assert policy.log_prob(action).isfinite().all()
    assert policy.log_prob(torch.tensor([[1.0, -1.0]]).expand(50_000, 2)).isfinite().all()


def test_a_masked_action_is_never_drawn() -> None:
    """In 100,000 draws, though it has by far the largest logit."""
    logits = torch.tensor([[0.0, 50.0, 1.0, -1.0]]).expand(100_000, 4)
    allowed = torch.tensor([[True, False, True, True]]).expand(100_000, 4)
    policy = ChoiceDistribution(logits, allowed)
    counts = policy.sample(torch.Generator().manual_seed(0)).bincount(minlength=4)
    assert counts[1] == 0
    share = torch.tensor([1.0, 0.0, torch.e, 1 / torch.e])
    assert torch.allclose(counts / 1e5, share / share.sum(), atol=0.01)
    twin = torch.distributions.Categorical(logits=torch.tensor([0.0, 1.0, -1.0]))
    assert float(policy.entropy()[0]) == pytest.approx(float(twin.entropy()), abs=1e-6)
    assert float(policy.log_prob(torch.full((100_000,), 2))[0]) == pytest.approx(
        float(twin.log_prob(torch.tensor(1))), abs=1e-6
    )
    with pytest.raises(ValueError, match="row 1 of the action mask allows no action"):
        ChoiceDistribution(torch.zeros(2, 2), torch.tensor([[True, False], [False, False]]))


def test_entropy_and_divergence_of_a_masked_choice_have_finite_gradients() -> None:
    logits = draws(3, 4).requires_grad_()
    allowed = torch.tensor([True, True, False, True]).expand(3, 4)
    policy, other = ChoiceDistribution(logits, allowed), ChoiceDistribution(draws(3, 4, seed=2), allowed)
    (policy.entropy() + policy.divergence(other)).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert (logits.grad[:, 2] == 0).all()
    assert (logits.grad[:, 0] != 0).all()


def test_log_probabilities_are_in_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        head = nn.Linear(4, 6)(torch.ones(2, 4))
        assert head.dtype == torch.bfloat16
        assert ChoiceDistribution(head).log_prob(torch.zeros(2)).dtype == torch.float32
        assert BetaDistribution(head).log_prob(torch.zeros(2, 3)).dtype == torch.float32


def test_joint_actions_are_every_combination() -> None:
    table = joint_actions(torch.tensor([-1.0, 0.0, 1.0]), torch.tensor([5.0, 6.0]))
    assert table.tolist() == [[a, s] for a in (-1.0, 0.0, 1.0) for s in (5.0, 6.0)]
    assert joint_actions(torch.tensor([1.0, 2.0])).tolist() == [[1.0], [2.0]]


# ---- advantages ----------------------------------------------------------------------------------------------------


def slow_advantages(r, v, last, final, terminated, truncated, alive, gamma, lam):  # type: ignore[no-untyped-def]
    """Every advantage as the sum it is defined by."""
    steps, rows = r.shape
    out = np.zeros((steps, rows))
    for i in range(rows):
        for t in range(steps):
            if not alive[t, i]:
                continue
            factor = 1.0
            for k in range(t, steps):
                after = v[k + 1, i] if k + 1 < steps else last[i]
                after = 0.0 if terminated[k, i] else final[k, i] if truncated[k, i] else after
                out[t, i] += factor * (r[k, i] + gamma * after - v[k, i])
                factor *= gamma * lam
                if terminated[k, i] or truncated[k, i]:
                    break
    return out


@pytest.mark.parametrize("seed", range(8))
def test_advantages_are_those_of_a_double_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps, rows = 23, 7
    r, v, final = rng.standard_normal((3, steps, rows))
    last = rng.standard_normal(rows)
    terminated, truncated = rng.random((2, steps, rows)) < 0.12
    alive = np.ones((steps, rows), np.bool_)
    for i in range(3):  # rows that stay dead after an episode's end
        t = int(rng.integers(3, steps - 2))
        terminated[t, i], alive[t + 1 :, i] = True, False
    given = (r, v, last, final, terminated, truncated, alive)
    tensors = [torch.from_numpy(x) for x in given]
    found = generalized_advantages(*tensors[:4], EpisodeEnds(*tensors[4:]), 0.97, 0.9)
    assert np.abs(found.numpy() - slow_advantages(*given, 0.97, 0.9)).max() < 1e-9


def test_without_discount_and_with_a_full_trace_advantages_and_values_sum_to_returns() -> None:
    rewards, values = draws(12, 4), draws(12, 4, seed=1)
    ended = torch.zeros(12, 4, dtype=torch.bool)
    ended[-1] = ended[5] = True
    no = torch.zeros_like(ended)
    found = generalized_advantages(rewards, values, draws(4), draws(12, 4), EpisodeEnds(ended, no, ~no), 1.0, 1.0)
    found = found + values
    returns = torch.cat([rewards[part].flip(0).cumsum(0).flip(0) for part in (slice(0, 6), slice(6, 12))])
    assert torch.allclose(found, returns, atol=1e-12)


def test_a_row_that_ends_without_a_flag_is_refused() -> None:
    flat, no = torch.zeros(3, 2), torch.zeros(3, 2, dtype=torch.bool)
    alive = torch.tensor([[True, True], [True, True], [True, False]])
    with pytest.raises(ValueError, match="row 1 is not alive after step 1"):
        generalized_advantages(flat, flat, flat[0], flat, EpisodeEnds(no, no, alive), 0.9, 0.9)


def test_advantages_of_half_precision_are_computed_in_float32() -> None:
    half, no = torch.full((3, 2), 1 / 3, dtype=torch.bfloat16), torch.zeros(3, 2, dtype=torch.bool)
    assert generalized_advantages(half, half, half[0], half, EpisodeEnds(no, no, ~no), 0.9, 0.9).dtype == torch.float32


def test_group_advantages_know_neither_the_level_of_rewards_nor_the_order_of_a_group() -> None:
    rewards = draws(5, 3, 4)
    alive = torch.ones(5, 3, 4, dtype=torch.bool)
    alive[3:, 1, 2] = False  # ended early
    found = group_advantages(rewards, alive, 0.1)
    assert torch.allclose(found.sum(-1), torch.zeros(5, 3, dtype=torch.float64), atol=1e-9)
    assert (found[3:, 1, 2] == 0).all()
    more = rewards.clone()
    last = alive.sum(0) - 1
    for s in range(3):
        for g in range(4):
            more[last[s, g], s, g] += 7.0  # a constant on every roll-out
    assert torch.allclose(group_advantages(more, alive, 0.1), found, atol=1e-9)
    order = torch.tensor([2, 0, 3, 1])
    assert torch.allclose(group_advantages(rewards[..., order], alive[..., order], 0.1), found[..., order], atol=1e-12)
    assert (group_advantages(torch.ones(5, 3, 4), torch.ones_like(alive), 0.1) == 0).all()
    assert torch.allclose(group_advantages(rewards, alive, 0.2) * 2, found, atol=1e-12)  # no deviation in it


def test_a_discount_blames_what_was_done_shortly_before() -> None:
    """Against a plain double loop; nothing is changed in what is given."""
    rewards, alive = draws(6, 2, 3), torch.ones(6, 2, 3, dtype=torch.bool)
    alive[4:, 0, 1] = False
    kept = rewards.clone()
    found = group_advantages(rewards, alive, 0.5, 0.8)
    assert torch.equal(rewards, kept)
    ahead = torch.zeros_like(rewards)
    for t in range(6):
        for later in range(t, 6):
            ahead[t] += 0.8 ** (later - t) * rewards[later] * alive[later]
    for t in range(6):
        for s in range(2):
            mean = ahead[t, s][alive[t, s]].mean()
            for g in range(3):
                want = float((ahead[t, s, g] - mean) / 0.5) if alive[t, s, g] else 0.0
                assert float(found[t, s, g]) == pytest.approx(want, abs=1e-9)


def test_a_rare_failure_in_a_group_weighs_as_much_as_it_costs() -> None:
    """Dividing by the deviation would give the one that fails the same advantage, whatever its cost."""
    alive = torch.ones(1, 1, 4, dtype=torch.bool)
    found = [group_advantages(torch.tensor([[[1.0, 1.0, 1.0, 1.0 - c]]]), alive, 0.1)[0, 0, 3] for c in (0.1, 1.0)]
    assert float(found[1] / found[0]) == pytest.approx(10.0, rel=1e-4)


def test_normalized_advantages_leave_out_what_weighs_nothing() -> None:
    x, weight = draws(50), torch.ones(50, dtype=torch.float64)
    x[:10], weight[:10] = 1e6, 0.0
    found = normalized(x, weight)[10:]
    assert float(found.mean()) == pytest.approx(0.0, abs=1e-9)
    assert float(found.std(correction=0)) == pytest.approx(1.0, abs=1e-6)


def test_the_filter_drops_small_advantages_and_keeps_the_mean_of_the_value_loss() -> None:
    advantage = torch.cat([torch.full((40_000,), 1e-4), torch.full((1_000,), 1.0)])
    alive = torch.ones(41_000, dtype=torch.bool)
    alive[-500:] = False
    filter_ = AdvantageFilter(0.01)
    policy, value = filter_.weights(advantage, alive, torch.Generator().manual_seed(0))
    assert policy.sum() == 500
    assert (policy[-500:] == 0).all()
    assert float(value.sum()) == pytest.approx(40_500, rel=0.03)
    assert 3_600 < int((value[:40_000] > 0).sum()) < 4_400
    filter_.weights(advantage * 0.2, alive)
    assert filter_.largest == pytest.approx(0.75 * 1.0 + 0.25 * 0.2)
    again = AdvantageFilter()
    again.set_state(filter_.state())
    assert again.largest == filter_.largest


# ---- losses --------------------------------------------------------------------------------------------------------


ALL = LossCoefficients(clip=0.2, entropy=0.05, reference=0.1)


class Tiny(nn.Module):
    """A policy and a value with 10 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.worth = nn.Linear(1, 3), nn.Linear(3, 1)
        self.double()

    def forward(self, x: Tensor) -> tuple[ChoiceDistribution, Tensor]:
        logits = self.head(x)
        return ChoiceDistribution(logits), self.worth(torch.tanh(logits))[:, 0]


def tiny_samples(count: int, seed: int = 3) -> tuple[Tiny, Tensor, PolicySamples]:
    torch.manual_seed(seed)
    net, x = Tiny(), draws(count, 1, seed=seed)
    with torch.no_grad():
        policy, _ = net(x)
        action = policy.sample(torch.Generator().manual_seed(seed))
        log_prob = policy.log_prob(action) + 0.15 * draws(count, seed=seed + 1)
    weight = (torch.arange(count) % 5 > 0).double()
    return net, x, PolicySamples(action, log_prob, draws(count, seed=9), draws(count, seed=10), weight, weight + 1.0)


def loss_of(net: Tiny, x: Tensor, samples: PolicySamples, total: SampleWeight | None = None) -> Tensor:
    policy, value = net(x)
    with torch.no_grad():
        reference = ChoiceDistribution(net(x)[0].log_p * 0.5)
    found = policy_losses(policy, samples, total or SampleWeight.of(samples), ALL, value, reference)
    return torch.stack(list(found.terms.values())).sum()


def test_the_gradient_is_that_of_finite_differences() -> None:
    net, x, samples = tiny_samples(40)
    reference = ChoiceDistribution(draws(40, 3, seed=20))

    def loss() -> Tensor:
        policy, value = net(x)
        found = policy_losses(policy, samples, SampleWeight.of(samples), ALL, value, reference)
        return torch.stack(list(found.terms.values())).sum()

    loss().backward()
    for p in net.parameters():
        flat, grad = p.data.view(-1), p.grad.view(-1)  # type: ignore[union-attr]
        for i in range(len(flat)):
            kept, values = float(flat[i]), []
            for step in (1e-5, -1e-5):
                flat[i] = kept + step
                values.append(float(loss().detach()))
            flat[i] = kept
            assert (values[0] - values[1]) / 2e-5 == pytest.approx(float(grad[i]), rel=1e-4, abs=1e-7)
    assert sum(p.numel() for p in net.parameters()) == 10


@pytest.mark.parametrize("size", [1, 7, 40])
def test_micro_batches_give_the_gradient_of_the_whole(size: int) -> None:
    net, x, samples = tiny_samples(40)
    loss_of(net, x, samples).backward()
    whole = [p.grad.clone() for p in net.parameters()]  # type: ignore[union-attr]
    net.zero_grad()
    total = SampleWeight.of(samples)
    for first in range(0, 40, size):
        part = slice(first, first + size)
        loss_of(net, x[part], PolicySamples(*(s[part] for s in samples)), total).backward()
    for p, grad in zip(net.parameters(), whole, strict=True):
        assert torch.allclose(p.grad, grad, atol=1e-6)  # type: ignore[arg-type]


def test_the_clip_ends_the_gradient_of_what_has_moved_far_enough() -> None:
    logits = torch.zeros(4, 2, requires_grad=True)
    policy = ChoiceDistribution(logits)
    old = policy.log_prob(torch.zeros(4)).detach() - torch.tensor([0.5, 0.5, -0.5, -0.5])  # ratios e^0.5, e^-0.5
    advantage = torch.tensor([1.0, -1.0, 1.0, -1.0])
    one = torch.ones(4)
    samples = PolicySamples(torch.zeros(4), old, advantage, one, one, one)
    found = policy_losses(policy, samples, SampleWeight.of(samples), LossCoefficients(0.2))
    found.terms["policy"].backward()
    assert logits.grad is not None
    assert [bool(g) for g in logits.grad[:, 0] != 0] == [False, True, True, False]
    assert logits.grad[1, 0] > 0 > logits.grad[2, 0]  # away from what was bad, toward what was good
    assert float(found.diagnostics["clip_fraction"]) == 1.0


def test_the_entropy_term_spreads_a_policy() -> None:
    logits = torch.tensor([[2.0, 0.0]], requires_grad=True)
    zero, one = torch.zeros(1), torch.ones(1)
    samples = PolicySamples(zero, zero, zero, zero, one, one)
    found = policy_losses(ChoiceDistribution(logits), samples, SampleWeight.of(samples), ALL)
    found.terms["entropy_bonus"].backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] > 0 > logits.grad[0, 1]  # descending makes the likely one less likely


def test_equal_advantages_of_a_group_give_no_gradient() -> None:
    logits = draws(8, 3).requires_grad_()
    policy = ChoiceDistribution(logits)
    action, one = torch.arange(8) % 3, torch.ones(8)
    advantage = group_advantages(torch.full((2, 1, 4), 0.7), torch.ones(2, 1, 4, dtype=torch.bool), 0.1).flatten()
    samples = PolicySamples(action, policy.log_prob(action).detach(), advantage, one, one, one)
    found = policy_losses(policy, samples, SampleWeight.of(samples), LossCoefficients(0.2))
    found.terms["policy"].backward()
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def rollout_of(reward: Tensor) -> PolicyRollout:
    """Rewards (T, R) of choices among five, seen as one number each."""
    none, ended = torch.zeros_like(reward), torch.zeros(reward.shape, dtype=torch.bool)
    ended[-1] = True
    return PolicyRollout(
        obs={"x": draws(*reward.shape, 5)},
        action=torch.zeros(reward.shape, dtype=torch.int64),
        log_prob=none,
        value=none,
        reward=reward,
        terminated=ended,
        truncated=torch.zeros_like(ended),
        alive=torch.ones_like(ended),
        final_value=none,
        last_value=none[0],
    )


def test_a_roll_out_whose_groups_agree_trains_nothing_and_its_entropy_is_that_of_the_policy() -> None:
    learner = Learner("vdgrpo", PolicyGradientConfig(group_size=2, micro_batch=4))
    learner.filter.largest, rollout = 1.0, rollout_of(torch.ones(3, 4))
    whole, figures = learner.samples(rollout, torch.Generator().manual_seed(0))
    assert list(learner.minibatches(whole)) == []  # vdgrpo has no value loss to spare samples for
    assert figures["filtered"] == 1.0
    even = learner.entropy(lambda obs: PolicyAnswer(ChoiceDistribution(0.0 * obs["x"]), None), rollout)  # type: ignore[arg-type]
    assert even == pytest.approx(np.log(5.0), abs=1e-6)


@pytest.mark.parametrize("method", ["ppo", "vdgrpo"])
def test_a_reward_that_is_not_finite_is_refused(method: Any) -> None:
    learner, reward = Learner(method, PolicyGradientConfig(group_size=2)), torch.ones(3, 4)
    reward[1, 2] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        learner.samples(rollout_of(reward))
    assert learner.filter.largest == 0.0  # and nothing is spoiled


def test_the_approximate_divergence_is_never_negative_and_the_divergence_in_the_mean() -> None:
    ratio = 3.0 * draws(100_000)
    assert approximate_kl(ratio).min() >= 0
    assert float(approximate_kl(torch.tensor([1e-4]))) == pytest.approx(5e-9, rel=0.01)
    old, new = ChoiceDistribution(draws(1, 4)), ChoiceDistribution(draws(1, 4, seed=5))
    action = ChoiceDistribution(old.log_p.expand(400_000, 4)).sample(torch.Generator().manual_seed(0))
    log_ratio = (new.log_p - old.log_p)[0][action]
    assert float(approximate_kl(log_ratio).mean()) == pytest.approx(float(old.divergence(new)), rel=0.03)


def test_explained_variance() -> None:
    target, one = draws(100), torch.ones(100, dtype=torch.float64)
    assert float(explained_variance(target, target, one)) == pytest.approx(1.0)
    assert float(explained_variance(torch.zeros_like(target), target, one)) == pytest.approx(0.0)
    assert float(explained_variance(-target, target, one)) == pytest.approx(-3.0)
    assert float(explained_variance(target, torch.ones_like(target), one)) == 0.0


# ---- scenes --------------------------------------------------------------------------------------------------------


def test_scenes_that_go_badly_are_driven_more_often_and_none_is_forgotten() -> None:
    scenes = ScenePriorities(4, floor=0.2)
    assert scenes.probabilities().tolist() == [0.25] * 4
    scenes.record(np.array([0, 1, 2, 2]), np.array([1.0, 0.5, 1.0, 0.0]))
    assert scenes.score.tolist() == pytest.approx([1.0, 0.5, 0.7, 0.0])
    p = scenes.probabilities()
    assert p.sum() == pytest.approx(1.0)
    assert p.tolist() == pytest.approx([0.2 / 2.6, 0.7 / 2.6, 0.5 / 2.6, 1.2 / 2.6])
    again = ScenePriorities(4)
    again.set_state(scenes.state())
    assert (again.probabilities() == p).all()
    scenes.record(np.arange(4), np.full(4, 7.0))
    assert (scenes.score <= 1.0).all()
    before = scenes.state()
    for which, score in ((0, np.nan), (0, np.inf), (-1, 0.5), (4, 0.5)):
        with pytest.raises(ValueError, match=r"scores must be finite and scenes within 0 to 3"):
            scenes.record(np.array([1, which]), np.array([0.5, score]))
    assert (scenes.score == before["score"]).all()
    for _ in range(200):
        scenes.record(np.arange(4), np.ones(4))
    assert scenes.probabilities() == pytest.approx([0.25] * 4)
    with pytest.raises(ValueError, match="priorities of 4 scenes, here are 5"):
        ScenePriorities(5).set_state(scenes.state())


# ---- the tests themselves ------------------------------------------------------------------------------------------


def off_by_one(rewards, values, last, final, ends, *factors):  # type: ignore[no-untyped-def]
    """Each reward beside the observation that it led to."""
    return generalized_advantages(rewards.roll(1, 0), values, last, final, ends, *factors)


def without_ends(rewards, values, last, final, ends, *factors):  # type: ignore[no-untyped-def]
    """Advantages that run on into the next episode."""
    no = torch.zeros_like(ends.alive)
    return generalized_advantages(rewards, values, last, final, EpisodeEnds(no, no, ~no), *factors)


def cut_as_end(rewards, values, last, final, ends, *factors):  # type: ignore[no-untyped-def]
    """A truncation taken for a termination."""
    both = EpisodeEnds(ends.terminated | ends.truncated, torch.zeros_like(ends.alive), ends.alive)
    return generalized_advantages(rewards, values, last, final, both, *factors)


def run_with(test: Any, *args: object, **replaced: object) -> None:
    """Run a test with other functions in place of those it imports."""
    FunctionType(test.__code__, {**globals(), **replaced})(*args)


@pytest.mark.parametrize("wrong", [off_by_one, without_ends, cut_as_end])
def test_wrong_advantages_are_found(wrong: object) -> None:
    with pytest.raises(AssertionError):
        run_with(test_advantages_are_those_of_a_double_loop, 0, generalized_advantages=wrong)


def test_a_wrong_sign_of_the_entropy_is_found() -> None:
    def wrong(policy, samples, total, c, *more):  # type: ignore[no-untyped-def]
        return policy_losses(policy, samples, total, c._replace(entropy=-c.entropy), *more)

    with pytest.raises(AssertionError):
        run_with(test_the_entropy_term_spreads_a_policy, policy_losses=wrong)
