"""New or changed metrics on the drives of a finished run, without driving again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from roadcraft.core.config import load_config, to_tree
from roadcraft.core.errors import DataError
from roadcraft.core.hookspecs import PluginRef
from roadcraft.scenario_io.store.rollouts import read_rollout
from roadcraft.scenario_io.store.store import Store
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.scoring.folder import Part, RunFolder
from roadcraft.validation.scoring.job import Job, part_path
from roadcraft.validation.scoring.present import Bar
from roadcraft.validation.scoring.score import ScoreResult, finish
from roadcraft.validation.scoring.summary import versions


def rescore(
    run: str | Path, out: str | Path, *, metrics: Sequence[PluginRef] | None = None, progress: bool = False
) -> ScoreResult:
    """Judge the stored rollouts of ``run`` again and write a run folder ``out`` (tables and summary; the drives stay where they are).

    metrics: further ones than nuPlan's, by default those of the run. Scenarios that failed then have failed still. Raises DataError where the
    rollouts were not kept.
    """
    old = RunFolder(run)
    config = load_config(ScoreConfig, [str(old.config)]).config if old.exists else None
    if config is None:
        old.tree()
        raise AssertionError
    config = replace(config, metrics=config.metrics if metrics is None else tuple(metrics), out=str(out))
    items, records = old.items(), old.records()
    new = RunFolder(out)
    if new.path.resolve() == old.path.resolve():
        raise DataError("rescore writes a run of its own", where=str(out), remedy="give another folder")
    stores = {m: _rollouts(old, m) for m in config.suite.modes}
    with new.lock(), Bar(len(items) * len(stores), progress, "drives") as bar:
        new.create(to_tree(config), items, versions())
        job = Job(config, None, judge_only=True)
        with Part(part_path(new, 0)) as part:
            for mode, store in stores.items():
                for item in items:
                    before = records.get((item.row.token, mode))
                    driven = before is None or before["status"] == "ok"
                    part.add(_judge(job, store, item, mode) if driven else before or {})
                    bar.add(1)
            part.commit()
        return finish(config, to_tree(config), new, items)


def _judge(job: Job, store: Store, item: Any, mode: str) -> Mapping[str, Any]:
    rollout = read_rollout(store, item.row.token, job.source)
    # The window and type under which it was scored, whatever the source would choose now.
    scenario = job.source.scenario(item.row, item.type, item.window_us)
    return {**job.judge(item, replace(rollout, scenario=scenario), mode), "timings": {}}


def _rollouts(folder: RunFolder, mode: str) -> Store:
    path = folder.rollouts(mode)
    if not path.is_dir():
        raise DataError("this run did not keep its rollouts", where=str(path), remedy="score again with rollouts=true")
    return Store(path)


def failures_of(run: str | Path) -> list[dict[str, Any]]:
    """Scenarios of a run that could not be driven, with their tracebacks."""
    path = RunFolder(run).failures
    found: list[dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
    return found
