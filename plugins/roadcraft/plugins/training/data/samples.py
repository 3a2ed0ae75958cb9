"""Training samples: frames of drives, turned into features and targets by the builder that also serves driving."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import Drive
from roadcraft.core.driving.features.build import allocate, write_agent_future, write_features
from roadcraft.core.driving.features.map_tensors import feature_map
from roadcraft.core.driving.features.mirror import mirror
from roadcraft.core.driving.features.scene import LogScenes
from roadcraft.core.driving.features.stopped_time import WINDOW_S
from roadcraft.core.errors import DataError, PluginError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.core.types import FeatureSpec
from roadcraft.core.vehicles.vehicle import Vehicle, load_vehicle
from roadcraft.plugins.training.augment.agent_dropout import drop_agents
from roadcraft.plugins.training.augment.augment import (
    CONDITION,
    DROPPED,
    LATE,
    MIRRORED,
    RANDOM_COUNT,
    FutureSteps,
    limits,
    write_ego_future,
)
from roadcraft.plugins.training.augment.late_start import stand_before
from roadcraft.plugins.training.augment.maneuvers import sample_conditions
from roadcraft.plugins.training.config import AugmentConfig

Batch = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class SampleSet:
    """Samples by log and frame: ``logs[log[i]]``, ``frame[i]`` (int32); ordered by log."""

    logs: tuple[str, ...]
    """Names of the logs."""
    log: NDArray[np.int32]
    """(N,) int32: index into ``logs``."""
    frame: NDArray[np.int32]
    """(N,) int32: frame of the log."""

    def __len__(self) -> int:
        return len(self.log)

    def take(self, rows: I64) -> SampleSet:
        """Some of the samples."""
        return SampleSet(self.logs, self.log[rows], self.frame[rows])


@dataclass(frozen=True)
class LogFacts:
    """What is known of a log without reading its frames."""

    name: str
    frames: int
    interval_us: int
    first_us: int
    map_name: str
    source: str
    licence: str


def log_facts(source: ScenarioSource, log: str) -> LogFacts:
    """From the index of a store, from the drive itself elsewhere."""
    entry = getattr(source, "entry", None)
    if entry is not None:
        e = entry(log)
        return LogFacts(e.name, e.frames, e.interval_us, e.first_us, e.map_name, e.source, e.licence)
    d: Drive = source.drive(log)
    return LogFacts(d.name, len(d), d.interval_us, int(d.time_us[0]), d.map_name, d.source, d.licence)


def check_intervals(facts: Sequence[LogFacts], spec: FeatureSpec, where: str) -> None:
    """Raises DataError naming a log whose frames do not come at the times that the features ask for, to a tenth of
    that; they would be taken for others."""
    for name in ("past_interval_s", "future_interval_s"):
        wanted_us = getattr(spec, name) * 1e6
        for f in facts:
            got_us = max(round(wanted_us / f.interval_us), 1) * f.interval_us
            if abs(got_us - wanted_us) > 0.1 * wanted_us:
                raise DataError(
                    f"{f.name} has a frame every {f.interval_us * 1e-6:g} s, the network asks for one every "
                    f"{wanted_us * 1e-6:g} s ({name})",
                    where=where,
                    remedy=f"an encoder or model with another {name}, or logs without this one",
                )


def find_samples(logs: Sequence[str], facts: Sequence[LogFacts], every_s: float, min_future_s: float) -> SampleSet:
    """One sample every ``every_s`` of each log, as long as ``min_future_s`` of its future is logged."""
    frames = []
    for f in facts:
        step = max(round(every_s * 1e6 / f.interval_us), 1)
        frames.append(np.arange(0, max(f.frames - round(min_future_s * 1e6 / f.interval_us), 0), step, dtype=np.int32))
    log = np.repeat(np.arange(len(logs), dtype=np.int32), [len(f) for f in frames])
    return SampleSet(tuple(logs), log, np.concatenate([np.zeros(0, np.int32), *frames]))


def samples_of(
    source: ScenarioSource, every_s: float = 0.5, min_future_s: float = 3.0, logs: Sequence[str] | None = None
) -> SampleSet:
    """The samples of a source, or of some of its logs, in the order of their names.

    Args:
        source: a store, or raw logs.
        every_s: time between two samples of a log.
        min_future_s: logged future that a sample needs.
        logs: names of logs (None: all).
    """
    names = sorted(source.logs() if logs is None else logs)
    return find_samples(names, [log_facts(source, log) for log in names], every_s, min_future_s)


class _Changes(NamedTuple):
    """What is done to the samples of a batch: the settings, the largest displacements (``limits``), and the steps
    within which a displaced ego is back on its path."""

    augment: AugmentConfig | None
    limit: F64
    back: int

    @classmethod
    def of(cls, augment: AugmentConfig | None, interval_s: float) -> _Changes:
        return cls(augment, limits(augment), round(augment.recovery_s / interval_s) if augment is not None else 0)


class SampleBuilder:
    """Builds batches of features and targets from a source, keeping the ``keep`` drives used last in memory. Several
    threads may build at once.

    Targets, besides the features: ego_future (B, T, 5) float32 x, y, cos, sin, speed of the rear axle in the ego frame,
    ego_future_valid (B, T); agent_future (B, A, T, 4), agent_future_valid (B, A, T) of the first ``future_agents``
    agents."""

    random_count: ClassVar[int] = RANDOM_COUNT
    """Random numbers that ``batch`` takes for each sample."""

    def __init__(self, source: ScenarioSource, spec: FeatureSpec, keep: int = 512) -> None:
        self.source, self.spec, self.keep = source, spec, keep
        self._cache: OrderedDict[str, tuple[LogScenes, Vehicle]] = OrderedDict()
        self._lock = Lock()

    def scenes(self, log: str) -> tuple[LogScenes, Vehicle]:
        """A log's scenes and its vehicle, from memory if it was used lately."""
        with self._lock:
            if log not in self._cache:
                drive, map_data = self.source.drive(log), self.source.map(log)
                feature_map(map_data, self.spec.lane_points)  # kept with the map, so that no two threads compute it
                vehicle = load_vehicle(drive.vehicle, load=drive.load)
                self._cache[log] = LogScenes(drive, map_data, vehicle, self.spec), vehicle
                while len(self._cache) > self.keep:
                    self._cache.popitem(last=False)
            self._cache.move_to_end(log)
            return self._cache[log]

    def batch(
        self, samples: SampleSet, rows: I64, augment: AugmentConfig | None = None, random_numbers: F64 | None = None
    ) -> Batch:
        """Features and targets of the given rows. ``random_numbers`` (len(rows), ``random_count``) decide, sample by
        sample, whatever ``augment`` leaves to chance."""
        s, count = self.spec, len(rows)
        out = allocate(s, count, targets=True)
        random_numbers = np.ones((count, RANDOM_COUNT)) if random_numbers is None else random_numbers
        changes = _Changes.of(augment, s.future_interval_s)
        for b, row in enumerate(rows):
            log = self.scenes(samples.logs[samples.log[row]])
            self._write(out, b, log, int(samples.frame[row]), changes, random_numbers[b])
        if augment is not None:
            mirrored = np.flatnonzero(random_numbers[:, MIRRORED] < augment.mirror)
            if len(mirrored):
                mirror(s, out, mirrored)
        return out

    def _write(
        self, out: Batch, b: int, log: tuple[LogScenes, Vehicle], frame: int, changes: _Changes, draw: F64
    ) -> None:
        (scenes, vehicle), (augment, limit, back) = log, changes
        s, drive, objects = self.spec, scenes.drive, scenes.drive.objects
        start, stopped_time_s = frame, None
        if augment is not None and draw[LATE] < augment.late_start:
            start = stand_before(scenes, vehicle, frame, augment.late_start_s)
        if start < frame:  # it stands there still
            late_s = (frame - start) * drive.interval_us * 1e-6
            limit, stopped_time_s = limits(None), min(float(scenes.stopped_time_s[start]) + late_s, WINDOW_S)
        steps = FutureSteps(start, scenes.future_stride, s.future_interval_s, back)
        ego = write_ego_future(
            out["ego_future"][b], out["ego_future_valid"][b], drive.ego, steps, limit, draw, vehicle.box,
            (objects.box, objects.offsets),
        )  # fmt: skip
        scene = scenes.at(frame, ego, stopped_time_s)
        if augment is not None and augment.agent_dropout > 0.0:
            scene = drop_agents(scenes, scene, frame, augment, float(draw[DROPPED]))
        try:
            write_features(s, scene, out, b)
        except PluginError as e:
            raise PluginError(f"{e} ({drive.name}, frame {frame})") from e
        if s.future_agents:
            ids = out["agent_id"][b, : s.future_agents]
            write_agent_future(scenes, frame, ego, ids, out["agent_future"][b], out["agent_future_valid"][b])
        told = bool(scene.conditions.instruction)  # by the log itself
        if s.instruction_words and not told and augment is not None and augment.conditions and s.reference_lines:
            # not in validation, where a command would give the future away
            sample_conditions(s, out, b, scenes, frame, ego, np.random.default_rng(int(draw[CONDITION] * 2.0**53)))
