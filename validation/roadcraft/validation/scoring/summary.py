"""The figures of a run: per challenge, type and metric, with intervals, and everything that says what was measured."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.core._version import __version__
from roadcraft.core.hookspecs import PluginRef
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.intervals import LEVEL, MIN_LOGS, SCORE, count_logs, mean_interval
from roadcraft.validation.scoring.tables import Record, metric_names, ordered, share_names

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
    if params.get("checkpoint"):
        label += f" {params['checkpoint']}"
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


def summarise(
    config: ScoreConfig, tree: Mapping[str, Any], records: Sequence[Record], list_hash: str, used: Mapping[str, str]
) -> dict[str, Any]:
    """The content of ``summary.json``."""
    rows = ordered(records)
    challenges = sorted({r["challenge"] for r in rows})
    return {
        "planner": planner_label(config.planner.name, config.planner.params),
        "scenario_list_hash": list_hash,
        "scenarios": len({r["token"] for r in rows}),
        "logs": len({r["log"] for r in rows}),
        "seed": config.seed,
        "interval": {"level": LEVEL, "clusters": "logs", "least_logs": MIN_LOGS},
        "versions": dict(used),
        "challenges": {c: _challenge([r for r in rows if r["challenge"] == c]) for c in challenges},
        "failures": [
            {
                "token": r["token"],
                "challenge": r["challenge"],
                "type": r["type"],
                **{k: r["failure"][k] for k in ("step", "stage", "error")},
            }
            for r in rows
            if r["status"] != "ok" and "failure" in r
        ],
        "config": dict(tree),
    }


def _challenge(rows: Sequence[Record]) -> dict[str, Any]:
    logs = [r["log"] for r in rows]
    out = _figures(rows)
    out["metrics"] = {}
    for name in metric_names(rows):
        values = metric_values(rows, name)
        out["metrics"][name] = {
            "score": float(np.nanmean(values)),
            "ci": _limits(values, logs),
            "scenarios": int(np.isfinite(values).sum()),
        }
    out["types"] = {}
    for kind in sorted({r["type"] for r in rows}):
        mine = [r for r in rows if r["type"] == kind]
        out["types"][kind] = _figures(mine)
    shares = share_names(rows)
    if shares:
        out["shares"] = {s: float(np.mean([r["shares"][s] for r in rows if s in r["shares"]])) for s in shares}
    return out


def _figures(rows: Sequence[Record]) -> dict[str, Any]:
    logs = [r["log"] for r in rows]
    scores = np.array([r["score"] for r in rows])
    ok = np.array([r["status"] == "ok" for r in rows])
    return {
        "score": float(scores.mean()),
        "ci": _limits(scores, logs),
        "nuplan_score": float(scores[ok].mean()) if ok.any() else None,
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
