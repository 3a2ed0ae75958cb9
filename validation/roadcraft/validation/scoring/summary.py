"""The figures of a run: per challenge, type and metric, with intervals, and everything that says what was measured."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.core._version import __version__
from roadcraft.core.errors import PluginError
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.plugins.registry import registry
from roadcraft.validation.intervals import LEVEL, MIN_LOGS, SCORE, count_logs, mean_interval
from roadcraft.validation.scoring.tables import Record, ordered, share_names

_PACKAGES = ("numpy", "numba", "scipy", "shapely", "pyarrow", "torch")


def versions() -> dict[str, str]:
    """What computed the scores; a resumed run must have the same."""
    found = {"roadcraft": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def planner_label(name: str, params: Mapping[str, Any]) -> str:
    """``guard(learned runs/a/best), fallback pdm_closed``: what a table calls a planner; a fallback is always named."""
    inner = params.get("planner")
    label = name
    if isinstance(inner, PluginRef):
        label = f"{name}({planner_label(inner.name, inner.params)})"
    elif isinstance(inner, Mapping) and "name" in inner:
        label = f"{name}({planner_label(inner['name'], inner.get('params', {}))})"
    elif isinstance(inner, str) and inner:
        label = f"{name}({inner})"
    label += "".join(f" {params[key]}" for key in _paths(name) if params.get(key))
    if params.get("instruction"):
        label += f' "{params["instruction"]}"'
    fallback = params.get("fallback")
    if isinstance(fallback, PluginRef):
        fallback = fallback.name
    elif isinstance(fallback, Mapping):
        fallback = fallback.get("name")
    if fallback and fallback not in ("off", "none", False):
        label += f", fallback {fallback}"
    return label


def _paths(planner: str) -> list[str]:
    """Settings of a planner (or of agents) that are paths, such as ``checkpoint``: two planners of one name differ by
    them."""
    for kind in ("planner", "agents"):
        with contextlib.suppress(PluginError):
            return [f.name for f in fields(registry().config_class(kind, planner)) if f.metadata.get("path")]
    return ["checkpoint"]  # of a package that is not installed here


def summarize(
    tree: Mapping[str, Any], records: Sequence[Record], list_hash: str, used: Mapping[str, str]
) -> dict[str, Any]:
    """The content of ``summary.json``."""
    rows = ordered(records)
    challenges = sorted({r["challenge"] for r in rows})
    return {
        "planner": planner_label(tree["planner"]["name"], tree["planner"]["params"]),
        "agents": planner_label(tree["suite"]["agents"]["name"], tree["suite"]["agents"]["params"]),
        "scenario_list_hash": list_hash,
        "scenarios": len({r["token"] for r in rows}),
        "logs": len({r["log"] for r in rows}),
        "seed": tree["seed"],
        "interval": {"level": LEVEL, "clusters": "logs", "least_logs": MIN_LOGS},
        "versions": dict(used),
        "challenges": {c: _challenge([r for r in rows if r["challenge"] == c]) for c in challenges},
        "failures": [
            {
                "token": r["token"],
                "challenge": r["challenge"],
                "type": r["type"],
                "time_s": _seconds(r["failure"]["step"], r["interval_s"]),
                **{k: r["failure"][k] for k in ("step", "stage", "error")},
            }
            for r in rows
            if r["status"] != "ok" and "failure" in r
        ],
        "config": dict(tree),
    }


def _challenge(rows: Sequence[Record]) -> dict[str, Any]:
    out = _figures(rows)
    out["metrics"] = {name: _metric(rows, name) for name in _scored_metrics(rows)}
    out["types"] = {}
    for kind in sorted({r["type"] for r in rows}):
        mine = [r for r in rows if r["type"] == kind]
        out["types"][kind] = _figures(mine)
    shares = share_names(rows)
    if shares:
        out["shares"] = {s: float(np.mean([r["shares"][s] for r in rows if s in r["shares"]])) for s in shares}
    if latency := _latency(rows):
        out["latency"] = latency
    return out


def _scored_metrics(rows: Sequence[Record]) -> list[str]:
    """Metrics with a score or a value in at least one scenario, sorted."""
    return sorted({m["name"] for r in rows for m in r["metrics"] if m["score"] is not None or m["stats"]})


def _metric(rows: Sequence[Record], name: str) -> dict[str, Any]:
    """Mean score and its interval (None where a metric has values only), how it counts, and mean, min and max of each
    of its values."""
    mine = [(r["log"], m) for r in rows for m in r["metrics"] if m["name"] == name]
    values = metric_values(rows, name)
    scored = bool(np.isfinite(values).any())
    stats: dict[str, list[float]] = {}
    for _, m in mine:
        for key, value in m["stats"].items():
            if isinstance(value, (int, float)) and np.isfinite(value):
                stats.setdefault(key, []).append(float(value))
    return {
        "score": float(np.nanmean(values)) if scored else None,
        "ci": _limits(values, [r["log"] for r in rows]) if scored else None,
        "scenarios": int(np.isfinite(values).sum()),
        "role": mine[0][1]["role"],
        "weight": mine[0][1]["weight"],
        "stats": {
            k: {"mean": float(np.mean(v)), "min": min(v), "max": max(v), "scenarios": len(v)}
            for k, v in sorted(stats.items())
        },
    }


def _latency(rows: Sequence[Record]) -> dict[str, float]:
    """How long the planner's calls took, s: median over scenarios of their median, and the greatest of their 99th
    percentiles."""
    found = {}
    for name, key, of in (("p50_s", "plan_call_p50_s", np.median), ("p99_s", "plan_call_p99_s", np.max)):
        values = [r["timings"][key] for r in rows if r["timings"].get(key) is not None]
        if values:
            found[name] = float(of(values))
    return found


def _seconds(step: int | None, interval_s: float) -> float | None:
    return None if step is None or step < 0 else round(step * interval_s, 6)


def _figures(rows: Sequence[Record]) -> dict[str, Any]:
    logs = [r["log"] for r in rows]
    scores = np.array([r["score"] for r in rows])
    # As in the reference, scenarios that nuPlan's own metrics could not judge are left out; one that only a further
    # metric failed on is not.
    nuplan = [s for r in rows if (s := r["nuplan_score"]) is not None]
    ok = np.array([r["status"] == "ok" for r in rows])
    return {
        "score": float(scores.mean()),
        "ci": _limits(scores, logs),
        "nuplan_score": float(np.mean(nuplan)) if nuplan else None,
        "scenarios": len(rows),
        "logs": count_logs(scores, logs),
        "failed": int((~ok).sum()),
    }


def metric_values(rows: Sequence[Record], name: str) -> NDArray[np.float64]:
    """A metric's score in each row, NaN where there is none."""
    found = ({m["name"]: m["score"] for m in r["metrics"]}.get(name) for r in rows)
    return np.array([np.nan if v is None else v for v in found], np.float64)


def _limits(values: NDArray[np.float64], logs: Sequence[str]) -> list[float] | None:
    interval = mean_interval(values, logs, bounds=SCORE)
    return None if interval is None else interval.pair
