"""Small tasks that show whether a learner learns, each of which needs one more thing to be right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from collecting import MASK, Collector
from torch import Tensor, nn

from roadcraft.plugins.training.policy_config import PolicyGradientConfig
from roadcraft.plugins.training.reinforcement.distributions import BetaDistribution, ChoiceDistribution
from roadcraft.plugins.training.reinforcement.learner import Learner, Method
from roadcraft.plugins.training.reinforcement.rollouts import PolicyAnswer


class Probe:
    """R rows of a task with episodes of a fixed number of steps, begun anew in the step that ends them."""

    def __init__(self, rows: int, size: int, length: int, seed: int = 0, *, cut: bool = False) -> None:
        self.random = np.random.default_rng(seed)
        self.length, self.cut = length, cut
        self.obs = {"x": np.zeros((rows, size), np.float32)}
        self.final_obs = {"x": np.zeros((rows, size), np.float32)}
        self.reward = np.zeros(rows, np.float32)
        self.terminated, self.truncated = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)
        self.alive, self.time = np.ones(rows, np.bool_), np.zeros(rows, np.int64)
        self.seen()

    def seen(self) -> None:
        """Write what is seen."""

    def earned(self, action: Any) -> Any:
        """Reward (R,) of an action."""
        return 1.0

    def step(self, action: Any) -> None:
        self.reward[:] = self.earned(action)
        self.time += 1
        over = self.time >= self.length
        self.terminated[:], self.truncated[:] = over & (not self.cut), over & self.cut
        self.seen()
        self.final_obs["x"][over] = self.obs["x"][over]
        self.time[over] = 0
        self.seen()


class Bandit(Probe):
    """One step, three arms."""

    def seen(self) -> None:
        self.obs["x"][:] = 1.0

    def earned(self, action: Any) -> Any:
        return np.array([0.1, 1.0, 0.4])[action] + 0.2 * self.random.standard_normal(len(action))


class Sign(Probe):
    """The action must be the sign of what is seen, which is drawn anew at each step."""

    def seen(self) -> None:
        self.obs["x"][:] = self.random.choice([-1.0, 1.0], self.obs["x"].shape)

    def earned(self, action: Any) -> Any:
        return (action == (self.obs["x"][:, 0] > 0)).astype(np.float32)


class Delayed(Probe):
    """Two steps; the second is paid for the first action, whatever the second."""

    def __init__(self, rows: int, seed: int = 0) -> None:
        self.first = np.zeros(rows, np.int64)
        super().__init__(rows, 2, 2, seed)

    def seen(self) -> None:
        self.obs["x"][:, 0], self.obs["x"][:, 1] = self.time == 0, self.time == 1

    def earned(self, action: Any) -> Any:
        begin = self.time == 0
        self.first[begin] = action[begin]
        return np.where(begin, 0.0, self.first == 1)


class NoisyTarget(Probe):
    """One continuous action, to which noise is added; the nearer to a target that is seen, the better."""

    def seen(self) -> None:
        self.obs["x"][:] = self.random.uniform(-0.7, 0.7, self.obs["x"].shape)

    def earned(self, action: Any) -> Any:
        done = action[:, 0] + 0.1 * self.random.standard_normal(len(action))
        return 1.0 - 2.0 * np.abs(done - self.obs["x"][:, 0])


class SmallPolicy(nn.Module):
    """An MLP with a head for the policy and one for the value."""

    def __init__(self, size: int, actions: int, *, continuous: bool = False, hidden: int = 32) -> None:
        super().__init__()
        self.continuous = continuous
        layers = (nn.Linear(size, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh()) if hidden else ()
        self.body, hidden = nn.Sequential(*layers), hidden or size
        self.head, self.worth = nn.Linear(hidden, (2 if continuous else 1) * actions), nn.Linear(hidden, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, obs: Mapping[str, Tensor]) -> PolicyAnswer:
        x = self.body(obs["x"])
        head = self.head(x)
        policy = BetaDistribution(head) if self.continuous else ChoiceDistribution(head, obs.get(MASK))
        return PolicyAnswer(policy, self.worth(x)[:, 0])


def learn(
    env: Probe,
    policy: SmallPolicy,
    config: PolicyGradientConfig,
    updates: int,
    *,
    method: Method = "ppo",
    unroll: int = 8,
    bootstrap: bool = True,
    rate: float = 3e-3,
    seed: int = 0,
    watch: Callable[[dict[str, float]], None] | None = None,
) -> None:
    """The plain loop."""
    generator = torch.Generator().manual_seed(seed)
    learner, collector = Learner(method, config, bootstrap=bootstrap), Collector(env, unroll)
    optimizer = torch.optim.Adam(policy.parameters(), rate, eps=1e-5)
    for _ in range(updates):
        whole, figures = learner.samples(collector.collect(policy, generator), generator)
        for batch in learner.minibatches(whole, generator):
            optimizer.zero_grad()
            found = learner.backward(policy, batch)
            if watch is not None:
                watch({**figures, **found})
            nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
            optimizer.step()
