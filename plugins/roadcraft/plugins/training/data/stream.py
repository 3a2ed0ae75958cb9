"""Batches for Lightning: an endless stream that can start anywhere, built ahead of the training step by threads.

Threads, not processes: the kernels that build a batch run without Python's lock, and threads share the drives in memory
and hand over arrays uncopied.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import count
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from roadcraft.plugins.training.data.samples import Batch

AHEAD = 3  # batches held ready per worker
POLL_S = 0.2  # between two looks whether to wait on for a batch


def to_torch(arrays: Batch) -> dict[str, Tensor]:
    """The same arrays as tensors that share their memory; in page-locked memory where there is a GPU to copy them
    to."""
    tensors = {k: torch.from_numpy(v) for k, v in arrays.items()}
    return {k: v.pin_memory() for k, v in tensors.items()} if torch.cuda.is_available() else tensors


class Stream:
    """``build(i)`` for i in ``indices``, in order, as tensors. What comes out does not depend on the number of workers.
    ``waited``: seconds for which whoever iterates had to wait. Where a batch is not ready and ``give_up(i)`` says so,
    the stream ends before it, and what is being built is left alone (the first batch may wait a minute for its
    kernels)."""

    def __init__(
        self,
        build: Callable[[int], Batch],
        indices: range | count[int],
        workers: int,
        give_up: Callable[[int], bool] = lambda index: False,
    ) -> None:
        self.build, self.indices, self.workers, self.give_up = build, indices, workers, give_up
        self.waited = 0.0

    def _work(self, index: int) -> dict[str, Tensor]:
        return to_torch(self.build(index))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        indices = iter(self.indices)
        ready: deque[tuple[int, Future[dict[str, Tensor]]]] = deque()
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="roadcraft-batches")
        gave_up = False
        try:
            for _, index in zip(range(AHEAD * self.workers), indices, strict=False):
                ready.append((index, pool.submit(self._work, index)))
            while ready:
                begun = perf_counter()
                gave_up = not self._wait(*ready[0])
                if gave_up:
                    return
                batch = ready.popleft()[1].result()
                self.waited += perf_counter() - begun
                for index in indices:
                    ready.append((index, pool.submit(self._work, index)))
                    break
                yield batch
        finally:
            pool.shutdown(wait=not gave_up, cancel_futures=True)

    def _wait(self, index: int, batch: Future[dict[str, Tensor]]) -> bool:
        """Whether the batch came."""
        while not batch.done():
            if self.give_up(index):
                return False
            wait([batch], POLL_S)
        return True
