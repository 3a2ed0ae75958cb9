"""Batches for Lightning: an endless stream that can start at any step, built one step ahead in a thread of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from roadcraft.plugins.training.config import AugmentConfig
from roadcraft.plugins.training.samples import BatchOrder, SampleBuilder

AHEAD = 4  # batches held ready


def to_torch(arrays: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    """The same arrays as tensors that share their memory."""
    return {k: torch.from_numpy(v) for k, v in arrays.items()}


class TrainStream:
    """Batches from ``start`` on; what a step trains on depends on the seed and the step alone. The kernels that build a batch run without Python's
    lock, beside the training step."""

    def __init__(
        self, builder: SampleBuilder, order: BatchOrder, augment: AugmentConfig | None, seed: int, start: int
    ) -> None:
        self.builder, self.order, self.augment, self.seed, self.start = builder, order, augment, seed, start

    def build(self, step: int) -> dict[str, NDArray[Any]]:
        """The batch of one step."""
        return self.builder.batch(self.order.samples, self.order.rows(step), self.augment, [self.seed, step, 1])

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        ready: Queue[dict[str, NDArray[Any]] | BaseException] = Queue(AHEAD)
        stop = Event()

        def put(item: dict[str, NDArray[Any]] | BaseException) -> None:
            while not stop.is_set():
                try:
                    ready.put(item, timeout=0.2)
                    return
                except Full:
                    continue

        def work() -> None:
            step = self.start
            try:
                while not stop.is_set():
                    put(self.build(step))
                    step += 1
            except BaseException as e:
                put(e)

        worker = Thread(target=work, name="roadcraft-batches", daemon=True)
        worker.start()
        try:
            while True:
                try:
                    item = ready.get(timeout=1.0)
                except Empty:
                    continue
                if isinstance(item, BaseException):
                    raise item
                yield to_torch(item)
        finally:
            stop.set()
            worker.join()


class Batches:
    """Finished batches, the same every time: validation, or a handful of samples to overfit."""

    def __init__(self, batches: Sequence[dict[str, Tensor]], repeat: bool = False) -> None:
        self.batches, self.repeat = batches, repeat

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        yield from self.batches
        while self.repeat:
            yield from self.batches
