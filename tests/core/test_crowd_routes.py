"""Routes of rows: matched to what was driven, gone on with by chance, and widened to the lanes that lead there."""

from __future__ import annotations

import numpy as np
import pytest
from ring_roads import LANES, SECTORS, WINDING, ring_road

from roadcraft.core.driving.multi_agent.routes import extended, matched, route_of, widened
from roadcraft.core.testing import made_up_map


def _ids(m, rows):  # type: ignore[no-untyped-def]
    return m.lanes.id[rows].tolist()


def test_a_drive_along_lanes_with_a_lane_change_is_matched() -> None:
    """Straight through the junction, from the left lane to the right one behind it; noise does not matter."""
    m, rng = made_up_map(), np.random.default_rng(0)
    x = np.linspace(20.0, 380.0, 60)
    poses = np.stack([x, np.where(x < 250.0, 1.8, -1.8) + rng.normal(0.0, 0.4, 60), rng.normal(0.0, 0.1, 60)], 1)
    poses[:, :2] += m.lanes.centerlines[0][0] - [0.0, 1.8]
    assert _ids(m, matched(m, poses)) == [10, 20, 30, 31]
    backwards = poses[::-1] + np.array([0.0, 0.0, np.pi])  # no lane follows the one before: the path ends
    assert _ids(m, matched(m, backwards)) == [31, 30]


def test_a_gap_of_the_match_is_closed() -> None:
    m = ring_road()
    turn = 2.0 * np.pi * np.array([0.05, 0.06, 0.55, 0.56])  # from block 0 to block 4, nothing between
    at = WINDING[0].line(1.75, turn)
    ahead = WINDING[0].line(1.75, turn + 1e-4) - at
    poses = np.column_stack([at, np.arctan2(ahead[:, 1], ahead[:, 0])])
    assert _ids(m, matched(m, poses)) == [2, 12, 22, 32, 42]
    poses[:, 0] += 1e5
    assert matched(m, poses).tolist() == route_of(m, poses, 1).tolist() == []


def test_a_route_goes_on_by_chance_among_what_follows() -> None:
    """Of 400 keys about half take the exit; the same key goes the same way; the length is what was asked for."""
    m = ring_road()
    row = {int(k): i for i, k in enumerate(m.lanes.id)}
    first = np.array([row[LANES - 1]])  # outermost lane of block 0
    ways = [_ids(m, extended(m, first, key, 80.0)) for key in range(400)]
    assert {tuple(w) for w in ways} == {(3, 100), (3, 13)}
    assert 150 < sum(w[1] == 100 for w in ways) < 250
    assert ways == [_ids(m, extended(m, first, key, 80.0)) for key in range(400)]
    assert _ids(m, extended(m, np.array([row[0]]), 1, 1e4))[:9] == [0, 10, 20, 30, 40, 50, 60, 70, 0]
    assert len(extended(m, first, 1, 0.0)) == 1


def test_lanes_beside_belong_to_a_route_where_they_lead_on() -> None:
    m = made_up_map()
    assert _ids(m, widened(m, m.lane_rows(np.array([10, 20, 30])))) == [10, 11, 20, 21, 30, 31]
    road = ring_road()
    path = road.lane_rows(np.array([2, 3, 100]))  # to the exit: no other lane leads there
    assert _ids(road, widened(road, path)) == [2, 3, 100]
    around = road.lane_rows(np.arange(SECTORS) * 10)
    assert sorted(_ids(road, widened(road, around))) == [10 * s + k for s in range(SECTORS) for k in range(LANES)]


@pytest.mark.parametrize("key", [0, 7])
def test_a_whole_route(key: int) -> None:
    m = made_up_map()
    poses = np.array([[*(m.lanes.centerlines[0][20]), 0.0]])
    assert _ids(m, route_of(m, poses, key, 200.0)) == [10, 11, 20, 21, 30, 31]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_poses_that_are_not_finite_are_passed_over(bad: float) -> None:
    m = made_up_map()
    x = np.linspace(20.0, 380.0, 60)
    poses = np.column_stack([x, np.zeros(60), np.zeros(60)])
    poses[:, :2] += m.lanes.centerlines[0][0]
    for column in range(3):
        broken = poses.copy()
        broken[7::9, column] = bad
        assert _ids(m, matched(m, broken)) == _ids(m, matched(m, poses)) == [10, 20, 30]
        broken[:, column] = bad
        assert matched(m, broken).tolist() == []
