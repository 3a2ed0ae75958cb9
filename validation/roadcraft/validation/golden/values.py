"""Metrics, intermediate results and scores of a drive, and the aggregated table of a run, against what the reference
answered."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.rollout_context import RolloutContext
from roadcraft.core.data.scenario import ObjectKind
from roadcraft.core.interfaces import Metric
from roadcraft.core.types import MetricResult
from roadcraft.validation.golden.difference import TOLERANCE, Comparison
from roadcraft.validation.golden.files import GoldenDrive
from roadcraft.validation.metrics.common.aggregation import Entry, aggregate
from roadcraft.validation.metrics.common.collisions import CollisionType, collisions
from roadcraft.validation.metrics.common.evaluation import ScenarioResult, evaluate
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.routes import corners, ego_route

_TYPES = {
    CollisionType.STOPPED_EGO: "STOPPED_EGO_COLLISION",
    CollisionType.STOPPED_TRACK: "STOPPED_TRACK_COLLISION",
    CollisionType.ACTIVE_FRONT: "ACTIVE_FRONT_COLLISION",
    CollisionType.ACTIVE_REAR: "ACTIVE_REAR_COLLISION",
    CollisionType.ACTIVE_LATERAL: "ACTIVE_LATERAL_COLLISION",
}
_EXACT = ("BOOLEAN", "COUNT")  # kinds of statistics that are right or wrong
_COLUMNS = {"scenario": "scenario", "log_name": "log", "scenario_type": "type", "num_scenarios": "number"}


def compare_values(
    golden: GoldenDrive, rollout: Rollout, metrics: Mapping[str, Metric], tolerance: float = TOLERANCE
) -> tuple[list[Comparison], ScenarioResult]:
    """Every metric, the intermediate results and the score of one drive. Raises DataError where a metric fails."""
    result = evaluate(rollout, golden.data["challenge"], metrics=metrics)
    rows = _metric_rows(golden, result, tolerance)
    rows += _internal_rows(golden, rollout, tolerance)
    score = Comparison(golden.name, "score", group="scores")
    score.add("score", result.score, golden.data["score"])
    return [*rows, score], result


def _metric_rows(golden: GoldenDrive, result: ScenarioResult, tolerance: float) -> list[Comparison]:
    ours = {m.name: m for m in result.metrics}
    rows = []
    for name, theirs in golden.data["metrics"].items():
        row = Comparison(golden.name, name, tolerance=tolerance, group="metric values")
        rows.append(row)
        if name not in ours:
            row.add("metric", None, "present")
            continue
        mine = ours[name]
        _statistics(row, mine, theirs)
        series = theirs.get("series")
        line = Comparison(golden.name, f"{name}.series", tolerance=tolerance, group="metric values")
        if series is not None and mine.series is not None:
            rows.append(line)
            line.add("unit", mine.series.unit, series.get("unit"))
            line.add_steps("t_us", mine.series.time_us.tolist(), series["t_us"], 0.0)
            line.add_steps("values", mine.series.values.tolist(), series["values"])
        else:
            row.add("series", mine.series is not None, series is not None)
    return rows


def _statistics(row: Comparison, mine: MetricResult, theirs: Mapping[str, Any]) -> None:
    row.add("score", mine.score, theirs["score"])
    kinds = theirs.get("stat_types") or {}
    for key in sorted({*theirs["stats"], *mine.stats}):
        exact = str(kinds.get(key, "")).upper() in _EXACT
        value = theirs["stats"].get(key)
        row.add(key, mine.stats.get(key), None if value in ("inf", math.inf) else value, 0.0 if exact else None)


def _internal_rows(golden: GoldenDrive, rollout: Rollout, tolerance: float) -> list[Comparison]:
    """Routes, common lanes and collisions (closed loop only)."""
    context = RolloutContext(rollout)
    ours: dict[str, Callable[[], list[Any]]] = {
        "ego_route_ids": lambda: _ego_ids(context),
        "corner_route_ids": lambda: _corner_ids(context),
        "timestamps_in_common_or_connected": lambda: frames(context).time_us[corners(context).in_common].tolist(),
        "collisions": lambda: _contacts(context),
        "timestamps_at_fault": lambda: (
            frames(context).time_us[collisions(context).step[collisions(context).at_fault]].tolist()
        ),
    }
    rows = []
    for key, value in (golden.data.get("internals") or {}).items():
        if key in ours:
            row = Comparison(golden.name, key, tolerance=tolerance, group="intermediate results")
            if key.endswith("route_ids"):
                row.add_steps(key, ours[key](), value)
            else:
                row.add(key, ours[key](), value, 0.0 if key.startswith("timestamps") else None)
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
            f"{int(tracks.id[f.objects.track[row]]):016x}",
            _TYPES[CollisionType(int(kind))],
            ObjectKind(int(f.objects.kind[row])).name.lower(),
            float(delta_v),
        ]
        for step, row, kind, delta_v in zip(found.step, found.row, found.type, found.delta_v, strict=True)
    ]


def missing_of(theirs: Sequence[Mapping[str, Any]], entries: Sequence[Entry]) -> int:
    """How many scenarios of a run's table have no entry."""
    have = {e.scenario for e in entries}
    return sum(r["scenario"] not in have for r in theirs if r.get("log_name") is not None)


def compare_run(
    name: str, theirs: Sequence[Mapping[str, Any]], entries: Sequence[Entry], tolerance: float = TOLERANCE
) -> Comparison:
    """The aggregated table of a whole run. Scenarios are taken in the reference's order, which decides the order of its
    sums."""
    by_token = {e.scenario: e for e in entries}
    table = aggregate([by_token[row["scenario"]] for row in theirs if row["scenario"] in by_token])
    row = Comparison(name, "run_scores", tolerance=tolerance, group="tables of the runs")
    ours = {(r.scenario, r.type): r for r in table.rows}
    row.add("rows", len(ours), len(theirs))
    for line in theirs:
        mine = ours.get((line["scenario"], line["scenario_type"]))
        for key, value in line.items():
            if key in ("planner_name", "aggregator_type"):
                continue
            place = f"{line['scenario']}.{key}"
            if mine is None:
                row.add(place, None, value)
            elif key in _COLUMNS or key == "score":
                row.add(place, getattr(mine, _COLUMNS.get(key, key)), value)
            else:
                row.add(place, mine.metrics.get(key), value)
    return row
