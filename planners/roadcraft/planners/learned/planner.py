"""Drives by a trained network: any encoder with any model, from a checkpoint folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.features.build import Features, build_features, scenes_of
from roadcraft.core.driving.features.conditions import Conditions, read_instruction
from roadcraft.core.errors import ConfigError, PluginError
from roadcraft.core.interfaces import Planner
from roadcraft.core.rollout import Forecast, ObservationBatch, Plan
from roadcraft.core.scenario import EGO_SIZE, Ego
from roadcraft.core.types import Keys, PlannerNeeds
from roadcraft.planners.learned.checkpoint import load_checkpoint
from roadcraft.planners.learned.config import LearnedConfig

if TYPE_CHECKING:
    from torch import Tensor


class Learned(Planner):
    """Plans are the model's K trajectories, scored by the logarithm of their probability; the first state is the
    present one. A scenario's state is its row of the encoder's cache, None before the first step and where the encoder
    has none.

    Scenes go through the network in groups of ``micro_batch`` on one thread, so that a scene's plan does not depend on
    its neighbours, bit for bit. Raises DataError when the checkpoint cannot be used, ConfigError where conditions are
    given to a network that reads none.
    """

    def __init__(self, config: LearnedConfig) -> None:
        _keep_memory()
        self.config = config
        self.network, self.about = load_checkpoint(config.checkpoint, config.model)
        c = config
        self.conditions = Conditions(c.instruction, None, c.target_speed_mps or None, c.style)
        words = self.network.features.instruction_words
        if self.conditions != Conditions() and not words:
            raise ConfigError(
                f"{config.checkpoint}: this network reads no instruction, target speed or style; leave them out, or "
                "train a model that does (diffusion)"
            )
        read_instruction(c.instruction, words)  # warns of unknown words now

    def needs(self) -> PlannerNeeds:
        return PlannerNeeds(object_past=self.network.features.past_steps)

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """Plans with K candidates and T + 1 states."""
        scenes = scenes_of(obs, self.network.features, self.conditions)
        parts: list[list[Any]] = []
        after: list[Any] = []
        size = self.config.micro_batch
        for first in range(0, len(scenes), size):
            group, group_keys = scenes[first : first + size], keys[first : first + size]
            missing = size - len(group)
            features = build_features(self.network.features, [*group, *[group[-1]] * missing])
            known = state[first : first + size]
            group_keys = np.concatenate([group_keys, np.repeat(group_keys[-1:], missing)])
            answer, rows = self._predict(features, group_keys, [*known, *[known[-1]] * missing])
            ids = features["agent_id"].view(np.uint64), features["agent_valid"][:, :, -1]
            parts.append([a[: len(group)] for a in (*answer[:2], *ids)] + [answer[2], answer[3]])
            after += rows[: len(group)]
        ego, log_p = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
        forecast = self._forecast(obs, parts)
        if 0 < self.config.candidates < ego.shape[1]:
            best = np.argsort(-log_p, axis=1, kind="stable")[:, : self.config.candidates]
            ego, log_p = np.take_along_axis(ego, best[:, :, None, None], 1), np.take_along_axis(log_p, best, 1)
        return replace(_to_plan(obs, ego, log_p, parts[0][4]), forecast=forecast), after

    def _forecast(self, obs: ObservationBatch, parts: list[list[Any]]) -> Forecast | None:
        """What the network foresees of others, in the global frame."""
        if parts[0][5] is None:
            return None
        ids, known = (np.concatenate([p[i] for p in parts]) for i in (2, 3))
        seen = np.concatenate([p[5][: len(p[0])] for p in parts])
        count = seen.shape[1]
        step_us = np.round(parts[0][4] * 1e6).astype(np.int64)
        return Forecast(ids[:, :count], known[:, :count], obs.time_us[:, None] + step_us, _to_global(obs.ego, seen))

    def _predict(
        self, features: Features, keys: Keys, known: Sequence[Any]
    ) -> tuple[tuple[F64, F64, F64, F64 | None], list[Any]]:
        """Trajectories (B, K, T, S) in the ego frame, log-probabilities (B, K), times (T,), the futures of others (B,
        A, T, 4) that go with the likeliest trajectory or None, as float64; and the rows of the encoder's cache, from
        those of the step before."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                tensors: dict[str, Tensor] = {k: torch.from_numpy(v) for k, v in features.items()}
                encoding, cache = self.network.encode(tensors, _stack(known))
                prediction = self.network.model.sample(encoding, self.network.for_model(tensors), keys)
                log_p = prediction.logits.double().log_softmax(-1)
                log_p = log_p.masked_fill(prediction.logits <= torch.finfo(prediction.logits.dtype).min, -torch.inf)
                ego, others = prediction.ego, None
                if prediction.agents is not None and prediction.agents.shape[1]:
                    others = prediction.agents
                    if others.shape[2] not in (1, ego.shape[1]):
                        raise PluginError(
                            f"{self.config.checkpoint}: Prediction.agents has {others.shape[2]} futures per agent; "
                            f"there must be 1, or one for each of the {ego.shape[1]} candidates"
                        )
                    joint = log_p.argmax(-1) if others.shape[2] > 1 else torch.zeros(len(others), dtype=torch.int64)
                    others = others[torch.arange(len(others)), :, joint, :, :4].double().numpy()
                answer = ego.double().numpy(), log_p.numpy(), prediction.time_s.double().numpy(), others
                return answer, _split(cache, len(known))
        finally:
            torch.set_num_threads(threads)


