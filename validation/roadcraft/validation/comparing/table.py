"""A comparison of two runs for people."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from roadcraft.validation.comparing.compare import said_sets
from roadcraft.validation.comparing.run_differences import difference_text
from roadcraft.validation.scoring.present import number, say, span

_STYLES = {"worse": "red", "better": "green", "undecided": "yellow"}
_LISTS = {
    "newly_failed": ("newly failed (score 0, or could not be driven)", "red"),
    "newly_passed": ("newly passed", "green"),
    "worse": ("worse", "red"),
    "better": ("better", "green"),
}


def print_comparison(c: Mapping[str, Any], limit: int = 15, console: Console | None = None) -> None:
    """What differs beside the results, the verdict, then per challenge the figures and the scenarios that changed;
    ``limit`` 0 shows all of these."""
    console = console or Console(highlight=False)
    print_differences(c, console)
    for ch in c["challenges"].values():
        say(
            console,
            f"\n{ch['title']}, {ch['scenarios']} scenarios of {ch['logs']} logs in both: {ch['verdict']} "
            f"({ch['reason']})",
            f"bold {_STYLES.get(ch['verdict'], '')}".strip(),
        )
        _print_figures(console, ch, c["basis"])
        for key, name in (("types", "scenario type"), ("places", "place (map)")):
            if len(ch[key]) > 1:
                _print_groups(console, name, ch[key])
        for key, (title, style) in _LISTS.items():
            _print_changed(console, f"{len(ch[key])} {title}", ch[key], ch["roles"], limit, style)
    say(console, f"\nverdict on B: {c['verdict']}", _STYLES.get(c["verdict"], "bold"))


def print_differences(c: Mapping[str, Any], console: Console) -> None:
    """The two runs, and all in which they were not driven alike."""
    say(console, f"A: {c['a']['planner']} ({c['a']['run']})\nB: {c['b']['planner']} ({c['b']['run']})")
    for title, own in (("the planners differ in", True), ("other differences (A / B)", False)):
        lines = [difference_text(d) for d in c["settings"] if d["planner"] == own and d["key"] != "planner.name"]
        if lines:
            say(console, f"{title}:\n" + "\n".join(f"  {line}" for line in lines), "" if own else "yellow")
    for m in c["metric_sets"]:
        say(console, f"  metric {m['metric']}: {m['a']} / {m['b']}", "yellow")
    if c["basis"] == "nuplan_score":
        say(console, "the runs count different metrics: the verdict rests on nuPlan's own score", "yellow")
    sets = c["scenario_sets"]
    if sets["only_in_a"] or sets["only_in_b"] or sets["other_window"]:
        say(console, f"not the same scenarios: {said_sets(sets)}; only those in both are compared", "yellow")


def _print_figures(console: Console, ch: Mapping[str, Any], basis: str) -> None:
    own = ch["nuplan_score"]
    rows = [("score", "", ch["score"])]
    if basis == "nuplan_score" or any(own[k] != ch["score"][k] for k in ("a", "b")):
        rows.append(("nuPlan's own score", "", own))
    rows += [(name, ch["roles"].get(name, ""), d) for name, d in ch["metrics"].items()]
    table = _table("", "A", "B", "B - A", "95 % interval", "")
    for name, role, d in rows:
        mark = "worse" if d["worse"] else "better" if d["better"] else ""
        label = at_underscores(f"{name} (reported)" if role == "reported" else name, console.width - 52)
        table.add_row(
            label,
            number(d["a"]),
            number(d["b"]),
            signed(d["difference"]),
            span(d["ci"]),
            mark,
            style=_STYLES.get(mark, ""),
        )
    console.print(table)
    judged = ch[basis]
    if judged["detectable"] is not None:
        say(
            console,
            f"smallest difference that could have been seen here: {judged['detectable']:.3f} "
            f"(power 0.8; standard deviation {judged['sd']:.3f}, design effect {judged['design_effect']:.2f})",
        )


def _print_groups(console: Console, name: str, groups: Mapping[str, Mapping[str, Any]]) -> None:
    """By difference, the greatest loss first."""
    table = _table(name, "n", "A", "B", "B - A", "95 % interval")
    for label, d in sorted(groups.items(), key=lambda g: (g[1]["difference"], g[0])):
        mark = "worse" if d["worse"] else "better" if d["better"] else ""
        table.add_row(
            at_underscores(label, console.width - 50),
            str(d["scenarios"]),
            number(d["a"]),
            number(d["b"]),
            signed(d["difference"]),
            span(d["ci"]) or f"{d['logs']} log{'s' * (d['logs'] != 1)}",
            style=_STYLES.get(mark, ""),
        )
    console.print(table)


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for i, title in enumerate(titles):
        table.add_column(title, justify="right" if i and title else "left", no_wrap=i > 0, overflow="fold")
    return table


def _print_changed(
    console: Console,
    title: str,
    changed: Sequence[Mapping[str, Any]],
    roles: Mapping[str, str],
    limit: int,
    style: str,
) -> None:
    say(console, title, style if changed else "")
    for x in changed[: limit or None]:
        why = ", ".join(
            f"{name} {_short(a)} -> {_short(b)}"
            for name, (a, b) in x["metrics"].items()
            if a is not None and b is not None and (b < a) == (x["difference"] < 0) and roles.get(name) != "reported"
        )
        fate = f" (could not be driven in {' and '.join(s.upper() for s in x['failed'])})" if x["failed"] else ""
        say(console, f"  {x['token']} {x['type']}: {x['a']:.4f} -> {x['b']:.4f}{fate}  {why}".rstrip())
    if limit and len(changed) > limit:
        say(console, f"  ... and {len(changed) - limit} more (--limit 0 shows all)")


def at_underscores(name: str, width: int) -> str:
    """The name on as many lines as it needs, broken where its words end."""
    lines = [""]
    for word in re.findall(r"[^_ ]+[_ ]*", name):
        if lines[-1] and len(lines[-1]) + len(word.rstrip()) > width:
            lines.append("  ")
        lines[-1] += word
    return "\n".join(lines)


def signed(value: float | None) -> str:
    """With its sign, and without one where it rounds to zero."""
    if value is None:
        return ""
    text = f"{value:+.4f}"
    return text[1:] if float(text) == 0.0 else text


def _short(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")
