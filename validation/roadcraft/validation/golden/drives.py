"""Judges golden drives one by one: the reference's own drive by our metrics, then the same scenario driven by our
closed loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from roadcraft.core.config.factory import create
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import Drive, Scenario, ScenarioRow
from roadcraft.core.errors import DataError, RoadcraftError
from roadcraft.core.interfaces import Metric, ScenarioSource
from roadcraft.core.plugins.registry import registry
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.golden.difference import TOLERANCE, Comparison
from roadcraft.validation.golden.files import GoldenDrive, read_golden
from roadcraft.validation.golden.repeat import Repeat, repeat_of
from roadcraft.validation.golden.retrace import Parting, retrace
from roadcraft.validation.golden.steps import compare_agents, compare_scenario, compare_steps
from roadcraft.validation.golden.ties import mark_value_ties
from roadcraft.validation.golden.values import compare_values
from roadcraft.validation.metrics.common.aggregation import Entry
from roadcraft.validation.metrics.common.evaluation import ScenarioResult, challenge_metrics
from roadcraft.validation.simulation.closed_loop import Failure
from roadcraft.validation.simulation.loop import simulate

_CACHED_LOGS = 3  # logs in memory
_APART = ("ego position", "ego heading", "agent position", "agent heading")


@dataclass
class DriveResult:
    """What became of one drive. errors: why parts of it could not be compared; notes: what is not compared, and why;
    entries: its line in the run's table, by part; partings: steps from the reference's own states that end elsewhere.
    """

    drive: str
    run: str = ""
    rows: list[Comparison] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    table: list[dict[str, Any]] = field(default_factory=list)
    tolerance: float = TOLERANCE
    partings: list[Parting] = field(default_factory=list)


class CachedSource(ScenarioSource):
    """A source that remembers the last logs: a golden set holds many drives of few logs."""

    name = "kept"

    def __init__(self, source: ScenarioSource) -> None:
        self._source = source
        self._rows = lru_cache(_CACHED_LOGS)(source.rows)
        self._drive = lru_cache(_CACHED_LOGS)(source.drive)

    def logs(self) -> list[str]:
        return self._source.logs()

    def rows(self, log: str) -> list[ScenarioRow]:
        return self._rows(log)

    def drive(self, log: str) -> Drive:
        return self._drive(log)

    def map(self, log: str) -> Any:
        return self._source.map(log)


@lru_cache(maxsize=1)
def _source(logs: Path, maps: Path) -> CachedSource:
    """This process's reader of a set: tasks of one log follow one another."""
    from roadcraft.scenario_io import NuplanSource

    return CachedSource(NuplanSource(str(logs), str(maps)))


def compare_files(logs: Path, maps: Path, files: Sequence[Path], loop: bool) -> list[DriveResult]:
    """The task of one process."""
    try:
        source: ScenarioSource | str = _source(logs, maps)
    except RoadcraftError as e:
        source = str(e)
    return [compare_drive(path, source, loop) for path in files]


def compare_drive(path: Path, source: ScenarioSource | str, loop: bool = True) -> DriveResult:
    """Compare one golden drive. Whatever is wrong with it, or with its log or map (``source`` may be why there are no
    logs), is reported in ``errors``."""
    done = DriveResult(path.name.removesuffix(".json.gz"))
    try:
        golden = read_golden(path)
        done.drive, done.run, done.table = golden.name, golden.run, golden.data["run_scores"]
        if isinstance(source, str):
            raise DataError(source)
        scenario = golden.scenario(source)
        metrics = _metrics_of(golden)
    except Exception as e:
        done.errors.append(_said(e))
        return done
    _on_its_own(golden, scenario, metrics, done)
    if loop:
        _again(golden, scenario, metrics, done)
    kind = str((golden.data["planner"].get("config") or {}).get("class") or golden.data["planner"].get("name") or "?")
    for row in done.rows:
        row.planner, row.challenge = kind, golden.data["challenge"]
    return done


def _metrics_of(golden: GoldenDrive) -> dict[str, Metric]:
    """The challenge's metrics, and those of ours beside them that the drive has values of."""
    metrics = challenge_metrics(golden.data["challenge"])
    known = registry().names("metric")
    further = [name for name in golden.data["metrics"] if name not in metrics and name in known]
    return metrics | {name: create("metric", name) for name in further}


