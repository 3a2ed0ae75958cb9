"""log_replay: which frames of the log it plans, and what happens where the log ends."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from roadcraft.core.arrays import Ragged, offsets_of
from roadcraft.core.data.map import MapData
from roadcraft.core.data.rollout import Lights, Objects, ObservationBatch
from roadcraft.core.data.scenario import Drive, LightFrames, ObjectFrames, Scenario, Scenes, Tracks
from roadcraft.core.errors import DataError
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.planners.basic_configs import LogReplayConfig
from roadcraft.planners.log_replay import LogReplay

U8, I64, U64 = np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.uint64)


def scenario(frames: int, interval_us: int, stride: int) -> Scenario:
    ego = np.random.default_rng(frames).normal(0, 10, (frames, 10))
    none = np.zeros(frames + 1, np.int64)
    drive = Drive(
        name="log",
        map_name="nowhere",
        source="test",
        licence="none",
        vehicle="pacifica",
        interval_us=interval_us,
        time_us=np.arange(frames, dtype=np.int64) * interval_us + 7,
        token=np.arange(frames, dtype=np.uint64),
        ego=ego,
        joints=np.zeros((frames, 0)),
        tracks=Tracks(U64, U8, I64, U8, np.zeros(0)),
        objects=ObjectFrames(none, I64, np.zeros((0, 5)), np.zeros((0, 2))),
        lights=LightFrames(none, I64, U8),
        scenes=Scenes(I64, Ragged.build([]), np.zeros((0, 3)), np.zeros(0, bool), ()),
        tag_frame=I64,
        tag_type=I64,
        tag_names=(),
    )
    return Scenario("0" * 16, "unknown", (), "", drive, cast(MapData, None), 0, frames - 1, stride)


def observation(scenarios: list[Scenario], iterations: list[int]) -> ObservationBatch:
    n = len(scenarios)
    none = offsets_of([0] * n)
    return ObservationBatch(
        token=tuple(s.token for s in scenarios),
        iteration=np.array(iterations, np.int64),
        time_us=np.array([s.time_us[i] for s, i in zip(scenarios, iterations, strict=True)], np.int64),
        interval_s=np.array([s.interval_s for s in scenarios]),
        ego_past=np.zeros((n, 1, 10)),
        ego_past_us=np.zeros((n, 1), np.int64),
        ego_past_valid=np.ones((n, 1), bool),
        joints=np.zeros((n, 0)),
        objects=Objects(none, U64, U8, I64, U8, np.zeros((0, 5)), np.zeros((0, 2))),
        lights=Lights(none, I64, U8),
        maps=tuple(s.map for s in scenarios),
        route=Ragged.build([[]] * n),
        goal=np.zeros((n, 3)),
        has_goal=np.zeros(n, bool),
        vehicle=load_vehicle("pacifica"),
        scenarios=tuple(scenarios),
    )


def plan(scenarios: list[Scenario], iterations: list[int], config: LogReplayConfig | None = None):
    obs = observation(scenarios, iterations)
    return LogReplay(config or LogReplayConfig()).plan(obs, [None] * len(obs), np.zeros(len(obs), np.uint64))[0]


def test_takes_every_half_second_of_a_20_hz_log_for_eight_seconds() -> None:
    s = scenario(400, 50_000, 2)
    p = plan([s], [30])
    rows = 60 + 10 * np.arange(17)
    assert p.length is not None
    assert p.length[0] == 17
    assert (p.time_us[0] == s.drive.time_us[rows]).all()
    assert (p.states[0, 0] == s.drive.ego[rows]).all()


def test_ragged_batch_near_the_end_of_the_log() -> None:
    long, short = scenario(400, 50_000, 2), scenario(91, 100_000, 1)
    p = plan([long, short, short], [195, 3, 88])
    assert p.length is not None
    assert list(p.length) == [3, 17, 3]
    assert (p.states[2, 0, :2] == short.drive.ego[[88, 90]]).all()
    assert p.states[2, 0, 2, :2] == pytest.approx(
        short.drive.ego[90, :2]
        + 0.5 * short.drive.ego[90, 3] * np.array([np.cos(short.drive.ego[90, 2]), np.sin(short.drive.ego[90, 2])])
    )
    assert p.time_us[2, 2] == short.drive.time_us[90] + 500_000
    assert (p.states[1, 0, :17] == plan([short], [3]).states[0, 0]).all()


def test_without_a_log_it_says_so() -> None:
    obs = replace(observation([scenario(91, 100_000, 1)], [0]), scenarios=None)
    with pytest.raises(DataError, match="needs the log"):
        LogReplay(LogReplayConfig()).plan(obs, [None], np.zeros(1, np.uint64))
    with pytest.raises(DataError, match="log ends"):
        plan([scenario(91, 100_000, 1)], [90])


def test_it_asks_for_the_log() -> None:
    assert LogReplay(LogReplayConfig()).needs().log
