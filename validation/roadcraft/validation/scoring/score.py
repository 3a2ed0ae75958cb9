"""Scores a planner on a suite: ``score(planner="idm", data="stores/demo")``."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any

from roadcraft.core.config.load import Loaded, full_tree, load_config
from roadcraft.core.cores import usable_cores
from roadcraft.core.errors import ConfigError, DataError, DiskError, LoadError
from roadcraft.core.files import write_atomic
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.scoring.folder import FORMAT, RunFolder, refuse_changes
from roadcraft.validation.scoring.job import Job, failed_record, part_path
from roadcraft.validation.scoring.pool import Batch, Events, Pool
from roadcraft.validation.scoring.preflight import preflight, warn
from roadcraft.validation.scoring.present import Bar
from roadcraft.validation.scoring.provenance import digests_of, refuse_differences
from roadcraft.validation.scoring.sealed import RecordFile, write_sealed
from roadcraft.validation.scoring.suites import SuiteScenario, scenario_list_hash
from roadcraft.validation.scoring.summary import planner_label, summarize, versions
from roadcraft.validation.scoring.tables import metrics_table, ordered, scores_table, timings_table, write_table

BATCHES_PER_WORKER = 4  # enough that workers end together and a kill loses little
SMALLEST_BATCH = 16
LOST = 999  # number of the parts that hold what no worker could tell


@dataclass(frozen=True)
class ScoreResult:
    """A finished run. run: its folder; summary: what ``summary.json`` holds; records: one per scenario and
    challenge."""

    run: Path
    summary: dict[str, Any]
    records: list[Mapping[str, Any]]

    @property
    def failed(self) -> int:
        return sum(r["status"] != "ok" for r in self.records)

    @property
    def missing(self) -> dict[str, list[str]]:
        """Names of the filter that the data lack, by field."""
        return dict(self.summary["missing"])


def score(
    config: ScoreConfig | None = None,
    *,
    resume: bool = False,
    debug: bool = False,
    progress: bool = False,
    at_most: int | None = None,
    **settings: Any,
) -> ScoreResult:
    """Simulate a planner on a suite of scenarios and score it.

    config: all settings, or give them by keyword as on the command line: ``score(planner="idm", data="stores/demo",
    modes=["reactive"])``, nested ones as maps. resume: go on with the run in ``out``; debug: one process, the first
    fault is raised; at_most: refuse to drive more scenarios where no filter is given. Raises ConfigError and DataError.
    """
    if config is None:
        config = load_config(ScoreConfig, [settings], short=ScoreConfig.SHORT).config
    elif settings:
        raise ConfigError("give a config or single settings, not both")
    config = placed(config, resume)
    folder, tree = RunFolder(config.out), stored_tree(config)
    ready = preflight(config, resume=resume, at_most=at_most)
    items, missing = ready.items, ready.missing
    warn(config, missing)
    digests = digests_of(config, ready.source, items)
    with folder.lock(), _whole(folder, len(items) * len(config.suite.modes)):
        _begin(folder, tree, items, digests, resume)
        if debug:
            _drive_here(config, folder, items)
        else:
            _drive(config, folder, items, progress)
        return finish(config, tree, folder, items, {m.key: list(m.names) for m in missing})


@contextlib.contextmanager
def _whole(folder: RunFolder, total: int) -> Iterator[None]:
    """What is interrupted, or cannot be written or loaded, leaves whole files only, and the error says what is kept and
    how to go on."""
    try:
        yield
    except (KeyboardInterrupt, DiskError, LoadError) as e:
        folder.clean()
        kept = len(folder.records()) if folder.exists else 0
        how = f"go on with: {folder.resume}" if kept else "run the same command again"
        if isinstance(e, DataError):
            first = (
                "free some space, "
                if "full" in e.what
                else f"{e.remedy}, "
                if isinstance(e, LoadError) and e.remedy
                else ""
            )
            what = f"{e.what}; {kept} of {total} drives are kept"
            raise type(e)(what, where=e.where, remedy=f"{first}then {how}") from e
        said = f"{kept} of {total} drives are kept in {folder.path}{e.args[0] if e.args else ''}; {how}"
        raise KeyboardInterrupt(said) from None


def stored_tree(config: ScoreConfig) -> dict[str, Any]:
    """The configuration as a run keeps it: every default of every plugin spelt out, and no ``out``, since a folder may
    be moved."""
    return {k: v for k, v in full_tree(config).items() if k != "out"}


def load_score_config(words: Sequence[str]) -> Loaded[ScoreConfig]:
    """The configuration from command-line words. Raises ConfigError."""
    if "scenario=" in words:
        raise ConfigError("scenario (command line): has no value (of an empty variable?); leave it out to drive all")
    return load_config(ScoreConfig, words, short=ScoreConfig.SHORT)


def resumed_words(words: Sequence[str], out: Path | None) -> list[str]:
    """Words of a resumed run: where they name neither files nor data, the run's own configuration comes first."""
    keys = {w.partition("=")[0]: w.partition("=")[2] for w in words}
    place = str(out or keys.get("out", ""))
    if not place or any("=" not in w for w in words) or keys.keys() & {"data", "suite", "suite.data"}:
        return list(words)
    folder = RunFolder(place)
    folder.require_same_version()
    return [str(folder.config), *words]


def placed(config: ScoreConfig, resume: bool = False) -> ScoreConfig:
    """The configuration with a folder to write to. Raises ConfigError where a run is to be resumed and none is
    named."""
    if resume and not config.out:
        raise ConfigError("--resume: which run? say --out RUN")
    return config if config.out else replace(config, out=str(default_out(config)))


