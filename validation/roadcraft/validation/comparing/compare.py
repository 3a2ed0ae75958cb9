"""Two runs, scenario by scenario: what differs in how they were driven, paired differences with a verdict, and which
scenarios changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from roadcraft.core.errors import DataError
from roadcraft.validation.comparing.paired import MARGIN, TOLERANCE, paired_figure
from roadcraft.validation.comparing.run_differences import (
    challenge_title,
    metric_differences,
    scenario_differences,
    setting_differences,
)
from roadcraft.validation.intervals import LEVEL, MIN_LOGS
from roadcraft.validation.scoring.folder import RunFolder
from roadcraft.validation.scoring.roles import role_text, roles_of
from roadcraft.validation.scoring.summary import metric_values, planner_label
from roadcraft.validation.scoring.tables import metric_names, read_records

Record = Mapping[str, Any]
Records = Sequence[Record]
ScoreOf = Callable[[Record], float]

_SEVERITY = ("equal", "better", "not worse", "undecided", "worse")
EXIT_CODES = {"worse": 1, "undecided": 5}


def compare(
    a: str | Path, b: str | Path, *, require_same_scenarios: bool = True, margin: float = MARGIN
) -> dict[str, Any]:
    """How run ``b`` differs from run ``a``.

    Says first what differs in how they were driven (``settings``, ``metric_sets``, ``scenario_sets``), then per
    challenge the paired figures (``paired.paired_figure``) of the score, of nuPlan's own score, of every metric,
    scenario type and place (map), and the scenarios that changed: ``newly_failed`` (could not be driven, or score 0),
    ``newly_passed``, ``worse`` and ``better``, the greatest change first. ``verdict`` is the worst of the challenges';
    where the runs count different metrics it rests on nuPlan's own score. margin: the loss up to which b counts as not
    worse.

    Raises DataError where a run is not finished, the runs did not drive the same scenarios (unless that is not
    required), or have none in common.
    """
    runs = RunFolder(a), RunFolder(b)
    left, right = map(read_records, runs)
    sets = scenario_differences(*runs, left, right)
    where = f"{a}, {b}"
    if not sets["in_both"]:
        raise DataError("the two runs have no scenario and challenge in common", where=where)
    if require_same_scenarios and (sets["only_in_a"] or sets["only_in_b"] or sets["other_window"]):
        raise DataError(
            f"the runs did not drive the same scenarios: {said_sets(sets)}",
            where=where,
            remedy="--no-require-same-scenarios compares the common ones",
        )
    metrics = metric_differences(left, right)
    basis = "nuplan_score" if any(m["counts"] for m in metrics) else "score"
    trees = [r.tree() for r in runs]
    challenges = {}
    for challenge in sorted({r["challenge"] for r in left} & {r["challenge"] for r in right}):
        pairs = _pairs(left, right, challenge)
        if pairs:
            challenges[challenge] = {"title": challenge_title(challenge, trees), **_challenge(pairs, basis, margin)}
    return {
        "a": {"run": str(a), "planner": _label(trees[0])},
        "b": {"run": str(b), "planner": _label(trees[1])},
        "interval": {"level": LEVEL, "clusters": "logs", "least_logs": MIN_LOGS},
        "tolerance": TOLERANCE,
        "margin": margin,
        "settings": setting_differences(runs),
        "metric_sets": metrics,
        "scenario_sets": sets,
        "basis": basis,
        "verdict": max((c["verdict"] for c in challenges.values()), key=_SEVERITY.index),
        "challenges": challenges,
    }


def said_sets(sets: Mapping[str, int]) -> str:
    """The counts of ``scenario_sets`` in words."""
    text = f"{sets['only_in_a']} results only in A, {sets['only_in_b']} only in B, {sets['in_both']} in both"
    return text + (f"; {sets['other_window']} of another start or end" if sets["other_window"] else "")


def _label(tree: Mapping[str, Any]) -> str:
    return planner_label(tree["planner"]["name"], tree["planner"]["params"])


def _pairs(left: Records, right: Records, challenge: str) -> list[tuple[Record, Record]]:
    """Results of both runs for one scenario each, by log and token."""
    found = [{(r["log"], r["token"]): r for r in side if r["challenge"] == challenge} for side in (left, right)]
    return [(found[0][k], found[1][k]) for k in sorted(found[0].keys() & found[1].keys())]


def _challenge(pairs: Sequence[tuple[Record, Record]], basis: str, margin: float) -> dict[str, Any]:
    def figure(chosen: Sequence[tuple[Record, Record]], values: Any) -> dict[str, Any]:
        sides = (np.array([values(r) for r in side], np.float64) for side in zip(*chosen, strict=True))
        return paired_figure(*sides, [x["log"] for x, _ in chosen], margin)

    def groups(key: str) -> dict[str, dict[str, Any]]:
        names = sorted({x[key] for x, _ in pairs})
        return {n: figure([p for p in pairs if p[0][key] == n], score_of) for n in names}

    score_of = _nuplan_score if basis == "nuplan_score" else _score

    rows = [r for pair in pairs for r in pair]
    names = metric_names(rows)
    metrics = {
        n: paired_figure(
            *(metric_values([p[side] for p in pairs], n) for side in (0, 1)), [x["log"] for x, _ in pairs], margin
        )
        for n in names
    }
    found = {"score": figure(pairs, _score), "nuplan_score": figure(pairs, _nuplan_score)}
    changes = _changes(pairs, score_of)
    verdict, reason = found[basis]["verdict"], found[basis]["reason"]
    lost = sum(a["status"] == "ok" and b["status"] != "ok" for a, b in pairs)
    if all(r["status"] != "ok" for r in rows):
        verdict, reason = "undecided", "no scenario could be driven in either run"
    elif verdict == "equal" and lost:
        verdict, reason = "undecided", f"the scores are equal, but {lost} scenarios can be driven no longer"
    return {
        "scenarios": len(pairs),
        "logs": len({x["log"] for x, _ in pairs}),
        "verdict": verdict,
        "reason": reason,
        **found,
        "metrics": metrics,
        "roles": {n: role_text(r) for n, r in roles_of(rows).items()},
        "types": groups("type"),
        "places": groups("map"),
        **changes,
    }


def _score(r: Record) -> float:
    return float(r["score"])


def _nuplan_score(r: Record) -> float:
    """Of nuPlan's own metrics alone; a scenario that could not be driven counts 0 here as well, or a crash would be a
    gain."""
    found = r["nuplan_score"]
    return 0.0 if found is None else float(found)


def failed(r: Record) -> bool:
    """Whether a scenario could not be driven or scores 0."""
    return bool(r["status"] != "ok" or r["score"] == 0.0)


def _changes(pairs: Sequence[tuple[Record, Record]], score_of: ScoreOf) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {"newly_failed": [], "newly_passed": [], "worse": [], "better": []}
    for a, b in pairs:
        change = score_of(b) - score_of(a)
        if failed(a) != failed(b):
            found["newly_failed" if failed(b) else "newly_passed"].append(_change(a, b, score_of))
        elif a["status"] != b["status"]:  # both fail, but only one was driven
            found["worse" if b["status"] != "ok" else "better"].append(_change(a, b, score_of))
        elif abs(change) > TOLERANCE:
            found["worse" if change < 0.0 else "better"].append(_change(a, b, score_of))
    return {k: sorted(v, key=lambda c: (-abs(c["difference"]), c["token"])) for k, v in found.items()}


def _change(a: Record, b: Record, score_of: ScoreOf) -> dict[str, Any]:
    before, after = ({m["name"]: m["score"] for m in r["metrics"]} for r in (a, b))
    metrics = {
        n: [before.get(n), after.get(n)]
        for n in sorted({*before, *after})
        if abs((before.get(n) or 0.0) - (after.get(n) or 0.0)) > TOLERANCE
    }
    return {
        "token": a["token"],
        "type": a["type"],
        "log": a["log"],
        "map": a["map"],
        "a": score_of(a),
        "b": score_of(b),
        "difference": score_of(b) - score_of(a),
        "failed": [s for s, r in (("a", a), ("b", b)) if r["status"] != "ok"],
        "metrics": metrics,
    }
