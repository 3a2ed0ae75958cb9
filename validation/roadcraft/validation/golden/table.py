"""The conformance table, for people and as JSON."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from roadcraft.validation.golden.difference import FREIGHT, Comparison
from roadcraft.validation.golden.repeat import REPEATED
from roadcraft.validation.golden.run import Report
from roadcraft.validation.golden.verdicts import DIFFERENT, EQUAL, NOT_COMPARED, ROUNDING, Verdict

PARTS = {
    "metrics": "Our metrics on the reference's own drives",
    "led": "One step of ours from each of the reference's own states",
    "loop": "Our own closed loop, step by step",
    "metrics of loop": "Our metrics on our own closed loop's drives",
    FREIGHT: "Articulated vehicles: our motion and closed forms on the reference's own inputs",
}
_SCRIPTED = "scripted planners"
_SHOWN = 20
_ANSWERS = {EQUAL: "equal", ROUNDING: "explained by rounding", DIFFERENT: "DIFFERENT", NOT_COMPARED: "not compared"}


def collapse(rows: Iterable[Comparison]) -> list[dict[str, Any]]:
    """Sums by part, planner and group of quantities, parts and planners in a fixed order.

    ``first`` is the earliest step that differs in any drive of the line; ``equal`` includes nothing that ``rounding``
    counts.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    drives: dict[tuple[str, str, str], set[str]] = {}
    for r in rows:
        planner = r.planner if r.planner in REPEATED or r.part == FREIGHT else _SCRIPTED
        key = (r.part, planner, r.group or r.quantity)
        drives.setdefault(key, set()).add(r.drive)
        line = found.setdefault(
            key,
            {
                **dict(zip(("part", "planner", "quantity"), key, strict=True)),
                "drives": 0,
                "cases": 0,
                "equal": 0,
                "rounding": 0,
                "largest": 0.0,
                "tolerance": 0.0,
                "first": None,
            },
        )
        line["drives"] = len(drives[key])
        line["cases"] += r.compared
        line["equal"] += r.equal
        line["rounding"] += r.rounding
        line["largest"] = max(line["largest"], r.worst)
        line["tolerance"] = max(line["tolerance"], r.tolerance)
        if r.step is not None and not r.ok:
            line["first"] = r.step if line["first"] is None else min(line["first"], r.step)
    order = list(PARTS)
    planners = list(dict.fromkeys([*REPEATED, _SCRIPTED, *(line["planner"] for line in found.values())]))
    return sorted(found.values(), key=lambda d: (order.index(d["part"]), planners.index(d["planner"])))


def to_json(report: Report, every: bool = False) -> dict[str, Any]:
    """The report as plain data; infinite differences are the string "inf". ``every``: all lines, not only those that
    differ."""
    return {
        "drives": report.drives,
        "ok": report.ok,
        "compared": report.compared,
        "equal": report.equal,
        "rounding": report.rounding,
        "summary": [{**line, "largest": _finite(line["largest"])} for line in collapse(report.rows)],
        "rows": [_row(r) for r in report.rows if every or r.part == FREIGHT or r.equal < r.compared],
        "verdicts": [_verdict(v) for v in report.verdicts],
        "errors": [{"drive": d, "error": e} for d, e in report.errors],
        "notes": [{"drive": d, "note": n} for d, n in report.notes],
    }


def _row(r: Comparison) -> dict[str, Any]:
    return {
        "drive": r.drive,
        "part": r.part,
        "planner": r.planner,
        "quantity": r.quantity,
        "cases": r.compared,
        "equal": r.equal,
        "rounding": r.rounding,
        "largest": _finite(r.worst),
        "tolerance": r.tolerance,
        "ok": r.ok,
        "first": r.step,
        "example": r.example,
    }


def _verdict(v: Verdict) -> dict[str, Any]:
    steps = [{"step": p.step, "gap": _finite(p.gap), "rounding": p.copies > 0} for p in v.partings]
    return {"drive": v.drive, "answer": v.answer, "steps": steps, "why": list(v.why)}


def _finite(value: float) -> float | str:
    return value if math.isfinite(value) else "inf"


