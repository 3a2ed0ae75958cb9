"""For how long the ego has stood: whoever has to stop must know that he has, for nothing else that is to be seen changes.

Longer than MOST_S is not told apart: it is as far as an observation goes back, so that training and driving see the same without a memory of the planner's own.
"""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.rollout import ObservationBatch
from roadcraft.core.scenario import Ego

STANDING_MPS = 0.2
MOST_S = 2.0


def stood(time_us: I64, speed: F64) -> F64:
    """Seconds (F,) since a drive (time_us, speed in m/s, both (F,)) last moved, or began; 0 while it moves, at most MOST_S."""
    moving = speed >= STANDING_MPS
    since = np.maximum.accumulate(np.where(moving, np.arange(1, len(speed) + 1), 0))
    return np.where(moving, 0.0, np.minimum((time_us - time_us[np.minimum(since, len(speed) - 1)]) * 1e-6, MOST_S))


def stood_lately(obs: ObservationBatch) -> F64:
    """The same of an observation's scenarios (B,), as far back as it goes."""
    valid, count = obs.ego_past_valid, obs.ego_past_valid.shape[1]
    moving = valid & (obs.ego_past[..., Ego.VX] >= STANDING_MPS)
    earlier = moving | ~valid
    since = np.where(earlier.any(1), count - np.argmax(earlier[:, ::-1], 1), 0)
    begun = np.take_along_axis(obs.ego_past_us, np.minimum(since, count - 1)[:, None], 1)[:, 0]
    return np.where(moving[:, -1], 0.0, np.minimum((obs.time_us - begun) * 1e-6, MOST_S))
