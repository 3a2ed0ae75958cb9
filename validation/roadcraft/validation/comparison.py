"""Two runs, scenario by scenario: paired differences with intervals, and which scenarios got worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from roadcraft.core.errors import DataError
from roadcraft.validation.intervals import DIFFERENCE, LEVEL, MIN_LOGS, count_logs, mean_interval
from roadcraft.validation.scoring.folder import RunFolder
from roadcraft.validation.scoring.summary import metric_values, planner_label
from roadcraft.validation.scoring.tables import metric_names, read_records

Records = Sequence[Mapping[str, Any]]


def compare(a: str | Path, b: str | Path) -> dict[str, Any]:
    """How run ``b`` differs from run ``a`` on the scenarios that both drove.

    Per challenge: mean difference b - a of the score and of every metric with its interval over logs, ``worse`` / ``better`` (whether the
    interval excludes 0), and the scenarios whose score changed, the greatest loss first. Raises DataError where a run is not finished or nothing
    is common to both.
    """
    left, right = _load(a), _load(b)
    found: dict[str, Any] = {}
    for challenge in sorted({r["challenge"] for r in left} & {r["challenge"] for r in right}):
        found[challenge] = _paired(_by_scenario(left, challenge), _by_scenario(right, challenge))
    if not any(c["scenarios"] for c in found.values()):
        raise DataError("the two runs have no scenario and challenge in common", where=f"{a}, {b}")
    return {
        "a": {"run": str(a), "planner": _label(a)},
        "b": {"run": str(b), "planner": _label(b)},
        "interval": {"level": LEVEL, "clusters": "logs", "least_logs": MIN_LOGS},
        "only_in_a": _missing(left, right),
        "only_in_b": _missing(right, left),
        "challenges": found,
    }


def got_worse(comparison: Mapping[str, Any]) -> bool:
    """Whether any challenge's overall score is worse beyond its interval."""
    return any(c["score"]["worse"] for c in comparison["challenges"].values() if c["scenarios"])


def _load(run: str | Path) -> Records:
    return read_records(run)


def _label(run: str | Path) -> str:
    planner = RunFolder(run).tree()["planner"]
    return planner_label(planner["name"], planner["params"])


def _by_scenario(records: Records, challenge: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(r["log"], r["token"]): r for r in records if r["challenge"] == challenge}


def _missing(records: Records, others: Records) -> int:
    return len({(r["token"], r["challenge"]) for r in records} - {(r["token"], r["challenge"]) for r in others})


def _paired(left: Mapping[Any, Mapping[str, Any]], right: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any]:
    keys = sorted(left.keys() & right.keys())
    rows_a, rows_b = [left[k] for k in keys], [right[k] for k in keys]
    if not keys:
        return {"scenarios": 0, "score": None, "metrics": {}, "changed": []}
    logs = [k[0] for k in keys]

    def difference(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
        d = y - x
        both = np.isfinite(d)
        interval = mean_interval(d, logs, bounds=DIFFERENCE)
        return {
            "a": float(x[both].mean()) if both.any() else None,
            "b": float(y[both].mean()) if both.any() else None,
            "difference": float(d[both].mean()) if both.any() else None,
            "ci": None if interval is None else interval.pair,
            "scenarios": int(both.sum()),
            "logs": count_logs(d, logs),
            "worse": interval is not None and interval.high < 0.0,
            "better": interval is not None and interval.low > 0.0,
        }

    scores_a, scores_b = (np.array([r["score"] for r in rows], np.float64) for rows in (rows_a, rows_b))
    names = sorted({*metric_names(rows_a), *metric_names(rows_b)})
    changed = [
        _change(a, b)
        for a, b in zip(rows_a, rows_b, strict=True)
        if a["score"] != b["score"] or a["status"] != b["status"]
    ]
    return {
        "scenarios": len(keys),
        "score": difference(scores_a, scores_b),
        "metrics": {n: difference(metric_values(rows_a, n), metric_values(rows_b, n)) for n in names},
        "changed": sorted(changed, key=lambda c: (c["difference"], c["token"])),
    }


def _change(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    before, after = ({m["name"]: m["score"] for m in r["metrics"]} for r in (a, b))
    metrics = {n: [before.get(n), after.get(n)] for n in sorted({*before, *after}) if before.get(n) != after.get(n)}
    return {
        "token": a["token"],
        "type": a["type"],
        "log": a["log"],
        "a": a["score"],
        "b": b["score"],
        "difference": b["score"] - a["score"],
        "failed": [s for s, r in (("a", a), ("b", b)) if r["status"] != "ok"],
        "metrics": metrics,
    }
