"""What would stop a scoring run, found before anything is written (``roadcraft score`` and ``roadcraft config
check``)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from roadcraft.core.config.load import full_tree
from roadcraft.core.config.preflight import Faults
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.scenario_io.filter_config import ScenarioFilter
from roadcraft.scenario_io.filter_survey import Missing, missing_names
from roadcraft.scenario_io.filters import resolve
from roadcraft.validation.config import MANY, ScoreConfig, SuiteConfig
from roadcraft.validation.scoring.folder import RunFolder
from roadcraft.validation.scoring.present import counted
from roadcraft.validation.scoring.suites import LeftOut, SuiteScenario, open_data, select_items


@dataclass(frozen=True)
class Ready:
    """What a run begins with: the data, its scenarios, what the filter names that the data lack, what is left out."""

    source: ScenarioSource
    items: list[SuiteScenario]
    missing: Sequence[Missing | LeftOut]


def preflight(config: ScoreConfig, *, resume: bool = False, at_most: int | None = None) -> Ready:
    """Vehicle, paths, plugins' own checks, the run's folder, data and filter. resume: a run may be there; at_most: the
    most scenarios without a filter. Raises ConfigError or DataError that name every mistake."""
    faults = Faults()
    faults.of_parts(config, skip=("suite.data", "vehicle.file"))
    with faults.of("vehicle"):
        _check_vehicle(config)
    with faults.of("out"):
        if config.out:
            RunFolder(config.out).refuse_others()
            RunFolder(config.out).refuse_results(resume)
    source, items, missing = None, [], []
    with faults.of("suite.data"):
        source = open_data(config.suite)
    with faults.of("suite.filter.preset"):
        resolve(config.suite.filter)
    if source is not None and not any(key.startswith("suite.filter") for key, _ in faults.found):
        with faults.of("suite.filter"):
            missing = [] if config.scenario else missing_names(source, config.suite.filter)
            if missing and config.suite.missing == "refuse":
                remedy = "suite.missing=report goes on with what there is"
                raise DataError("\n".join(map(str, missing)), where=config.suite.data, remedy=remedy)
            items = select_items(config.suite, source, config.scenario)
            _refuse_crowd(config, len(items), at_most)
        if items and not faults.found:
            with faults.of("vehicle"):
                items, told = _with_room(source, items, config)
                missing = [*missing, *told]
    faults.end()
    assert source is not None
    return Ready(source, items, missing)


def _with_room(
    source: ScenarioSource, items: list[SuiteScenario], config: ScoreConfig
) -> tuple[list[SuiteScenario], list[LeftOut]]:
    if not config.vehicle.of_log and not config.vehicle.read().joints:
        return items, []
    from roadcraft.validation.scoring.room import with_room

    kept, left = with_room(source, items, config)
    if not kept:
        raise DataError(str(left), where=config.suite.data, remedy="another vehicle, or logs of such a one")
    return kept, [left] if left.names else []


def warn(config: ScoreConfig, missing: Sequence[Missing | LeftOut]) -> None:
    """Tell on stderr what the filter names and the data lack, scenarios left out, and agents that drive nobody."""
    lines = [str(m) for m in missing]
    if full_tree(config.suite)["agents"] != full_tree(SuiteConfig())["agents"] and "reactive" not in config.suite.modes:
        lines.append(
            f"suite.agents={config.suite.agents.name} drives nobody: suite.modes is {list(config.suite.modes)}, "
            "without 'reactive'"
        )
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)


def _refuse_crowd(config: ScoreConfig, count: int, at_most: int | None) -> None:
    if at_most is not None and count > at_most and config.suite.filter == ScenarioFilter():
        raise ConfigError(
            f"is empty, so that all {count} scenarios of {config.suite.data} would be driven, "
            f"{count * len(config.suite.modes)} drives: "
            "say --all to drive them all, --dry-run to see how long that takes, or a filter, such as filter={preset: "
            "val14} or filter={sample: 1000}"
        )


def _check_vehicle(config: ScoreConfig) -> None:
    if config.planner_vehicle is not None:
        config.planner_vehicle.read()
    if not config.vehicle.of_log:
        from roadcraft.validation.scoring.room import refuse_vehicle
        from roadcraft.validation.simulation.closed_loop import make_controller

        refuse_vehicle(config.vehicle.read(), config, make_controller(config.simulation))


def check(config: ScoreConfig) -> None:
    """``preflight``, and the first scenario's map is read, the planner, agents, metrics and controller are built,
    weights included. Tells what the filter names and the data lack."""
    from roadcraft.validation.scoring.job import Job
    from roadcraft.validation.simulation.closed_loop import make_controller

    ready = preflight(config, at_most=MANY)
    ready.source.map(ready.items[0].row.log)
    Job(config, None)
    make_controller(config.simulation)
    warn(config, ready.missing)
    drives = len(ready.items) * len(config.suite.modes)
    print(f"{counted(len(ready.items), 'scenario')}, {counted(drives, 'drive')}")
