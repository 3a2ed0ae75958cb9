"""Chance that depends on a scene's key alone: numbers by counter, not by a generator's state."""

from __future__ import annotations

import numpy as np

from roadcraft.core.random import step_keys
from roadcraft.core.types import Keys
from roadcraft.plugins.tokens.vocabulary import F32


def uniform(keys: Keys, shape: tuple[int, ...]) -> F32:
    """Numbers in [0, 1), (B, *shape), of scenes with keys (B,)."""
    count = int(np.prod(shape))
    bits = step_keys(np.asarray(keys, np.uint64)[:, None], np.arange(count, dtype=np.int64))
    return ((bits >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)).reshape(len(keys), *shape)
