import csv
import json
from pathlib import Path

import pytest

from roadcraft.core import ScenarioSource
from roadcraft.core.testing import SourceConformance
from roadcraft.scenario_io import open_source


class Test__CLASS__(SourceConformance):
    name = "__NAME__"

    @pytest.fixture
    def source(self, tmp_path: Path) -> ScenarioSource:
        """A log of 20 s on one straight lane: the ego, and a car 30 m ahead that keeps its distance."""
        lane = {
            "id": 1,
            "points": [[x, 0.0] for x in range(0, 500, 10)],
            "width": 3.5,
            "limit_mps": 13.4,
            "next": [],
        }
        (tmp_path / "lanes.json").write_text(json.dumps([lane]))
        with (tmp_path / "log.csv").open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow("time_s id kind x y heading length width vx vy".split())
            for i in range(201):
                t = round(0.1 * i, 1)
                out.writerow([t, "ego", "VEHICLE", 10 + 8 * t, 0, 0, 5.2, 2.3, 8, 0])
                out.writerow([t, "car", "VEHICLE", 40 + 8 * t, 0, 0, 4.6, 1.9, 8, 0])
        return open_source(tmp_path, "__NAME__", length_s=10.0)

    def test_what_was_written_is_read(self, source: ScenarioSource) -> None:
        drive = source.drive("log")
        assert [len(drive), len(drive.tracks), len(source.rows("log"))] == [201, 1, 2]
        assert len(source.map("log").index.lanes) == 1
