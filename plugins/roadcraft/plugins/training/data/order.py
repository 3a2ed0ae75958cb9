"""Which samples a step trains on: a pure function of the seed and the step, whatever builds the batches, wherever they
are trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from threading import Lock

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.errors import DataError
from roadcraft.plugins.training.data.samples import SampleSet

ROUNDS = 20  # of a run whose weights change on the way, at least


def split_logs(logs: Sequence[str], share: float, seed: int) -> tuple[list[str], list[str]]:
    """Training and validation logs: whole logs, chosen by a hash of their name, so that adding logs moves few others.
    At least one each."""
    if len(logs) < 2:
        raise DataError("at least 2 logs are needed, one to train on and one to validate on", remedy="ingest more logs")
    order = sorted(logs, key=lambda log: blake2b(f"{seed}:{log}".encode(), digest_size=8).digest())
    count = min(max(round(share * len(logs)), 1), len(logs) - 1)
    held = set(order[:count])
    return [log for log in logs if log not in held], [log for log in logs if log in held]


class BatchOrder:
    """The rows of the samples that make up each step's batch.

    Samples are dealt out in rounds. Without ``weights`` a round is an epoch: every sample once, in random order. With
    them a sample comes as often as its weight says, by systematic sampling: between the floor and the ceiling of its
    expected number of copies. ``weights(progress)`` (N,) is asked anew for each round, with the share of ``steps`` done
    by then; rounds are then so short that there are at least ROUNDS of them in a run. Within a round logs are shuffled
    in groups of ``group``, so that few of them are in use at a time.
    """

    def __init__(
        self,
        samples: SampleSet,
        batch: int,
        seed: int,
        group: int,
        weights: Callable[[float], F64] | None = None,
        steps: int = 1,
    ) -> None:
        self.samples, self.seed, self.group, self.weights, self.steps = samples, seed, group, weights, steps
        self.batch = min(batch, len(samples))
        self.per_round = len(samples) // self.batch
        if weights is not None:
            self.per_round = min(self.per_round, max(steps // ROUNDS, 1))
        self._dealt: dict[int, I64] = {}
        self._lock = Lock()

    def rows(self, step: int) -> I64:
        """Rows of the samples of a step (batch,). Threads that work ahead may ask for steps of two rounds by turns."""
        number, k = divmod(step, self.per_round)
        with self._lock:
            if number not in self._dealt:
                self._dealt = {n: v for n, v in self._dealt.items() if n == number - 1} | {number: self._deal(number)}
            return self._dealt[number][k * self.batch : (k + 1) * self.batch]

    def _deal(self, number: int) -> I64:
        rng = np.random.default_rng([self.seed, number])
        s = self.samples
        place = np.empty(len(s.logs), np.int64)
        place[rng.permutation(len(place))] = np.arange(len(place))
        rows = np.arange(len(s))
        if self.weights is not None:
            size = self.per_round * self.batch
            progress = min(number * self.per_round / self.steps, 1.0)
            rows = np.repeat(rows, systematic(self.weights(progress), size, rng.random()))
        return rows[np.lexsort((rng.random(len(rows)), place[s.log[rows]] // self.group))]


def systematic(weights: F64, size: int, offset: float) -> I64:
    """How often each item is drawn (N,), ``size`` in all, in proportion to the weights: floor or ceiling of the
    expected number. offset in [0, 1)."""
    bounds = np.cumsum(weights)
    bounds *= size / bounds[-1]
    bounds[-1] = size
    return np.diff(np.floor(bounds + offset).astype(np.int64), prepend=0)


def spread(count: int, limit: int) -> I64:
    """Up to ``limit`` rows spread evenly over ``count``."""
    return np.linspace(0, count - 1, min(count, limit)).round().astype(np.int64)


def chunks(rows: I64, size: int) -> Iterator[I64]:
    """Parts of ``size`` rows; the last may be smaller."""
    for first in range(0, len(rows), size):
        yield rows[first : first + size]
