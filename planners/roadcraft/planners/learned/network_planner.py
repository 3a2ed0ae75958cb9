"""Drives by a network: any encoder with any model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64
from roadcraft.core.data.plan import Forecast, Plan
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import EGO_SIZE, Ego
from roadcraft.core.driving.features.build import build_features
from roadcraft.core.driving.features.conditions import Conditions
from roadcraft.core.driving.features.group import Features
from roadcraft.core.driving.features.scene import scenes_of
from roadcraft.core.errors import PluginError
from roadcraft.core.interfaces import Planner, stack_plans
from roadcraft.core.types import Keys, PlannerNeeds, Prediction, SceneEncoding
from roadcraft.planners.learned.network import Network

if TYPE_CHECKING:
    from torch import Tensor

EXTRA = "extra_"  # before the name of an extra of the prediction, in Plan.debug
_OF_AGENTS = ("agent_id", "agent_valid", "others")


@dataclass(frozen=True)
class HeldPlan:
    """A choice that is kept for a while."""

    until_us: int
    """Time of the next choice."""
    plan: Plan
    """Of one scenario, as it was made."""
    cache: Any
    """The encoder's row, for the next choice."""

    def at(self, obs: ObservationBatch, row: int) -> Plan:
        """What is left of it, from the present state of scenario ``row`` on."""
        now, p = obs.time_us[row], self.plan
        ahead = p.time_us[0] > now
        time_us = np.concatenate([[now], p.time_us[0, ahead]])[None]
        present = np.broadcast_to(obs.ego[row], (1, p.states.shape[1], 1, EGO_SIZE))
        forecast = p.forecast
        if forecast is not None:
            later = forecast.time_us[0] > now
            forecast = replace(forecast, time_us=forecast.time_us[:, later], pose=forecast.pose[:, :, later])
        states = np.concatenate([present, p.states[:, :, ahead]], axis=2)
        return replace(p, time_us=time_us, states=states, forecast=forecast)


