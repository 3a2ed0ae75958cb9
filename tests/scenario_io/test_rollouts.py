"""Rollouts in the store: driven arrays bit by bit, and the logged scenario found again in its source."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roadcraft.core.arrays import to_arrays
from roadcraft.core.data.rollout import PlanLog, Rollout
from roadcraft.core.data.windows import window
from roadcraft.core.errors import DataError
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io import Store, StoreWriter, read_rollout, rollout_meta, write_rollout


@pytest.fixture
def stored(tmp_path, make_drive, make_map, make_rows):
    drive, map_data = make_drive(3), make_map(1)
    rows = make_rows(drive, "split/log_3")
    with StoreWriter(tmp_path / "logs", spatial_index=False) as out:
        out.add("split/log_3", drive, map_data, rows)
    source = Store(tmp_path / "logs")
    scenario = source.get(rows[0].token)
    driven = replace(window(drive, scenario.first, scenario.last), source="simulation", interval_us=100_000)
    n = len(driven)
    plans = PlanLog(np.arange(n), np.arange(n + 1) * 2, np.arange(2 * n), np.random.default_rng(0).random((2 * n, 4)))
    channels = np.vstack([np.arange(float(n)), np.full(n, np.nan)])
    rollout = Rollout(scenario, driven, plans, ("speed", "odd"), channels, load_vehicle("pacifica"))
    with StoreWriter(tmp_path / "runs", spatial_index=False) as out:
        write_rollout(out, rollout, log="split/log_3", meta={"planner": "x", "attempt": 2})
    return source, rollout, tmp_path / "runs"


def test_a_rollout_comes_back(stored):
    source, rollout, path = stored
    back = read_rollout(path, rollout.scenario.token, source)
    for a, b in ((back.drive, rollout.drive), (back.plans, rollout.plans)):
        x, y = to_arrays(a), to_arrays(b)
        assert {k: (v.dtype, v.shape, v.tobytes()) for k, v in x[0].items()} == {
            k: (v.dtype, v.shape, v.tobytes()) for k, v in y[0].items()
        }
        assert x[1] == y[1]
    assert back.channels.tobytes() == rollout.channels.tobytes()
    assert back.channel_names == rollout.channel_names
    assert back.vehicle == rollout.vehicle
    s, t = back.scenario, rollout.scenario
    assert (s.token, s.type, s.tags, s.split, s.first, s.last, s.stride) == (
        t.token,
        t.type,
        t.tags,
        t.split,
        t.first,
        t.last,
        t.stride,
    )
    assert s.expert.tobytes() == t.expert.tobytes()
    assert rollout_meta(Store(path), rollout.scenario.token) == {"planner": "x", "attempt": 2}


def test_rollouts_are_a_source_of_their_own(stored):
    _, rollout, path = stored
    again = Store(path).get(rollout.scenario.token)
    assert len(again) == len(rollout.drive)
    assert again.drive.source == "simulation"
    assert read_rollout(path, rollout.scenario.token).scenario.expert.tobytes() == rollout.drive.ego.tobytes()


def test_a_log_is_no_rollout(stored):
    source, rollout, _ = stored
    with pytest.raises(DataError, match="is not a rollout"):
        read_rollout(source, "split/log_3")
    with pytest.raises(DataError, match="no log"):
        read_rollout(source, "nothing")
    del rollout
