"""A replay: one scenario in one mode as every run drove it, with what the drives say about waits, impacts and the
guard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from roadcraft.core.data.rollout import Rollout
from roadcraft.core.errors import DataError
from roadcraft.validation.inspection.incidents import impact_speed, is_impact, wait_text, waits
from roadcraft.validation.metrics.common.events import runs as stretches
from roadcraft.validation.reporting.runs import RunResults
from roadcraft.validation.reporting.scene import UNIT_M, drive_layers, map_layers, traffic_layers


def replay(runs: Sequence[RunResults], token: str, mode: str) -> dict[str, Any] | None:
    """The scene, or None where no run kept a drive of it."""
    scene: dict[str, Any] | None = None
    origin = np.zeros(2)
    for index, run in enumerate(runs):
        rollout = _rollout(run, token, mode)
        if rollout is None:
            continue  # this run failed here, or kept nothing: the page says so
        if scene is None:
            origin = np.rint(rollout.drive.ego[len(rollout.drive) // 2, :2])
            path = rollout.drive.ego[:, :2]
            scene = {
                "unit": UNIT_M,
                "map": map_layers(rollout.scenario.map, path, origin),
                "route": [int(i) for i in rollout.scenario.route],
                "drives": [None] * len(runs),
                "traffic": [],
                "traffic_of": [0] * len(runs),
            }
        record = next(r for r in run.of(mode) if r["token"] == token)
        scene["drives"][index] = {**drive_layers(rollout, origin), **diagnostics_of(rollout, record)}
        traffic = traffic_layers(rollout, origin)
        if mode == "nonreactive" and scene["traffic"]:
            scene["traffic_of"][index] = 0  # the log's traffic is the same for every planner
        else:
            scene["traffic_of"][index] = len(scene["traffic"])
            scene["traffic"].append(traffic)
    return scene


def _rollout(run: RunResults, token: str, mode: str) -> Rollout | None:
    from roadcraft.scenario_io.store.rollouts import read_rollout
    from roadcraft.scenario_io.store.store import Store

    try:
        return read_rollout(Store(run.folder.replays(mode)), token)
    except (DataError, KeyError):
        return None


def diagnostics_of(rollout: Rollout, record: dict[str, Any]) -> dict[str, Any]:
    """waits: step, text and object of each; impacts: speed by "step|object"; guard: stretches of steps by channel;
    stats: values by metric."""
    impacts = {}
    for m in record["metrics"]:
        for step, _, object_id in m["events"] if is_impact(m["name"]) else ():
            speed = None if not object_id else impact_speed(rollout.drive, step, object_id)
            if speed is not None:
                impacts[f"{step}|{object_id}"] = round(speed, 1)
    return {
        "waits": [{"step": w["from_step"], "text": wait_text(w), "object": w["object"]} for w in waits(rollout)],
        "impacts": impacts,
        "guard": {
            name: [[int(a), int(b)] for a, b in zip(*stretches(values > 0.5), strict=True)]
            for name, values in zip(rollout.channel_names, rollout.channels, strict=True)
            if name.startswith("guard_")
        },
        "stats": {m["name"]: {k: _short(v) for k, v in m["stats"].items()} for m in record["metrics"] if m["stats"]},
    }


def _short(value: Any) -> Any:
    """Four digits; what JSON has no word for as text."""
    if isinstance(value, float):
        return float(f"{value:.4g}") if np.isfinite(value) else str(value)
    return value
