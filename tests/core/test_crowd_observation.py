"""What rows of a crowd see, against a slow twin; who can touch is seen."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from ring_roads import RingRoads, ring_crowd, ring_roads

from roadcraft.core.data.scenario import LightState
from roadcraft.core.driving.multi_agent.crowd import Crowd, crowd_maps
from roadcraft.core.driving.multi_agent.observation import (
    FAR_M,
    LINES,
    NEIGHBORS,
    OBSERVATION_SIZE,
    POINTS_M,
    observation_columns,
)
from roadcraft.core.driving.multi_agent.rows import UnitRows, unit_rows
from roadcraft.core.testing import made_up_map
from roadcraft.core.vehicles.vehicle import load_vehicle

NAMES = [name for name, _, _ in observation_columns()]
COLUMN = {name: k for k, name in enumerate(NAMES)}


@cache
def roads() -> RingRoads:
    return ring_roads()


def _turned(x: float, y: float, heading: float) -> tuple[float, float]:
    """A vector in axes that are turned by a heading."""
    c, s = np.cos(heading), np.sin(heading)
    return x * c + y * s, y * c - x * s


def _gap(boxes: np.ndarray, j: int, own: list[int]) -> float:
    """How near the circle around box j comes to the nearest of the boxes ``own``."""
    gaps = []
    for u in own:
        x, y = _turned(*(boxes[j, :2] - boxes[u, :2]), boxes[u, 2])
        gx, gy = max(abs(x) - boxes[u, 3] / 2, 0.0), max(abs(y) - boxes[u, 4] / 2, 0.0)
        gaps.append(np.hypot(gx, gy) - np.hypot(*boxes[j, 3:]) / 2)
    return min(gaps)


def _point(crowd: Crowd, line: np.ndarray, begin: float, way: float) -> tuple[np.ndarray, int] | None:
    """The point ``way`` m ahead of ``begin`` m along the first lane of a line, and which of its lanes it is on."""
    lanes, left = crowd.maps.lanes, begin + way
    for k, lane in enumerate(line.tolist()):
        if lane < 0:
            return None
        if left <= lanes.length[lane]:
            points = lanes.points[lanes.point_at[lane] : lanes.point_at[lane + 1]]
            at = np.arange(len(points)) * lanes.spacing[lane]
            if left < 0.0:
                return points[0, :2] + left * points[0, 2:], k
            return np.array([np.interp(left, at, points[:, 0]), np.interp(left, at, points[:, 1])]), k
        left -= lanes.length[lane]
    return None


def _twin(crowd: Crowd, b: int, i: int) -> dict[str, float]:
    rows, places, lanes, boxes = crowd.rows, crowd.places, crowd.maps.lanes, crowd.checks.boxes[b]
    own = np.flatnonzero((rows.vehicle[b] == rows.vehicle[b, i]) & rows.there[b]).tolist()
    state, body, heading = rows.state[b, i], rows.body[b, i], rows.state[b, i, 2]
    seen = dict.fromkeys(NAMES, 0.0)
    seen |= {"speed": state[3], "acceleration": state[5], "steering": state[7], "yaw_rate": state[8]}
    seen |= dict(zip(("last_acceleration", "last_steering_rate"), crowd.actions[b, i], strict=True))
    seen |= {"length": body[1], "width": body[2], "axle_to_center": body[0]}
    seen |= {"wheel_base": rows.motion[b, i, 0], "max_steering": rows.motion[b, i, 1]}
    behind = sum(rows.towed[b, u, 0] - rows.towed[b, u, 1] for u in own[1:])
    seen["overall_length"] = body[0] + body[1] / 2 + behind + rows.body[b, own[-1], 1] / 2 - rows.body[b, own[-1], 0]
    for k, u in enumerate(own[1:4], 1):
        turn = rows.state[b, u, 2] - rows.state[b, u - 1, 2]
        seen[f"joint_{k}"] = (turn + np.pi) % (2 * np.pi) - np.pi
    others = [j for j in np.flatnonzero(rows.there[b]).tolist() if j not in own]
    others.sort(key=lambda j: _gap(boxes, j, own))
    for k, j in enumerate(others[:NEIGHBORS]):
        x, y = _turned(*(boxes[j, :2] - boxes[i, :2]), heading)
        vx, vy = _turned(*rows.state[b, j, 3:5], heading - rows.state[b, j, 2])
        turn = rows.state[b, j, 2] - heading
        found = (x, y, np.cos(turn), np.sin(turn), vx, vy, boxes[j, 3], boxes[j, 4])
        for name, value in zip(("x", "y", "cos", "sin", "vx", "vy", "length", "width"), found, strict=True):
            seen[f"near_{k}.{name}"] = value
    if (lane := places.lane[b, i]) < 0:
        return seen
    turn = heading - np.arctan2(*places.facing[b, i][::-1])
    seen |= {"has_lane": 1.0, "lane_offset": places.offset[b, i]}
    seen |= {"heading_cos": np.cos(turn), "heading_sin": np.sin(turn)}
    if np.isfinite(lanes.limit[lane]):
        seen |= {"has_limit": 1.0, "limit": lanes.limit[lane]}
    seen["red_distance"] = FAR_M
    reds = places.governed[b][places.light[b] == LightState.RED].tolist()
    begin, front, governed = lanes.length[lane], places.along[b, i] + body[0] + body[1] / 2, 0
    for other in places.ahead[b, i, 0, 1:].tolist():
        if other < 0 or governed == 2:
            break
        governed += other in places.governed[b]
        if other in reds and 0.0 <= begin - front < FAR_M and not seen["red_ahead"]:
            seen |= {"red_ahead": 1.0, "red_distance": begin - front}
        begin += lanes.length[other]
    for k, name in enumerate(LINES):
        line, listed = places.ahead[b, i, k], places.route[b, i]
        if line[0] < 0:
            continue
        begin = places.along[b, i] * (lanes.length[line[0]] / lanes.length[lane])
        way = 0.0
        for other in line.tolist():
            if other < 0 or other not in listed:
                break
            way += lanes.length[other]
        seen[("route_ahead", "route_left", "route_right")[k]] = min(max(way - begin, 0.0), FAR_M)
        for p, ahead in enumerate(POINTS_M):
            if (at := _point(crowd, line, begin, ahead)) is not None:
                x, y = _turned(*(at[0] - boxes[i, :2]), heading)
                on = 1.0 if line[at[1]] in listed else -1.0
                seen |= {f"{name}_{p}.x": x, f"{name}_{p}.y": y, f"{name}_{p}.on_route": on}
    return seen


def _random_crowd(seed: int) -> Crowd:
    """Cars and trucks on the rings after some steps of random driving, with lights of any color, given rows and rows
    without a route; they do not keep to their lanes."""
    rng = np.random.default_rng(seed)
    vehicle = ("pacifica", "us_sleeper_53", "se_a_double")[int(rng.integers(3))]
    crowd = ring_crowd(4, roads(), vehicle, int(rng.integers(1, 25)), seed)
    crowd.places.light[:] = rng.integers(0, 4, crowd.places.light.shape)
    units = len(load_vehicle(vehicle).units)
    for b, i in np.argwhere(rng.random(crowd.rows.there.shape) < 0.1).tolist():
        if rng.random() < 0.5:
            crowd.remove(b, i)
        else:
            first = i // units * units
            crowd.rows.driven[b, first : first + units] = False
    controls = rng.normal(0.0, [1.0, 0.1], crowd.actions.shape)
    for _ in range(int(rng.integers(0, 30))):
        crowd.step(controls, 0.1)
    crowd.check()
    return crowd


def test_an_observation_has_as_many_numbers_as_names() -> None:
    assert len(NAMES) == len(COLUMN) == OBSERVATION_SIZE >= 240
    assert NAMES[:2] == ["speed", "acceleration"]
    assert NAMES[-1] == "right_11.on_route"
    assert all(meaning for _, meaning, _ in observation_columns())
    assert {unit for _, _, unit in observation_columns()} == {"", "m", "m/s", "m/s2", "rad", "rad/s"}


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_what_is_seen_is_what_the_slow_twin_sees(seed: int) -> None:
    crowd = _random_crowd(seed)
    for given_too in (False, True):
        got = crowd.observe(given_too)
        sees = crowd.rows.there & (crowd.rows.towed[..., 0] == 0.0) & (crowd.rows.driven | given_too)
        assert not got[~sees].any()
        for b, i in np.argwhere(sees).tolist()[:: 3 if given_too else 9]:
            want = np.array(list(_twin(crowd, b, i).values()))
            worst = int(np.abs(got[b, i] - want).argmax())
            assert abs(got[b, i, worst] - want[worst]) < 2e-3, (NAMES[worst], got[b, i, worst], want[worst])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_what_touches_is_seen(seed: int) -> None:
    """Dense worlds of cars and trucks: whoever touches a vehicle, with any unit, is one of those that it sees."""
    rng, touches = np.random.default_rng(seed), 0
    crowd, kinds = Crowd(2, 40, roads().joined), [unit_rows(load_vehicle(k)) for k in ("pacifica", "us_sleeper_53")]
    for b in range(2):
        row = 0
        while row < 39:
            units = kinds[int(rng.integers(2))]
            state = _anywhere(rng, units)
            crowd.spawn(b, row, units, state)
            row += len(units.body)
    crowd.step(rng.normal(0.0, [1.0, 0.1], crowd.actions.shape), 0.1)
    seen, names = crowd.observe(), crowd.rows.vehicle
    for b, u in np.argwhere(crowd.touched >= 0).tolist():
        i, j = names[b, u], crowd.touched[b, u]
        others = [k for k in range(40) if crowd.rows.there[b, k] and names[b, k] != names[b, i]]
        own = np.flatnonzero((names[b] == names[b, i]) & crowd.rows.there[b]).tolist()
        if sum(_gap(crowd.checks.boxes[b], k, own) <= 1e-3 for k in others) > NEIGHBORS:
            continue
        x, y = _turned(*(crowd.checks.boxes[b, j, :2] - crowd.checks.boxes[b, i, :2]), crowd.rows.state[b, i, 2])
        at = [COLUMN[f"near_{k}.x"] for k in range(NEIGHBORS)]
        found = seen[b, i][[*at]], seen[b, i][[k + 1 for k in at]]
        assert np.hypot(found[0] - x, found[1] - y).min() < 1e-3
        touches += 1
    assert touches


def _anywhere(rng: np.random.Generator, units: UnitRows) -> np.ndarray:
    state, back = np.zeros((len(units.body), 10)), np.cumsum(units.towed[:, 1] - units.towed[:, 0])
    x, y, heading = *rng.uniform(0.0, 70.0, 2), rng.uniform(-np.pi, np.pi)
    state[:, 0], state[:, 1], state[:, 2] = x + back * np.cos(heading), y + back * np.sin(heading), heading
    return state


def _by_light() -> Crowd:
    """A car 20 m before the connectors of the made-up map, in its left lane."""
    m = made_up_map()
    crowd = Crowd(1, 1, crowd_maps([m]))
    crowd.clear(0, 0, m.lane_rows(np.array([20, 21])))
    state = np.zeros((1, 10))
    state[0, :2], state[0, 3] = m.lanes.centerlines[0][80], 10.0
    crowd.spawn(0, 0, unit_rows(load_vehicle()), state, route=m.lane_rows(np.array([10, 20, 30])))
    crowd.check()
    return crowd


@pytest.mark.parametrize("light", list(LightState))
def test_a_red_light_is_seen_and_running_it_is_told_once(light: LightState) -> None:
    crowd, units = _by_light(), unit_rows(load_vehicle())
    crowd.places.light[0, 0] = light  # that of lane 20; the other one's does not matter
    crowd.places.light[0, 1] = LightState.RED
    front = units.body[0, 0] + units.body[0, 1] / 2
    seen, red = crowd.observe()[0, 0], light == LightState.RED
    assert seen[COLUMN["red_ahead"]] == red
    np.testing.assert_allclose(seen[COLUMN["red_distance"]], 20.0 - front if red else FAR_M, atol=1e-5)
    told = []
    for _ in range(40):
        crowd.step(np.zeros((1, 1, 2)), 0.1)
        told.append(bool(crowd.ran_red[0, 0]))
    step = int(np.ceil(20.0 - front))  # a meter a step
    assert told == [red and k + 1 == step for k in range(40)]


def test_a_lane_is_kept_until_the_one_beside_is_nearer_and_the_route_goes_on_there() -> None:
    """From the left lane to the right one and back: it changes a quarter of a meter past the border, either way; its
    line and those beside it change with it."""
    crowd, m = _by_light(), made_up_map()
    border = m.lanes.centerlines[0][0, 1] - 1.8
    for away, want in [(1.8, 10), (0.0, 10), (-0.2, 10), (-0.3, 11), (0.0, 11), (0.2, 11), (0.3, 10)]:
        crowd.rows.state[0, 0, 1], crowd.rows.state[0, 0, 3], crowd.rows.driven[0, 0] = border + away, 0.0, False
        crowd.step(np.zeros((1, 1, 2)), 0.1)
        seen = crowd.observe(True)[0, 0]
        assert m.lanes.id[crowd.places.lane[0, 0]] == want, away
        np.testing.assert_allclose(seen[COLUMN["lane_offset"]], away - 1.8 if want == 10 else away + 1.8, atol=1e-6)
        ends = {name: seen[COLUMN[name]] for name in ("route_ahead", "route_left", "route_right")}
        on_left = {"route_ahead": 100.0, "route_left": 0.0, "route_right": 0.0}
        on_right = {"route_ahead": 0.0, "route_left": 100.0, "route_right": 0.0}
        assert ends == (on_left if want == 10 else on_right)
        assert seen[COLUMN["own_0.on_route"]] == (1.0 if want == 10 else -1.0)


def test_who_has_lost_its_lane_finds_the_nearest_of_its_route() -> None:
    crowd, m = _by_light(), made_up_map()
    crowd.rows.driven[0, 0] = False
    for x, y, lane, along in [(300, 1, 30, 170), (10, 7, 10, 10), (11, 7, 10, 11)]:
        crowd.rows.state[0, 0, :3] = *(m.lanes.centerlines[0][0] + [x, y]), 0.0
        crowd.rows.state[0, 0, 3] = 0.0
        crowd.step(np.zeros((1, 1, 2)), 0.1)
        assert m.lanes.id[crowd.places.lane[0, 0]] == lane
        np.testing.assert_allclose([crowd.places.along[0, 0], crowd.places.offset[0, 0]], [along, y], atol=1e-6)
    crowd.rows.state[0, 0, 1] = np.nan
    crowd.check()
    assert crowd.places.lane[0, 0] == -1
    assert crowd.observe(True)[0, 0, COLUMN["has_lane"]] == 0.0