def _on_its_own(golden: GoldenDrive, scenario: Scenario, metrics: Mapping[str, Metric], done: DriveResult) -> None:
    try:
        rows, result = compare_values(golden, golden.rollout(scenario), metrics)
    except Exception as e:
        done.errors.append(f"metrics of the reference's drive: {_said(e)}")
        return
    done.rows += _of_part(rows, "metrics")
    done.entries["metrics"] = _entry(result)


def _again(golden: GoldenDrive, scenario: Scenario, metrics: Mapping[str, Metric], done: DriveResult) -> None:
    """Our own closed loop, and each step of it from the reference's own states."""
    try:
        done.rows += _of_part(compare_scenario(golden, scenario), "loop")
        repeat = repeat_of(golden)
        if repeat.planner is None:
            done.notes.append(f"not driven again: {repeat.why}")
            return
        if repeat.ignored:
            done.notes.append(f"parameters without a counterpart: {', '.join(repeat.ignored)}")
        config, agents = _setup(golden)
        ours = simulate([scenario], repeat.planner, config, agents=agents, vehicle=scenario.drive.vehicle)[0]
        if isinstance(ours, Failure):
            done.errors.append(f"closed loop: step {ours.step}, {ours.stage}: {ours.error}")
            return
        steps = _of_part(compare_steps(golden, ours, repeat), "loop")
        done.rows += steps
        follows = config.controller != "log" and _led(golden, ours, repeat, steps, done)
        if follows:
            _explain(steps)
        parted = any(r.equal < r.compared for r in steps if r.group != "plans")
        done.tolerance = _value_tolerance(repeat)
        rows, result = compare_values(golden, ours, metrics, done.tolerance)
        if parted and follows:
            _explain(rows)
        elif not parted and not all(r.ok for r in rows):
            apart = max((r.worst for r in steps if r.quantity in _APART), default=0.0)
            mark_value_ties(golden, ours, metrics, rows, apart)
    except Exception as e:
        done.errors.append(f"closed loop: {_said(e)}")
        return
    done.rows += _of_part(rows, "metrics of loop")
    # what rounding has parted has no place in a table of the run: there the reference's own drive stands for it
    own = done.entries.get("metrics")
    done.entries["metrics of loop"] = own if parted and follows and own is not None else _entry(result)


def _led(golden: GoldenDrive, ours: Rollout, repeat: Repeat, steps: Sequence[Comparison], done: DriveResult) -> bool:
    """Whether planner, vehicle and agents do what the reference's do on the reference's own states, as far as rounding
    lets them, so that only rounding can have parted our loop from the reference's."""
    unlike = [r.step for r in steps if r.group == "plans" and r.step is not None]
    led = retrace(golden, ours, repeat, *_setup(golden), min(unlike, default=None))
    if led.rollout is None:
        done.errors.append(f"along the reference's drive: {led.error}")
        return False
    rows = [led.row(golden.name, repeat.step_m), *compare_agents(golden, led.rollout, repeat.agents_m)]
    done.rows += _of_part(rows, "led")
    done.partings += led.partings
    return led.explains and all(r.ok for r in rows)


def _explain(rows: Sequence[Comparison]) -> None:
    """What differs in a drive that rounding has parted from the reference's says nothing."""
    for row in rows:
        if row.group != "scenario and times":
            row.rounding = row.compared - row.equal


def _setup(golden: GoldenDrive) -> tuple[SimulationConfig, str]:
    """How the drive is simulated, and who drives the others."""
    challenge = golden.data["challenge"]
    config = SimulationConfig(controller="log" if challenge == "open_loop_boxes" else "two_stage", record_plan_every=1)
    return config, "idm" if challenge == "closed_loop_reactive_agents" else "log"


def _value_tolerance(repeat: Repeat) -> float:
    """Metrics of a drive that may lie 1e-5 or 1e-3 m off can be no nearer."""
    return max(TOLERANCE, repeat.ego_m, repeat.agents_m)


def _of_part(rows: list[Comparison], part: str) -> list[Comparison]:
    return [replace(row, part=part) for row in rows]


def _entry(result: ScenarioResult) -> Entry:
    return Entry(result.token, result.log, result.type, result.scores, result.score)


def _said(error: Exception) -> str:
    if isinstance(error, RoadcraftError):
        return str(error)
    if isinstance(error, KeyError):
        return f"there is no {error}"
    return f"{type(error).__name__}: {error}"
