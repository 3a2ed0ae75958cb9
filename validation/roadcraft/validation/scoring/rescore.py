"""New or changed metrics on the drives of a finished run, without driving again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from roadcraft.core.config.load import load_config
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.scenario_io.store.rollouts import read_rollout
from roadcraft.scenario_io.store.store import Store
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.scoring.folder import RunFolder
from roadcraft.validation.scoring.job import Job, part_path
from roadcraft.validation.scoring.present import Bar
from roadcraft.validation.scoring.provenance import DATA, digests_of, refuse_differences
from roadcraft.validation.scoring.score import ScoreResult, finish, stored_tree
from roadcraft.validation.scoring.sealed import RecordFile
from roadcraft.validation.scoring.summary import versions


def rescore(
    run: str | Path,
    out: str | Path,
    *,
    metrics: Sequence[PluginRef] | None = None,
    score: Literal["nuplan", "freight"] | None = None,
    progress: bool = False,
) -> ScoreResult:
    """Judge the stored rollouts of ``run`` again and write a run folder ``out`` (tables and summary; the drives stay
    where they are).

    metrics: further ones, by default those of the run; score: which one, by default that of the run. Scenarios that
    could not be driven then have failed still. Raises DataError where the rollouts were not kept.
    """
    old, new = RunFolder(run), RunFolder(out)
    old.require_finished()
    if new.path.resolve() == old.path.resolve():
        raise DataError("rescore writes a run of its own", where=str(out), remedy="give another folder")
    new.refuse_others()
    config = load_config(ScoreConfig, [old.tree()]).config
    further = config.metrics if metrics is None else tuple(metrics)
    config = replace(config, metrics=further, score=score or config.score, out=str(out))
    items, records, stores = old.items(), old.records(), {m: Store(old.replays(m)) for m in config.suite.modes}
    job = Job(config, None, metrics_only=True)
    before, now = old.digests(), digests_of(config, job.source, items)
    if not old.former:
        refuse_differences({DATA: before[DATA]}, {DATA: now[DATA]}, old.path, "cannot be judged again")
    with new.lock(), Bar(len(items) * len(stores), progress, "drives") as bar:
        # Planner, agents and vehicle are those that drove; the code that judges is today's.
        new.create(
            stored_tree(config),
            items,
            versions(),
            {**before, **_judging(now)},
            old.replays(config.suite.modes[0]).parents[1],
        )
        with RecordFile(part_path(new, 0)) as part:
            for mode, store in stores.items():
                for item in items:
                    driven = records.get((item.row.token, mode))
                    # a drive that only a metric failed on was kept
                    was_driven = driven is None or driven["status"] == "ok"
                    again = was_driven or (driven or {}).get("failure", {}).get("stage") == "metrics"
                    part.add(_score_again(job, store, item, mode) if again else driven or {})
                    bar.add(1)
            part.commit()
        return finish(config, stored_tree(config), new, items)


def metric_refs(names: Sequence[str], words: Sequence[str]) -> list[PluginRef] | None:
    """Metrics of the command line with their settings: ``key=value`` where there is one metric, ``NAME.key=value``
    among several; None where no metric is named. Raises ConfigError for a setting that belongs to none."""
    settings: dict[str, list[str]] = {name: [f"name: {name}"] for name in names}
    for word in words:
        head, dot, rest = word.partition(".")
        name, setting = (head, rest) if dot and head in settings else (names[0] if len(names) == 1 else "", word)
        key, equals, value = setting.partition("=")
        if not name or not equals:
            known = f"one of {', '.join(names)}" if names else "given by --metric"
            raise ConfigError(
                f"{word!r} (command line): a metric's setting is key=value, or NAME.key=value, NAME {known}"
            )
        settings[name].append(f"{key}: {value}")
    listed = ", ".join("{" + ", ".join(s) + "}" for s in settings.values())
    return list(load_config(ScoreConfig, [f"metrics=[{listed}]"]).config.metrics) if names else None


def _judging(digests: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in digests.items() if k.startswith(("code.", "metrics"))}


def _score_again(job: Job, store: Store, item: Any, mode: str) -> Mapping[str, Any]:
    rollout = read_rollout(store, item.row.token, job.source)
    # The window and type under which it was scored, whatever the source would choose now.
    scenario = job.source.scenario(item.row, item.type, item.window_us)
    return {**job.score_rollout(item, replace(rollout, scenario=scenario), mode), "timings": {}}
