"""The report's tables: scores with intervals, paired differences, means by metric, scenario type and place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from roadcraft.validation.comparing.paired import paired_figure
from roadcraft.validation.intervals import SCORE, count_logs, mean_interval, no_interval
from roadcraft.validation.reporting.runs import RunResults, modes_of
from roadcraft.validation.scoring.roles import role_text, roles_of


def score_table(runs: Sequence[RunResults]) -> list[dict[str, Any]]:
    """Per run and mode: mean score (a failed scenario counts 0), its 95 % interval over logs or why there is none,
    nuPlan's own mean, number, failures, guard shares."""
    return [{"label": run.label, "modes": {m: _scores(run.of(m)) for m in modes_of(runs) if run.of(m)}} for run in runs]


def _scores(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    scores, logs = np.array([r["score"] for r in rows]), [r["log"] for r in rows]
    interval = mean_interval(scores, logs, bounds=SCORE)
    own = [r["nuplan_score"] for r in rows if r["nuplan_score"] is not None]
    names = sorted({k for r in rows for k in r["shares"]})
    return {
        "score": float(scores.mean()),
        "interval": None if interval is None else interval.pair,
        "no_interval": no_interval(count_logs(scores, logs)) if interval is None else "",
        "nuplan_score": float(np.mean(own)) if own else None,
        "count": len(rows),
        "failed": sum(r["status"] != "ok" for r in rows),
        "shares": {n: float(np.mean([r["shares"].get(n, 0.0) for r in rows])) for n in names},
    }


def pair_table(runs: Sequence[RunResults], mode: str) -> list[list[dict[str, Any] | None]]:
    """Entry [a][b]: paired figures of run b minus run a over the scenarios that both drove; None where there are none,
    and for a run itself."""
    found = [{(r["log"], r["token"]): r for r in run.of(mode)} for run in runs]

    def pair(a: int, b: int) -> dict[str, Any] | None:
        keys = sorted(found[a].keys() & found[b].keys())
        if a == b or not keys:
            return None
        sides = (np.array([found[i][k]["score"] for k in keys], np.float64) for i in (a, b))
        figure = paired_figure(*sides, [k[0] for k in keys])
        return {k: figure[k] for k in ("difference", "ci", "scenarios", "logs", "verdict", "reason", "detectable")}

    return [[pair(a, b) for b in range(len(runs))] for a in range(len(runs))]


def metric_table(runs: Sequence[RunResults], mode: str) -> dict[str, Any]:
    """Mean of every scored metric per run: those that count first."""
    records = [r for run in runs for r in run.of(mode)]
    scored = {m["name"] for r in records for m in r["metrics"] if m["score"] is not None}
    roles = {n: r for n, r in roles_of(records).items() if n in scored}
    return {
        "columns": list(roles),
        "roles": [role_text(r) for r in roles.values()],
        "rows": [
            {"label": run.label, "count": len(run.of(mode)), "cells": [_mean_metric(run.of(mode), n) for n in roles]}
            for run in runs
        ],
    }


def group_table(runs: Sequence[RunResults], mode: str, key: str) -> dict[str, Any]:
    """Mean score by ``type`` or ``map`` per run, each with its number of scenarios."""
    groups = sorted({r[key] for run in runs for r in run.of(mode)})
    rows = []
    for name in groups:
        scores = [[r["score"] for r in run.of(mode) if r[key] == name] for run in runs]
        rows.append(
            {
                "label": name,
                "counts": [len(s) for s in scores],
                "cells": [float(np.mean(s)) if s else None for s in scores],
            }
        )
    return {"columns": [r.label for r in runs], "rows": rows}


def _mean_metric(rows: Sequence[dict[str, Any]], name: str) -> float | None:
    values = [m["score"] for r in rows for m in r["metrics"] if m["name"] == name and m["score"] is not None]
    return float(np.mean(values)) if values else None