def _keep_memory() -> None:
    """Let the C library keep what a network's run gives back: glibc maps large blocks anew each time, and the next run
    pays for thousands of page faults, until a block has come and gone that is just below the 32 MiB from which on it
    always does (mallopt(3), M_MMAP_THRESHOLD)."""
    import torch

    torch.empty(31 * 2**18)


def _stack(rows: Sequence[Mapping[str, Tensor] | None]) -> dict[str, Tensor] | None:
    """A cache of B scenes from their rows; a scene without one gets zeros."""
    import torch

    some = next((r for r in rows if r is not None), None)
    if some is None:
        return None
    return {k: torch.stack([torch.zeros_like(v) if r is None else r[k] for r in rows]) for k, v in some.items()}


def _split(cache: Mapping[str, Tensor] | None, count: int) -> list[Any]:
    """The rows of a cache."""
    return [None if cache is None else {k: v[b] for k, v in cache.items()} for b in range(count)]


def _to_global(ego: F64, poses: F64) -> F64:
    """Poses (B, ..., 3) x, y, heading in the global frame of poses (B, ..., >= 4) x, y, cos, sin in the frame of ego
    (B, 10)."""
    x, y, h = (ego[:, i].reshape(-1, *(1,) * (poses.ndim - 2)) for i in (Ego.X, Ego.Y, Ego.HEADING))
    c, s = np.cos(h), np.sin(h)
    return np.stack(
        [
            x + c * poses[..., 0] - s * poses[..., 1],
            y + s * poses[..., 0] + c * poses[..., 1],
            h + np.arctan2(poses[..., 3], poses[..., 2]),
        ],
        -1,
    )


def _to_plan(obs: ObservationBatch, ego: F64, log_p: F64, time_s: F64) -> Plan:
    """From the ego frame to a Plan: the present state first, speeds and turning rates that agree with the poses."""
    now = obs.ego
    b, k, t, s = ego.shape
    states = np.zeros((b, k, t + 1, EGO_SIZE))
    states[:, :, 0] = now[:, None]
    states[:, :, 1:, :3] = _to_global(now, ego)
    states[..., Ego.HEADING] = np.unwrap(states[..., Ego.HEADING], axis=-1)
    dt = np.diff(np.concatenate([[0.0], time_s]))
    if s > 4:
        speed = ego[..., 4]
    else:
        path = np.concatenate([np.zeros((b, k, 1, 2)), ego[..., :2]], 2)
        speed = np.linalg.norm(np.diff(path, axis=2), axis=-1) / dt
    states[:, :, 1:, Ego.VX] = speed
    states[:, :, 1:, Ego.AX] = np.diff(states[..., Ego.VX], axis=-1) / dt
    states[:, :, 1:, Ego.YAW_RATE] = np.diff(states[..., Ego.HEADING], axis=-1) / dt
    step_us = np.round(np.concatenate([[0.0], time_s]) * 1e6).astype(np.int64)
    best = np.argmax(log_p, axis=1)
    debug = {"mode": best.astype(np.float64), "probability": np.exp(log_p[np.arange(b), best])}
    return Plan(obs.time_us[:, None] + step_us, states, log_p, debug=debug)
