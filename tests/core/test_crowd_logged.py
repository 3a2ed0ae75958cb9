"""A logged scenario in a crowd: replayed as it was, or driven from where it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roadcraft.core.data.scenario import LightState, ObjectFrames, ObjectKind, Scenario
from roadcraft.core.driving.motion.chain import chain_of, unit_boxes
from roadcraft.core.driving.multi_agent.crowd import Crowd, crowd_maps
from roadcraft.core.driving.multi_agent.logged import CrowdLog, crowd_log
from roadcraft.core.driving.multi_agent.observation import observation_columns
from roadcraft.core.driving.multi_agent.rows import unit_rows
from roadcraft.core.testing import made_up_scenario
from roadcraft.core.vehicles.vehicle import load_vehicle

COLUMN = {name: k for k, (name, _, _) in enumerate(observation_columns())}


def _crowd(s: Scenario, rows: int = 8) -> Crowd:
    return Crowd(2, rows, crowd_maps([s.map]))


def _nobody(log: CrowdLog) -> np.ndarray:
    return np.zeros(len(log.vehicle), bool)


def test_what_is_replayed_are_the_log_s_boxes_and_lights_at_every_iteration() -> None:
    s = made_up_scenario(light=LightState.RED)
    log, crowd, controls = crowd_log(s, 8), _crowd(s), np.zeros((2, 8, 2))
    log.start(crowd, 1, 0, _nobody(log))
    assert log.track.tolist() == [-1, 2, 0, 1, 3, 4]  # by distance to the ego
    ran = []
    for t, frame in enumerate(s.frames.tolist()):
        log.replay(crowd, 1, t)
        crowd.step(controls, s.interval_s)
        boxes = crowd.checks.boxes[1]
        np.testing.assert_allclose(
            boxes[1:6], s.drive.objects.box[s.drive.objects.rows(frame)][log.track[1:]], atol=1e-8
        )
        np.testing.assert_array_equal(crowd.rows.state[1, 0], s.expert[t])
        assert crowd.rows.there[1].tolist() == [True] * 6 + [False] * 2
        assert not crowd.rows.there[0].any()
        assert sorted(s.map.lanes.id[log.governed].tolist()) == [20, 21]
        assert (crowd.places.light[1, :2] == LightState.RED).all()
        ran.append(crowd.ran_red[1].nonzero()[0].tolist())
    with pytest.raises(IndexError):
        log.replay(crowd, 1, len(s.frames))
    # ego and lead both pass the red light as the log has it, each once; of others nothing is asked
    assert sum(r == [0] for r in ran) == sum(r == [2] for r in ran) == 1
    assert sum(map(len, ran)) == 2


def test_rows_know_their_routes_speeds_and_steering() -> None:
    """A car that is parked where the pedestrian was, beside the road, has no route and is not driven."""
    s = made_up_scenario(speed_mps=8.0, lane=1)
    kinds = s.drive.tracks.kind.copy()
    kinds[1] = ObjectKind.VEHICLE
    s = replace(s, drive=replace(s.drive, tracks=replace(s.drive.tracks, kind=kinds)))
    log, crowd = crowd_log(s, 8), _crowd(s)
    ids = [s.map.lanes.id[r].tolist() for r in log.routes]
    on = [11, 10, 21, 20, 31, 30]  # own lanes before those beside
    assert ids == [on, [], on, [], [], []]
    assert log.drivable.tolist() == [True, False, True, True, False, False]
    np.testing.assert_allclose(log.state[:, 2, 3], 8.0)
    np.testing.assert_allclose(log.state[:, 2, 4:], 0.0, atol=1e-9)
    log.start(crowd, 0, 0)
    crowd.check()
    seen = crowd.observe()[0]
    assert crowd.rows.driven[0].tolist() == [True, False, True] + [False] * 5
    assert seen[:, COLUMN["has_lane"]].tolist() == [1.0, 0.0, 1.0] + [0.0] * 5
    np.testing.assert_allclose(seen[:, COLUMN["lane_offset"]], 0.0, atol=1e-6)
    assert not seen[[1, 3, 4, 5, 6, 7]].any()


def test_turns_become_yaw_rate_and_steering_angle() -> None:
    """A tracked car on a circle of 20 m radius of its rear axle."""
    s, car = made_up_scenario(), load_vehicle()
    t, turn = np.arange(len(s.drive)) * 0.05, 8.0 / 20.0
    box = s.drive.objects.box.reshape(len(t), 5, 5).copy()
    share, base = car.box[0] / car.box[1] * 4.7, car.body.wheel_base_m / car.box[1] * 4.7
    heading = turn * t
    box[:, 0, 0] = 20.0 * np.sin(heading) + share * np.cos(heading) + box[0, 0, 0]
    box[:, 0, 1] = -20.0 * np.cos(heading) + share * np.sin(heading) + box[0, 0, 1]
    box[:, 0, 2] = (heading + np.pi) % (2 * np.pi) - np.pi
    velocity = s.drive.objects.velocity.reshape(len(t), 5, 2).copy()
    velocity[:, 0] = 8.0 * np.stack([np.cos(heading), np.sin(heading)], 1)
    objects = replace(s.drive.objects, box=box.reshape(-1, 5), velocity=velocity.reshape(-1, 2))
    log = crowd_log(replace(s, drive=replace(s.drive, objects=objects)), 8)
    row = log.track.tolist().index(0)
    np.testing.assert_allclose(log.state[:, row, 8], turn, atol=1e-9)
    np.testing.assert_allclose(log.state[:, row, 7], np.arctan(base / 20.0), atol=1e-9)
    np.testing.assert_allclose(np.diff(np.unwrap(log.state[:, row, 2])), turn * s.interval_s, atol=1e-9)


def _without(s: Scenario, track: int, frames: slice) -> Scenario:
    """The track is not there in some frames."""
    o, n = s.drive.objects, 5
    keep = np.ones((len(s.drive), n), bool)
    keep[frames, track] = False
    offsets = np.concatenate([[0], np.cumsum(keep.sum(axis=1))])
    objects = ObjectFrames(offsets, o.track[keep.ravel()], o.box[keep.ravel()], o.velocity[keep.ravel()])
    return replace(s, drive=replace(s.drive, objects=objects))


def test_who_appears_later_is_replayed_then_and_who_is_driven_stays() -> None:
    s = _without(made_up_scenario(), 0, slice(0, 100))
    log, crowd, controls = crowd_log(s, 8), _crowd(s), np.zeros((2, 8, 2))
    lead = log.track.tolist().index(0)
    assert lead == 5  # behind all that are there at first
    with pytest.raises(ValueError, match=r"rows \[5\] cannot be driven"):
        log.start(crowd, 0, 0, np.arange(6) == lead)
    log.start(crowd, 0, 0, np.arange(6) == 0)
    for t in range(40):
        log.replay(crowd, 0, t)
        crowd.step(controls, s.interval_s)
        assert crowd.rows.there[0, lead] == (s.frames[t] >= 100)
        assert (crowd.places.lane[0, lead] >= 0) == (s.frames[t] >= 100)
    gone = _without(made_up_scenario(), 0, slice(100, None))
    later, other = crowd_log(gone, 8), _crowd(gone)
    later.start(other, 0, 0)
    for t in range(40):
        later.replay(other, 0, t)
        other.step(controls, s.interval_s)
    assert other.rows.driven[0, 2]
    assert other.rows.there[0, 2]
    np.testing.assert_allclose(other.rows.state[0, 2, 0] - later.state[0, 2, 0], 40 * 0.8, atol=1e-6)


def test_vehicles_that_do_not_fit_are_left_out_whole() -> None:
    s = made_up_scenario()
    tracks = replace(s.drive.tracks, vehicle=np.array([0, 1, 2, 3, 3]), unit=np.array([0, 0, 0, 1, 0], np.uint8))
    s = replace(s, drive=replace(s.drive, tracks=tracks))
    assert crowd_log(s, 8).track.tolist() == [-1, 2, 0, 1, 4, 3]
    assert crowd_log(s, 8).vehicle.tolist() == [0, 1, 2, 3, 4, 4]
    assert crowd_log(s, 5).track.tolist() == [-1, 2, 0, 1]
    assert crowd_log(s, 2).track.tolist() == [-1, 2]
    with pytest.raises(ValueError, match="the ego alone has 2 units"):
        crowd_log(replace(s, drive=replace(s.drive, vehicle="us_sleeper_53")), 1)


def test_a_logged_trailer_follows_its_tractor_s_rows_and_never_touches_it() -> None:
    """The lead tows what was the cyclist, now a trailer that reaches into it."""
    s = made_up_scenario()
    kind, box = s.drive.tracks.kind.copy(), s.drive.objects.box.reshape(-1, 5, 5).copy()
    kind[2] = 0
    box[:, 2] = box[:, 0] - [6.0, 0.0, 0.0, 0.0, 0.0]
    box[:, 2, 3:] = 8.0, 2.0
    tracks = replace(
        s.drive.tracks, kind=kind, vehicle=np.array([0, 1, 0, 3, 4]), unit=np.array([0, 0, 1, 0, 0], np.uint8)
    )
    objects = replace(s.drive.objects, box=box.reshape(-1, 5))
    s = replace(s, drive=replace(s.drive, tracks=tracks, objects=objects))
    log, crowd = crowd_log(s, 8), _crowd(s)
    assert log.drivable.tolist() == [True] + [False] * 5
    log.start(crowd, 0, 0)
    crowd.check()
    assert crowd.touched[0].tolist() == [-1] * 8
    seen = crowd.observe(given=True)[0]
    assert seen[1].any()
    assert not seen[2].any()
    np.testing.assert_allclose(seen[1, COLUMN["overall_length"]], 4.7 + 8.0, atol=1e-5)


def test_an_ego_with_trailers_starts_with_its_joints() -> None:
    s, truck = made_up_scenario(), load_vehicle("us_sleeper_53")
    joints = np.full((len(s.drive), 1), 0.2)
    s = replace(s, drive=replace(s.drive, vehicle="us_sleeper_53", joints=joints))
    log, crowd = crowd_log(s, 8), _crowd(s)
    assert log.vehicle.tolist()[:3] == [0, 0, 2]
    log.start(crowd, 0, 0)
    crowd.check()
    boxes = unit_boxes(s.expert[:1].copy(), joints[:1].copy(), chain_of(truck))[0]
    np.testing.assert_allclose(crowd.checks.boxes[0, :2], boxes, atol=1e-8)
    crowd.step(np.zeros((2, 8, 2)), 0.1)
    assert (np.abs(crowd.rows.state[0, :2, 0] - log.state[0, :2, 0]) > 0.5).all()


def test_who_was_removed_has_no_lane_when_a_log_brings_him_back() -> None:
    s = made_up_scenario()
    log, crowd, controls = crowd_log(s, 8), _crowd(s), np.zeros((2, 8, 2))
    log.start(crowd, 0, 0, _nobody(log))
    crowd.check()
    assert crowd.observe(given=True)[0, 2, COLUMN["has_lane"]] == 1.0
    crowd.remove(0, 2)
    for t in range(1, 30):
        log.replay(crowd, 0, t)
        crowd.step(controls, s.interval_s)
    assert crowd.rows.there[0, 2]
    seen = crowd.observe(given=True)[0, 2]
    assert seen[COLUMN["has_lane"]] == seen[COLUMN["own_0.x"]] == 0.0


def test_nobody_runs_a_red_light_while_he_is_not_there() -> None:
    """The lead is hidden around the light that it passes otherwise."""
    whole = made_up_scenario(light=LightState.RED)
    ran = {}
    for name, s in (("seen", whole), ("hidden", _without(whole, 0, slice(200, 260)))):
        log, crowd, controls = crowd_log(s, 8), _crowd(s), np.zeros((2, 8, 2))
        log.start(crowd, 0, 0, _nobody(log))
        ran[name] = []
        for t in range(len(s.frames)):
            log.replay(crowd, 0, t)
            crowd.step(controls, s.interval_s)
            ran[name] += [int(s.frames[t])] if crowd.ran_red[0, 2] else []
        assert crowd.places.lane[0, 2] >= 0
    assert len(ran["seen"]) == 1
    assert 200 <= ran["seen"][0] < 260
    assert ran["hidden"] == []


def test_the_ego_s_load_bounds_its_rows() -> None:
    s = made_up_scenario()
    for load in ("empty", "loaded"):
        loaded = replace(s, drive=replace(s.drive, vehicle="us_sleeper_53", load=load))
        want = unit_rows(load_vehicle("us_sleeper_53", load=load)).bounds
        np.testing.assert_array_equal(crowd_log(loaded, 8).units.bounds[:2], want)
    assert (want != unit_rows(load_vehicle("us_sleeper_53", load="empty")).bounds).any()


def test_a_trailer_whose_tractor_is_not_tracked_is_not_driven() -> None:
    s = made_up_scenario()
    tracks = replace(s.drive.tracks, unit=np.array([1, 0, 0, 0, 0], np.uint8))
    log = crowd_log(replace(s, drive=replace(s.drive, tracks=tracks)), 8)
    assert log.track[log.drivable].tolist() == [-1]


def test_who_drives_backwards_is_replayed_so_and_driven_from_rest() -> None:
    s = made_up_scenario(speed_mps=-2.0)
    log, crowd = crowd_log(s, 8), _crowd(s)
    np.testing.assert_array_equal(log.state[:, [0, 2], 3], -2.0)
    log.start(crowd, 0, 0)
    assert crowd.rows.driven[0, [0, 2]].all()
    assert crowd.rows.state[0, [0, 2], 3].tolist() == [0.0, 0.0]
    log.start(crowd, 0, 0, _nobody(log))
    assert crowd.rows.state[0, [0, 2], 3].tolist() == [-2.0, -2.0]
    back = Crowd(1, 8, crowd.maps, reverse=True)
    log.start(back, 0, 0)
    assert back.rows.state[0, [0, 2], 3].tolist() == [-2.0, -2.0]


def test_a_start_that_is_refused_leaves_the_scenario_as_it_was() -> None:
    s = made_up_scenario()
    log, small = crowd_log(s, 8), _crowd(s, 4)
    crowd_log(s, 4).start(small, 0, 0)
    before = small.rows.there.copy()
    with pytest.raises(ValueError, match="the log has 6 rows, the crowd 4"):
        log.start(small, 0, 0)
    with pytest.raises(ValueError, match="scenario -1 of 2"):
        crowd_log(s, 4).start(small, -1, 0)
    assert before.any()
    np.testing.assert_array_equal(small.rows.there, before)


def test_only_first_rows_say_who_is_driven() -> None:
    s = made_up_scenario()
    tracks = replace(s.drive.tracks, vehicle=np.array([0, 1, 2, 3, 3]), unit=np.array([0, 0, 0, 1, 0], np.uint8))
    log, crowd = crowd_log(replace(s, drive=replace(s.drive, tracks=tracks)), 8), _crowd(s)
    log.start(crowd, 0, 0, np.arange(6) == 5)  # a trailer's row
    assert not crowd.rows.driven.any()
