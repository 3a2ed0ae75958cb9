"""A store with one scenario: somebody drives ahead at 4 m/s, whom most maneuvers run into."""

from __future__ import annotations

from pathlib import Path

from roadcraft.core.data.scenario import Scenario, ScenarioRow
from roadcraft.core.testing import made_up_scenario


def behind_a_slow_car() -> Scenario:
    return made_up_scenario(speed_mps=4.0)


def store_of(scenario: Scenario, path: Path) -> Path:
    from roadcraft.scenario_io import StoreWriter

    drive, times = scenario.drive, scenario.time_us
    row = ScenarioRow(
        token=scenario.token, tags=(scenario.type,), log=drive.name, split="test", map_name=drive.map_name,
        source=drive.source, licence=drive.licence, anchor_us=int(times[0]), interval_us=drive.interval_us,
        stride=scenario.stride, has_goal=True, first_us=int(times[0]), last_us=int(times[-1]),
    )  # fmt: skip
    with StoreWriter(path) as out:
        out.add(drive.name, drive, scenario.map, [row])
    return path
