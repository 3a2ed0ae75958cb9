"""For how long the ego has stood: whoever waits at a stop sign must know how long already, for nothing else that is to be seen changes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.rollout import ObservationBatch
from roadcraft.core.scenario import Ego

STANDING_MPS = 0.2
MOST_S = 10.0  # longer is not told apart


def stood(time_us: I64, speed: F64) -> F64:
    """Seconds (F,) since a drive (time_us, speed in m/s, both (F,)) last moved, or began; 0 while it moves, at most MOST_S."""
    moving = speed >= STANDING_MPS
    since = np.maximum.accumulate(np.where(moving, np.arange(1, len(speed) + 1), 0))
    return np.where(moving, 0.0, np.minimum((time_us - time_us[np.minimum(since, len(speed) - 1)]) * 1e-6, MOST_S))


def stood_lately(obs: ObservationBatch) -> tuple[F64, NDArray[np.bool_]]:
    """The same of an observation's scenarios (B,), as far back as it goes, and whether they stood all the while (B,): then it may be longer."""
    valid, count = obs.ego_past_valid, obs.ego_past_valid.shape[1]
    moving = valid & (obs.ego_past[..., Ego.VX] >= STANDING_MPS)
    earlier = moving | ~valid
    since = np.where(earlier.any(1), count - np.argmax(earlier[:, ::-1], 1), 0)
    begun = np.take_along_axis(obs.ego_past_us, np.minimum(since, count - 1)[:, None], 1)[:, 0]
    seconds = np.where(moving[:, -1], 0.0, np.minimum((obs.time_us - begun) * 1e-6, MOST_S))
    throughout: NDArray[np.bool_] = np.logical_not(moving.any(1))
    return seconds, throughout
