"""What a run holds and why a scenario scored as it did; a store is described by ``roadcraft.scenario_io``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roadcraft.core.errors import DataError
from roadcraft.validation.junit import reasons
from roadcraft.validation.scoring.folder import RunFolder
from roadcraft.validation.scoring.tables import ordered, read_records


def is_run(path: str | Path) -> bool:
    return RunFolder(path).exists


def describe_run(
    run: str | Path,
    *,
    type: str = "",
    challenge: str = "",
    metric: str = "",
    below: float | None = None,
    failed: bool = False,
    limit: int = 20,
) -> dict[str, Any]:
    """The scenarios of a run, worst first. type, challenge: only those (a part of the name is enough); metric: list and sort by that metric's score;
    below: only lower scores; failed: only those that could not be driven; limit: 0 for all."""
    rows = _records(run)
    known = {m["name"] for r in rows for m in r["metrics"]}
    if metric and metric not in known:
        raise DataError(f"no metric {metric!r}", where=str(run), remedy=f"known: {', '.join(sorted(known))}")
    lines = [
        _line(r, metric)
        for r in rows
        if type in r["type"] and challenge in r["challenge"] and (not failed or r["status"] != "ok")
    ]
    lines = [x for x in lines if x["shown"] is not None and (below is None or x["shown"] < below)]
    lines.sort(key=lambda x: (x["shown"], x["token"], x["challenge"]))
    return {"kind": "run", "run": str(run), "metric": metric, "count": len(lines), "scenarios": lines[: limit or None]}


def describe_scenario(run: str | Path, token: str) -> dict[str, Any]:
    """Every result of one scenario: metrics, what happened at which step and with which object, or the traceback of its failure."""
    rows = [r for r in _records(run) if r["token"] == token]
    if not rows:
        near = [r["token"] for r in _records(run) if r["token"].startswith(token)]
        if len(set(near)) == 1:
            return describe_scenario(run, near[0])
        raise DataError(f"no scenario {token!r} in this run", where=str(run), remedy="`roadcraft show RUN` lists them")
    faults = {(f["token"], f["challenge"]): f["failure"] for f in RunFolder(run).read_failures()}
    return {
        "kind": "result",
        "run": str(run),
        "token": token,
        "type": rows[0]["type"],
        "log": rows[0]["log"],
        "results": [{**r, "reasons": reasons(r), "failure": faults.get((r["token"], r["challenge"]))} for r in rows],
    }


def print_run(d: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from roadcraft.validation.scoring.present import TITLES

    console = Console()
    table = Table(
        title=f"{d['run']}: {d['count']} results, worst first",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for name in ("token", "type", "challenge", "score", *((d["metric"],) if d["metric"] else ()), "lost by"):
        table.add_column(name, no_wrap=name != "type", min_width=14 if name == "type" else None, overflow="fold")
    for x in d["scenarios"]:
        extra = (f"{x['shown']:.4f}",) if d["metric"] else ()
        table.add_row(
            x["token"],
            x["type"],
            TITLES.get(x["challenge"], x["challenge"]),
            f"{x['score']:.4f}",
            *extra,
            x["lost_by"].replace(", ", "\n"),
        )
    console.print(table)
    if d["count"] > len(d["scenarios"]):
        console.print(f"... and {d['count'] - len(d['scenarios'])} more (--limit 0 shows all)")


def print_scenario(d: Mapping[str, Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"{d['token']} ({d['type']}) of {d['log']}", style="bold", markup=False)
    for r in d["results"]:
        console.print(f"\n{r['challenge']}: score {r['score']:.4f}, {r['steps']} steps, {r['status']}", markup=False)
        if r["failure"]:
            f = r["failure"]
            console.print(
                f"failed at step {f['step']} in {f['stage']}: {f['error']}\n{f['traceback']}", markup=False, style="red"
            )
        for m in r["metrics"]:
            if m["score"] is not None:
                console.print(
                    f"  {m['name']:<45} {m['score']:.4f}", markup=False, style="red" if m["score"] < 1.0 else ""
                )
            for step, what, object_id in m["events"]:
                console.print(
                    f"      step {step}: {what}" + (f", object {object_id}" if object_id else ""), markup=False
                )


def _records(run: str | Path) -> list[Mapping[str, Any]]:
    return ordered(read_records(run))


def _line(r: Mapping[str, Any], metric: str) -> dict[str, Any]:
    scores = {m["name"]: m["score"] for m in r["metrics"] if m["score"] is not None}
    return {
        "token": r["token"],
        "type": r["type"],
        "challenge": r["challenge"],
        "log": r["log"],
        "status": r["status"],
        "score": r["score"],
        "shown": scores.get(metric) if metric else r["score"],
        "lost_by": "could not be driven" if r["status"] != "ok" else ", ".join(n for n, v in scores.items() if v < 1.0),
    }
