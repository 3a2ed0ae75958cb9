"""What a run holds and why a scenario scored as it did; a store is described by ``roadcraft.scenario_io``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from roadcraft.core.data.rollout import Rollout
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.validation.comparing.run_differences import challenge_title
from roadcraft.validation.config import CHALLENGES
from roadcraft.validation.inspection.incidents import impact_speed, is_impact, waits
from roadcraft.validation.scoring.folder import RunFolder
from roadcraft.validation.scoring.present import TITLES
from roadcraft.validation.scoring.roles import costs, role_of
from roadcraft.validation.scoring.tables import ordered, read_records

Record = Mapping[str, Any]
_MODES = {challenge: mode for mode, challenge in CHALLENGES.items()}


def is_run(path: str | Path) -> bool:
    return RunFolder(path).exists


def describe_run(
    run: str | Path,
    *,
    type: str = "",
    challenge: str = "",
    location: str = "",
    metric: str = "",
    below: float | None = None,
    failed: bool = False,
    limit: int = 20,
) -> dict[str, Any]:
    """The results of a run, worst first, and its summary.

    type, location: only those scenario types and maps (a name, or a part of names); challenge: only that one
    (``nonreactive``, ``reactive``, ``open_loop``, or the challenge's full name); metric: list and sort by that metric's
    score; below: only lower scores; failed: only those that could not be driven; limit: 0 for all. Raises ConfigError,
    with what is nearest, for a name that the run does not hold.
    """
    folder = RunFolder(run)
    rows = ordered(read_records(folder))
    known = sorted({m["name"] for r in rows for m in r["metrics"]})
    if metric and metric not in known:
        raise ConfigError(_unknown("--metric", metric, known))
    types = _fitting("--type", type, {r["type"] for r in rows})
    places = _fitting("--location", location, {r["map"] for r in rows})
    wanted = _challenge_named(challenge, {r["challenge"] for r in rows})
    lines = [
        _line(r, metric)
        for r in rows
        if r["type"] in types
        and r["map"] in places
        and r["challenge"] in wanted
        and (not failed or r["status"] != "ok")
    ]
    lines = [x for x in lines if x["shown"] is not None and (below is None or x["shown"] < below)]
    lines.sort(key=lambda x: (x["shown"], x["token"], x["challenge"]))
    return {
        "kind": "run",
        "run": str(run),
        "summary": folder.read_summary(),
        "metric": metric,
        "count": len(lines),
        "scenarios": lines[: limit or None],
    }


def _challenge_named(name: str, present: set[str]) -> set[str]:
    """The challenges of a run that a name stands for: a mode, the title in tables, or the challenge's own name; all for
    ''."""
    if not name:
        return present
    names = {alias: c for c in present for alias in (c, _MODES[c], TITLES[c])}
    if name not in names:
        raise ConfigError(_unknown("--challenge", name, sorted(_MODES[c] for c in present), names))
    return {names[name]}


def _fitting(option: str, name: str, present: set[str]) -> set[str]:
    """The one of that name, else those with it in their names; all for ''."""
    found = {name} if name in present else {p for p in present if name in p}
    if not found:
        raise ConfigError(_unknown(option, name, sorted(present)))
    return found


def _unknown(option: str, name: str, known: Sequence[str], aliases: Iterable[str] = ()) -> str:
    near = get_close_matches(name, [*known, *aliases], 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{option} {name} (command line): {hint}this run has {', '.join(known)}"


def _line(r: Record, metric: str) -> dict[str, Any]:
    scores = {m["name"]: m["score"] for m in r["metrics"] if m["score"] is not None}
    lost = {m["name"]: m["score"] for m in costs(r)}
    return {
        **{k: r[k] for k in ("token", "type", "challenge", "log", "map", "status", "score")},
        "shown": scores.get(metric) if metric else r["score"],
        "lost_by": lost,
    }


def token_list(run: str | Path, found: Mapping[str, Any]) -> str:
    """The scenarios of ``describe_run`` as a file that ``roadcraft score`` takes: the run's own configuration, on these
    scenarios alone.

    Modes are those in which one of them is listed. The planner is the run's, unless another is given after the file.
    """
    from roadcraft.core.config.load import to_yaml

    tree = dict(RunFolder(run).tree())
    tokens = sorted({x["token"] for x in found["scenarios"]})
    listed = {x["challenge"] for x in found["scenarios"]}
    if not tokens:
        raise DataError("no result passes: there is no list to write", where=str(run))
    suite = dict(tree["suite"])
    own = {k: v for k, v in suite["filter"].items() if v is not None and k not in ("tokens_file", "sample")}
    # A limit chose among all scenarios; these few are chosen already.
    limits = {k: len(tokens) for k in ("num_scenarios_per_type", "limit_total_scenarios")}
    suite["filter"] = {**own, **limits, "scenario_tokens": tokens}
    suite["modes"] = [m for m in suite["modes"] if CHALLENGES[m] in listed]
    kept = {k: v for k, v in tree.items() if k not in ("out", "scenario", "workers")}
    head = f"# {len(tokens)} scenarios of {run}. Drive them again: roadcraft score THIS.yaml planner=NAME\n"
    return head + to_yaml({**kept, "suite": suite})


def command_of(run: str | Path, token: str, mode: str) -> str:
    """What to type to drive one result of a run again, alone and in one process."""
    folder = RunFolder(run)
    again = folder.path.with_name(f"{folder.path.resolve().name}-{token}-{mode}")
    return f"roadcraft score {folder.config} scenario={token} 'modes=[{mode}]' --debug --out {again}"


def describe_scenario(run: str | Path, token: str, *, challenge: str = "") -> dict[str, Any]:
    """Every result of one scenario (named by its token, or by the beginning of one): metrics with their roles and
    values, what happened when and with which object, or the traceback of its failure; where the drive was kept, for
    whom the ego waited and how hard it hit."""
    folder = RunFolder(run)
    records = ordered(read_records(folder))
    wanted = _challenge_named(challenge, {r["challenge"] for r in records})
    fitting = sorted({r["token"] for r in records if r["token"].startswith(token)})
    found = token if token in fitting else fitting[0] if len(fitting) == 1 else None
    if found is None:
        what = (
            f"{token!r} begins {len(fitting)} tokens ({', '.join(fitting[:3])})"
            if fitting
            else f"no scenario {token!r}"
        )
        raise DataError(f"{what} in this run", where=str(run), remedy=f"`roadcraft show {run}` lists them")
    rows = [r for r in records if r["token"] == found and r["challenge"] in wanted]
    faults = {(f["token"], f["challenge"]): f["failure"] for f in folder.read_failures()}
    tree = folder.tree()
    return {
        "kind": "result",
        "run": str(run),
        "token": found,
        **{k: rows[0][k] for k in ("type", "log", "map")},
        "results": [
            {
                **r,
                "title": challenge_title(r["challenge"], [tree]),
                "seconds": r["steps"] * r["interval_s"],
                "failure": faults.get((r["token"], r["challenge"])),
                "command": command_of(run, found, r["mode"]),
                **_incidents(folder, r),
            }
            for r in rows
        ],
    }


def _incidents(folder: RunFolder, r: Record) -> dict[str, Any]:
    """Events in order of time, and waits. Each event: metric, step, seconds, what, object, speed of the impact where it
    is a collision."""
    rollout, why = _rollout(folder, r)
    events = [
        {
            "metric": m["name"],
            "step": step,
            "seconds": step * r["interval_s"],
            "what": what,
            "object": object_id,
            "impact_mps": None
            if rollout is None or not object_id or not is_impact(m["name"])
            else impact_speed(rollout.drive, step, object_id),
        }
        for m in r["metrics"]
        for step, what, object_id in m["events"]
    ]
    return {
        "events": sorted(events, key=lambda e: e["step"]),
        "waits": [] if rollout is None else waits(rollout),
        "kept": rollout is not None,
        "why_not_kept": why,
    }


def _rollout(folder: RunFolder, r: Record) -> tuple[Rollout | None, str]:
    """The drive of a result, or None and why there is none."""
    from roadcraft.scenario_io.store.rollouts import read_rollout
    from roadcraft.scenario_io.store.store import Store

    if r["status"] != "ok":
        return None, "it could not be driven"
    try:
        return read_rollout(Store(folder.replays(r["mode"])), r["token"]), ""
    except DataError as e:
        return None, str(e)


def metrics_by_role(r: Record) -> dict[str, list[Record]]:
    """A result's metrics under headings: those that count, then those that are only reported."""
    counted = [m for m in r["metrics"] if role_of(m)[0] != "report"]
    counted.sort(key=lambda m: (role_of(m)[0] != "multiplier", -role_of(m)[1]))
    return {
        "metrics that count": counted,
        "metrics that are only reported": [m for m in r["metrics"] if role_of(m)[0] == "report"],
    }
