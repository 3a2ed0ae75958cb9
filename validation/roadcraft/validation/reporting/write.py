"""``report``: finished runs into one self-contained HTML file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from roadcraft.core._version import __version__
from roadcraft.core.errors import DataError
from roadcraft.core.files import write_atomic
from roadcraft.validation.reporting.scene import drive_layers, map_layers, pack, traffic_layers
from roadcraft.validation.reporting.tables import (
    RunResults,
    load_runs,
    metric_role,
    metric_table,
    modes_of,
    score_table,
    type_table,
)

Progress = Callable[[int, int], None]


def report(
    runs: Sequence[str | Path], out: str | Path, *, replays: int = 40, title: str = "", progress: Progress | None = None
) -> Path:
    """Write the report of one or more runs over the same scenarios.

    replays: scenarios with a bird's-eye replay, the worst of any planner first. Raises DataError when a run has no result.
    """
    loaded = load_runs(runs)
    modes = modes_of(loaded)
    rows = _scenario_rows(loaded)
    shown = _choose(rows, replays)
    scenes = {}
    for done, key in enumerate(shown):
        if progress:
            progress(done, len(shown))
        scene = _scene(loaded, *key)
        if scene is not None:
            scenes["|".join(key)] = pack(scene)
    if progress:
        progress(len(shown), len(shown))
    data = {
        "title": title or "roadcraft report",
        "version": __version__,
        "planners": [r.label for r in loaded],
        "modes": modes,
        "scores": score_table(loaded),
        "metrics": {m: metric_table(loaded, m) for m in modes},
        "types": {m: type_table(loaded, m) for m in modes},
        "roles": {n: metric_role(n) for m in modes for n in metric_table(loaded, m)["columns"]},
        "scenarios": rows,
        "data": sorted({Path(r.data).name for r in loaded}),
        "licences": _licences(loaded),
        "seeds": sorted({r.seed for r in loaded}),
    }
    target = Path(out)
    write_atomic(target, _page(data, scenes))
    return target


def _page(data: dict[str, Any], scenes: dict[str, str]) -> str:
    """The template with style, script and data inlined. ``<`` is escaped in the data, so that no name can end the script element."""
    import jinja2

    page = files("roadcraft.validation.reporting") / "page"
    env = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = env.from_string((page / "report.html.j2").read_text(encoding="utf-8"))

    def inline(value: Any) -> str:
        return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")

    return template.render(
        title=data["title"],
        style=(page / "report.css").read_text(encoding="utf-8"),
        script=(page / "report.js").read_text(encoding="utf-8"),
        data=inline(data),
        scenes=inline(scenes),
    )


def _scenario_rows(runs: Sequence[RunResults]) -> list[dict[str, Any]]:
    """One row per scenario and mode: every planner's score, the metrics that cost it, and the events that say why."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for index, run in enumerate(runs):
        for r in run.records:
            row = rows.setdefault(
                (r["token"], r["mode"]),
                {
                    "token": r["token"],
                    "mode": r["mode"],
                    "type": r["type"],
                    "log": r["log"],
                    "results": [None] * len(runs),
                },
            )
            lost = [
                {"name": m["name"], "score": round(m["score"], 4), "events": m["events"][:8]}
                for m in r["metrics"]
                if m["score"] is not None and m["score"] < 0.9995
            ]
            row["results"][index] = {
                "score": round(r["score"], 4),
                "status": r["status"],
                "lost": lost,
                "failure": (r.get("failure") or {}).get("error"),
            }
    return sorted(rows.values(), key=lambda x: (_worst(x), x["token"], x["mode"]))


def _worst(row: dict[str, Any]) -> float:
    """Mean over the planners: what everybody fails comes first."""
    return float(np.mean([r["score"] for r in row["results"] if r is not None]))


def _choose(rows: Sequence[dict[str, Any]], count: int) -> list[tuple[str, str]]:
    """The scenarios that get a replay: the worst of each mode, and of each planner in turn, so that every planner's failures can be seen."""
    ranked: list[list[dict[str, Any]]] = [list(rows)]
    planners = len(rows[0]["results"]) if rows else 0
    for p in range(planners):
        ranked.append(
            sorted((r for r in rows if r["results"][p]), key=lambda r: (r["results"][p]["score"], r["token"]))
        )
    chosen: dict[tuple[str, str], None] = {}
    for place in range(len(rows)):
        for order in ranked:
            if place < len(order) and len(chosen) < count:
                chosen.setdefault((order[place]["token"], order[place]["mode"]))
    return list(chosen)


def _scene(runs: Sequence[RunResults], token: str, mode: str) -> dict[str, Any] | None:
    from roadcraft.scenario_io.store.rollouts import read_rollout
    from roadcraft.scenario_io.store.store import Store

    scene: dict[str, Any] | None = None
    origin = np.zeros(2)
    for index, run in enumerate(runs):
        folder = run.folder.rollouts(mode)
        if not folder.is_dir():
            continue
        try:
            rollout = read_rollout(Store(folder), token)
        except (DataError, KeyError):
            continue  # this planner failed here: the table says why
        if scene is None:
            origin = np.rint(rollout.drive.ego[len(rollout.drive) // 2, :2])
            path = rollout.drive.ego[:, :2]
            scene = {
                "unit": 0.02,
                "map": map_layers(rollout.scenario.map, path, origin),
                "route": [int(i) for i in rollout.scenario.route],
                "drives": [None] * len(runs),
                "traffic": [],
                "traffic_of": [0] * len(runs),
            }
        scene["drives"][index] = drive_layers(rollout, origin)
        traffic = traffic_layers(rollout, origin)
        if mode == "nonreactive" and scene["traffic"]:
            scene["traffic_of"][index] = 0  # the log's traffic is the same for every planner
        else:
            scene["traffic_of"][index] = len(scene["traffic"])
            scene["traffic"].append(traffic)
    return scene


def _licences(runs: Sequence[RunResults]) -> list[str]:
    found = {i.row.licence for r in runs for i in r.folder.items()}
    return sorted(found)
