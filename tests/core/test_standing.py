"""For how long the ego has stood: by the log, and by an observation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from roadcraft.core.driving.standing import MOST_S, STANDING_MPS, stood, stood_lately
from roadcraft.core.scenario import Ego
from roadcraft.core.testing.world import made_up_scenario, observe


def slow_stood(time_us: np.ndarray, speed: np.ndarray) -> list[float]:
    out = []
    for f in range(len(speed)):
        first = f
        while first > 0 and speed[first] < STANDING_MPS and speed[first - 1] < STANDING_MPS:
            first -= 1
        out.append(0.0 if speed[f] >= STANDING_MPS else min((time_us[f] - time_us[first]) * 1e-6, MOST_S))
    return out


def test_a_drive_stands_since_it_last_moved() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 2, 400):
        speed = np.repeat(rng.uniform(0.0, 2.0 * STANDING_MPS, count), rng.integers(1, 40, count))[:count]
        time_us = np.cumsum(rng.integers(40_000, 120_000, count))
        np.testing.assert_allclose(stood(time_us, speed), slow_stood(time_us, speed), atol=1e-9)


def test_an_observation_goes_back_as_far_as_it_is_valid() -> None:
    obs = observe([made_up_scenario(f"{i + 1:016x}", speed_mps=4.0) for i in range(4)], 30)
    past, valid = np.zeros_like(obs.ego_past), np.ones_like(obs.ego_past_valid)
    past[0, :-8, Ego.VX], past[1, -1, Ego.VX] = 1.0, 1.0
    valid[2, :-5] = False
    seconds = stood_lately(replace(obs, ego_past=past, ego_past_valid=valid))
    h = past.shape[1]
    interval = (obs.ego_past_us[0, -1] - obs.ego_past_us[0, -2]) * 1e-6
    np.testing.assert_allclose(seconds, [7 * interval, 0.0, 4 * interval, min((h - 1) * interval, MOST_S)], atol=1e-6)
    want = [slow_stood(obs.ego_past_us[b][valid[b]], past[b, valid[b], Ego.VX])[-1] for b in range(4)]
    np.testing.assert_allclose(seconds, want, atol=1e-9)
