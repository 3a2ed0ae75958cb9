"""Fills a store from raw logs: in parallel, resumable, and with a report of what could not be read.

(The function is ``roadcraft.scenario_io.ingest``; a module of that name would hide it.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from roadcraft.core.cores import usable_cores
from roadcraft.core.data.scenario import Drive
from roadcraft.core.data.windows import window
from roadcraft.core.errors import ConfigError, DataError, DiskError, RoadcraftError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.scenario_io.checks import check_drive, check_place, check_room
from roadcraft.scenario_io.faults import Gap, gaps_of, mended, mended_map, pieces, without_gaps
from roadcraft.scenario_io.open import open_source
from roadcraft.scenario_io.store.index import compact, read_index
from roadcraft.scenario_io.store.writer import SHARD_DRIVES, StoreWriter, clean, create_store, exclusive, repair
from roadcraft.scenario_io.workers import worker_pool

TASKS_PER_WORKER = 8


@dataclass(frozen=True)
class Skipped:
    """A log, or a part of one, that could not be read: the log's key, what was wrong, where, and what would be
    right."""

    log: str
    what: str
    where: str
    remedy: str


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did."""

    store: str
    """Path of the store."""
    drives: int
    """Drives added to the store."""
    scenarios: int
    """Scenarios added to the store."""
    already: int
    """Drives that the store held before."""
    bytes: int
    """Bytes added to the store."""
    seconds: float
    """Wall-clock time."""
    skipped: tuple[Skipped, ...] = ()
    """Logs that could not be read."""
    left_out: tuple[Skipped, ...] = ()
    """Parts of other logs that could not be read: scenes, scenarios, frames, boxes."""
    warnings: tuple[Skipped, ...] = ()
    """What is odd about a log or map although nothing is missing."""


@dataclass(frozen=True)
class _Job:
    format: str | None
    path: str
    params: tuple[tuple[str, Any], ...]
    out: str
    tagged_only: bool


@dataclass
class _Done:
    """Result of one task; ``fatal`` ends the ingest (a full disk)."""

    drives: int = 0
    scenarios: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    left_out: list[Skipped] = field(default_factory=list)
    warnings: list[Skipped] = field(default_factory=list)
    fatal: tuple[str, str, str] | None = None

    def add(self, other: _Done) -> None:
        self.drives += other.drives
        self.scenarios += other.scenarios
        for mine, theirs in (
            (self.skipped, other.skipped),
            (self.left_out, other.left_out),
            (self.warnings, other.warnings),
        ):
            mine += theirs


def ingest(
    format: str | None,
    path: str | Path,
    out: str | Path,
    params: Mapping[str, Any] | None = None,
    *,
    workers: int = 0,
    tagged_only: bool = False,
    progress: bool = False,
) -> IngestReport:
    """Read every log below ``path`` into the store ``out``, leaving out those that are in it already (so a killed run
    is continued by repeating it).

    format: name of a source plugin, told by the files where None; params: of that source's config; workers: processes
    (0: one per core); tagged_only: leave frames without a scenario tag out of the index; progress: draw a bar on
    stderr. A log that cannot be read is skipped and listed in the report. Raises DataError when the path holds no logs,
    another ingest is running, or the disk is full.
    """
    started = time.monotonic()
    job = _Job(format, str(path), tuple(sorted(_hashable(params or {}).items())), str(out), tagged_only)
    source = _open(job)
    keys = source.logs()
    if not keys:
        raise DataError("no logs are found here", where=str(path))
    create_store(Path(out))
    with exclusive(Path(out)):
        repair(Path(out))
        clean(Path(out))
        before = set(read_index(Path(out) / "index").drives)
        wanted = [k for k in keys if k not in before]
        total, size = _Done(), _size(Path(out))
        bar = _bar(len(wanted)) if progress and wanted else nullcontext(lambda count, skipped: None)
        with bar as advance:
            for done, count in _run(job, source, wanted, workers or usable_cores()):
                total.add(done)
                advance(count, len(total.skipped))
        compact(Path(out) / "index")
    return IngestReport(
        store=str(out),
        drives=total.drives,
        scenarios=total.scenarios,
        already=len(keys) - len(wanted),
        bytes=_size(Path(out)) - size,
        seconds=time.monotonic() - started,
        skipped=tuple(sorted(total.skipped, key=lambda s: s.log)),
        left_out=_once(total.left_out),
        warnings=_once(total.warnings),
    )


def _once(found: Sequence[Skipped]) -> tuple[Skipped, ...]:
    """By log; what several logs say alike of a map they share is said once."""
    out: dict[tuple[str, str], Skipped] = {}
    for s in sorted(found, key=lambda s: (s.log, s.where)):
        out.setdefault((s.where, s.what), s)
    return tuple(out.values())


