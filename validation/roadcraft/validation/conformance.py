"""Compares our metrics with what the reference answered on its own drives: every statistic, series, intermediate result and score.

Each golden drive is read as a rollout (its own ego, objects, lights and plans), so only the metrics are under test here; whether our simulator
drives the same way is a question of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roadcraft.core.interfaces import Metric, ScenarioRow, ScenarioSource
from roadcraft.core.rollout import Rollout
from roadcraft.core.scenario import Drive, ObjectKind
from roadcraft.validation.golden import GoldenDrive, golden_files, read_golden
from roadcraft.validation.metrics.aggregation import Entry, aggregate
from roadcraft.validation.metrics.collisions import CollisionType, collisions
from roadcraft.validation.metrics.context import RolloutContext
from roadcraft.validation.metrics.evaluation import ScenarioResult, challenge_metrics, evaluate
from roadcraft.validation.metrics.frames import frames
from roadcraft.validation.metrics.routes import corners, ego_route

TOLERANCE = 1e-6
_SPECIAL = {"inf": math.inf, "-inf": -math.inf}
_TYPES = {
    CollisionType.STOPPED_EGO: "STOPPED_EGO_COLLISION",
    CollisionType.STOPPED_TRACK: "STOPPED_TRACK_COLLISION",
    CollisionType.ACTIVE_FRONT: "ACTIVE_FRONT_COLLISION",
    CollisionType.ACTIVE_REAR: "ACTIVE_REAR_COLLISION",
    CollisionType.ACTIVE_LATERAL: "ACTIVE_LATERAL_COLLISION",
}


@dataclass
class Comparison:
    """One quantity of one drive: values compared, how many of them are equal, the largest difference, and the first unequal pair in words."""

    drive: str
    quantity: str
    compared: int = 0
    equal: int = 0
    worst: float = 0.0
    example: str = ""

    def add(self, place: str, ours: Any, theirs: Any, tolerance: float = TOLERANCE) -> None:
        """Compare two values; lists item by item."""
        if isinstance(theirs, list) or isinstance(ours, list):
            a, b = list(ours or []), list(theirs or [])
            if len(a) != len(b):
                self._note(place, f"{len(a)} items", f"{len(b)} items", math.inf)
                return
            for i, (x, y) in enumerate(zip(a, b, strict=True)):
                self.add(f"{place}[{i}]", x, y, tolerance)
            if not a:
                self.compared += 1
                self.equal += 1
            return
        gap = difference(ours, theirs)
        if gap <= tolerance:
            self.compared += 1
            self.equal += 1
            self.worst = max(self.worst, gap)
        else:
            self._note(place, ours, theirs, gap)

    def _note(self, place: str, ours: Any, theirs: Any, gap: float) -> None:
        self.compared += 1
        self.worst = max(self.worst, gap)
        self.example = self.example or f"{place}: {ours!r}, reference {theirs!r}"


@dataclass(frozen=True)
class Report:
    """Comparisons of all drives (and of the runs' tables); ``errors`` are drives that could not be judged."""

    rows: tuple[Comparison, ...]
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def compared(self) -> int:
        return sum(r.compared for r in self.rows)

    @property
    def equal(self) -> int:
        return sum(r.equal for r in self.rows)

    @property
    def different(self) -> list[Comparison]:
        return [r for r in self.rows if r.equal < r.compared]

    def by_quantity(self) -> dict[str, tuple[int, int, float]]:
        """Compared, equal and largest difference per quantity over all drives."""
        table: dict[str, tuple[int, int, float]] = {}
        for r in self.rows:
            compared, equal, worst = table.get(r.quantity, (0, 0, 0.0))
            table[r.quantity] = (compared + r.compared, equal + r.equal, max(worst, r.worst))
        return table


def difference(ours: Any, theirs: Any) -> float:
    """Absolute difference of two values: 0 for equal ones, None and not-a-number alike; infinite for what cannot be compared."""
    theirs = _SPECIAL.get(theirs, theirs) if isinstance(theirs, str) else theirs
    a, b = _missing(ours), _missing(theirs)
    if a or b:
        return 0.0 if a and b else math.inf
    if isinstance(ours, str) or isinstance(theirs, str):
        return 0.0 if str(ours) == str(theirs) else math.inf
    x, y = float(ours), float(theirs)
    return 0.0 if x == y else abs(x - y)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def compare_drive(
    golden: GoldenDrive, rollout: Rollout, metrics: dict[str, Metric]
) -> tuple[list[Comparison], ScenarioResult]:
    """Every metric, the intermediate results and the score of one drive."""
    data, name = golden.data, golden.name
    result = evaluate(rollout, data["challenge"], metrics=metrics)
    rows = compare_metrics(name, data["metrics"], result)
    rows += compare_internals(name, golden, rollout)
    score = Comparison(name, "score")
    score.add("score", result.score, data["score"])
    return [*rows, score], result


def compare_metrics(drive: str, theirs: dict[str, Any], result: ScenarioResult) -> list[Comparison]:
    """Score, statistics and series of every metric the reference has."""
    ours = {m.name: m for m in result.metrics}
    rows = []
    for name, metric in theirs.items():
        row = Comparison(drive, name)
        rows.append(row)
        if name not in ours:
            row.add("metric", None, "present")
            continue
        mine = ours[name]
        row.add("score", mine.score, metric["score"])
        for key in sorted({*metric["stats"], *mine.stats}):
            row.add(key, mine.stats.get(key), metric["stats"].get(key))
        series = metric.get("series")
        if series is not None and mine.series is not None:
            row.add("unit", mine.series.unit, series["unit"])
            row.add("time_us", mine.series.time_us.tolist(), series["t_us"], 0.0)
            row.add("values", mine.series.values.tolist(), series["values"])
        else:
            row.add("series", mine.series is not None, series is not None)
    return rows


def compare_internals(drive: str, golden: GoldenDrive, rollout: Rollout) -> list[Comparison]:
    """Routes, common lanes and collisions (closed loop only)."""
    theirs = golden.data.get("internals") or {}
    context = RolloutContext(rollout)
    ours: dict[str, Callable[[], Any]] = {
        "ego_route_ids": lambda: _ego_ids(context),
        "corner_route_ids": lambda: _corner_ids(context),
        "timestamps_in_common_or_connected": lambda: frames(context).time_us[corners(context).in_common].tolist(),
        "collisions": lambda: _contacts(context),
        "timestamps_at_fault": lambda: (
            frames(context).time_us[collisions(context).step[collisions(context).at_fault]].tolist()
        ),
    }
    rows = []
    for key, value in theirs.items():
        row = Comparison(drive, key)
        row.add(key, ours[key]() if key in ours else None, value)
        rows.append(row)
    return rows


def _ego_ids(context: RolloutContext) -> list[list[str]]:
    ids, route = context.rollout.scenario.map.lanes.id, ego_route(context)
    return [[str(i) for i in ids[route.at(step)]] for step in range(len(route.rows))]


def _corner_ids(context: RolloutContext) -> list[list[list[str]]]:
    ids, route = context.rollout.scenario.map.lanes.id, corners(context)
    return [
        [[str(i) for i in ids[route.rows[step, c, : route.count[step, c]]]] for c in range(4)]
        for step in range(len(route.rows))
    ]


def _contacts(context: RolloutContext) -> list[list[Any]]:
    f, found, tracks = frames(context), collisions(context), context.rollout.drive.tracks
    return [
        [
            int(f.time_us[step]),
            f"{int(tracks.id[f.track[row]]):016x}",
            _TYPES[CollisionType(int(kind))],
            ObjectKind(int(f.kind[row])).name.lower(),
            float(delta_v),
        ]
        for step, row, kind, delta_v in zip(found.step, found.row, found.type, found.delta_v, strict=True)
    ]


def compare_run(name: str, theirs: Sequence[dict[str, Any]], results: Iterable[ScenarioResult]) -> Comparison:
    """The aggregated table of a whole run. Scenarios are taken in the reference's order, which decides the order of its sums."""
    by_token = {r.token: r for r in results}
    order = [row["scenario"] for row in theirs if row["scenario"] in by_token]
    table = aggregate(
        [Entry(t, by_token[t].log, by_token[t].type, by_token[t].scores, by_token[t].score) for t in order]
    )
    row = Comparison(name, "run_scores")
    ours = {(r.scenario, r.type): r for r in table.rows}
    row.add("rows", len(ours), len(theirs))
    for line in theirs:
        mine = ours.get((line["scenario"], line["scenario_type"]))
        for key, value in line.items():
            if key in ("planner_name", "aggregator_type"):
                continue
            have = {"scenario": "scenario", "log_name": "log", "scenario_type": "type", "num_scenarios": "number"}.get(
                key
            )
            if mine is None:
                row.add(f"{line['scenario']}.{key}", None, value)
            elif have is not None or key == "score":
                row.add(f"{line['scenario']}.{key}", getattr(mine, have or "score"), value)
            else:
                row.add(f"{line['scenario']}.{key}", mine.metrics.get(key), value)
    return row


class _Kept(ScenarioSource):
    """A source that reads each log once: a golden set holds many drives of few logs."""

    def __init__(self, source: ScenarioSource) -> None:
        self._source = source
        self._rows: dict[str, list[ScenarioRow]] = {}
        self._drives: dict[str, Drive] = {}

    def logs(self) -> list[str]:
        return self._source.logs()

    def rows(self, log: str) -> list[ScenarioRow]:
        if log not in self._rows:
            self._rows[log] = self._source.rows(log)
        return self._rows[log]

    def drive(self, log: str) -> Drive:
        if log not in self._drives:
            self._drives[log] = self._source.drive(log)
        return self._drives[log]

    def map(self, log: str) -> Any:
        return self._source.map(log)


def conformance(folder: Path, source: ScenarioSource, progress: Callable[[str], None] | None = None) -> Report:
    """Compare all golden drives of ``folder``, whose logs ``source`` reads. Drives that cannot be judged are listed as errors, and count as one
    unequal value each."""
    rows: list[Comparison] = []
    errors: dict[str, str] = {}
    source = _Kept(source)
    runs: dict[str, list[ScenarioResult]] = {}
    tables: dict[str, list[dict[str, Any]]] = {}
    metrics: dict[str, dict[str, Metric]] = {}
    for path in golden_files(folder):
        golden = read_golden(path)
        if progress is not None:
            progress(golden.name)
        challenge = golden.data["challenge"]
        if challenge not in metrics:
            metrics[challenge] = challenge_metrics(challenge)
        try:
            found, result = compare_drive(golden, golden.rollout(golden.scenario(source)), metrics[challenge])
        except Exception as e:
            errors[golden.name] = f"{type(e).__name__}: {e}"
            rows.append(Comparison(golden.name, "error", 1, 0, math.inf, errors[golden.name]))
            continue
        rows += found
        runs.setdefault(golden.run, []).append(result)
        tables[golden.run] = golden.data["run_scores"]
    rows += [compare_run(run, tables[run], results) for run, results in runs.items()]
    return Report(tuple(rows), errors)
