"""What differs between runs beside their results: settings, versions, contents of the files they name, scenarios and
metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from roadcraft.core.config.load import flat
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.scoring.folder import RunFolder
from roadcraft.validation.scoring.roles import role_text, roles_of
from roadcraft.validation.scoring.suites import scenario_list_hash

Records = Sequence[Mapping[str, Any]]
Tree = Mapping[str, Any]
_DATA = "suite.data"
_SILENT = (*ScoreConfig.FREE, "rollouts")  # none of these can change a score
_ABSENT = "nothing"
_LONG = 120
_OTHER_DRIVES = "other drives behind the same tokens"


def setting_differences(runs: Sequence[RunFolder]) -> list[dict[str, Any]]:
    """Each setting in which runs differ: ``key``, ``values`` (one text per run), ``note``, and ``planner``: whether it
    is one of the planner's own.

    Versions count as settings, and so do the contents of files and folders that a configuration names.
    """
    trees = [flat(r.tree()) for r in runs]
    digests = [r.digests() for r in runs]
    if any(r.former for r in runs):  # nobody knows what their paths held
        digests = [{}] * len(runs)
    versions = [{f"version of {k}": v for k, v in r.versions().items()} for r in runs]
    named = set.intersection(*(set(d) for d in digests))
    found = [
        _entry(key, [t.get(key, _ABSENT) for t in side])
        for side in (trees, versions)
        for key in sorted({k for t in side for k in t})
        if key not in named and not any(key == s or key.startswith(s + ".") for s in _SILENT)
    ]
    same_scenarios = len({scenario_list_hash(r.items()) for r in runs}) == 1
    found += [_contents(key, trees, digests, same_scenarios) for key in sorted({k for d in digests for k in d})]
    names = {t.get("planner.name") for t in trees}
    return [
        d
        for d in found
        # The settings of two different planners have nothing to do with each other.
        if len(set(d["values"])) > 1 and not (d["key"].startswith("planner.params") and len(names) > 1)
    ]


def _contents(key: str, trees: Sequence[Tree], digests: Sequence[Tree], same_scenarios: bool) -> dict[str, Any]:
    """What a named file or folder holds, told by its digest; the same content under two paths is no difference."""
    found, paths = [d.get(key, _ABSENT) for d in digests], [str(t.get(key, "")) for t in trees]
    other_paths = len(set(found)) > 1 and len(set(paths)) > 1
    shown = paths if other_paths else found
    if key != _DATA:
        return _entry(key, shown, "other contents")
    # The digest is of the drives that were scored: with other scenarios it differs in any case.
    return _entry(key, shown if same_scenarios or other_paths else [], _OTHER_DRIVES if same_scenarios else "")


def _entry(key: str, values: Sequence[Any], note: str = "") -> dict[str, Any]:
    texts = [v if isinstance(v, str) else json.dumps(v) for v in values]
    return {"key": key, "values": texts, "note": note, "planner": key.startswith("planner.")}


def difference_text(difference: Mapping[str, Any]) -> str:
    """``simulation.controller: two_stage / perfect``; of a long value the beginning."""
    note = f" ({difference['note']})" if difference["note"] else ""
    values = [v if len(v) <= _LONG else f"{v[:_LONG]}... ({len(v)} characters)" for v in difference["values"]]
    return f"{difference['key']}: {' / '.join(values)}{note}"


def agents_of(tree: Mapping[str, Any]) -> str:
    """Name of the agents that react in a run."""
    agents = tree["suite"]["agents"]
    return str(agents if isinstance(agents, str) else agents["name"])


def challenge_title(challenge: str, trees: Sequence[Mapping[str, Any]]) -> str:
    """``reactive (idm / log)``: a challenge as people call it, with the agents that react where there are any."""
    from roadcraft.validation.scoring.present import title

    return title(challenge, " / ".join(dict.fromkeys(map(agents_of, trees))))


def metric_differences(a: Records, b: Records) -> list[dict[str, Any]]:
    """Metrics that only one of two runs has in a challenge of both, or that count differently; ``counts``: whether the
    score depends on it."""
    found = {}
    for challenge in sorted({r["challenge"] for r in a} & {r["challenge"] for r in b}):
        left, right = (roles_of(r for r in side if r["challenge"] == challenge) for side in (a, b))
        if not left or not right:  # every drive failed: nothing was judged
            continue
        for name in sorted({*left, *right}):
            roles = left.get(name), right.get(name)
            if roles[0] != roles[1]:
                found[name] = {
                    "metric": name,
                    "a": role_text(roles[0]),
                    "b": role_text(roles[1]),
                    "counts": any(r is not None and r[0] != "report" for r in roles),
                }
    return list(found.values())


def scenario_differences(a: RunFolder, b: RunFolder, left: Records, right: Records) -> dict[str, int]:
    """How many results only one of two runs has, both have, and how many scenarios both drove but not from the same
    start to the same end."""
    keys = [{(r["log"], r["token"], r["challenge"]) for r in side} for side in (left, right)]
    windows = [{(i.row.log, i.row.token): tuple(i.window_us) for i in run.items()} for run in (a, b)]
    common = windows[0].keys() & windows[1].keys()
    return {
        "only_in_a": len(keys[0] - keys[1]),
        "only_in_b": len(keys[1] - keys[0]),
        "in_both": len(keys[0] & keys[1]),
        "other_window": sum(windows[0][k] != windows[1][k] for k in common),
    }
