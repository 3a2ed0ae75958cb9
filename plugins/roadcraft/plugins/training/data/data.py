"""The one Lightning data module: from a store to batches, for every encoder and model."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import count
from typing import Any

import numpy as np
import pytorch_lightning as pl
from torch import Tensor

from roadcraft.core.cores import usable_cores
from roadcraft.core.driving.features.mirror import check_mirror
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.core.types import FeatureSpec
from roadcraft.plugins.training.augment.augment import random_numbers
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.plugins.training.data.balance import weigher
from roadcraft.plugins.training.data.order import BatchOrder, chunks, split_logs, spread
from roadcraft.plugins.training.data.samples import (
    Batch,
    LogFacts,
    SampleBuilder,
    check_intervals,
    find_samples,
    log_facts,
)
from roadcraft.plugins.training.data.stream import Stream, to_torch
from roadcraft.plugins.training.stopping import StopRequest

MOST_WORKERS = 4  # more would wait for Python's lock


class DataModule(pl.LightningDataModule):
    """What a run trains and validates on.

    A step's batch is cut into equal parts, one for every device and round of accumulation; a rank builds its own parts
    only. What a part holds depends on seed, step and the number of parts, so where a run's parts are trained does not
    matter. ``about``: the data as a checkpoint describes it.
    """

    def __init__(
        self, config: TrainConfig, source: ScenarioSource, spec: FeatureSpec, stop: StopRequest | None = None
    ) -> None:
        super().__init__()
        self.config, self.source, self.stop = config, source, stop or StopRequest()
        self.builder = SampleBuilder(source, spec, config.cached_drives)
        self.augment = None if config.overfit else config.augment
        if self.augment is not None and self.augment.mirror:
            check_mirror(spec)
        logs = source.logs()
        facts = {log: log_facts(source, log) for log in logs}
        check_intervals(list(facts.values()), spec, config.data)
        self.train_logs, self.held_logs = split_logs(logs, config.validation_fraction, config.seed)
        self.samples, self.held = (
            find_samples(part, [facts[log] for log in part], config.sample_interval_s, config.min_future_s)
            for part in (self.train_logs, self.held_logs)
        )
        for name, part in (("training", self.samples), ("validation", self.held)):
            if len(part) == 0:
                raise DataError(
                    f"no {name} samples: every log is shorter than min_future_s = {config.min_future_s} s",
                    where=config.data,
                    remedy="choose a smaller min_future_s",
                )
        if config.overfit:
            self.samples = self.held = self.samples.take(spread(len(self.samples), config.overfit))
        self.about = _about([facts[log] for log in (*self.train_logs, *self.held_logs)], config.data)
        self.about |= {
            "train_logs": len(self.train_logs),
            "validation_logs": len(self.held_logs),
            "samples": len(self.samples),
        }
        self.stream: Stream | None = None

    def first_batches(self) -> Iterator[dict[str, Tensor]]:
        """Whole batches of training samples, the same on every rank, without end: for a model that looks at them before
        it is trained."""
        c, size = self.config, min(self.config.batch, len(self.samples))
        order = BatchOrder(self.samples, size, c.seed, max(c.cached_drives // 2, 1), None, c.steps)
        for step in count():
            random = random_numbers(c.seed, step, size)
            yield to_torch(self.builder.batch(self.samples, order.rows(step), self.augment, random))

    def setup(self, stage: str) -> None:
        """Find out which parts are this rank's."""
        c = self.config
        assert self.trainer is not None
        self.rank, self.world = self.trainer.global_rank, self.trainer.world_size
        self.workers = c.workers or _free_workers(self.trainer.num_devices)
        parts = c.accumulate * self.world
        if c.batch % parts:
            raise ConfigError(
                f"batch={c.batch} cannot be cut into {parts} equal parts (accumulate={c.accumulate} on {self.world} "
                "devices)"
            )
        if len(self.samples) < parts:
            raise DataError(f"{len(self.samples)} samples are too few for {parts} parts of a batch", where=c.data)
        batch = min(c.batch, len(self.samples) // parts * parts)
        weights = weigher(c.balance, self.source, self.samples)
        group = max(
            c.cached_drives // 2, 1
        )  # so that the group that ends and the one that begins are in memory together
        self.order = BatchOrder(self.samples, batch, c.seed, group, weights, c.steps)
        self.size = batch // parts

    def train_dataloader(self) -> Stream:
        """This rank's parts from the first step that is not done yet, without end; none where all steps are done. A
        process that is alone waits for no batch once it is told to stop, but only between two steps; several have to
        agree first (``TrainModule.tick``)."""
        self.stop.listen()  # Lightning took the signals a moment ago
        module: Any = self.trainer.lightning_module  # type: ignore[union-attr]
        parts = self.config.accumulate
        left = count(module.done * parts) if module.done < module.stop_at else range(0)
        alone = self.world == 1
        self.stream = Stream(
            self.part, left, self.workers, lambda k: alone and bool(self.stop.signal) and k % parts == 0
        )
        return self.stream

    def sample(self, step: int, part: int, row: int) -> str:
        """Log and frame of a sample that this rank trains on."""
        mine = slice((part * self.world + self.rank) * self.size, (part * self.world + self.rank + 1) * self.size)
        k = int(self.order.rows(step)[mine][row])
        return f"{self.samples.logs[self.samples.log[k]]}, frame {self.samples.frame[k]}"

    def part(self, index: int) -> Batch:
        """The ``index``-th part that this rank trains on."""
        step, k = divmod(index, self.config.accumulate)
        mine = slice((k * self.world + self.rank) * self.size, (k * self.world + self.rank + 1) * self.size)
        random = random_numbers(self.config.seed, step, self.order.batch)
        return self.builder.batch(self.samples, self.order.rows(step)[mine], self.augment, random[mine])

    def validation(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """This rank's share of the held-out samples: index of the part, how many samples of it count, the batch. All
        ranks get equally many parts, since sharded networks must be called in step; one that fills up does not
        count."""
        rows = list(chunks(spread(len(self.held), self.config.validation_batches * self.config.batch), self.size))
        mine = range(self.rank, -(-len(rows) // self.world) * self.world, self.world)
        stream = Stream(lambda k: self.builder.batch(self.held, rows[k % len(rows)]), mine, self.workers)
        for k, batch in zip(mine, stream, strict=True):
            yield k, len(rows[k]) if k < len(rows) else 0, batch


class DriveModule(DataModule):
    """The same for a run that learns by driving: a step's batch is the number of its roll-out."""

    def train_dataloader(self) -> Any:
        self.stop.listen()  # Lightning took the signals a moment ago
        module: Any = self.trainer.lightning_module  # type: ignore[union-attr]
        return range(module.done, module.stop_at)


def _free_workers(processes: int) -> int:
    """Threads for each of a node's processes."""
    return max(min(usable_cores() // processes, MOST_WORKERS), 1)


def _about(facts: list[LogFacts], path: str) -> dict[str, Any]:
    digest = blake2b("\n".join(f"{f.name}:{f.frames}:{f.first_us}" for f in facts).encode(), digest_size=16)
    return {
        "path": path,
        "hours": round(float(np.sum([f.frames * f.interval_us for f in facts])) / 3.6e9, 3),
        "sources": sorted({f.source for f in facts}),
        "licences": sorted({f.licence for f in facts}),
        "maps": sorted({f.map_name for f in facts}),
        "hash": digest.hexdigest(),
    }
