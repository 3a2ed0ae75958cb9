"""What training tells: maneuvers read off made-up futures, and drives constructed to obey a command."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from roadcraft.core.data.instructions import Instructions
from roadcraft.core.driving.features.build import FeatureSpec
from roadcraft.core.driving.features.conditions import (
    PHRASES,
    STYLES,
    Maneuver,
    mirrored_words,
    read_instruction,
    word_ids,
)
from roadcraft.core.driving.features.reference_lines import CONNECTOR, COS, LATERAL, LIMIT_HERE, SIN, X, Y
from roadcraft.plugins.training.augment.augment import random_numbers
from roadcraft.plugins.training.augment.maneuvers import LinesAhead, Others, instruction_for, maneuvers
from roadcraft.plugins.training.augment.synthetic_commands import targets_for_command
from roadcraft.plugins.training.config import AugmentConfig
from roadcraft.plugins.training.data.samples import SampleBuilder, SampleSet, find_samples, log_facts

POINTS, STEPS, DT = 60, 80, 0.1
M = Maneuver


class Case:
    """A straight road of three lanes, 3.5 m wide, and a car that drives straight on at 10 m/s."""

    def __init__(self, speed: float = 10.0) -> None:
        self.speed, self.limit = speed, 13.0
        self.reference = np.zeros((3, POINTS, 10), np.float32)
        self.reference[..., X], self.reference[..., COS] = 2.0 * np.arange(POINTS), 1.0
        self.reference[1, :, Y], self.reference[2, :, Y] = 3.5, -3.5
        self.mask = np.ones((3, POINTS), np.bool_)
        self.valid_lines = np.ones(3, np.bool_)
        self.beside = np.zeros((2, 6), np.float32)
        self.size = np.full((2, 2), [4.5, 1.9], np.float32)
        self.present = np.zeros(2, np.bool_)
        self.agent_future = np.zeros((2, STEPS, 4), np.float32)
        self.seen = np.zeros((2, STEPS), np.bool_)
        self.valid = np.ones(STEPS, np.bool_)
        self.future = np.zeros((STEPS, 5), np.float32)
        self.go(np.full(STEPS, speed))

    def go(self, speeds: Any, offset: Any = 0.0, heading: Any = 0.0) -> Case:
        """Drive at ``speeds`` (T,) with lateral ``offset``, or in a bend where ``heading`` changes."""
        heading = np.broadcast_to(heading, STEPS)
        self.future[:, 0] = np.cumsum(np.cos(heading) * speeds * DT)
        self.future[:, 1] = np.cumsum(np.sin(heading) * speeds * DT) + offset
        self.future[:, 2], self.future[:, 3], self.future[:, 4] = np.cos(heading), np.sin(heading), speeds
        return self

    def lead(self, gap: float, pace: float, length: float = 4.5, side: float = 0.0) -> Case:
        """Somebody ahead, whose centre is ``gap`` m before the rear axle."""
        self.beside[0] = gap, side, pace, 0.0, length / 2, 0.95
        self.size[0, 0], self.present[0], self.seen[0] = length, True, True
        self.agent_future[0, :, 0] = gap + pace * DT * np.arange(1, STEPS + 1)
        self.agent_future[0, :, 1], self.agent_future[0, :, 2] = side, 1.0
        return self

    def found(self) -> set[Maneuver]:
        bits = self._run()[0]
        return {m for m in M if bits >> m & 1}

    def style(self) -> str:
        return STYLES[self._run()[1]]

    def _run(self) -> tuple[int, int, float]:
        lines = LinesAhead(self.reference, self.mask, self.valid_lines)
        others = Others(self.beside, self.size, self.present, self.agent_future, self.seen)
        return maneuvers(lines, others, self.speed, self.limit, self.future, self.valid, DT)


RAMP = np.linspace(0.0, 1.0, STEPS)
T = DT * np.arange(1, STEPS + 1)


def _turn(way: float, connector: bool = True) -> Case:
    """Along a bend of the lane itself by ``way`` radians."""
    case = Case(5.0).go(np.full(STEPS, 5.0), 0.0, way * RAMP)
    line = case.reference[0]
    s = np.minimum(2.0 * np.arange(POINTS) / 40.0, 1.0) * (STEPS - 1)
    for k, column in ((0, X), (1, Y), (2, COS), (3, SIN)):
        line[:, column] = np.interp(s, np.arange(STEPS), case.future[:, k])
    line[:, CONNECTOR] = connector
    case.valid_lines[1:] = False
    return case


@pytest.mark.parametrize(
    ("maneuver", "yes", "no"),
    [
        (M.CHANGE_LEFT, lambda: Case().go(np.full(STEPS, 10.0), 3.5 * RAMP), lambda: Case().go(np.full(STEPS, 10.0),
        1.2 * RAMP)),
        (M.CHANGE_RIGHT, lambda: Case().go(np.full(STEPS, 10.0), -3.4 * RAMP), lambda: Case().go(np.full(STEPS, 10.0),
        3.5 * RAMP)),
        (M.TURN_LEFT, lambda: _turn(1.5), lambda: _turn(1.5, connector=False)),
        (M.TURN_RIGHT, lambda: _turn(-1.5), lambda: _turn(1.5)),
        (M.GO_STRAIGHT, lambda: _turn(0.05), lambda: _turn(0.8)),
        (M.STOP, lambda: Case().go(np.maximum(10.0 - 2.0 * T, 0.0)), lambda: Case().go(np.maximum(10.0 - 2.0 * T,
        2.0))),
        (M.PULL_OVER, lambda: _pulled(-2.0), lambda: _pulled(0.0)),
        (M.FOLLOW, lambda: Case().lead(22.0, 10.0), lambda: Case().lead(22.0, 10.0, side=3.5)),
        (M.FOLLOW_TRUCK, lambda: Case().lead(26.0, 10.0, length=12.0), lambda: Case().lead(22.0, 10.0)),
        (M.KEEP_LANE, Case, lambda: Case().go(np.full(STEPS, 10.0), 3.5 * RAMP)),
        (M.SLOW_DOWN, lambda: Case().go(10.0 - 0.5 * T), lambda: Case().go(10.0 - 0.1 * T)),
        (M.SPEED_UP, lambda: Case().go(10.0 + 0.5 * T), Case),
    ],
)  # fmt: skip
def test_each_rule_has_its_yes_and_its_no(maneuver: Maneuver, yes: Any, no: Any) -> None:
    assert maneuver in yes().found()
    assert maneuver not in no().found()


def _pulled(offset: float) -> Case:
    case = Case().go(np.maximum(10.0 - 2.0 * T, 0.0), offset * RAMP)
    case.valid_lines[2] = False
    return case


def test_rules_that_look_alike_are_told_apart() -> None:
    assert M.STOP in _pulled(-2.0).found(), "pulling over is stopping"
    assert M.FOLLOW not in Case().lead(26.0, 10.0, length=12.0).found(), "a truck is not a car"
    assert M.FOLLOW not in Case().lead(22.0, 0.0).found(), "what stands cannot be followed"
    assert M.FOLLOW not in Case().lead(80.0, 10.0).found(), "too far off"
    assert M.SLOW_DOWN not in Case().go(np.maximum(10.0 - 2.0 * T, 0.0)).found(), "that is stopping"
    still = Case(0.0).go(np.zeros(STEPS))
    assert still.found() == {M.STOP}
    alone = Case()
    alone.valid_lines[1:] = False
    assert M.KEEP_LANE not in alone.found(), "with one lane there is nothing to keep"
    short = Case()
    short.valid[20:] = False
    assert short._run() == (0, 0, -1.0)


def test_style() -> None:
    assert Case().style() == "calm"
    assert Case(12.5).style() == "normal"
    assert Case().go(10.0 - 2.5 * np.minimum(T, 2.0)).style() == "assertive"
    assert Case(14.0).style() == "assertive"
    assert Case(0.0).go(np.zeros(STEPS)).style() == "none"


def test_words_are_those_of_what_was_found() -> None:
    rng = np.random.default_rng(0)
    said = {instruction_for(1 << M.STOP | 1 << M.PULL_OVER, rng) for _ in range(300)}
    assert said == set(PHRASES[M.STOP]) | set(PHRASES[M.PULL_OVER])
    assert instruction_for(0, rng) == ""


# ---- drives that obey ----------------------------------------------------------------


def _sample(case: Case) -> dict[str, Any]:
    info = np.zeros((3, 8), np.float32)
    info[:, LATERAL], info[:, LIMIT_HERE] = (0.0, -3.5, 3.5), 13.0
    out = {
        "ego": np.array([case.speed, 0, 0, 0, 0, 0], np.float32), "ego_future": case.future,
        "ego_future_valid": case.valid,
        "reference": case.reference, "reference_mask": case.mask, "reference_valid": case.valid_lines,
        "reference_info": info,
        "reference_agent": np.zeros((3, 2, 6), np.float32), "reference_static": np.zeros((3, 1, 6), np.float32),
        "agent_valid": np.zeros((2, 1), np.bool_), "static_mask": np.zeros(1, np.bool_),
    }  # fmt: skip
    return {k: v[None].copy() for k, v in out.items()}


def _obeyed(change: Any = None) -> dict[Maneuver | None, dict[str, Any]]:
    """One sample for each command that was drawn."""
    rng, got = np.random.default_rng(0), {}
    for _ in range(80):
        out = _sample(Case())
        if change is not None:
            change(out)
        got.setdefault(targets_for_command(out, 0, 2.0, DT, rng), out)
    return got


def test_constructed_drives_obey_and_are_drivable() -> None:
    got = _obeyed()
    assert set(got) == {M.CHANGE_LEFT, M.CHANGE_RIGHT, M.STOP, M.SLOW_DOWN}
    logged = Case()
    for asked, out in got.items():
        assert asked is not None
        case = Case()
        case.future = out["ego_future"][0]
        assert asked in case.found() or (asked == M.STOP and case.future[-1, 4] < 3.0)
        place = np.concatenate([np.zeros((1, 2)), case.future[:, :2]])
        step = np.linalg.norm(np.diff(place, axis=0), axis=1)
        pace = np.concatenate([[10.0], case.future[:, 4]])
        np.testing.assert_allclose(step / DT, 0.5 * (pace[1:] + pace[:-1]), atol=0.1)
        assert np.abs(np.diff(pace)).max() / DT < 3.0
        heading = np.arctan2(case.future[:, 3], case.future[:, 2])
        moving = step > 0.05
        np.testing.assert_allclose(heading[moving], np.arctan2(*np.diff(place, axis=0)[moving].T[::-1]), atol=0.03)
        assert (case.future[:, 0] <= logged.future[:, 0] + 0.05).all(), "never further than the log"


def test_a_lane_that_is_taken_or_missing_is_not_changed_to() -> None:
    def taken(out: dict[str, Any]) -> None:
        out["agent_valid"][:] = True
        out["reference_agent"][0, 1:, 0] = 5.0, 0.0, 10.0, 0.0, 2.3, 0.9

    def missing(out: dict[str, Any]) -> None:
        out["reference_valid"][0, 1:] = False

    def ends(out: dict[str, Any]) -> None:
        out["reference_mask"][0, 1:, 20:] = False

    for change in (taken, missing, ends):
        got = _obeyed(change)
        for refused in (None, M.CHANGE_LEFT, M.CHANGE_RIGHT):  # told or not, the car stays where it was
            np.testing.assert_array_equal(got[refused]["ego_future"][0], Case().future)


def test_samples_are_told_in_training_only(made_up_source: Any) -> None:
    spec = FeatureSpec(
        agents=4, static=2, lanes=8, lane_points=10, route_lanes=0, crosswalks=1, future_agents=3, instruction_words=8
    )
    builder = SampleBuilder(made_up_source, spec)
    logs = made_up_source.logs()
    samples = find_samples(logs, [log_facts(made_up_source, log) for log in logs], 0.5, 3.0)
    rows = np.arange(min(120, len(samples)))
    random = random_numbers(1, 0, len(rows))
    plain = builder.batch(samples, rows)
    assert not plain["instruction"].any()
    assert not plain["goal_valid"].any()
    told = builder.batch(samples, rows, AugmentConfig(), random)
    again = builder.batch(samples, rows, AugmentConfig(), random)
    for k in told:
        np.testing.assert_array_equal(told[k], again[k])
    share = (told["instruction"][:, 0] > 0).mean()
    assert 0.15 < share < 0.8
    assert 0.03 < told["goal_valid"].mean() < 0.7
    assert told["target_speed_valid"].any()
    known = {read_instruction(p, 8) for phrases in PHRASES.values() for p in phrases}
    assert {tuple(row) for row in told["instruction"][told["instruction"][:, 0] > 0].tolist()} <= known
    without = SampleBuilder(made_up_source, replace(spec, instruction_words=0)).batch(samples, rows)
    np.testing.assert_array_equal(without["ego_future"], plain["ego_future"])


def test_what_a_log_says_is_told_always(made_up_source: Any) -> None:
    spec = FeatureSpec(agents=4, static=2, lanes=8, lane_points=10, crosswalks=1, future_agents=3, instruction_words=12)
    log = made_up_source.logs()[0]
    drive = made_up_source.drive(log)
    begin, end = drive.time_us[[20, 40]].tolist()
    said = Instructions(np.array([begin, end], np.int64), ("Pull over!", ""))
    told = SimpleNamespace(drive=lambda _: replace(drive, instructions=said), map=made_up_source.map)
    samples = SampleSet((log,), np.zeros(6, np.int32), np.array([0, 19, 20, 39, 40, 50], np.int32))
    rows, random = np.arange(6), random_numbers(1, 0, 6)
    wanted = [[0] * 12] * 2 + [list(read_instruction("pull over", 12))] * 2 + [[0] * 12] * 2
    for augment in (None, AugmentConfig(conditions=False)):
        got = SampleBuilder(told, spec).batch(samples, rows, augment, random)
        assert got["instruction"].tolist() == wanted
        assert not got["target_speed_valid"].any()
    drawn = SampleBuilder(told, spec).batch(samples, rows, AugmentConfig(), random)
    assert drawn["instruction"][2:4].tolist() == wanted[2:4]
    logged = SampleBuilder(told, spec).batch(samples, rows, AugmentConfig(conditions=False), random)
    np.testing.assert_array_equal(drawn["ego_future"][2:4], logged["ego_future"][2:4])
    deaf = SampleBuilder(told, replace(spec, instruction_words=0)).batch(samples, rows, AugmentConfig(), random)
    assert "instruction" not in deaf


def test_a_command_is_mirrored_with_its_world(made_up_source: Any) -> None:
    spec = FeatureSpec(agents=4, static=2, lanes=8, lane_points=10, route_lanes=0, crosswalks=1, instruction_words=8)
    builder, logs = SampleBuilder(made_up_source, spec), made_up_source.logs()
    samples = find_samples(logs, [log_facts(made_up_source, log) for log in logs], 0.5, 3.0)
    rows = np.arange(min(60, len(samples)))
    random = random_numbers(1, 0, len(rows))
    plain, mirrored = (builder.batch(samples, rows, AugmentConfig(mirror=m), random) for m in (0.0, 1.0))
    assert (plain["instruction"] != mirrored["instruction"]).any()
    np.testing.assert_array_equal(mirrored_words(plain["instruction"]), mirrored["instruction"])
    np.testing.assert_array_equal(plain["goal"] * [1, -1, 1, -1], mirrored["goal"])
    left, right = (np.array(word_ids(f"turn {side}")) for side in ("left", "right"))
    np.testing.assert_array_equal(mirrored_words(left), right)
