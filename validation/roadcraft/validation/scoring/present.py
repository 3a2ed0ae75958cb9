"""A run's figures for people: tables on the terminal, and a progress bar that knows when it will be done."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from time import monotonic
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from roadcraft.validation.intervals import no_interval

PLAIN_EVERY_S = 10.0
WINDOW_S, RATE_S = 60.0, 5.0  # of progress that tell the pace: at most, and at least
TITLES = {
    "closed_loop_nonreactive_agents": "non-reactive",
    "closed_loop_reactive_agents": "reactive",
    "open_loop_boxes": "open loop",
}


def title(challenge: str, agents: str = "") -> str:
    """``reactive (idm)``: how a challenge is called in tables, with the agents that drive the others where somebody
    does."""
    name = TITLES.get(challenge, challenge)
    return f"{name} ({agents})" if agents and name == "reactive" else name


def print_summary(summary: Mapping[str, Any], console: Console | None = None) -> None:
    """Overall scores, metrics, scenario types and failures."""
    console = console or Console()
    titles = {c: title(c, summary["agents"]) for c in summary["challenges"]}
    head = Table(
        title=f"{summary['planner']}: {counted(summary['scenarios'], 'scenario')} of {counted(summary['logs'], 'log')}",
        title_justify="left",
    )
    head.add_column("")
    for name in ("score", "95 % interval", "nuPlan's own", "failed"):
        head.add_column(name, justify="right")
    for challenge, c in summary["challenges"].items():
        head.add_row(
            titles[challenge],
            number(c["score"]),
            span(c["ci"]),
            number(c["nuplan_score"]),
            str(c["failed"] or ""),
        )
    console.print(head)
    by_metrics: dict[tuple[str, ...], dict[str, Any]] = {}
    for challenge, c in summary["challenges"].items():  # open loop has metrics of its own, so a table of its own
        by_metrics.setdefault(tuple(n for n, m in c["metrics"].items() if m["score"] is not None), {})[challenge] = c
    for challenges in by_metrics.values():
        _print_rows(console, "metric", challenges, "metrics", titles)
    _print_rows(console, "scenario type", summary["challenges"], "types", titles)
    for line in _notes(summary, titles):
        console.print(line, markup=False, highlight=False)
    for line in _failures(summary["failures"]):
        console.print(line, style="red", markup=False, highlight=False)


def _notes(summary: Mapping[str, Any], titles: Mapping[str, str]) -> Iterator[str]:
    """What a table has no room for."""
    for challenge, c in summary["challenges"].items():
        if c["ci"] is None:
            yield f"{titles[challenge]}: {no_interval(c['logs'])}"
        for name, value in c.get("shares", {}).items():
            yield f"{titles[challenge]}: {name.replace('_', ' ')} in {100 * value:.1f} % of the steps"
        if latency := c.get("latency"):
            figures = ", ".join(f"{k.removesuffix('_s')} {1000 * v:.1f} ms" for k, v in latency.items())
            yield f"{titles[challenge]}: a call of the planner (one for all scenarios of a batch) took {figures}"
    for key, names in summary.get("missing", {}).items():
        yield f"suite.filter.{key}: {len(names)} not in the data"


def _failures(failures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for f in failures[:10]:
        when = "" if f["time_s"] is None else f" at {f['time_s']:.1f} s"
        yield f"failed: {f['token']} ({f['type']}), {f['stage']}{when}: {f['error']}"
    if len(failures) > 10:
        yield f"... and {len(failures) - 10} more; see failures.json"


def _print_rows(
    console: Console, head: str, challenges: Mapping[str, Any], key: str, titles: Mapping[str, str]
) -> None:
    """One row per metric or type; intervals only where the terminal is wide enough for them."""
    names = sorted({n for c in challenges.values() for n, v in c[key].items() if v["score"] is not None})
    if not names:
        return
    shown = {n: n + _role([c[key].get(n) for c in challenges.values()]) for n in names}
    wide = max(map(len, shown.values())) + 20 * len(challenges) + 10 <= console.width
    table = Table(title_justify="left")
    table.add_column(head, overflow="fold")
    if key == "types":
        table.add_column("n", justify="right", no_wrap=True)
    for challenge in challenges:
        table.add_column(titles[challenge], justify="right", no_wrap=True)
    for name in names:
        found = [c[key].get(name) for c in challenges.values()]
        count = [str(max(f["scenarios"] for f in found if f))] if key == "types" else []
        table.add_row(shown[name], *count, *(_cell(f, wide) for f in found))
    console.print(table)


def _role(figures: Sequence[Mapping[str, Any] | None]) -> str:
    """Marks a metric that costs nothing."""
    return " (only reported)" if any(f and f.get("role") == "report" for f in figures) else ""


def _cell(figure: Mapping[str, Any] | None, wide: bool) -> str:
    if figure is None:
        return ""
    ci = f"  {figure['ci'][0]:.2f}..{figure['ci'][1]:.2f}" if figure["ci"] else " " * 12
    return number(figure["score"]) + (ci if wide else "")


def say(console: Console, text: str, style: str = "") -> None:
    """A line as it is, however wide the terminal."""
    console.print(text, markup=False, highlight=False, soft_wrap=True, style=style)


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def span(interval: list[float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.3f} .. {interval[1]:.3f}"


class Bar:
    """Progress on standard error: a live bar on a terminal, a line now and then elsewhere. Use as a context manager.

    It counts what is kept; what is under way shows in the time that is left, which is told once RATE_S of driving have
    been seen.
    """

    def __init__(self, total: int, show: bool, what: str = "scenarios", done: int = 0) -> None:
        self.total, self.show, self.what, self.done = total, show, what, done
        self.running = 0.0
        self.started = self.said = monotonic()
        self.seen: deque[tuple[float, float]] = deque()  # (time, work done) of the last WINDOW_S
        self.console = Console(stderr=True)
        self.live: Progress | None = None
        if show and self.console.is_terminal:
            self.live = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                console=self.console,
            )
            self.task = self.live.add_task(what, total=total, completed=done, left="")

    def __enter__(self) -> Bar:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def say(self, text: str) -> None:
        if self.show:
            print(text, file=sys.stderr) if self.live is None else self.live.console.print(text, markup=False)

    def add(self, count: int) -> None:
        self.done += count
        self.at(0.0)

    def at(self, running: float, now: float | None = None) -> None:
        """``running``: scenarios' worth of work done in batches that are not finished. now: the clock, s."""
        now = monotonic() if now is None else now
        self.running = running
        work = self.done + running
        if self.seen or running > 0.0:  # before that, kernels are compiled and data opened
            self.seen.append((now, work))
        while len(self.seen) > 2 and now - self.seen[0][0] > WINDOW_S:
            self.seen.popleft()
        if self.live:
            self.live.update(self.task, completed=min(self.done, self.total), left=self.left())
        elif self.show and (now - self.said > PLAIN_EVERY_S):
            self.said = now
            parts = [
                f"{self.done} of {self.total} {self.what} done",
                *([f"{running:.0f} under way"] if running >= 1.0 else []),
            ]
            print(", ".join([*parts, f"{now - self.started:.0f} s", *filter(None, [self.left()])]), file=sys.stderr)

    def left(self) -> str:
        """``about 70 s left``, at the pace of the last WINDOW_S; nothing before there is a pace."""
        if not self.seen:
            return ""
        (begun, before), (now, work) = self.seen[0], self.seen[-1]
        if now - begun < RATE_S or work <= before:
            return ""
        return f"about {duration((self.total - work) * (now - begun) / (work - before))} left"


def counted(count: int, noun: str) -> str:
    """``1 drive``, ``2 drives``."""
    return f"{count} {noun}{'s' * (count != 1)}"


def duration(seconds: float) -> str:
    """``70 s``, ``12 min``, ``3.5 h``."""
    if seconds < 120.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 7200.0 else f"{seconds / 3600.0:.1f} h"
