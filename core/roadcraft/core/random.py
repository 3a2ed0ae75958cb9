"""Explicit randomness: every random draw comes from a key that is derived from (seed, scenario token, step), never from
the batch."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

INCREMENT = np.uint64(0x9E3779B97F4A7C15)
"""By which splitmix64 advances its state from one number to the next."""


def mix64(state: Any) -> Any:
    """splitmix64's number of a state: uint64, a scalar or an array. It compiles in kernels, too."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def scenario_key(seed: int, token: str) -> int:
    """64-bit key of a scenario."""
    return int.from_bytes(blake2b(f"{seed}:{token}".encode(), digest_size=8).digest(), "little")


def step_keys(scenario_keys: Sequence[int] | NDArray[np.uint64], step: NDArray[np.int64] | int) -> NDArray[np.uint64]:
    """Keys (B,) uint64 of one step: splitmix64 of the scenario keys advanced by the step."""
    with np.errstate(over="ignore"):
        steps = np.asarray(step).astype(np.uint64) + np.uint64(1)
        return np.atleast_1d(mix64(np.asarray(scenario_keys, np.uint64) + steps * INCREMENT))
