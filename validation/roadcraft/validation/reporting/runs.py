"""The runs of a report: their results, what each is called, how each was driven, and what a reader must know before
comparing them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadcraft.validation.comparing.run_differences import (
    agents_of,
    challenge_title,
    difference_text,
    metric_differences,
    setting_differences,
)
from roadcraft.validation.config import CHALLENGES
from roadcraft.validation.scoring.folder import RunFolder
from roadcraft.validation.scoring.tables import read_records

MODE_ORDER = ("nonreactive", "reactive", "open_loop")
_SHOWN = 5  # differences listed at the head of the page
_APPROXIMATED = {
    "womd": "Waymo's maps have no drivable areas, lane polygons, junctions or routes; all are approximated from center "
    "lines, road edges and the "
    "expert's drive, and so are the metrics that use them (drivable area, driving direction, progress)."
}


@dataclass(frozen=True)
class RunResults:
    """A finished run as the report reads it. label: how it is called in every table; tree: its configuration; records:
    one per scenario and mode."""

    folder: RunFolder
    label: str
    tree: Mapping[str, Any]
    records: list[dict[str, Any]]

    def of(self, mode: str) -> list[dict[str, Any]]:
        return [r for r in self.records if r["mode"] == mode]


def load_runs(paths: Sequence[str | Path]) -> list[RunResults]:
    """The results of the given run folders, labels made distinct. Raises DataError for a folder that is no finished
    run, or is damaged."""
    folders = [RunFolder(p) for p in paths]
    trees = [f.tree() for f in folders]
    for folder in folders:
        folder.read_summary()
    records = [sorted(read_records(f), key=lambda r: (r["token"], r["mode"])) for f in folders]
    labels = _labels([short_planner_label(t["planner"]) for t in trees], folders)
    return [RunResults(*parts) for parts in zip(folders, labels, trees, records, strict=True)]


def _labels(planners: Sequence[str], folders: Sequence[RunFolder]) -> list[str]:
    """Planners; those of one name with as many of their folders' last parts as tell them apart, and numbers where one
    folder is given twice."""
    paths = [f.path.resolve().parts for f in folders]
    labels = list(planners)
    for name in {p for p, n in Counter(planners).items() if n > 1}:
        same = [i for i, p in enumerate(planners) if p == name]
        depth = next((d for d in range(1, 9) if len({paths[i][-d:] for i in same}) == len(same)), 1)
        for i in same:
            labels[i] = f"{name} ({'/'.join(paths[i][-depth:])})"
    twice = Counter(labels)
    seen: Counter[str] = Counter()
    for i, label in enumerate(labels):
        seen[label] += 1
        if twice[label] > 1:
            labels[i] = f"{label} #{seen[label]}"
    return labels


def short_planner_label(ref: Any) -> str:
    """``guard(learned "keep left")``: a planner with those it wraps, the instruction it was given, and any fallback
    that is on, in words."""
    if isinstance(ref, str):
        return ref
    params = ref.get("params", {}) or {}
    inner = [
        short_planner_label(v) for k, v in params.items() if k != "fallback" and isinstance(v, dict) and "name" in v
    ]
    if ref["name"] == "guard" and not inner:
        inner = [str(params.get("planner", "learned"))]
    other = short_planner_label(params.get("fallback") or "")
    fallback = f", fallback {other}" if other else ""
    command = f' "{params["instruction"]}"' if params.get("instruction") else ""
    return f"{ref['name']}({', '.join(inner)}{fallback}){command}" if inner else f"{ref['name']}{command}"


def modes_of(runs: Sequence[RunResults]) -> list[str]:
    found = {r["mode"] for run in runs for r in run.records}
    return [m for m in MODE_ORDER if m in found]


def mode_titles(runs: Sequence[RunResults]) -> dict[str, str]:
    """``reactive (idm)``, with all agents that react in one of the runs."""
    return {m: challenge_title(CHALLENGES[m], [r.tree for r in runs]) for m in modes_of(runs)}


def run_rows(runs: Sequence[RunResults]) -> list[dict[str, Any]]:
    """How each run was driven, and its whole configuration as text."""
    from roadcraft.core.config.load import to_yaml

    return [
        {
            "label": r.label,
            "folder": str(r.folder.path),
            "vehicle": r.tree["vehicle"]["name"],
            "controller": r.tree["simulation"]["controller"],
            "agents": agents_of(r.tree),
            "data": str(r.tree["suite"]["data"]),
            "seed": r.tree["seed"],
            "version": r.folder.versions()["roadcraft"],
            "scenarios": len({x["token"] for x in r.records}),
            "logs": len({x["log"] for x in r.records}),
            "config": to_yaml(dict(r.tree)),
        }
        for r in runs
    ]


def differences(runs: Sequence[RunResults]) -> list[dict[str, Any]]:
    """Settings, versions and contents in which the runs differ, the planners' own last; see
    ``run_differences.setting_differences``."""
    found = setting_differences([r.folder for r in runs])
    return sorted((d for d in found if d["key"] != "planner.name"), key=lambda d: (d["planner"], d["key"]))


def warnings(runs: Sequence[RunResults]) -> list[str]:
    """What would mislead a reader who does not know it."""
    found = []
    others = [difference_text(d) for d in differences(runs) if not d["planner"]]
    if others:
        more = f"; and {len(others) - _SHOWN} more, below" if len(others) > _SHOWN else ""
        found.append(f"Beside the planner the runs differ in {'; '.join(others[:_SHOWN])}{more}.")
    driven = [{(r["log"], r["token"], r["mode"]) for r in run.records} for run in runs]
    if any(d != driven[0] for d in driven):
        common = len(set.intersection(*driven))
        counts = ", ".join(f"{run.label} {len(d)}" for run, d in zip(runs, driven, strict=True))
        found.append(
            f"The runs did not drive the same scenarios ({counts} results, {common} of them in all runs): means of "
            "runs cannot be compared; "
            "the paired differences are over the scenarios that both drove."
        )
    further = {
        f"{m['metric']} ({m['a']} in {runs[0].label}, {m['b']} in {run.label})"
        for run in runs[1:]
        for m in metric_differences(runs[0].records, run.records)
        if m["counts"]
    }
    if further:
        found.append(
            f"The scores are made of different metrics: {'; '.join(sorted(further))}. nuPlan's own score is made of "
            "the same ones."
        )
    sources = {i.row.source for run in runs for i in run.folder.items()}
    return found + [text for source, text in _APPROXIMATED.items() if source in sources]
