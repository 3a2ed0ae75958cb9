"""The intelligent driver model: closed forms, bounds, and what an unknown lead does."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from roadcraft.core.driving.motion.idm import idm_acceleration, idm_advance

LAW = (1.0, 1.5, 1.0, 2.0)  # min gap, headway, accel, decel


def test_standing_on_a_free_road_it_accelerates_fully_but_for_its_gap() -> None:
    assert idm_acceleration(0.0, 10.0, 1e9, 0.0, *LAW) == pytest.approx(1.0)


def test_at_its_target_speed_far_from_anything_it_keeps_its_speed() -> None:
    assert idm_acceleration(10.0, 10.0, 1e9, 10.0, *LAW) == pytest.approx(0.0, abs=1e-12)


def test_by_hand() -> None:
    v, target, gap, lead = 6.0, 12.0, 20.0, 4.0
    wanted = 1.0 + 1.5 * v + v * (v - lead) / (2 * math.sqrt(2.0))
    by_hand = 1.0 - (v / target) ** 4 - (wanted / gap) ** 2
    assert idm_acceleration(v, target, gap, lead, *LAW) == pytest.approx(by_hand, rel=1e-14)


def test_a_lead_of_unknown_speed_brings_full_braking() -> None:
    assert idm_acceleration(5.0, 10.0, 50.0, math.nan, *LAW) == -2.0


@given(
    st.floats(-1, 40), st.floats(0.5, 40), st.floats(-10, 200), st.floats(-20, 40), st.floats(0.1, 3), st.floats(0.1, 9)
)
def test_stays_within_its_bounds(speed, target, gap, lead, accel, decel) -> None:
    a = idm_acceleration(speed, target, gap, lead, 1.0, 1.5, accel, decel)
    assert -decel <= a <= accel


@given(st.floats(0, 30), st.floats(2.0, 100.0), st.floats(0, 30))
def test_a_larger_gap_never_brakes_more(speed, gap, lead) -> None:
    near = idm_acceleration(speed, 15.0, gap, lead, *LAW)
    far = idm_acceleration(speed, 15.0, gap + 1.0, lead, *LAW)
    assert far >= near - 1e-9 or 1.0 + 1.5 * speed + speed * (speed - lead) / (2 * math.sqrt(2)) < 0


def test_it_moves_with_the_old_speed_and_never_backwards() -> None:
    assert idm_advance(4.0, -2.0, 0.5) == (2.0, 3.0)
    assert idm_advance(0.5, -2.0, 0.5) == (0.25, 0.0)
