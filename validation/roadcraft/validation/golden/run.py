"""``conformance``: all golden drives of a folder, on all cores."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from roadcraft.core.cores import usable_cores
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.validation.golden.difference import Comparison
from roadcraft.validation.golden.drives import CachedSource, DriveResult, compare_drive, compare_files
from roadcraft.validation.golden.files import golden_files
from roadcraft.validation.golden.freight.reading import freight_files
from roadcraft.validation.golden.values import compare_run, missing_of
from roadcraft.validation.golden.verdicts import Verdict, verdict_of

_PER_TASK = 6


@dataclass(frozen=True)
class Report:
    """rows: comparisons of all drives, then of the runs' tables; drives: number of files; errors: what could not be
    compared although it should be; notes: what is left out on purpose, both as (drive, in words); verdicts: one per
    drive."""

    rows: tuple[Comparison, ...]
    drives: int
    errors: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    verdicts: tuple[Verdict, ...] = ()

    @property
    def compared(self) -> int:
        return sum(r.compared for r in self.rows)

    @property
    def equal(self) -> int:
        return sum(r.equal for r in self.rows)

    @property
    def rounding(self) -> int:
        return sum(r.rounding for r in self.rows)

    @property
    def different(self) -> list[Comparison]:
        return [r for r in self.rows if not r.ok]

    @property
    def ok(self) -> bool:
        """Whether everything was compared and lies within its tolerance."""
        return not self.errors and not self.different


def conformance(
    folder: Path | str,
    source: ScenarioSource | None = None,
    *,
    logs: Path | None = None,
    maps: Path | None = None,
    only: str = "",
    loop: bool = True,
    workers: int = 0,
    progress: bool = False,
) -> Report:
    """Compare all golden drives of ``folder`` (its ``drives``, with ``logs`` and ``maps`` beside them unless given), or
    all golden files of articulated vehicles in it, for which ``only`` alone of what follows counts.

    source: reads the logs in this process alone; only: a pattern for the drives' names (``*`` and ``?``, or a part of
    the name); loop: drive them again too; workers: processes, 0 for one per core. Raises DataError where the folder
    holds no golden drive that can be compared.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError("no such folder", where=str(root), remedy="a folder with drives/, logs/ and maps/")
    freight = freight_files(root)
    if freight:
        return _freight(root, freight, only, progress)
    files = [f for f in golden_files(root) if _wanted(f, only)]
    if not files:
        raise DataError(f"no drive's name has {only!r}", where=str(root))
    base = root if (root / "drives").is_dir() else root.parent
    tasks = _tasks(files)
    size = 1 if source is not None else min(workers or usable_cores(), len(tasks))
    from roadcraft.validation.scoring.present import Bar

    results: list[DriveResult] = []
    with Bar(len(files), progress, "drives") as bar:
        if source is not None:
            kept = CachedSource(source)
            found: Iterator[list[DriveResult]] = ([compare_drive(f, kept, loop)] for task in tasks for f in task)
        else:
            found = _spread(tasks, size, logs or base / "logs", maps or base / "maps", loop)
        for part in found:
            results += part
            bar.add(len(part))
    report = _gather(results, partial=bool(only))
    if not report.rows:
        first = report.errors[0] if report.errors else ("", "nothing could be compared")
        raise DataError(f"none of {len(files)} drives can be compared; {first[0]}: {first[1]}", where=str(root))
    return report


def _freight(root: Path, files: Sequence[Path], only: str, progress: bool) -> Report:
    """The report on golden files of articulated vehicles."""
    from roadcraft.validation.golden.freight.run import compare_file, wanted
    from roadcraft.validation.scoring.present import Bar

    chosen = wanted(files, only)
    if not chosen:
        raise DataError(f"no file's name has {only!r}", where=str(root))
    rows: list[Comparison] = []
    errors: list[tuple[str, str]] = []
    verdicts: list[Verdict] = []
    with Bar(len(chosen), progress, "files") as bar:
        for path in chosen:
            found, wrong = compare_file(path)
            own = list(found.found.values()) if found is not None else []
            rows += own
            errors += [(path.stem, e) for e in wrong]
            verdicts.append(verdict_of(path.stem, own, (), wrong))
            bar.add(1)
    if not rows:
        raise DataError(f"none of {len(chosen)} files can be compared; {errors[0][1]}", where=str(root))
    return Report(tuple(rows), len(chosen), tuple(errors), (), tuple(verdicts))