class NetworkPlanner(Planner):
    """Plans are the model's K trajectories, scored by the logarithm of their probability; the first state is the
    present one. A scenario's state is its row of the encoder's cache, None before the first step and where the encoder
    has none; a model with a ``decision_interval_s`` above 0 is asked again after that time, and the state is then its
    choice.

    ``debug`` holds mode and probability of the best candidate, and the prediction's extras (B, K or 1, ...) as
    ``extra_NAME``.

    Scenes go through the network in groups of ``micro_batch`` on one thread, so that a scene's plan does not depend on
    its neighbors, bit for bit.
    """

    def __init__(self, network: Network, name: str, micro_batch: int = 32, candidates: int = 0) -> None:
        """
        Args:
            network: in evaluation mode, on the CPU.
            name: what errors call it.
            micro_batch: scenes per call of the network, the last call filled up.
            candidates: most trajectories in a plan, the likeliest first (0: all).
        """
        _keep_memory()
        self.network, self.name, self.micro_batch, self.candidates = network, name, micro_batch, candidates
        self.conditions = Conditions()
        self.decision_us = round(1e6 * float(getattr(network.model, "decision_interval_s", 0.0)))

    def needs(self) -> PlannerNeeds:
        return PlannerNeeds(object_past=self.network.features.past_steps)

    def plan(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """Plans with K candidates and at most T + 1 states."""
        if not self.decision_us:
            return self._decide(obs, state, keys)
        due = [b for b, s in enumerate(state) if s is None or obs.time_us[b] >= s.until_us]
        after = list(state)
        if due:
            plan, caches = self._decide(obs.select(due), [s and s.cache for s in (state[b] for b in due)], keys[due])
            for i, b in enumerate(due):
                until = (
                    obs.time_us[b] + self.decision_us - round(5e5 * obs.interval_s[b])
                )  # whatever the clock's jitter
                after[b] = HeldPlan(int(until), plan.select([i]), caches[i])
            if len(due) == len(obs):
                return plan, after
        return stack_plans([held.at(obs, b) for b, held in enumerate(after)]), after

    def _decide(self, obs: ObservationBatch, state: list[Any], keys: Keys) -> tuple[Plan, list[Any]]:
        """Ask the network. state: rows of the encoder's cache."""
        scenes = scenes_of(obs, self.network.features, self.conditions)
        parts: list[dict[str, NDArray[Any]]] = []
        after: list[Any] = []
        size = self.micro_batch
        for first in range(0, len(scenes), size):
            rows = np.minimum(np.arange(first, first + size), len(scenes) - 1)  # the last group is filled up
            features = build_features(self.network.features, [scenes[i] for i in rows])
            answer, time_s, cache = self._predict(features, keys[rows], [state[i] for i in rows])
            count = min(len(scenes) - first, size)
            parts.append({k: v[:count] for k, v in answer.items()})
            after += cache[:count]
        found = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
        forecast = _forecast(obs, found, time_s)
        count = found["log_p"].shape[1]
        if 0 < self.candidates < count:
            best = np.argsort(-found["log_p"], axis=1, kind="stable")[:, : self.candidates]
            of_candidates = {k: v for k, v in found.items() if k not in _OF_AGENTS and v.shape[1] == count}
            for k, v in of_candidates.items():
                found[k] = np.take_along_axis(v, best.reshape(*best.shape, *(1,) * (v.ndim - 2)), 1)
        plan = _to_plan(obs, found["ego"], found["log_p"], time_s)
        extras = {k: v for k, v in found.items() if k.startswith(EXTRA)}
        return replace(plan, forecast=forecast, debug={**plan.debug, **extras}), after

    def _predict(
        self, features: Features, keys: Keys, known: Sequence[Any]
    ) -> tuple[dict[str, NDArray[Any]], F64, list[Any]]:
        """By name: ego (B, K, T, S) in the ego frame and log_p (B, K), float64; agent_id and agent_valid (B, A); others
        (B, A, T, 4) float64, the futures of agents that go with the likeliest trajectory, where there are any; extras
        of the prediction. Times (T,). And the rows of the encoder's cache, from those of the step before."""
        import torch

        with self.network.inference():
            tensors: dict[str, Tensor] = {k: torch.from_numpy(v) for k, v in features.items()}
            encoding, cache = self.network.encode(tensors, _stack(known))
            prediction = self.sample(encoding, tensors, keys)
            log_p = prediction.logits.double().log_softmax(-1)
            log_p = log_p.masked_fill(prediction.logits <= torch.finfo(prediction.logits.dtype).min, -torch.inf)
            out: dict[str, NDArray[Any]] = {"ego": prediction.ego.double().numpy(), "log_p": log_p.numpy()}
            out |= {
                "agent_id": features["agent_id"].view(np.uint64),
                "agent_valid": features["agent_valid"][..., -1],
            }
            others = prediction.agents
            if others is not None and others.shape[1]:
                self._check_shape("agents", (len(others), others.shape[2]), log_p.shape)
                joint = log_p.argmax(-1) if others.shape[2] > 1 else torch.zeros(len(others), dtype=torch.int64)
                out["others"] = others[torch.arange(len(others)), :, joint, :, :4].double().numpy()
            for name, extra in prediction.extras.items():
                self._check_shape(f"extras[{name!r}]", extra.shape, log_p.shape)
                out[EXTRA + name] = extra.numpy()
            return out, prediction.time_s.double().numpy(), _split(cache, len(known))

    def sample(self, encoding: SceneEncoding, features: Mapping[str, Tensor], keys: Keys) -> Prediction:
        """What the model says of a group of scenes."""
        prediction: Prediction = self.network.model.sample(encoding, self.network.for_model(features), keys)
        return prediction

    def _check_shape(self, name: str, got: Sequence[int], log_p: Sequence[int]) -> None:
        """Refuse a tensor that does not begin with the (B, K or 1) of ``log_p`` (B, K)."""
        batch, count = log_p
        if len(got) < 2 or got[0] != batch:
            raise PluginError(
                f"{self.name}: Prediction.{name} begins with {tuple(got[:2])}; "
                f"there must be {batch} scenes, as in Prediction.ego, and 1 or all {count} candidates"
            )
        if got[1] not in (1, count):
            raise PluginError(
                f"{self.name}: Prediction.{name} is of {got[1]} candidates; "
                f"there must be 1, or all {count} of Prediction.ego"
            )


def _forecast(obs: ObservationBatch, found: Mapping[str, NDArray[Any]], time_s: F64) -> Forecast | None:
    """What the network expects of others, in the global frame."""
    if "others" not in found:
        return None
    count = found["others"].shape[1]
    time_us = obs.time_us[:, None] + np.round(time_s * 1e6).astype(np.int64)
    ids, known = found["agent_id"][:, :count], found["agent_valid"][:, :count]
    return Forecast(ids, known, time_us, _to_global(obs.ego, found["others"]))


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
