"""A run's figures for people: tables on the terminal, and a progress bar that knows when it will be done."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from time import monotonic
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from roadcraft.validation.intervals import no_interval

PLAIN_EVERY_S = 10.0
TITLES = {
    "closed_loop_nonreactive_agents": "non-reactive",
    "closed_loop_reactive_agents": "reactive",
    "open_loop_boxes": "open loop",
}


def print_summary(summary: Mapping[str, Any], console: Console | None = None) -> None:
    """Overall scores, metrics, scenario types and failures."""
    console = console or Console()
    head = Table(
        title=f"{summary['planner']}: {summary['scenarios']} scenarios of {summary['logs']} logs", title_justify="left"
    )
    head.add_column("")
    for name in ("score", "95 % interval", "nuPlan's own", "failed"):
        head.add_column(name, justify="right")
    for challenge, c in summary["challenges"].items():
        head.add_row(
            TITLES.get(challenge, challenge),
            number(c["score"]),
            span(c["ci"]),
            number(c["nuplan_score"]),
            str(c["failed"] or ""),
        )
    console.print(head)
    for challenge, c in summary["challenges"].items():
        if c["ci"] is None:
            console.print(
                f"{TITLES.get(challenge, challenge)}: {no_interval(c['logs'])}", markup=False, highlight=False
            )
    by_metrics: dict[tuple[str, ...], dict[str, Any]] = {}
    for challenge, c in summary["challenges"].items():  # open loop has metrics of its own, so a table of its own
        by_metrics.setdefault(tuple(sorted(c["metrics"])), {})[challenge] = c
    for challenges in by_metrics.values():
        _print_rows(console, "metric", challenges, "metrics")
    _print_rows(console, "scenario type", summary["challenges"], "types")
    for challenge, c in summary["challenges"].items():
        for name, value in c.get("shares", {}).items():
            console.print(
                f"{TITLES.get(challenge, challenge)}: {name.replace('_', ' ')} in {100 * value:.1f} % of the steps"
            )
    failures = summary["failures"]
    for f in failures[:10]:
        console.print(
            f"failed: {f['token']} ({f['type']}), step {f['step']}, {f['stage']}: {f['error']}",
            style="red",
            markup=False,
            highlight=False,
        )
    if len(failures) > 10:
        console.print(f"... and {len(failures) - 10} more; see failures.json")


def _print_rows(console: Console, title: str, challenges: Mapping[str, Any], key: str) -> None:
    """One row per metric or type; intervals only where the terminal is wide enough for them."""
    names = sorted({n for c in challenges.values() for n in c[key]})
    if not names:
        return
    wide = max(map(len, names)) + 20 * len(challenges) + 10 <= console.width
    table = Table(title_justify="left")
    table.add_column(title, overflow="fold")
    if key == "types":
        table.add_column("n", justify="right", no_wrap=True)
    for challenge in challenges:
        table.add_column(TITLES.get(challenge, challenge), justify="right", no_wrap=True)
    for name in names:
        found = [c[key].get(name) for c in challenges.values()]
        count = [str(max(f["scenarios"] for f in found if f))] if key == "types" else []
        table.add_row(name, *count, *(_cell(f, wide) for f in found))
    console.print(table)


def _cell(figure: Mapping[str, Any] | None, wide: bool) -> str:
    if figure is None:
        return ""
    ci = f"  {figure['ci'][0]:.2f}..{figure['ci'][1]:.2f}" if figure["ci"] else " " * 12
    return number(figure["score"]) + (ci if wide else "")


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def span(interval: list[float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.3f} .. {interval[1]:.3f}"


class Bar:
    """Progress on standard error: a live bar on a terminal, a line now and then elsewhere. Use as a context manager."""

    def __init__(self, total: int, show: bool, what: str = "scenarios", done: int = 0) -> None:
        self.total, self.show, self.what, self.done, self.first = total, show, what, done, done
        self.started = self.said = monotonic()
        self.console = Console(stderr=True)
        self.live: Progress | None = None
        if show and self.console.is_terminal:
            self.live = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=self.console,
            )
            self.task = self.live.add_task(what, total=total, completed=done)

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

    def at(self, running: float) -> None:
        """``running``: scenarios' worth of work done in batches that are not finished."""
        if self.live:
            self.live.update(self.task, completed=min(self.done + running, self.total))
        elif self.show and (monotonic() - self.said > PLAIN_EVERY_S):
            self.said = monotonic()
            gone, did = self.said - self.started, self.done + running - self.first
            left = f", about {gone / did * (self.total - self.done - running):.0f} s left" if did > 0 else ""
            print(f"{self.done + running:.0f} of {self.total} {self.what}, {gone:.0f} s{left}", file=sys.stderr)
