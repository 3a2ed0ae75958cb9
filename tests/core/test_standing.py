"""For how long the ego has just stood: by the log, and by an observation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.features.stopped_time import STANDING_MPS, WINDOW_S, recent_stopped_time, stopped_time
from roadcraft.core.testing.world import made_up_scenario, observe


def slow_stood(time_us: np.ndarray, speed: np.ndarray) -> list[float]:
    """Every pair of frames, one after the other."""
    out = []
    for f in range(len(speed)):
        since, total = time_us[f] - WINDOW_S * 1e6, 0.0
        for i in range(1, f + 1):
            if speed[i] < STANDING_MPS and speed[i - 1] < STANDING_MPS and time_us[i] > since:
                total += (time_us[i] - max(time_us[i - 1], since)) * 1e-6
        out.append(total)
    return out


def test_standing_counts_within_the_last_seconds() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 2, 400):
        speed = np.repeat(rng.uniform(0.0, 2.0 * STANDING_MPS, count), rng.integers(1, 40, count))[:count]
        time_us = np.cumsum(rng.integers(40_000, 120_000, count))
        np.testing.assert_allclose(stopped_time(time_us, speed), slow_stood(time_us, speed), atol=1e-9)


def test_who_drives_off_has_just_stood_and_who_rolls_up_has_not() -> None:
    time_us = np.arange(101) * 100_000
    leaving = np.where(time_us < 5e6, 0.0, 0.3)
    np.testing.assert_allclose(stopped_time(time_us, leaving)[[49, 54, 59, 100]], [2.0, 1.5, 1.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(
        stopped_time(time_us, leaving[::-1])[[0, 50, 51, 61, 100]], [0.0, 0.0, 0.0, 1.0, 2.0], atol=1e-9
    )


def test_an_observation_goes_back_as_far_as_it_is_valid() -> None:
    obs = observe([made_up_scenario(f"{i + 1:016x}", speed_mps=4.0) for i in range(4)], 30)
    past, valid = np.zeros_like(obs.ego_past), np.ones_like(obs.ego_past_valid)
    past[0, :-8, Ego.VX], past[1, -1, Ego.VX] = 1.0, 1.0
    valid[2, :-5] = False
    seconds = recent_stopped_time(replace(obs, ego_past=past, ego_past_valid=valid))
    h = past.shape[1]
    interval = (obs.ego_past_us[0, -1] - obs.ego_past_us[0, -2]) * 1e-6
    whole = min((h - 1) * interval, WINDOW_S)
    np.testing.assert_allclose(seconds, [7 * interval, whole - interval, 4 * interval, whole], atol=1e-6)
    want = [slow_stood(obs.ego_past_us[b][valid[b]], past[b, valid[b], Ego.VX])[-1] for b in range(4)]
    np.testing.assert_allclose(seconds, want, atol=1e-9)