def print_report(report: Report, every: bool = False, console: Console | None = None) -> None:
    """One table per part; then what differs, what could not be compared and what is left out, a line each."""
    freight = any(r.part == FREIGHT for r in report.rows)
    console = console or _console(200 if every or freight else 120)
    for part, title in PARTS.items():
        rows = [r for r in report.rows if r.part == part]
        if rows:
            console.print(_all_rows(title, rows) if every or freight else _summary(title, collapse(rows)))
    _lines(console, "differs", [f"{r.drive}, {r.part}, {r.quantity}: {_what(r)}" for r in report.different], every)
    tied = [v for v in report.verdicts if v.answer == ROUNDING]
    _lines(console, "explained by rounding", [f"{v.drive}: {'; '.join(v.why)}" for v in tied], every)
    _lines(console, "not compared", [f"{d}: {e}" for d, e in report.errors], every)
    _lines(console, "note", [f"{d}: {n}" for d, n in report.notes], every)
    if every:
        _lines(console, "drive", [f"{v.drive}: {_ANSWERS[v.answer]}" for v in report.verdicts], every)
    what = "files" if freight else "drives"
    counts = Counter(v.answer for v in report.verdicts)
    answers = [f"{counts[a]} {said}" for a, said in _ANSWERS.items() if counts[a] or a in (EQUAL, DIFFERENT)]
    tail = f", {report.rounding} where rounding decides" if report.rounding else ""
    console.print(
        f"{report.drives} {what}: {', '.join(answers)}; {report.equal} of {report.compared} values equal{tail}; "
        f"{len(report.errors)} problems",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _console(width: int) -> Console:
    """As wide as the table where a file or a pipe is written to."""
    return Console() if sys.stdout.isatty() else Console(width=width)


def _what(r: Comparison) -> str:
    count = r.compared - r.equal
    at = "" if r.step is None else f", first at step {r.step}"
    return f"{count} of {r.compared}, largest {_gap(r.worst)} (allowed {_gap(r.tolerance)}){at}; {r.example}"


def _lines(console: Console, what: str, lines: list[str], every: bool) -> None:
    shown = lines if every else lines[:_SHOWN]
    for line in shown:
        console.print(f"{what}: {line}", markup=False, highlight=False, soft_wrap=True)
    if len(lines) > len(shown):
        console.print(f"{what}: ... and {len(lines) - len(shown)} more (--all)", markup=False, highlight=False)


def _columns(table: Table, *left: str) -> Table:
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in ("cases", "equal", "rounding", "largest", "allowed", "step"):
        table.add_column(name, justify="right")
    return table


def _summary(title: str, lines: list[dict[str, Any]]) -> Table:
    table = _columns(Table(title=title, title_justify="left"), "planner", "quantity", "drives")
    before = ""
    for line in lines:
        shown = line["planner"] if line["planner"] != before else ""
        before = line["planner"]
        table.add_row(shown, line["quantity"], str(line["drives"]), *_figures(line))
    return table


def _all_rows(title: str, rows: list[Comparison]) -> Table:
    files = rows[0].part == FREIGHT
    table = _columns(Table(title=title, title_justify="left"), "file" if files else "drive", "quantity")
    if files:
        table.add_column("answer")
    before = ""
    for r in rows:
        figures = _figures({**_row(r), "largest": r.worst})
        answer = [_ANSWERS[EQUAL if r.ok else DIFFERENT]] if files else []
        table.add_row(r.drive if r.drive != before else "", r.quantity, *figures, *answer)
        before = r.drive
    return table


def _figures(line: dict[str, Any]) -> list[str]:
    wrong = line["equal"] + line["rounding"] < line["cases"]
    figures = [
        str(line["cases"]),
        str(line["equal"]),
        str(line["rounding"] or ""),
        _gap(line["largest"]),
        _gap(line["tolerance"]),
        "" if line["first"] is None else str(line["first"]),
    ]
    return [f"[red]{f}[/red]" if wrong and f else f for f in figures]


def _gap(value: float) -> str:
    return "0" if value == 0.0 else f"{value:.1e}"
