"""Conformance of trackers and vehicle models."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from roadcraft.core.arrays import F64
from roadcraft.core.config.factory import create
from roadcraft.core.data.scenario import EGO_SIZE, Ego
from roadcraft.core.interfaces import Tracker, VehicleModel
from roadcraft.core.vehicles.vehicle import load_vehicle


def _egos(count: int) -> F64:
    ego = np.zeros((count, EGO_SIZE))
    ego[:, Ego.X] = 664_000.0 + 10 * np.arange(count)
    ego[:, Ego.Y] = 3_997_000.0
    ego[:, Ego.HEADING] = 0.3 * np.arange(count)
    ego[:, Ego.VX] = 2.0 + np.arange(count)
    return ego


class TrackerConformance:
    """Subclass it, set ``name``: a straight plan at the present speed asks for nearly nothing; rows do not depend on
    one another."""

    name: ClassVar[str]
    """Name of the plugin under test."""
    params: ClassVar[dict[str, Any]] = {}
    """Its settings."""

    @pytest.fixture
    def tracker(self) -> Tracker:
        """The tracker under test."""
        tracker: Tracker = create("tracker", self.name, self.params)
        return tracker

    def answer(self, tracker: Tracker, ego: F64) -> F64:
        """Controls (B, 2) for straight plans at the present speed of egos (B, 10)."""
        t = np.arange(41) * 0.1
        states = np.repeat(ego[:, None], 41, 1)
        states[:, :, Ego.X] += np.cos(ego[:, None, Ego.HEADING]) * ego[:, None, Ego.VX] * t
        states[:, :, Ego.Y] += np.sin(ego[:, None, Ego.HEADING]) * ego[:, None, Ego.VX] * t
        now = np.full(len(ego), 1_000_000, np.int64)
        times = now[:, None] + (t * 1e6).round().astype(np.int64)
        return tracker.track(ego, now, times, states, np.full(len(ego), 41, np.int64), load_vehicle())

    def test_straight_plan_asks_for_nearly_nothing(self, tracker: Tracker) -> None:
        controls = self.answer(tracker, _egos(4))
        assert controls.shape == (4, 2)
        np.testing.assert_allclose(controls, 0.0, atol=1e-3)

    def test_rows_are_independent(self, tracker: Tracker) -> None:
        ego = _egos(4)
        ego[:, Ego.STEERING] = 0.05
        np.testing.assert_array_equal(self.answer(tracker, ego)[2:3], self.answer(tracker, ego[2:3]))


class VehicleModelConformance:
    """Subclass it, set ``name``: without controls a straight-driving vehicle keeps speed and direction; rows do not
    depend on one another."""

    name: ClassVar[str]
    """Name of the plugin under test."""
    params: ClassVar[dict[str, Any]] = {}
    """Its settings."""

    @pytest.fixture
    def model(self) -> VehicleModel:
        """The vehicle model under test."""
        model: VehicleModel = create("vehicle_model", self.name, self.params)
        return model

    def test_straight_motion(self, model: VehicleModel) -> None:
        ego = _egos(4)
        after, joints = model.step(ego, np.zeros((4, 0)), np.zeros((4, 2)), np.full(4, 0.1), load_vehicle())
        assert after.shape == ego.shape
        assert joints.shape == (4, 0)
        moved = np.hypot(*(after[:, :2] - ego[:, :2]).T)
        np.testing.assert_allclose(moved, ego[:, Ego.VX] * 0.1, rtol=1e-6)
        np.testing.assert_allclose(after[:, Ego.HEADING], ego[:, Ego.HEADING], atol=1e-12)

    def test_rows_are_independent(self, model: VehicleModel) -> None:
        ego, controls = _egos(4), np.full((4, 2), 0.2)
        together, _ = model.step(ego, np.zeros((4, 0)), controls, np.full(4, 0.1), load_vehicle())
        alone, _ = model.step(ego[1:2], np.zeros((1, 0)), controls[1:2], np.full(1, 0.1), load_vehicle())
        np.testing.assert_array_equal(together[1:2], alone)
