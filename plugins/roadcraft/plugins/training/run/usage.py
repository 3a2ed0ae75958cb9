"""How fast a run goes and what it waits for: samples per second, share of the time spent waiting for data, CPU,
memory."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class UsageSnapshot:
    """A moment: steps done, seconds waited for data, CPU seconds of this process with its children, wall clock."""

    steps: int
    waited_s: float
    cpu_s: float
    wall_s: float


def take_snapshot(steps: int, waited_s: float) -> UsageSnapshot:
    t = os.times()
    return UsageSnapshot(steps, waited_s, t.user + t.system + t.children_user + t.children_system, time.monotonic())


def usage(since: UsageSnapshot, now: UsageSnapshot, batch: int) -> dict[str, float]:
    """Between two moments: samples_per_s (of all processes together: every step takes ``batch`` samples), data_wait
    (share of the wall clock), cpu (cores kept busy by this process), memory_mb (its largest resident set so far),
    gpu_memory_mb (largest allocation so far, where there is a GPU)."""
    wall = max(now.wall_s - since.wall_s, 1e-9)
    out = {
        "samples_per_s": (now.steps - since.steps) * batch / wall,
        "data_wait": (now.waited_s - since.waited_s) / wall,
        "cpu": (now.cpu_s - since.cpu_s) / wall,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    if torch.cuda.is_available():
        out["gpu_memory_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return out
