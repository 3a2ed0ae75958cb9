"""Synthetic worlds as crowds: their logs break no rule when they are replayed, and vehicles know their lanes."""

from __future__ import annotations

import numpy as np
import pytest

from roadcraft.core import Crowd, Scenario, crowd_log, crowd_maps, observation_columns
from roadcraft.scenario_io.synthetic.synthesize import synthesize

COLUMN = {name: k for k, (name, _, _) in enumerate(observation_columns())}


@pytest.mark.parametrize("situation", ["signal_straight", "lane_change_left"])
def test_a_replayed_world_breaks_no_rule_and_everybody_who_moves_has_a_lane(situation: str) -> None:
    drive, road_map = synthesize(7, 1, (situation,), locations=1)[0]
    s = Scenario("0" * 16, "", (), "", drive, road_map, 60, 360, 2)
    log = crowd_log(s, 32)
    n = len(log.vehicle)
    crowd, controls = Crowd(1, n, crowd_maps([s.map])), np.zeros((1, n, 2))
    log.start(crowd, 0, 0, np.zeros(n, bool))
    offsets, reds = [], 0
    for t in range(len(s)):
        log.replay(crowd, 0, t)
        crowd.step(controls, s.interval_s)
        cars = log.drivable & crowd.rows.there[0]
        assert not crowd.off[0, cars].any()
        assert (crowd.touched[0, cars] < 0).all()
        moving = cars & (log.state[t, :, 3] > 0.5)
        assert (crowd.places.lane[0, moving] >= 0).all()
        seen = crowd.observe(given=True)[0]
        assert (seen[moving, COLUMN["has_lane"]] == 1.0).all()
        offsets += np.abs(seen[moving, COLUMN["lane_offset"]]).tolist()
        reds += int(crowd.ran_red.sum())
    assert reds == 0
    assert len(offsets) > 200
    assert np.percentile(offsets, 90) < 0.4
    assert max(offsets) < 2.2  # who changes lanes is on the border between two for a moment
