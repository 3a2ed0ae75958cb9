"""For how long the ego has just stood still: whoever has to stop must know that he has, for nothing else that is to be
seen changes.

What counts is standing within the last WINDOW_S, which is as far as an observation goes back, so that training and
driving see the same without a memory of the planner's own. It fades while the ego drives off, so that one who creeps
away from a stop line is not taken for one who rolls up to it."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import Ego

STANDING_MPS = 0.2
CREEPING_MPS = 0.5  # slower than this a car that waits may be by accident
WINDOW_S = 2.0


def stopped_time(time_us: I64, speed: F64) -> F64:
    """Seconds (F,) of the last WINDOW_S before each frame of a drive (time_us, speed in m/s, both (F,)) for which it
    stood. It stands between two frames if it does at both."""
    at = (time_us - time_us[0]) * 1e-6
    still = speed < STANDING_MPS
    total = np.append(0.0, np.cumsum(np.diff(at) * (still[1:] & still[:-1])))
    return total - np.interp(at - WINDOW_S, at, total)


def recent_stopped_time(obs: ObservationBatch) -> F64:
    """The same of an observation's scenarios (B,), as far back as it goes."""
    still = obs.ego_past_valid & (obs.ego_past[..., Ego.VX] < STANDING_MPS)
    ago = np.clip((obs.time_us[:, None] - obs.ego_past_us) * 1e-6, 0.0, WINDOW_S)
    return (-np.diff(ago, axis=1) * (still[:, 1:] & still[:, :-1])).sum(1)