def _run(job: _Job, source: ScenarioSource, keys: Sequence[str], workers: int) -> Iterator[tuple[_Done, int]]:
    """Results of all tasks, with the number of logs of each, as they finish."""
    step = max(1, min(SHARD_DRIVES, len(keys) // (workers * TASKS_PER_WORKER)))
    tasks = [tuple(keys[i : i + step]) for i in range(0, len(keys), step)]
    if workers == 1 or len(tasks) <= 1:
        for task in tasks:
            yield _checked(_ingest_logs(source, job, task)), len(task)
        return
    with worker_pool(min(workers, len(tasks)), job.out) as pool:
        running: dict[Future[_Done], int] = {pool.submit(_ingest_in_worker, job, t): len(t) for t in tasks}
        for future in as_completed(running):
            yield _checked(future.result()), running[future]


def _ingest_in_worker(job: _Job, keys: Sequence[str]) -> _Done:
    return _ingest_logs(_open_once(job), job, keys)


def _ingest_logs(source: ScenarioSource, job: _Job, keys: Sequence[str]) -> _Done:
    done = _Done()
    writer = StoreWriter(job.out, check_existing=False)
    try:
        for key in keys:
            _ingest_log(source, key, writer, job, done)
        writer.flush()
    except DiskError as e:
        done.fatal = (e.what, e.where, e.remedy)
    return done


def _ingest_log(source: ScenarioSource, key: str, writer: StoreWriter, job: _Job, done: _Done) -> None:
    def say(errors: Sequence[DataError]) -> list[Skipped]:
        return [Skipped(key, e.what, e.where or key, e.remedy) for e in errors]

    try:
        map_data, mends = mended_map(source.map(key), key)
        drive, repairs = mended(source.drive(key), key)
        check_drive(drive, map_data, key)
        odd = check_place(drive, map_data, key)
        gaps = gaps_of(drive.time_us, drive.ego[:, :2], drive.interval_us, key)
        found = [r for r in source.rows(key) if r.tags or not job.tagged_only]
        rows, lost = without_gaps(found, drive.time_us, drive.interval_us, gaps, key)
        known = source.left_out(key)  # of a source that minds gaps itself, in the same words
        lost = [e for e in lost if not any(e.what.split(": ")[0] == k.what.split(": ")[0] for k in known)]
        done.left_out += say([*known, *repairs, *lost])
        done.warnings += say([*source.warnings(key), *mends, *odd, *check_room(drive, rows, key)])
        for name, part in _parts(key, drive, gaps):
            mine = [replace(r, log=name) for r in rows if part.time_us[0] <= r.anchor_us <= part.time_us[-1]]
            writer.add(name, part, map_data, mine)
            done.drives += 1
            done.scenarios += len(mine)
    except DiskError:
        raise
    except DataError as e:
        done.skipped += say([e])
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as e:  # a log must never end the ingest of the others, not even by SystemExit
        ours = isinstance(e, RoadcraftError)
        remedy = "" if ours else "please report this log: the reader should have said what is wrong with it"
        done.skipped.append(Skipped(key, f"{type(e).__name__}: {e}", f"{job.path}: {key}", remedy))


def _parts(key: str, drive: Drive, gaps: Sequence[Gap]) -> Iterator[tuple[str, Drive]]:
    """The drive, or its stretches between gaps: the first keeps the log's key, further ones are numbered."""
    if not gaps:
        yield key, drive
        return
    found = pieces(drive.time_us, gaps)
    if not found:
        raise DataError("no two frames follow each other", where=key)
    for i, (first, last) in enumerate(found):
        yield (key if i == 0 else f"{key}~{i + 1}"), window(drive, first, last)


def _checked(done: _Done) -> _Done:
    if done.fatal is not None:
        what, where, remedy = done.fatal
        raise DiskError(what, where=where, remedy=remedy)
    return done


@lru_cache(maxsize=1)
def _open_once(job: _Job) -> ScenarioSource:
    """The source of a worker process, which lives for one ingest."""
    return _open(job)


def _open(job: _Job) -> ScenarioSource:
    try:
        return open_source(job.path, job.format, **dict(job.params))
    except SystemExit as e:
        raise DataError(f"the source {job.format!r} ended the process: SystemExit: {e}", where=job.path) from e


def _hashable(params: Mapping[str, Any]) -> dict[str, Any]:
    out = {k: tuple(v) if isinstance(v, list) else v for k, v in params.items()}
    wrong = [k for k, v in out.items() if isinstance(v, dict)]
    if wrong:
        raise ConfigError(f"{wrong[0]}: a source's parameters are plain values or lists")
    return out


def _size(store: Path) -> int:
    return sum(p.stat().st_size for folder in ("drives", "maps", "index") for p in (store / folder).glob("*.*"))


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr with the number of skipped logs; both are told to what it yields."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("ingest"), BarColumn(), MofNCompleteColumn(), TextColumn("logs"), TimeRemainingColumn())
    note = TextColumn("{task.fields[note]}")
    with Progress(*columns, note, console=Console(stderr=True)) as bar:
        task = bar.add_task("ingest", total=total, note="")
        yield lambda count, skipped: bar.update(task, advance=count, note=f"[red]{skipped} skipped" if skipped else "")
