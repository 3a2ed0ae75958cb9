"""Training samples: frames of drives, turned into features and targets by the builder that also serves driving."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.features import Features, LogScenes, agent_targets, allocate, write_features
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import FeatureSpec, ScenarioSource
from roadcraft.core.scenario import Ego
from roadcraft.core.vehicle import Vehicle, load_vehicle
from roadcraft.plugins.training.augment import perturb, recover
from roadcraft.plugins.training.config import AugmentConfig
from roadcraft.plugins.training.manoeuvres import tell


@dataclass(frozen=True)
class SampleSet:
    """Samples by log and frame: ``logs[log[i]]``, ``frame[i]``; ordered by log."""

    logs: tuple[str, ...]
    log: I64
    frame: I64

    def __len__(self) -> int:
        return len(self.log)


class SampleBuilder:
    """Builds batches of features and targets from a source, keeping the drives used last in memory.

    Targets, besides the features: ego_future (B, T, 5) float32 x, y, cos, sin, speed of the rear axle in the ego frame, ego_future_valid (B, T);
    agent_future (B, A, T, 4), agent_future_valid (B, A, T) of the first ``future_agents`` agents.
    """

    def __init__(self, source: ScenarioSource, spec: FeatureSpec, keep: int = 512) -> None:
        self.source, self.spec, self.keep = source, spec, keep
        self._kept: OrderedDict[str, tuple[LogScenes, Vehicle]] = OrderedDict()

    def scenes(self, log: str) -> tuple[LogScenes, Vehicle]:
        """A log's scenes and its vehicle, from memory if it was used lately."""
        if log not in self._kept:
            drive = self.source.drive(log)
            vehicle = load_vehicle(drive.vehicle)
            self._kept[log] = LogScenes(drive, self.source.map(log), vehicle, self.spec), vehicle
            while len(self._kept) > self.keep:
                self._kept.popitem(last=False)
        self._kept.move_to_end(log)
        return self._kept[log]

    def find(self, logs: Sequence[str], every_s: float, min_future_s: float) -> SampleSet:
        """One sample every ``every_s`` of each log, as long as ``min_future_s`` of its future is logged."""
        rows: list[tuple[int, int]] = []
        for i, log in enumerate(logs):
            drive = self.scenes(log)[0].drive
            step = max(round(every_s * 1e6 / drive.interval_us), 1)
            last = len(drive) - round(min_future_s * 1e6 / drive.interval_us)
            rows += [(i, f) for f in range(0, last, step)]
        table = np.array(rows, np.int64).reshape(-1, 2)
        return SampleSet(tuple(logs), np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1]))

    def batch(
        self, samples: SampleSet, rows: I64, augment: AugmentConfig | None, seed: Sequence[int]
    ) -> dict[str, NDArray[Any]]:
        """Features and targets of the given rows. ``seed`` decides every random displacement: the same seed gives the same batch."""
        s = self.spec
        out: Features = allocate(s, len(rows))
        out["ego_future"] = np.zeros((len(rows), s.future_steps, 5), np.float32)
        out["ego_future_valid"] = np.zeros((len(rows), s.future_steps), np.bool_)
        out["agent_future"] = np.zeros((len(rows), s.future_agents, s.future_steps, 4), np.float32)
        out["agent_future_valid"] = np.zeros((len(rows), s.future_agents, s.future_steps), np.bool_)
        rng = np.random.default_rng(seed)
        for b, row in enumerate(rows):
            scenes, vehicle = self.scenes(samples.logs[samples.log[row]])
            self._write(out, b, scenes, vehicle, int(samples.frame[row]), augment, rng)
        return out

    def _write(
        self,
        out: Features,
        b: int,
        scenes: LogScenes,
        vehicle: Vehicle,
        frame: int,
        augment: AugmentConfig | None,
        rng: np.random.Generator,
    ) -> None:
        s, drive = self.spec, scenes.drive
        index, valid = scenes.future(frame)
        future = drive.ego[index][:, [Ego.X, Ego.Y, Ego.HEADING, Ego.VX, Ego.AX]]
        ego = drive.ego[frame]
        if augment is not None and rng.random() < augment.probability:
            count = round(augment.recovery_s / s.future_interval_s)
            moved = (
                perturb(scenes, frame, augment, vehicle.box, rng) if count <= len(valid) and valid[count - 1] else None
            )
            if moved is not None:
                future = recover(future, moved, ego, count, s.future_interval_s)
                ego = moved
        write_features(s, scenes.at(frame, ego), out, b)
        out["ego_future"][b], out["ego_future_valid"][b] = _into_ego(future, ego), valid
        if s.future_agents:
            ids = out["agent_id"][b, : s.future_agents]
            out["agent_future"][b], out["agent_future_valid"][b] = agent_targets(s, scenes, frame, ego, ids)
        if (
            s.instruction_words and augment is not None
        ):  # validation is told nothing: a command would give the future away
            tell(s, out, b, scenes, frame, ego, rng)


def _into_ego(future: F64, ego: F64) -> F64:
    c, s = np.cos(ego[Ego.HEADING]), np.sin(ego[Ego.HEADING])
    dx, dy, turn = future[:, 0] - ego[Ego.X], future[:, 1] - ego[Ego.Y], future[:, 2] - ego[Ego.HEADING]
    return np.stack([c * dx + s * dy, c * dy - s * dx, np.cos(turn), np.sin(turn), future[:, 3]], 1)


def split_logs(logs: Sequence[str], share: float, seed: int) -> tuple[list[str], list[str]]:
    """Training and validation logs: whole logs, chosen by a hash of their name, so that adding logs moves few others. At least one each."""
    if len(logs) < 2:
        raise DataError("at least 2 logs are needed, one to train on and one to validate on", remedy="ingest more logs")
    order = sorted(logs, key=lambda log: blake2b(f"{seed}:{log}".encode(), digest_size=8).digest())
    count = min(max(round(share * len(logs)), 1), len(logs) - 1)
    held = set(order[:count])
    return [log for log in logs if log not in held], [log for log in logs if log in held]


class BatchOrder:
    """Which rows each step trains on: a pure function of (seed, step), so that a run can go on from any step.

    An epoch takes every sample once, in random order; logs are shuffled in groups of ``group`` so that few of them are in use at a time.
    """

    def __init__(self, samples: SampleSet, batch: int, seed: int, group: int) -> None:
        self.samples, self.seed, self.group = samples, seed, group
        self.batch = min(batch, len(samples))
        self.per_epoch = len(samples) // self.batch
        self._epoch, self._order = -1, np.zeros(0, np.int64)

    def rows(self, step: int) -> I64:
        """Rows of the samples of a step (batch,)."""
        epoch, k = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffle(epoch)
        return self._order[k * self.batch : (k + 1) * self.batch]

    def _shuffle(self, epoch: int) -> I64:
        rng = np.random.default_rng([self.seed, epoch])
        place = np.empty(len(self.samples.logs), np.int64)
        place[rng.permutation(len(place))] = np.arange(len(place))
        return np.lexsort((rng.random(len(self.samples)), place[self.samples.log] // self.group)).astype(np.int64)


def chunks(count: int, size: int, limit: int) -> Iterator[I64]:
    """Rows of up to ``limit`` batches spread evenly over ``count`` samples, each batch of ``size`` (the last may be smaller)."""
    total = min(count, size * limit)
    rows = np.linspace(0, count - 1, total).round().astype(np.int64)
    for first in range(0, total, size):
        yield rows[first : first + size]
