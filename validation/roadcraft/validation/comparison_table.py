"""A comparison of two runs for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from roadcraft.validation.scoring.present import TITLES, number, span


def print_comparison(c: Mapping[str, Any], limit: int = 15, console: Console | None = None) -> None:
    """Differences per challenge and metric, then the scenarios that changed, the greatest loss first; ``limit`` 0 shows all."""
    console = console or Console()
    console.print(f"A: {c['a']['planner']} ({c['a']['run']})\nB: {c['b']['planner']} ({c['b']['run']})", markup=False)
    if c["only_in_a"] or c["only_in_b"]:
        console.print(f"left out: {c['only_in_a']} results only in A, {c['only_in_b']} only in B", style="yellow")
    for name, ch in c["challenges"].items():
        if not ch["scenarios"]:
            continue
        table = Table(
            title=f"{TITLES.get(name, name)}: {ch['scenarios']} scenarios in both",
            title_justify="left",
            box=None,
        )
        for title in ("", "A", "B", "B - A", "95 % interval", ""):
            table.add_column(title, justify="right" if title else "left", no_wrap=bool(title), overflow="fold")
        for label, d in (("score", ch["score"]), *ch["metrics"].items()):
            verdict = "worse" if d["worse"] else "better" if d["better"] else ""
            style = {"worse": "red", "better": "green"}.get(verdict, "")
            table.add_row(
                label, number(d["a"]), number(d["b"]), signed(d["difference"]), span(d["ci"]), verdict, style=style
            )
        console.print(table)
        _print_changed(console, ch["changed"], limit)


def _print_changed(console: Console, changed: list[Mapping[str, Any]], limit: int) -> None:
    worse = [x for x in changed if x["difference"] < 0]
    console.print(f"{len(worse)} scenarios got worse, {sum(x['difference'] > 0 for x in changed)} better")
    for x in worse[: limit or None]:
        why = ", ".join(
            f"{k} {_short(a)} -> {_short(b)}"
            for k, (a, b) in x["metrics"].items()
            if a is not None and b is not None and b < a
        )
        fate = f" ({' and '.join(x['failed'])} could not be driven)" if x["failed"] else ""
        console.print(
            f"  {x['token']} {x['type']}: {x['a']:.4f} -> {x['b']:.4f}{fate}  {why}", markup=False, highlight=False
        )
    if limit and len(worse) > limit:
        console.print(f"  ... and {len(worse) - limit} more (--limit 0 shows all)")


def signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.4f}"


def _short(value: float) -> str:
    return f"{value:.3g}"
