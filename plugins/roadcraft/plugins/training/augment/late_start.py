"""Late starts: samples in which the ego still stands where the log has driven off already, and drives off now.

A driver leaves as soon as the road is free, so a log never shows a car that stands although nothing holds it. An
imitator that once lets the moment pass is in a scene it never saw, and may stand for good. Here a frame shortly after a
start is seen from where the log stood, and the logged start is its target.
"""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.features.scene import LogScenes
from roadcraft.core.driving.features.stopped_time import STANDING_MPS
from roadcraft.core.driving.jit import njit
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.plugins.training.augment.augment import touches

CLEAR_LONG_M, CLEAR_WIDE_M = 1.0, 0.3  # kept from others on each end and side, all the way
SAMPLE_INTERVAL_S = 0.5  # between the moments at which that is looked at
_VX = int(Ego.VX)


def grown(body: F64) -> F64:
    """A vehicle's box (3,) with the distance it keeps from others."""
    return body + np.array([0.0, 2.0 * CLEAR_LONG_M, 2.0 * CLEAR_WIDE_M])


def stand_before(scenes: LogScenes, vehicle: Vehicle, frame: int, late_s: float) -> int:
    """The frame at most ``late_s`` before ``frame`` from whose ego state a late start can be made, or ``frame``."""
    d = scenes.drive
    most, every = (max(round(t * 1e6 / d.interval_us), 1) for t in (late_s, SAMPLE_INTERVAL_S))
    horizon = scenes.future_stride * scenes.spec.future_steps
    return int(latest_stand(d.ego, frame, most, horizon, every, grown(vehicle.box), d.objects.box, d.objects.offsets))


@njit(cache=True, nogil=True)
def latest_stand(
    states: F64, frame: int, most: int, horizon: int, every: int, body: F64, box: F64, offsets: I64
) -> int:  # fmt: skip
    """The frame, at most ``most`` before ``frame``, at which the drive (states (F, 10)) stood last; ``frame`` itself
    where it stands, did not stand, or could not have waited: setting off from there now, with the logged start, it
    would touch another object within ``horizon`` frames. every: frames between two looks; body (3,): of the vehicle;
    box (R, 5), offsets (F + 1,): all objects of the drive."""
    start = frame
    while start > 0 and frame - start < most and states[start, _VX] >= STANDING_MPS:
        start -= 1
    if start == frame or states[start, _VX] >= STANDING_MPS:
        return frame
    for k in range(0, horizon + 1, every):
        if frame + k >= len(states):
            break
        if touches(states[start + k], body, box[offsets[frame + k] : offsets[frame + k + 1]]):
            return frame
    return start
