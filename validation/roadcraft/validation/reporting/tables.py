"""The report's tables: scores with intervals, by metric and by scenario type, from the results of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from roadcraft.core.registry import registry
from roadcraft.validation.intervals import SCORE, count_logs, mean_interval
from roadcraft.validation.scoring.folder import RunFolder
from roadcraft.validation.scoring.tables import read_records

MODE_ORDER = ("nonreactive", "reactive", "open_loop")


@dataclass(frozen=True)
class RunResults:
    """A finished run as the report reads it. label: how it is called in every table; records: one per scenario and mode."""

    folder: RunFolder
    label: str
    planner: str
    data: str
    seed: int
    records: list[dict[str, Any]]


def load_runs(paths: Sequence[str | Path]) -> list[RunResults]:
    """The results of the given run folders, labels made distinct. Raises DataError for a folder without a finished result."""
    runs: list[RunResults] = []
    for path in paths:
        folder = RunFolder(path)
        tree = folder.tree()
        folder.read_summary()
        records = sorted(read_records(folder), key=lambda r: (r["token"], r["mode"]))
        label = planner_label(tree["planner"])
        same = [r for r in runs if r.label.split(" #")[0] == label]
        label = f"{label} #{len(same) + 1}" if same else label
        runs.append(RunResults(folder, label, label, str(tree["suite"]["data"]), int(tree["seed"]), records))
    return runs


def planner_label(ref: Any) -> str:
    """``guard(learned "keep left")``: a planner with those it wraps, the instruction it was given, and any fallback that is on, in words."""
    if isinstance(ref, str):
        return ref
    params = ref.get("params", {}) or {}
    inner = [planner_label(v) for k, v in params.items() if isinstance(v, dict) and "name" in v and k != "fallback"]
    if ref["name"] == "guard" and not inner:
        inner = [str(params.get("planner", "learned"))]
    other = params.get("fallback")
    fallback = f", fallback {other['name'] if isinstance(other, dict) else other}" if other else ""
    told = f' "{params["instruction"]}"' if params.get("instruction") else ""
    return f"{ref['name']}({', '.join(inner)}{fallback}){told}" if inner else f"{ref['name']}{told}"


def modes_of(runs: Sequence[RunResults]) -> list[str]:
    found = {r["mode"] for run in runs for r in run.records}
    return [m for m in MODE_ORDER if m in found]


def score_table(runs: Sequence[RunResults]) -> list[dict[str, Any]]:
    """Per run and mode: mean score (a failed scenario counts 0), its 95 % interval over logs, nuPlan's own mean, number, failures, guard shares."""
    rows = []
    for run in runs:
        row: dict[str, Any] = {"label": run.label, "modes": {}}
        for mode in modes_of(runs):
            mine = [r for r in run.records if r["mode"] == mode]
            if mine:
                scores, logs = np.array([r["score"] for r in mine]), [r["log"] for r in mine]
                interval = mean_interval(scores, logs, bounds=SCORE)
                driven = [r["score"] for r in mine if r["status"] == "ok"]
                names = sorted({k for r in mine for k in r["shares"]})
                row["modes"][mode] = {
                    "score": float(scores.mean()),
                    "interval": None if interval is None else interval.pair,
                    "logs": count_logs(scores, logs),
                    "nuplan_score": float(np.mean(driven)) if driven else None,
                    "count": len(mine),
                    "failed": len(mine) - len(driven),
                    "shares": {n: float(np.mean([r["shares"].get(n, 0.0) for r in mine])) for n in names},
                }
        rows.append(row)
    return rows


def metric_table(runs: Sequence[RunResults], mode: str) -> dict[str, Any]:
    """Mean of every scored metric per run."""
    counted = _counted_metrics(runs, mode)
    cells = [[_mean_metric(run, mode, name) for name in counted] for run in runs]
    return {"columns": counted, "rows": [{"label": r.label, "cells": c} for r, c in zip(runs, cells, strict=True)]}


def type_table(runs: Sequence[RunResults], mode: str) -> dict[str, Any]:
    """Mean score of every scenario type per run, with the number of scenarios."""
    types = sorted({r["type"] for run in runs for r in run.records if r["mode"] == mode})
    rows = []
    for kind in types:
        cells = []
        for run in runs:
            mine = [r["score"] for r in run.records if r["mode"] == mode and r["type"] == kind]
            cells.append(float(np.mean(mine)) if mine else None)
        count = max(sum(r["mode"] == mode and r["type"] == kind for r in run.records) for run in runs)
        rows.append({"label": kind, "count": count, "cells": cells})
    return {"columns": [r.label for r in runs], "rows": rows}


def metric_role(name: str) -> str:
    """'multiplier', 'weight 5' or 'reported': how a metric enters the score."""
    try:
        cls = registry().target("metric", name)
    except Exception:  # a metric of a package that is not installed here is still shown
        return "reported"
    role = getattr(cls, "role", "report")
    return f"weight {cls.weight:g}" if role == "weighted" else {"multiplier": "multiplier"}.get(role, "reported")


def _counted_metrics(runs: Sequence[RunResults], mode: str) -> list[str]:
    names: list[str] = []
    for run in runs:
        for r in run.records:
            if r["mode"] == mode:
                names += [m["name"] for m in r["metrics"] if m["score"] is not None and m["name"] not in names]
    order = {"multiplier": 0, "reported": 2}
    return sorted(names, key=lambda n: (order.get(metric_role(n), 1), names.index(n)))


def _mean_metric(run: RunResults, mode: str, name: str) -> float | None:
    values = [
        m["score"]
        for r in run.records
        if r["mode"] == mode
        for m in r["metrics"]
        if m["name"] == name and m["score"] is not None
    ]
    return float(np.mean(values)) if values else None