def _wanted(path: Path, only: str) -> bool:
    name = path.name.removesuffix(".json.gz")
    return not only or only in name or fnmatch(name, only)


def _tasks(files: Sequence[Path]) -> list[list[Path]]:
    """Files in tasks of one log each: a process reads a log once for all of its drives."""
    logs: dict[str, list[Path]] = {}
    for f in files:
        logs.setdefault(_log_of(f), []).append(f)
    return [group[i : i + _PER_TASK] for _, group in sorted(logs.items()) for i in range(0, len(group), _PER_TASK)]


def _log_of(path: Path) -> str:
    """The log named at the head of a drive; only a hint for sharing out the work."""
    try:
        with gzip.open(path) as f:
            found = re.search(rb'"log"\s*:\s*"([^"]*)"', f.read(4096))
    except (OSError, EOFError, zlib.error):
        return ""
    return found[1].decode(errors="replace") if found else ""


def _spread(
    tasks: Sequence[Sequence[Path]], size: int, logs: Path, maps: Path, loop: bool
) -> Iterator[list[DriveResult]]:
    """Judge the tasks, each in one of ``size`` processes; the first task runs alone, so that kernels are compiled
    once."""
    if size == 1:
        yield from (compare_files(logs, maps, task, loop) for task in tasks)
        return
    lost: list[Path] = []
    with ProcessPoolExecutor(size, mp_context=get_context("spawn")) as pool:
        try:
            order: dict[Future[list[DriveResult]], Sequence[Path]] = {}
            for k, task in enumerate(tasks):
                try:
                    future = pool.submit(compare_files, logs, maps, task, loop)
                except BrokenExecutor:
                    lost += task
                    continue
                order[future] = task
                if k == 0:
                    future.exception()
            for future in as_completed(order):
                try:
                    yield future.result()
                except BrokenExecutor:
                    lost += order[future]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for path in lost:  # whose process was killed, or shared its end: each in a process of its own
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            try:
                yield alone.submit(compare_files, logs, maps, [path], loop).result()
            except BrokenExecutor:
                yield [_lost(path)]


def _lost(path: Path) -> DriveResult:
    return DriveResult(path.name.removesuffix(".json.gz"), errors=["its process ended before it had an answer"])


def _gather(results: list[DriveResult], partial: bool) -> Report:
    """One report, in the order of names."""
    results.sort(key=lambda j: j.drive)
    rows = [row for j in results for row in j.rows]
    errors = [(j.drive, e) for j in results for e in j.errors]
    notes = [(j.drive, n) for j in results for n in j.notes]
    runs: dict[str, list[DriveResult]] = {}
    for j in results:
        if j.run:
            runs.setdefault(j.run, []).append(j)
    for run, members in runs.items():
        for part in ("metrics", "metrics of loop"):
            entries = [j.entries[part] for j in members if part in j.entries]
            if not entries:
                continue
            if not members[0].table:
                notes.append((run, f"it has no table to compare ({part})"))
                continue
            lacking = _lacking(members[0].table, entries)
            if lacking:
                if not partial:
                    notes.append((run, f"its table is not compared ({part}): {lacking} of its drives are not here"))
                continue
            tolerance = max(j.tolerance for j in members) if part != "metrics" else 1e-6
            rows.append(_table(run, part, members, tolerance, entries))
    verdicts = tuple(verdict_of(j.drive, j.rows, j.partings, j.errors) for j in results)
    return Report(tuple(rows), len(results), tuple(errors), tuple(notes), verdicts)


def _lacking(table: list[dict[str, Any]], entries: list[Any]) -> int:
    try:
        return missing_of(table, entries)
    except (KeyError, TypeError, AttributeError):
        return 1


def _table(run: str, part: str, members: list[DriveResult], tolerance: float, entries: list[Any]) -> Comparison:
    planner, challenge = members[0].rows[0].planner, members[0].rows[0].challenge
    try:
        row = compare_run(run, members[0].table, entries, tolerance)
    except Exception as e:
        row = Comparison(run, "run_scores", group="tables of the runs")
        row.note("table", f"{type(e).__name__}: {e}", "a table", float("inf"))
    return replace(row, part=part, planner=planner, challenge=challenge)
