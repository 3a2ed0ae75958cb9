"""Rows of a crowd: they come and go, are driven or replayed, asked for too much, kept and brought back."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys
from ring_roads import RingRoads, ring_crowd, ring_roads

from roadcraft.core.driving.motion.bicycle import motion_of, step
from roadcraft.core.driving.multi_agent.crowd import Crowd
from roadcraft.core.driving.multi_agent.rows import UnitRows, unit_rows
from roadcraft.core.vehicles.vehicle import load_vehicle


@cache
def roads() -> RingRoads:
    return ring_roads()


CAR, TRUCK = unit_rows(load_vehicle()), unit_rows(load_vehicle("us_sleeper_53"))


def _actions(crowd: Crowd, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, [2.0, 0.1], crowd.actions.shape)


def _at(x: float, y: float, heading: float = 0.0, speed: float = 0.0, units: UnitRows = CAR) -> np.ndarray:
    state, back = np.zeros((len(units.body), 10)), np.cumsum(units.towed[:, 1] - units.towed[:, 0])
    state[:, 0], state[:, 1] = x + back * np.cos(heading), y + back * np.sin(heading)
    state[:, 2], state[:, 3] = heading, speed
    return state


def test_what_is_found_does_not_depend_on_the_batch() -> None:
    """A scenario alone, among 16 and in another order: the same bits for 100 steps, masks that change included."""
    whole, order = ring_crowd(16, roads(), "us_sleeper_53", 12), np.array([3, 11, 0])
    part, start = Crowd(3, 24, roads().joined), whole.state()
    for own, kept in [*zip(part.rows, start.rows, strict=True), *zip(part.places, start.places, strict=True)]:
        own[...] = kept[order]
    for k in range(100):
        controls = _actions(whole, k)
        if k % 10 == 5:
            whole.remove(11, 2 * (k // 10))
            part.remove(1, 2 * (k // 10))
        whole.step(controls, 0.1)
        part.step(np.ascontiguousarray(controls[order]), 0.1)
        for own, found in zip([*part.rows, *part.places], [*whole.rows, *whole.places], strict=True):
            assert own.tobytes() == np.ascontiguousarray(found[order]).tobytes()
        assert part.touched.tobytes() == np.ascontiguousarray(whole.touched[order]).tobytes()
        assert part.off.tobytes() == np.ascontiguousarray(whole.off[order]).tobytes()
        assert part.observe().tobytes() == np.ascontiguousarray(whole.observe()[order]).tobytes()
    assert whole.off.any()
    assert (whole.touched >= 0).any()


def test_a_state_brings_everything_back() -> None:
    crowd = ring_crowd(4, roads(), count=16)
    for k in range(20):
        crowd.step(_actions(crowd, k), 0.1)
    kept, ends = crowd.state(), []
    for _ in range(2):
        for k in range(30):
            crowd.remove(k % 4, k % 16)
            crowd.step(_actions(crowd, 100 + k), 0.1)
        ends.append((crowd.rows.state.tobytes(), crowd.observe().tobytes(), crowd.touched.tobytes()))
        crowd.set_state(kept)
    assert ends[0] == ends[1]
    other = ring_crowd(4, roads(), count=16, seed=5)
    other.set_state(kept)
    for k in range(30):
        other.remove(k % 4, k % 16)
        other.step(_actions(crowd, 100 + k), 0.1)
    assert other.rows.state.tobytes() == ends[0][0]
    with pytest.raises(ValueError, match="another shape"):
        Crowd(2, 3, roads().joined).set_state(kept)


def test_who_comes_back_is_as_one_who_was_never_there() -> None:
    """A row that another vehicle had before, on another map, moves and sees as one of a crowd just made."""
    used, fresh = ring_crowd(2, roads(), "us_sleeper_53", 8), Crowd(2, 16, roads().joined)
    for k in range(15):
        used.step(_actions(used, k), 0.1)
    for crowd in (used, fresh):
        crowd.clear(0, 2)
        assert not crowd.rows.there[0].any()
        x, y = roads().maps[2].lanes.centerlines[0][3]
        crowd.spawn(0, 3, TRUCK, _at(x, y, 1.6, 5.0, TRUCK), route=[0, 1, 2, 3])
        crowd.spawn(0, 0, CAR, _at(x, y - 40.0, 1.6, 5.0))
    for k in range(15):
        controls = _actions(used, 50 + k)
        used.step(controls, 0.1)
        fresh.step(controls, 0.1)
        there = fresh.rows.there[0]
        np.testing.assert_array_equal(used.rows.there[0], there)
        assert used.rows.state[0, there].tobytes() == fresh.rows.state[0, there].tobytes()
        assert used.observe()[0].tobytes() == fresh.observe()[0].tobytes()
        assert used.touched[0].tobytes() == fresh.touched[0].tobytes()


def test_given_rows_stay_where_they_are_put_and_are_checked_beside_driven_ones() -> None:
    crowd = Crowd(1, 3, roads().joined)
    crowd.spawn(0, 0, CAR, _at(0.0, 0.0, 0.0, 10.0))
    crowd.spawn(0, 1, CAR, _at(14.0, 0.0), driven=False)
    crowd.spawn(0, 2, CAR, _at(200.0, 0.0, 0.0, 5.0), driven=False)
    for k in range(10):
        crowd.rows.state[0, 2] = _at(200.0 - 5.0 * k, 0.0, 0.0, 5.0)[0]
        crowd.step(np.zeros((1, 3, 2)), 0.1)
        assert crowd.rows.state[0, 1].tolist() == _at(14.0, 0.0)[0].tolist()
        assert crowd.rows.state[0, 2, 0] == 200.0 - 5.0 * k
    assert crowd.touched[0].tolist() == [1, 0, -1]  # 10 m on, bumper at bumper
    crowd.rows.there[0, 1] = False
    crowd.check()
    assert crowd.touched[0].tolist() == [-1, -1, -1]


def test_actions_of_rows_that_do_not_act_are_not_looked_at() -> None:
    crowd = Crowd(1, 4, roads().joined)
    crowd.spawn(0, 0, TRUCK, _at(0.0, 0.0, 0.0, 3.0, TRUCK))
    crowd.spawn(0, 2, CAR, _at(90.0, 0.0), driven=False)
    controls = np.full((1, 4, 2), np.nan)
    controls[0, 0] = 0.5, 0.0
    crowd.step(controls, 0.1)
    assert np.isfinite(crowd.rows.state).all()
    assert crowd.actions[0].tolist() == [[0.5, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", [0, 1])
def test_an_action_that_is_not_finite_moves_nobody(bad: float, column: int) -> None:
    crowd = ring_crowd(3, roads(), count=4)
    crowd.step(_actions(crowd, 0), 0.1)
    before, controls = crowd.state(), _actions(crowd, 1)
    controls[2, 3, column] = bad
    with pytest.raises(ValueError, match="row 3 of scenario 2 is not finite"):
        crowd.step(controls, 0.1)
    for own, kept in zip([*crowd.rows, crowd.actions], [*before.rows, before.actions], strict=True):
        np.testing.assert_array_equal(own, kept)


def test_actions_are_clipped_to_the_row_s_bounds() -> None:
    crowd, plain = Crowd(1, 2, roads().joined), Crowd(1, 2, roads().joined)
    for c in (crowd, plain):
        c.spawn(0, 0, CAR, _at(0.0, 0.0, 0.0, 10.0))
        c.spawn(0, 1, CAR._replace(bounds=np.array([[-3.0, 1.0, 0.2]])), _at(30.0, 0.0, 0.0, 10.0))
    crowd.step(np.array([[[50.0, -9.0], [-50.0, 9.0]]]), 0.1)
    plain.step(np.array([[[4.0, -2.0], [-3.0, 0.2]]]), 0.1)
    assert crowd.actions.tolist() == [[[4.0, -2.0], [-3.0, 0.2]]]
    assert crowd.rows.state.tobytes() == plain.rows.state.tobytes()


def test_nobody_drives_backwards_unless_the_crowd_lets_them() -> None:
    crowd, back = Crowd(1, 1, roads().joined), Crowd(1, 1, roads().joined, reverse=True)
    for c in (crowd, back):
        c.spawn(0, 0, CAR, _at(0.0, 0.0, 0.0, 1.0))
        for _ in range(40):
            c.step(np.array([[[-4.0, 0.1]]]), 0.1)
    stopped = crowd.rows.state[0, 0]
    assert stopped[3] == stopped[5] == stopped[8] == 0.0
    assert 0.0 < stopped[0] < 1.0
    assert back.rows.state[0, 0, 3] < -5.0
    crowd.step(np.array([[[1.0, 0.0]]]), 0.1)  # and goes on at once, as the bicycle does from rest
    moved = step(stopped[None] * 0.0, np.array([[1.0, 0.0]]), np.array([0.1]), *motion_of(load_vehicle()))
    assert crowd.rows.state[0, 0, 3] == moved[0, 3] > 0.0
    with pytest.raises(ValueError, match="backwards"):
        Crowd(1, 1, roads().joined).spawn(0, 0, CAR, _at(0.0, 0.0, 0.0, -1.0))


def test_check_moves_nobody() -> None:
    crowd = ring_crowd(2, roads(), count=4)
    before = crowd.rows.state.copy()
    crowd.check()
    np.testing.assert_array_equal(crowd.rows.state, before)
    assert (crowd.places.lane >= 0).all()


@pytest.mark.parametrize(
    ("row", "units", "state", "text"),
    [
        (3, TRUCK, np.zeros((2, 10)), "rows 3 to 4 of 4"),
        (0, CAR, np.zeros((1, 10)), "are taken"),
        (1, CAR, np.zeros((2, 10)), r"expected \(1, 10\)"),
        (1, CAR, np.full((1, 10), np.nan), "finite"),
        (1, CAR._replace(body=np.array([[1.0, 0.0, 2.0]])), np.zeros((1, 10)), "positive"),
        (1, TRUCK._replace(towed=np.zeros((2, 2))), np.zeros((2, 10)), "towed"),
    ],
)
def test_who_cannot_come(row: int, units: UnitRows, state: np.ndarray, text: str) -> None:
    crowd = Crowd(1, 4, roads().joined)
    crowd.spawn(0, 0, CAR, np.zeros((1, 10)))
    with pytest.raises(ValueError, match=text):
        crowd.spawn(0, row, units, state)


def test_check_finds_who_was_moved() -> None:
    """To the lane's end and half a meter aside, then onto the other side of the ring, where the lane is looked for
    anew: as found by a crowd just made."""

    def placed(lane: int, k: int) -> np.ndarray:
        (x, y), after = lines[lane][k : k + 2]
        heading = np.arctan2(after[1] - y, after[0] - x)
        return _at(x - 0.5 * np.sin(heading), y + 0.5 * np.cos(heading), heading)

    lines, lanes = roads().maps[2].lanes.centerlines, range(32)
    crowd, far = Crowd(1, 1, roads().joined), len(lines[0]) - 3
    crowd.clear(0, 2)
    crowd.spawn(0, 0, CAR, placed(0, 1), route=lanes)
    crowd.check()
    for lane, k in ((0, far), (16, 2)):
        crowd.rows.state[0, 0] = placed(lane, k)[0]
        crowd.check()
        fresh = Crowd(1, 1, roads().joined)
        fresh.clear(0, 2)
        fresh.spawn(0, 0, CAR, placed(lane, k), route=lanes)
        fresh.check()
        assert crowd.places.lane[0, 0] == fresh.places.lane[0, 0]
        np.testing.assert_allclose(crowd.places.along, fresh.places.along, atol=1e-9)
        np.testing.assert_allclose(crowd.observe(), fresh.observe(), atol=1e-5)
        assert crowd.places.lane[0, 0] - crowd.maps.lanes.lane_at[2] == lane
        assert (crowd.places.along[0, 0] > 10.0) == (k == far)
        assert abs(crowd.places.offset[0, 0] - 0.5) < 0.1
        assert not crowd.ran_red.any()


def test_lanes_and_maps_that_are_not_there() -> None:
    crowd = Crowd(1, 4, roads().joined, lights=3)
    with pytest.raises(ValueError, match="map 4 of 4"):
        crowd.clear(0, 4)
    with pytest.raises(ValueError, match="governed: lanes 0 to 99 of 36"):
        crowd.clear(0, 0, [0, 99])
    with pytest.raises(ValueError, match="governed: 4 lanes, room for 3"):
        crowd.clear(0, 0, [0, 1, 2, 3])
    with pytest.raises(ValueError, match="route: lanes -1 to 0 of 36"):
        crowd.spawn(0, 0, CAR, np.zeros((1, 10)), route=[-1, 0])
    crowd.spawn(0, 0, CAR, np.zeros((1, 10)))
    for place, governed in ((4, []), (1, [0, 99]), (1, [0, 1, 2, 3])):  # what is refused changes nothing
        with pytest.raises(ValueError, match=r"map|governed"):
            crowd.clear(0, place, governed)
        assert crowd.rows.there[0].tolist() == [True, False, False, False]
        assert crowd.rows.place[0] == 0


@pytest.mark.parametrize("scenario", [-1, 2])
def test_scenarios_and_rows_that_are_not_there(scenario: int) -> None:
    crowd = Crowd(2, 4, roads().joined)
    crowd.spawn(1, 3, CAR, np.zeros((1, 10)))
    with pytest.raises(ValueError, match=f"scenario {scenario} of 2"):
        crowd.clear(scenario, 0)
    with pytest.raises(ValueError, match=f"scenario {scenario} of 2"):
        crowd.spawn(scenario, 0, CAR, np.zeros((1, 10)))
    with pytest.raises(ValueError, match=f"scenario {scenario} of 2"):
        crowd.remove(scenario, 3)
    for row in (-1, 4):
        with pytest.raises(ValueError, match=f"row {row} of 4"):
            crowd.remove(1, row)
    assert crowd.rows.there[1, 3]


def test_steps_need_time_and_controls_of_their_shape() -> None:
    crowd = Crowd(2, 4, roads().joined)
    for dt_s in (0.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="positive"):
            crowd.step(np.zeros((2, 4, 2)), dt_s)
    with pytest.raises(ValueError, match="expected"):
        crowd.step(np.zeros((2, 3, 2)), 0.1)


def test_long_random_drives_stay_finite_and_nobody_comes_back_by_himself() -> None:
    """30,000 scenario-steps in which vehicles die of what they touch, and new ones come."""
    crowd, rng, deaths = ring_crowd(30, roads(), count=8), np.random.default_rng(9), 0
    spare = crowd.state()
    for k in range(1000):
        alive = crowd.rows.there.copy()
        crowd.step(_actions(crowd, k), 0.1)
        assert not (crowd.rows.there & ~alive).any()
        for b, i in np.argwhere(crowd.rows.there & (crowd.off.any(axis=2) | (crowd.touched >= 0))).tolist():
            crowd.remove(b, i)
            deaths += 1
        if k % 50 == 49:
            crowd.set_state(spare)
            for b in rng.integers(0, 30, 5).tolist():
                crowd.clear(b, int(rng.integers(0, 4)))
        seen = crowd.observe()
        assert np.isfinite(seen).all()
        assert not seen[~crowd.rows.there].any()
    assert np.isfinite(crowd.rows.state).all()
    assert deaths > 1000


def test_steps_allocate_no_arrays() -> None:
    """Numba counts what kernels allocate, and one more for each array that Python hands them: six in a step and a look,
    whatever the size of the crowd."""
    _nrt_python.memsys_enable_stats()
    try:
        for scenarios in (3, 30):
            crowd = ring_crowd(scenarios, roads(), count=8)
            controls = _actions(crowd, 0)
            crowd.step(controls, 0.1)
            crowd.observe()
            before = rtsys.get_allocation_stats().alloc
            for _ in range(20):
                crowd.step(controls, 0.1)
                crowd.observe()
            assert rtsys.get_allocation_stats().alloc - before == 20 * 6
    finally:
        _nrt_python.memsys_disable_stats()
