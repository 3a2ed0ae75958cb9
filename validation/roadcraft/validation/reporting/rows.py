"""The report's scenarios: one row per scenario and mode with every run's result, and which of them get a replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from roadcraft.validation.reporting.runs import RunResults
from roadcraft.validation.scoring.roles import costs

Row = dict[str, Any]
Key = tuple[str, str]
_EVENTS = 8  # of one metric, kept


def scenario_rows(runs: Sequence[RunResults]) -> list[Row]:
    """Every run's score, the metrics that cost it, and the events that say why; what all fail comes first."""
    rows: dict[Key, Row] = {}
    for index, run in enumerate(runs):
        failures = {(f["token"], f["challenge"]): f["failure"] for f in run.folder.read_failures()}
        for r in run.records:
            row = rows.setdefault(
                (r["token"], r["mode"]),
                {
                    **{k: r[k] for k in ("token", "mode", "type", "log", "map", "interval_s")},
                    "results": [None] * len(runs),
                },
            )
            row["results"][index] = _result(r, failures.get((r["token"], r["challenge"])))
    return sorted(rows.values(), key=lambda x: (_mean(x), x["token"], x["mode"]))


def _result(r: Row, failure: Row | None) -> Row:
    found: Row = {
        "score": round(r["score"], 4),
        "status": r["status"],
        "lost": [{"name": m["name"], "score": round(m["score"], 4), "events": m["events"][:_EVENTS]} for m in costs(r)],
    }
    if failure:
        found["failure"] = {**{k: failure[k] for k in ("stage", "error")}, "step": failure["step"]}
    return found


def _mean(row: Row) -> float:
    return float(np.mean([r["score"] for r in row["results"] if r is not None]))


def choose(rows: Sequence[Row], count: int) -> list[Key]:
    """The scenarios that get a replay: the worst of all, and of each run in turn, so that every run's failures can be
    seen."""
    ranked: list[list[Row]] = [list(rows)]
    for run in range(len(rows[0]["results"]) if rows else 0):
        ranked.append(
            sorted((r for r in rows if r["results"][run]), key=lambda r: (r["results"][run]["score"], r["token"]))
        )
    chosen: dict[Key, None] = {}
    for place in range(len(rows)):
        for order in ranked:
            if place < len(order) and len(chosen) < count:
                chosen.setdefault((order[place]["token"], order[place]["mode"]))
    return list(chosen)


def no_replay(runs: Sequence[RunResults], rows: Sequence[Row], chosen: Sequence[Key], packed: Sequence[Key]) -> str:
    """Why scenarios without a replay have none; empty where all have one."""
    reasons = []
    if len(chosen) < len(rows):
        reasons.append(f"replays were packed for the worst {len(chosen)} of {len(rows)} results (--replays)")
    without = [r.label for r in runs if not any(_kept(r, m) for m in {x["mode"] for x in r.records})]
    if without:
        reasons.append(f"{', '.join(without)} kept no rollouts (rollouts=false, or they were deleted)")
    lost = len(chosen) - len(packed)
    if lost and len(without) < len(runs):
        reasons.append(f"{lost} results could not be driven by any run")
    return "; ".join(reasons)


def _kept(run: RunResults, mode: str) -> bool:
    from roadcraft.core.errors import DataError

    try:
        run.folder.replays(mode)
    except DataError:
        return False
    return True
