"""The agent policy ``tokens``: all road users react, driven by a trained model of motion tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.rollout import Objects, ObservationBatch
from roadcraft.core.data.scenario import ObjectKind, Scenario
from roadcraft.core.driving.features.build import build_features
from roadcraft.core.driving.features.scene import scenes_of
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import AgentPolicy
from roadcraft.core.types import Keys
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.planners.learned.checkpoint import load_checkpoint
from roadcraft.plugins.tokens.agents.agent_states import AgentStates, advance, assemble, columns, take
from roadcraft.plugins.tokens.agents.config import TokenAgentsConfig
from roadcraft.plugins.tokens.model import Tokens
from roadcraft.validation import stack_objects


class TokenAgents(AgentPolicy):
    """Made from the road users of the first frame, wherever they stand (nuPlan's reactive agents are the cars on lanes
    only); whoever appears later does not exist.

    Each half second the scene around ego is encoded once, and the network draws the next motion of all agents within
    its capacity (nearest first). Who has never been within it follows the log, and ends with it; who has been and is no
    longer keeps speed and heading. Trailers hang on what tows them. Raises DataError where the checkpoint cannot be
    used.
    """

    def __init__(self, config: TokenAgentsConfig) -> None:
        self.config = config
        self.network, _ = load_checkpoint(config.checkpoint)
        if not isinstance(self.network.model, Tokens):
            raise DataError(
                "the checkpoint's model is not tokens", where=config.checkpoint, remedy="roadcraft train model=tokens"
            )
        self._kinds = [ObjectKind[k.upper()] for k in config.driven]

    def start(self, scenarios: Sequence[Scenario], vehicle: Vehicle, keys: Keys) -> tuple[list[Any], Objects]:
        """The objects at iteration 0 are the logged ones."""
        state = [assemble(s, self._kinds, self._frames(s.interval_s)) for s in scenarios]
        return list(state), stack_objects([columns(s, 0) for s in state])

    def step(
        self, scenarios: Sequence[Scenario], obs: ObservationBatch, state: list[Any], keys: Keys
    ) -> tuple[list[Any], Objects]:
        """Moves everybody once; a new half second begins with what was to be seen before the step."""
        after: list[AgentStates] = list(state)
        due = [b for b, s in enumerate(after) if s.due and s.alive.any()]
        for first in range(0, len(due), self.config.micro_batch):
            group = due[first : first + self.config.micro_batch]
            ids, motions = self._motions(obs, [after[b] for b in group], group, keys)
            for k, b in enumerate(group):
                rows, at = _rows(after[b], ids[k])
                after[b] = take(after[b], rows, motions[k, at])
        ego = obs.ego[:, :2]
        for b, s in enumerate(scenarios):
            i = int(obs.iteration[b])
            dt = float(s.time_us[i + 1] - s.time_us[i]) * 1e-6
            after[b] = advance(after[b], i + 1, dt, ego[b], self.config.radius_m)
        return list(after), stack_objects([s.past[-1] for s in after])

    def _frames(self, interval_s: float) -> int:
        spec = self.network.features
        return (spec.past_steps - 1) * max(round(spec.past_interval_s / interval_s), 1) + 1

    def _motions(
        self, obs: ObservationBatch, states: Sequence[AgentStates], rows: Sequence[int], keys: Keys
    ) -> tuple[I64, F64]:
        """Track ids (G, A) of the agents that the network saw and their next motions (G, A, 5, 3) x, y, turn."""
        spec = self.network.features
        scenes = []
        for s, b in zip(states, rows, strict=True):
            seen = replace(obs.select([b]), objects_past=stack_objects(s.past))
            scenes += scenes_of(seen, spec)
        some = np.minimum(np.arange(self.config.micro_batch), len(scenes) - 1)  # the last group is filled up
        features = build_features(spec, [scenes[i] for i in some])
        with self.network.inference():
            tensors = {k: torch.from_numpy(v) for k, v in features.items()}
            encoding, _ = self.network.encode(tensors, None)
            c, seen, chosen = self.config, self.network.for_model(tensors), keys[[rows[i] for i in some]]
            drawn = self.network.model.next_motions(encoding, seen, chosen, c.temperature, c.top_k).double().numpy()
        motions = np.concatenate([drawn[..., :2], np.arctan2(drawn[..., 3:], drawn[..., 2:3])], -1)
        return features["agent_id"][: len(scenes), : motions.shape[1]], motions[: len(scenes)]


def _rows(state: AgentStates, ids: I64) -> tuple[I64, I64]:
    """Rows of the cast that the network may drive, and where they stand among ``ids`` (A,)."""
    own = state.attributes.id.view(np.int64)
    free = state.alive & (state.attributes.towed_by < 0)
    order = np.argsort(own, kind="stable")
    place = np.minimum(np.searchsorted(own[order], ids), len(own) - 1)
    row = order[place]
    good = (ids != 0) & (own[row] == ids) & free[row]
    return row[good], np.flatnonzero(good)