def default_out(config: ScoreConfig) -> Path:
    """``runs/<planner>-<time>``."""
    label = "".join(c if c.isalnum() else "-" for c in planner_label(config.planner.name, config.planner.params)).strip(
        "-"
    )[:60]
    return Path("runs") / f"{label}-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}"


def _begin(
    folder: RunFolder, tree: Mapping[str, Any], items: Sequence[SuiteScenario], digests: Mapping[str, str], resume: bool
) -> None:
    """A new folder is filled, an old one is checked against what is asked now."""
    if not folder.records():  # a run that never got a result may be begun anew
        folder.create(tree, items, versions(), digests)
        return
    folder.refuse_results(resume)  # another process may have begun one since the preflight
    folder.require_same_version()
    refuse_changes(folder.tree(), tree, ScoreConfig.FREE, folder.path)
    refuse_changes({"versions": folder.versions()}, {"versions": versions()}, (), folder.path)
    if scenario_list_hash(folder.items()) != scenario_list_hash(items):
        raise ConfigError(
            f"{folder.path} cannot be resumed: the data or the filter now give other scenarios (suite.data, "
            "suite.filter)"
        )
    refuse_differences(folder.digests(), digests, folder.path, "cannot be resumed")
    for file, count in folder.damaged_parts().items():
        print(f"warning: {folder.path / file}: {count} damaged lines; their drives are made again", file=sys.stderr)
    folder.clean()


def _pending(
    config: ScoreConfig, folder: RunFolder, items: Sequence[SuiteScenario]
) -> list[tuple[SuiteScenario, tuple[str, ...]]]:
    done = folder.records()
    todo = [(i, tuple(m for m in config.suite.modes if (i.row.token, m) not in done)) for i in items]
    return [(i, modes) for i, modes in todo if modes]


def _drive_here(config: ScoreConfig, folder: RunFolder, items: Sequence[SuiteScenario]) -> None:
    if sys.__stderr__ is not None:
        faulthandler.enable(sys.__stderr__)  # a crash in this process says where it was, in a notebook as well
    job = Job(config, folder, debug=True)
    with RecordFile(part_path(folder, 0)) as part:
        for item, modes in _pending(config, folder, items):
            for record in job.run([item], [modes]):
                part.add(record)
            part.commit()


def _drive(config: ScoreConfig, folder: RunFolder, items: Sequence[SuiteScenario], progress: bool) -> None:
    pending = _pending(config, folder, items)
    workers = config.workers or usable_cores()
    size = min(config.simulation.batch, max(SMALLEST_BATCH, ceil(len(pending) / (workers * BATCHES_PER_WORKER))))
    batches = [
        Batch(tuple(i for i, _ in pending[k : k + size]), tuple(m for _, m in pending[k : k + size]))
        for k in range(0, len(pending), size)
    ]
    total = len(items) * len(config.suite.modes)

    def gone(item: SuiteScenario, mode: str, step: int | None, stage: str, error: str, text: str) -> None:
        with RecordFile(part_path(folder, LOST)) as part:
            part.add(failed_record(item, mode, step, stage, error, text))
            part.commit()
        bar.add(1)

    with Bar(total, progress, "drives", total - sum(len(m) for _, m in pending)) as bar:
        events = Events(
            compiling=lambda: bar.say("compiling kernels, once (kept for later runs)"),
            note=bar.say,
            progress=bar.at,
            done=lambda keys: bar.add(len(keys)),
            lost=gone,
        )
        steps = max((i.window_us[1] - i.window_us[0]) // max(i.row.interval_us * i.row.stride, 1) for i in items)
        with Pool(folder.path, min(workers, max(len(batches), 1)), config.call_timeout_s, events, int(steps)) as pool:
            try:
                pool.run(batches)
            except KeyboardInterrupt:
                lost = f", about {bar.running:.0f} more that were under way are lost" if bar.running >= 1.0 else ""
                raise KeyboardInterrupt(lost) from None


def finish(
    config: ScoreConfig,
    tree: Mapping[str, Any],
    folder: RunFolder,
    items: Sequence[SuiteScenario],
    missing: Mapping[str, list[str]] | None = None,
) -> ScoreResult:
    """Write the tables, then the summary with their digests, from the parts. missing: names of the filter that the data
    lack, by field.

    Raises DataError where a drive has no result, DiskError where a table cannot be written.
    """
    wanted = {(i.row.token, m) for i in items for m in config.suite.modes}
    records = ordered(r for key, r in folder.records().items() if key in wanted)
    if len(records) < len(wanted):
        raise DataError(
            f"{len(wanted) - len(records)} of {len(wanted)} drives have no result",
            where=str(folder.parts),
            remedy=f"drive them with: {folder.resume}",
        )
    failures = [
        {k: r[k] for k in ("token", "challenge", "type", "log", "failure")} for r in records if r["status"] != "ok"
    ]
    tables = {
        "scores.parquet": write_table(scores_table(records), folder.scores),
        "metrics.parquet": write_table(metrics_table(records), folder.metrics),
        "timings.parquet": write_table(timings_table(records), folder.timings),
        "failures.json": write_atomic(folder.failures, json.dumps(failures, indent=1))[1],
    }
    for mode in config.suite.modes:
        if folder.rollouts(mode).is_dir():
            tables[f"rollouts/{mode}"] = folder.drives_digest(mode)
    summary = summarize(tree, records, scenario_list_hash(items), folder.versions())
    summary = {"format": FORMAT, **summary, "missing": dict(missing or {}), "tables": tables}
    write_sealed(folder.summary, summary, indent=1)
    return ScoreResult(folder.path, summary, records)
