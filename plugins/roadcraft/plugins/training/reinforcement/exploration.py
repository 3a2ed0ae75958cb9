"""Drives scenes in the simulator by choices that are drawn, and keeps what was seen, chosen and scored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roadcraft.core.arrays import F64
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import ObservationBatch, Rollout
from roadcraft.core.data.scenario import Scenario
from roadcraft.core.interfaces import AgentPolicy
from roadcraft.core.random import mix64
from roadcraft.core.types import Keys, Prediction, SceneEncoding
from roadcraft.planners.learned.network import Network
from roadcraft.planners.learned.network_planner import NetworkPlanner
from roadcraft.plugins.training.reinforcement.distributions import ChoiceDistribution
from roadcraft.plugins.training.reinforcement.rollouts import PolicyAnswer, PolicyRollout
from roadcraft.validation import Failure, Reward, SimulationConfig, evaluate, running_reward, simulate

CHALLENGE = "closed_loop_reactive_agents"


class ChoicePolicy:
    """The choice of a network with the model ``candidate_choice`` (``choose``), from its inputs."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, obs: Mapping[str, Tensor]) -> PolicyAnswer:
        logits, value = self.model.choose(obs)
        return PolicyAnswer(distribution_of(logits), value)


class PriorPolicy(ChoicePolicy):
    """What is chosen before anything is learned: as imitation did."""

    def __init__(self) -> None:
        super().__init__(None)

    def __call__(self, obs: Mapping[str, Tensor]) -> PolicyAnswer:
        return PolicyAnswer(distribution_of(obs["prior"]), None)


def distribution_of(logits: Tensor) -> ChoiceDistribution:
    """Of a prediction's logits (B, K), where what is no candidate has the lowest number."""
    return ChoiceDistribution(logits, logits > torch.finfo(logits.dtype).min)


class Decision(NamedTuple):
    """One choice of one scene."""

    seen: dict[str, NDArray[Any]]
    action: int
    log_prob: float
    value: float


class DrawnState(NamedTuple):
    """The state of one drive."""

    number: int
    """How many drives through the same scene came before it."""
    kept: Any
    """That of the ``NetworkPlanner``."""


