"""Conformance of log formats."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from roadcraft.core.config.factory import create
from roadcraft.core.interfaces import ScenarioSource


class SourceConformance:
    """Subclass it, set ``name`` and ``params`` (or override ``source``) so that it opens a small log: rows, drives and
    windows agree."""

    name: ClassVar[str]
    """Name of the plugin under test."""
    params: ClassVar[dict[str, Any]] = {}
    """Its settings."""

    @pytest.fixture
    def source(self) -> ScenarioSource:
        """The source under test."""
        source: ScenarioSource = create("source", self.name, self.params)
        return source

    def test_logs_and_rows(self, source: ScenarioSource) -> None:
        logs = source.logs()
        assert logs == sorted(logs)
        assert logs, "nothing to read"
        rows = source.rows(logs[0])
        assert [r.anchor_us for r in rows] == sorted(r.anchor_us for r in rows)
        assert all(r.tags == tuple(sorted(r.tags)) for r in rows)
        assert all(r.licence for r in rows), "every source states the licence of its data"

    def test_drive_is_sound(self, source: ScenarioSource) -> None:
        drive = source.drive(source.logs()[0])
        assert (np.diff(drive.time_us) > 0).all()
        assert np.isfinite(drive.ego).all()
        assert len(drive.objects) == len(drive) == len(drive.lights)
        assert drive.objects.track.size == 0 or drive.objects.track.max() < len(drive.tracks)
        assert np.isfinite(drive.objects.box).all()
        assert drive.licence

    def test_window_equals_the_drive(self, source: ScenarioSource) -> None:
        row = source.rows(source.logs()[0])[0]
        window = (row.first_us or row.anchor_us - 3_000_000, row.last_us or row.anchor_us + 12_000_000)
        scenario = source.scenario(row, row.tags[0] if row.tags else "unknown", window)
        drive = source.drive(row.log)
        frames = np.searchsorted(drive.time_us, scenario.time_us)
        np.testing.assert_array_equal(drive.ego[frames], scenario.expert)
        assert window[0] <= scenario.time_us[0] <= scenario.time_us[-1] <= window[1]
