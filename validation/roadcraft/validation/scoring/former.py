"""Runs of format 1, made before runs carried checksums, roles of metrics and digests of what they name, read as if they
were of today."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadcraft.core.config.factory import create
from roadcraft.core.config.load import full_tree, load_config
from roadcraft.core.config.renamed import without_warnings
from roadcraft.core.errors import ConfigError, PluginError
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.scoring.suites import SuiteScenario, scenario_list_hash

if TYPE_CHECKING:
    from roadcraft.validation.scoring.folder import RunFolder

FORMAT = 1


@lru_cache
def warn(run: Path) -> None:
    """Say once that damage of this run does not show."""
    print(
        f"note: {run} is of format {FORMAT}, which carries no checksums: damage of it is not noticed", file=sys.stderr
    )


def listed(found: Mapping[str, Any]) -> dict[str, Any]:
    """The content of ``scenarios.json``."""
    return {**found, "config": None, "digests": {}, "driven_in": None}


def tree(found: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration that another version wrote, with today's keys and every default of its plugins; as it was written
    where one of them is not installed here."""
    with contextlib.suppress(ConfigError, PluginError), without_warnings():
        found = full_tree(load_config(ScoreConfig, [found]).config)
    return {k: v for k, v in found.items() if k != "out"}


def record(found: Mapping[str, Any], item: SuiteScenario) -> dict[str, Any]:
    """A result. All metrics counted by their own roles then, so that nuPlan's own score is the score."""
    ok, more = found["status"] == "ok", {}
    if "failure" in found:
        more["failure"] = failure(found["failure"], item)
    metrics = [{**m, **dict(zip(("role", "weight"), _role(m["name"]), strict=True))} for m in found["metrics"]]
    nuplan_score = found["score"] if ok else None
    return {**found, "interval_s": item.interval_s, "nuplan_score": nuplan_score, "metrics": metrics, **more}


def failure(found: Mapping[str, Any], item: SuiteScenario) -> dict[str, Any]:
    """Why a scenario could not be driven."""
    step = found["step"] if found["step"] >= 0 else None
    return {**found, "step": step, "time_s": None if step is None else round(step * item.interval_s, 6)}


def summary(run: RunFolder) -> dict[str, Any]:
    """The content of ``summary.json``, from the tables."""
    from roadcraft.validation.scoring.summary import summarize
    from roadcraft.validation.scoring.tables import read_records

    failures = {(f["token"], f["challenge"]): {"failure": f["failure"]} for f in run.read_failures()}
    records = [{**r, **failures.get((r["token"], r["challenge"]), {})} for r in read_records(run)]
    found = summarize(run.tree(), records, scenario_list_hash(run.items()), run.versions())
    return {"format": FORMAT, **found, "missing": {}, "tables": {}}


@lru_cache
def _role(metric: str) -> tuple[str | None, float | None]:
    """Role and weight of a metric of that name; none where it is not installed here."""
    try:
        built = create("metric", metric)
    except (ConfigError, PluginError):
        return None, None
    return built.role, float(built.weight)