class ExploringPlanner(NetworkPlanner):
    """Drives by choices that are drawn instead of the likeliest. The draws of the n-th drive through a scene depend on
    its keys and on ``salts[n]``, not on its neighbors. ``decisions``: by token, n and iteration."""

    def __init__(self, network: Network, salts: Sequence[int], micro_batch: int = 32) -> None:
        super().__init__(network, "the network in training", micro_batch, candidates=1)  # the one that was drawn
        self.salts = np.array(salts, np.uint64)
        self.decisions: dict[tuple[str, int], dict[int, Decision]] = defaultdict(dict)
        self._begun: Counter[str] = Counter()
        self._known: dict[int, tuple[int, int]] = {}  # by a drive's own key: its number, and the key that it came from
        self._groups: list[tuple[dict[str, Tensor], Tensor, Tensor, Tensor]] = []

    def start(self, obs: ObservationBatch, keys: Keys) -> list[Any]:
        """Numbers the drives through each scene."""
        states = super().start(obs, keys)
        for b, (token, kept) in enumerate(zip(obs.token, states, strict=True)):
            states[b] = DrawnState(self._begun[token], kept)
            self._begun[token] += 1
        return states

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """As a ``NetworkPlanner``, with keys of each drive's own."""
        numbers = np.array([s.number for s in state])
        with np.errstate(over="ignore"):
            own = mix64(np.asarray(keys, np.uint64) ^ mix64(self.salts[numbers]))
        self._known = {int(k): (n, int(p)) for k, n, p in zip(own, numbers.tolist(), keys, strict=True)}
        plan, after = super().plan(obs, [s.kept for s in state], own)
        return plan, [DrawnState(s.number, kept) for s, kept in zip(state, after, strict=True)]

    def sample(self, encoding: SceneEncoding, features: Mapping[str, Tensor], keys: Keys) -> Prediction:
        model: Any = self.network.model
        common = np.array([self._known[int(k)][1] for k in keys], np.uint64)  # the other model draws the same in all
        inner = model.inner.sample(encoding, self.network.for_model(features), common)
        candidates = model.candidates(inner, features)
        inputs = model.choice_inputs(candidates, encoding)
        logits, value = model.choose(inputs)
        policy = distribution_of(logits)
        action = (policy.log_p - self._noise(keys, logits.shape[1]).log()).argmax(-1)
        self._groups.append((inputs, action, policy.log_prob(action), value))
        lowest = torch.full_like(logits, torch.finfo(logits.dtype).min)
        return replace(candidates, logits=lowest.scatter(1, action[:, None], 0.0))

    def _noise(self, keys: Keys, count: int) -> Tensor:
        """Exponentials (B, count), so that the largest of log p - log noise is a draw from p."""
        rows = [np.random.Generator(np.random.Philox(key=int(k))).exponential(size=count) for k in keys]
        return torch.from_numpy(np.stack(rows)).float().clamp_min(1e-30)

    def _decide(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> Any:
        self._groups.clear()
        answer = super()._decide(obs, state, keys)
        inputs = {k: np.concatenate([g[0][k].numpy() for g in self._groups]) for k in self._groups[0][0]}
        columns = zip(*(numbers for _, *numbers in self._groups), strict=True)
        action, log_prob, value = (np.concatenate([x.numpy() for x in column]) for column in columns)
        for b in range(len(obs)):
            seen = {k: v[b] for k, v in inputs.items()}
            made = Decision(seen, int(action[b]), float(log_prob[b]), float(value[b]))
            self.decisions[obs.token[b], self._known[int(keys[b])][0]][int(obs.iteration[b])] = made
        return answer


class ScoredDrive(NamedTuple):
    """One drive through one scene: its decisions until nothing could be earned any more, what each earned (T,), its
    score, the metrics', and the terms of the reward over the drive (those that are factors: means of its steps)."""

    decisions: list[Decision]
    rewards: F64
    score: float
    metrics: dict[str, float]
    terms: dict[str, float]


def drive_scenes(
    network: Network,
    scenarios: Sequence[Scenario],
    agents: AgentPolicy,
    seed: int,
    salts: Sequence[int],
    reward: Reward,
) -> list[ScoredDrive | Failure]:
    """Drive each scene once for each of ``salts``, all together, so that the network's calls are full; drives of a
    scene stand side by side. seed: of the agents' draws, as under ``score``; salts: of the choices; reward: what a step
    earns."""
    planner, places = ExploringPlanner(network, salts), [(s, n) for s in scenarios for n in range(len(salts))]
    config = SimulationConfig(batch=max(len(places), 1))
    out: list[ScoredDrive | Failure] = []
    for (scenario, n), driven in zip(
        places, simulate([s for s, _ in places], planner, config, agents=agents, seed=seed), strict=True
    ):
        if isinstance(driven, Failure):
            out.append(driven)
            continue
        out.append(scored(driven, planner.decisions[scenario.token, n], reward))
    return out


def scored(driven: Rollout, made: Mapping[int, Decision], reward: Reward) -> ScoredDrive:
    """A drive with the decisions made by iteration: each earns what the steps until the next one do."""
    trace, result = running_reward(driven, reward), evaluate(driven, CHALLENGE)
    over = np.flatnonzero(trace.failed)
    end = max(int(over[0]), 1) if len(over) else len(driven) - 1
    steps = [i for i in sorted(made) if i < end]
    sums = trace.reward.cumsum()[[*steps, end]]
    whole = trace.terms[1 : end + 1]
    terms = np.concatenate([whole[:, : reward.summed].sum(0), whole[:, reward.summed :].mean(0)])
    named = dict(zip(reward.names, terms.tolist(), strict=True))
    return ScoredDrive([made[i] for i in steps], np.diff(sums), result.score, result.scores, named)


def stacked(drives: Sequence[ScoredDrive | Failure]) -> PolicyRollout:
    """R drives side by side, padded to the longest; what could not be driven is not alive. Raises ValueError where
    there is none."""
    real = [d for d in drives if isinstance(d, ScoredDrive)]
    if not real:
        first = next(d for d in drives if isinstance(d, Failure))
        raise ValueError(f"no scene of the roll-out could be driven; the first says: {first.stage}: {first.error}")
    steps, rows = max(len(d.decisions) for d in real), len(drives)
    example = real[0].decisions[0].seen
    obs = {k: np.zeros((steps, rows, *v.shape), v.dtype) for k, v in example.items()}
    numbers = {name: np.zeros((steps, rows), np.float32) for name in ("log_prob", "value", "reward")}
    action = np.zeros((steps, rows), np.int64)
    alive, last = np.zeros((2, steps, rows), np.bool_)
    for r, drive in enumerate(drives):
        if isinstance(drive, Failure):
            continue
        count = len(drive.decisions)
        alive[:count, r], last[count - 1, r] = True, True
        numbers["reward"][:count, r] = drive.rewards
        for t, made in enumerate(drive.decisions):
            action[t, r], numbers["log_prob"][t, r], numbers["value"][t, r] = made.action, made.log_prob, made.value
            for k, v in made.seen.items():
                obs[k][t, r] = v
    none = torch.zeros((steps, rows))
    return PolicyRollout(
        obs={k: torch.from_numpy(v) for k, v in obs.items()},
        action=torch.from_numpy(action),
        **{k: torch.from_numpy(v) for k, v in numbers.items()},
        terminated=torch.from_numpy(last),
        truncated=torch.zeros((steps, rows), dtype=torch.bool),
        alive=torch.from_numpy(alive),
        final_value=none,
        last_value=none[0],
    )
