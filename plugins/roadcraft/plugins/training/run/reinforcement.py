"""The Lightning module that learns by driving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from roadcraft.core.config.factory import create
from roadcraft.core.errors import RoadcraftError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.core.types import Losses
from roadcraft.planners.learned.network import Network
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.plugins.training.reinforcement.exploration import (
    ChoicePolicy,
    PriorPolicy,
    ScoredDrive,
    drive_scenes,
    stacked,
)
from roadcraft.plugins.training.reinforcement.learner import Learner
from roadcraft.plugins.training.reinforcement.scene_priorities import ScenePriorities
from roadcraft.plugins.training.run.closed_loop import scene_rows
from roadcraft.plugins.training.run.module import TrainModule
from roadcraft.plugins.training.stopping import StopRequest
from roadcraft.validation import Failure, Reward


class Collapsed(RoadcraftError):
    """The policy has become certain of everything, and no longer learns."""


class ReinforcementModule(TrainModule):
    """Learns the choice of the model ``candidate_choice`` by driving.

    A step is one roll-out of ``batch`` drives: scenes are drawn by priority, each is driven ``group`` times with
    choices that are drawn, and the decisions are trained on. What a roll-out is follows from seed, step and the state
    that a checkpoint holds (weights, priorities, filter, first entropy), so a run goes on exactly.
    """

    def __init__(
        self,
        network: Network,
        config: TrainConfig,
        stop_at: int,
        stop: StopRequest | None,
        source: ScenarioSource,
        logs: Sequence[str],
    ) -> None:
        super().__init__(network, config, stop_at, stop)
        self.automatic_optimization = False
        c = config.policy
        assert config.method != "imitation"
        self.source, self.rows = source, [row for log in logs for row in scene_rows(source, log)]
        self.scenes = ScenePriorities(len(self.rows), c.scene_floor)
        self.policy = ChoicePolicy(network.model)
        self.learner = Learner(config.method, c, PriorPolicy() if c.kl_coef else None)
        self.reward = Reward(c.reward, c.weights)
        self.agents = create("agents", c.agents.name, c.agents.params)
        self.first_entropy = 0.0

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """One roll-out, and what is learned from it."""
        c, n = self.config, self.done
        drives, figures = self.explore(n)
        generator = torch.Generator().manual_seed(int(np.random.SeedSequence([c.seed, n]).generate_state(1)[0]))
        rollout = stacked(drives)
        whole, more = self.learner.samples(rollout, generator)
        figures |= more
        entropy = self.learner.entropy(self.policy, rollout)
        self._check_entropy(entropy)
        terms, count, sums = dict[str, float](), 0, dict[str, float]()
        optimizer: Any = self.optimizers()
        for minibatch in self.learner.minibatches(whole, generator):
            optimizer.zero_grad()
            terms = self.learner.backward(self.policy, minibatch)
            self.norm = nn.utils.clip_grad_norm_(self.parts.parameters(), c.max_gradient_norm)
            if self.finite.check_gradient(self.norm, n + 1) and self.finite.trouble:
                raise self.finite.trouble
            count += 1
            sums = {k: sums.get(k, 0.0) + v for k, v in terms.items()}
            if c.policy.max_kl and terms["approximate_kl"] > c.policy.max_kl:
                break
            optimizer.step()
        figures |= {k: v / max(count, 1) for k, v in sums.items()}
        figures |= {"minibatches": float(count), "entropy": entropy}
        names = ("policy", "entropy_bonus", "value", "reference")
        self.latest = Losses(
            *({k: torch.tensor(v) for k, v in figures.items() if (k in names) == inside} for inside in (True, False))
        )

    def explore(self, number: int) -> tuple[list[ScoredDrive | Failure], dict[str, float]]:
        """Drives of roll-out ``number``, those of a scene side by side, and figures of them: mean score and metrics,
        share of choices by kind, share of drives by kind of failure."""
        c = self.config.policy
        random = np.random.default_rng([self.config.seed, number])
        count = min(self.config.batch // c.group_size, len(self.rows))
        chosen = random.choice(len(self.rows), count, replace=False, p=self.scenes.probabilities())
        rows = [self.rows[i] for i in chosen]
        scenarios = [self.source.scenario(r.row, r.type, r.window_us) for r in rows]
        training = self.parts.training
        self.parts.eval()
        salts = [int(x) for x in random.integers(2**63, size=c.group_size)]
        drives = drive_scenes(self.network, scenarios, self.agents, self.config.seed, salts, self.reward)
        self.frozen.train(training)
        real = [(s // c.group_size, d) for s, d in enumerate(drives) if isinstance(d, ScoredDrive)]
        self.scenes.record(chosen[[s for s, _ in real]], np.array([d.score for _, d in real]))
        return drives, _figures([d for _, d in real], len(drives), 1 + len(self.network.model.config.speeds))

    def _check_entropy(self, entropy: float) -> None:
        """Raises Collapsed."""
        self.first_entropy = self.first_entropy or entropy
        least = self.config.policy.min_entropy * self.first_entropy
        if entropy < least:
            raise Collapsed(
                f"training stopped at step {self.done + 1}: the entropy of the choice is {entropy:.3f}, below "
                f"policy.min_entropy = {self.config.policy.min_entropy:g} of {self.first_entropy:.3f} at the start "
                "(a larger policy.entropy_coef or policy.kl_coef, or a lower learning_rate keeps it open)"
            )

    def extra_state(self) -> dict[str, Any]:
        scenes = {k: v.tolist() for k, v in self.scenes.state().items()}
        return {"scenes": scenes, "filter": self.learner.filter.state(), "first_entropy": self.first_entropy}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.scenes.set_state(state["scenes"])
        self.learner.filter.set_state(state["filter"])
        self.first_entropy = float(state["first_entropy"])


def _figures(drives: Sequence[ScoredDrive], asked: int, kinds: int) -> dict[str, float]:
    count = max(len(drives), 1)
    out = {"score": sum(d.score for d in drives) / count, "failed": (asked - len(drives)) / max(asked, 1)}
    for name in drives[0].metrics if drives else ():
        values = [d.metrics[name] for d in drives if name in d.metrics]
        out[f"metric/{name}"] = sum(values) / len(values)
        out[f"failure/{name}"] = sum(v == 0.0 for v in values) / len(values)
    for name in drives[0].terms if drives else ():
        out[f"reward/{name}"] = sum(d.terms[name] for d in drives) / len(drives)
    actions = np.array([m.action for d in drives for m in d.decisions])
    if len(actions):
        candidates = len(drives[0].decisions[0].seen["prior"])
        out["used_candidates"] = len(np.unique(actions)) / candidates
        out["slower"] = float((actions >= candidates // kinds).mean())
    return out
