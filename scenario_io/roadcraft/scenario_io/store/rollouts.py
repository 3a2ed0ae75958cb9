"""Rollouts in the store: simulation logs are logs too.

The driven trajectories are a drive like any other, with plans and channels as extra arrays. What was logged is not
stored again, raster layers included: it is read from the source the scenarios came from, by token and window.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from roadcraft.core.config.load import fill
from roadcraft.core.data.rollout import PlanLog, Rollout
from roadcraft.core.data.scenario import Scenario, ScenarioRow
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.scenario_io.store.store import Store
from roadcraft.scenario_io.store.writer import StoreWriter


def write_rollout(
    out: StoreWriter, rollout: Rollout, *, log: str | None = None, meta: dict[str, Any] | None = None
) -> None:
    """Add a rollout under its scenario's token. ``log``: key of the scenario's log in its source (``row.log``), the
    drive's name where None.

    The drive gets one scenario row that spans it, so that a folder of rollouts opens as a source of its own. Durable
    after ``out.flush()``.
    """
    s, d = rollout.scenario, rollout.drive
    row = ScenarioRow(
        token=s.token,
        tags=s.tags,
        log=s.token,
        split=s.split,
        map_name=d.map_name,
        source=d.source,
        licence=d.licence,
        anchor_us=int(d.time_us[0]),
        interval_us=d.interval_us,
        stride=1,
        has_goal=bool(len(d.scenes) and d.scenes.has_goal[0]),
        first_us=int(d.time_us[0]),
        last_us=int(d.time_us[-1]),
    )
    logged = {
        "log": log or s.drive.name,
        "source": s.drive.source,
        "type": s.type,
        "first_us": int(s.drive.time_us[s.first]),
        "last_us": int(s.drive.time_us[s.last]),
        "interval_us": s.drive.interval_us,
        "stride": s.stride,
    }
    extra = {
        "plans.step": rollout.plans.step,
        "plans.offsets": rollout.plans.offsets,
        "plans.time_us": rollout.plans.time_us,
        "plans.states": rollout.plans.states,
        "channels": rollout.channels,
    }
    own = {"channel_names": list(rollout.channel_names), "vehicle": asdict(rollout.vehicle), "logged": logged}
    out.add(s.token, d, s.map, [row], extra, {"rollout": own, "meta": meta or {}})


def read_rollout(store: Store | str | Path, token: str, source: ScenarioSource | None = None) -> Rollout:
    """The rollout of a scenario. ``source``: where the scenarios came from; without it ``rollout.scenario`` is the
    driven one, which metrics that compare with the expert cannot use. Raises DataError when the token or its log is
    unknown."""
    store = store if isinstance(store, Store) else Store(store)
    own = store.meta(token).get("rollout")
    if own is None:
        raise DataError(f"drive {token!r} is not a rollout", where=str(store.path))
    extra, row = store.extra(token), store.rows(token)[0]
    plans = PlanLog(extra["plans.step"], extra["plans.offsets"], extra["plans.time_us"], extra["plans.states"])
    scenario = _driven(store, token, row, own["logged"]) if source is None else _logged(source, row, own["logged"])
    return Rollout(
        scenario,
        store.drive(token),
        plans,
        tuple(own["channel_names"]),
        np.asarray(extra["channels"]),
        fill(Vehicle, own["vehicle"], str(store.path)),
    )


def rollout_meta(store: Store, token: str) -> dict[str, Any]:
    """What the writer of a rollout noted beside it."""
    return store.meta(token).get("meta", {})


def _driven(store: Store, token: str, row: ScenarioRow, logged: dict[str, Any]) -> Scenario:
    drive = store.drive(token)
    return Scenario(token, logged["type"], row.tags, row.split, drive, store.map(token), 0, len(drive) - 1, 1)


def _logged(source: ScenarioSource, row: ScenarioRow, logged: dict[str, Any]) -> Scenario:
    window = logged["first_us"], logged["last_us"]
    original = ScenarioRow(
        token=row.token,
        tags=row.tags,
        log=logged["log"],
        split=row.split,
        map_name=row.map_name,
        source=logged["source"],
        licence=row.licence,
        anchor_us=logged["first_us"],
        interval_us=logged["interval_us"],
        stride=logged["stride"],
        has_goal=row.has_goal,
        first_us=window[0],
        last_us=window[1],
    )
    return source.scenario(original, logged["type"], window)
