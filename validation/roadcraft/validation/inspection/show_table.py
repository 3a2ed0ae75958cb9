"""A run's results for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from roadcraft.validation.inspection.incidents import wait_text
from roadcraft.validation.inspection.show import metrics_by_role
from roadcraft.validation.scoring.present import TITLES, print_summary, say
from roadcraft.validation.scoring.roles import role_of, role_text


def print_run(d: Mapping[str, Any], *, summary: bool, console: Console | None = None) -> None:
    """The run's table of scores, where asked for, then its results, worst first."""
    console = console or Console()
    if summary:
        print_summary(d["summary"], console)
    by = f" by {d['metric']}" if d["metric"] else ""
    say(console, f"{d['run']}: {d['count']} results{by}, worst first", "bold")
    say(console, f"{'token':<16}  {'score':<6}  {'challenge':<12}  scenario type, location", "dim")
    for x in d["scenarios"]:
        title = TITLES.get(x["challenge"], x["challenge"])
        say(console, f"{x['token']:<16}  {x['shown']:.4f}  {title:<12}  {x['type']}, {x['map']}")
        lost = ", ".join(f"{name} {score:.4f}".rstrip("0").rstrip(".") for name, score in x["lost_by"].items())
        if x["status"] != "ok":
            lost = "nothing: it could not be driven"
        if lost:
            say(console, f"    lost by {lost}".replace("lost by nothing: it", "it"), "dim")
    if d["count"] > len(d["scenarios"]):
        say(console, f"... and {d['count'] - len(d['scenarios'])} more (--limit 0 shows all)")


def print_scenario(d: Mapping[str, Any], console: Console | None = None) -> None:
    """Per challenge: score, the command that drives it again, what happened when, and the metrics by role."""
    console = console or Console()
    say(console, f"{d['token']} ({d['type']}) of {d['log']}, {d['map']}", "bold")
    for r in d["results"]:
        state = "driven" if r["status"] == "ok" else "could not be driven"
        say(console, f"\n{r['title']}: score {r['score']:.4f}, {r['seconds']:.1f} s {state}", "bold")
        say(console, f"drive it again: {r['command']}", "dim")
        if r["failure"]:
            _print_failure(console, r)
        _print_events(console, r)
        for heading, metrics in metrics_by_role(r).items():
            if metrics:
                say(console, heading, "bold")
            for m in metrics:
                _print_metric(console, m)
        for name, share in r["shares"].items():
            say(console, f"{name.replace('_', ' ')} in {100 * share:.1f} % of the steps")


def _print_failure(console: Console, r: Mapping[str, Any]) -> None:
    f = r["failure"]
    when = f" at {f['step'] * r['interval_s']:.1f} s" if f["step"] is not None and f["step"] >= 0 else ""
    say(console, f"failed{when} in {f['stage']}: {f['error']}\n{f['traceback']}", "red")


def _print_events(console: Console, r: Mapping[str, Any]) -> None:
    if r["events"] or r["waits"]:
        say(console, "what happened", "bold")
    for e in r["events"]:
        whom = f", object {e['object']}" if e["object"] else ""
        speed = f", at {e['impact_mps']:.1f} m/s relative to it" if e["impact_mps"] is not None else ""
        say(console, f"  {e['seconds']:4.1f} s  {e['metric']}: {e['what']}{whom}{speed}")
    for wait in r["waits"]:
        say(console, f"  {wait_text(wait)}")
    if not r["kept"] and r["status"] == "ok":
        say(console, f"  for whom it waited and how hard it hit is not known: {r['why_not_kept']}", "dim")


def _print_metric(console: Console, m: Mapping[str, Any]) -> None:
    score = "      " if m["score"] is None else f"{m['score']:.4f}"
    role = role_text(role_of(m))
    mark = "red" if role != "reported" and m["score"] is not None and m["score"] < 1.0 else ""
    say(console, f"  {score}  {m['name']}" + (f" ({role})" if role != "reported" else ""), mark)
    values = ", ".join(f"{k} {_value(v)}" for k, v in m["stats"].items() if k != m["name"])
    if values:
        say(console, f"          {values}", "dim")


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)
