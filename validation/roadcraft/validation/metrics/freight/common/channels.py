"""What the vehicle model keeps of a rollout, step by step: the channels ``vehicle.NAME``. A model without slip has none
of them, and what needs them then has no score."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.motion.roll import RollGroups, roll_groups_of
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import MetricContext
from roadcraft.core.memo import memo
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2


def channel(context: MetricContext, name: str) -> F64 | None:
    """The channel ``vehicle.NAME`` (n,), or None where the vehicle model keeps none. Raises DataError where it is not
    finite."""
    rows: Mapping[str, int] = context.shared(
        "channel rows", lambda: {name: row for row, name in enumerate(context.rollout.channel_names)}
    )
    row = rows.get(f"vehicle.{name}")
    if row is None:
        return None
    values: F64 = context.rollout.channels[row]
    if not np.isfinite(values).all():
        step = int(np.argmin(np.isfinite(values)))
        raise DataError(
            f"the channel vehicle.{name} is not finite at step {step}",
            where=f"scenario {context.rollout.scenario.token}",
            remedy="drive the scenario again",
        )
    return values


def channels(context: MetricContext, prefix: str, count: int, first: int = 0) -> F64 | None:
    """The channels ``vehicle.PREFIX_i`` of ``count`` numbers i from ``first`` on, (n, count), or None where one is
    missing."""
    found = [channel(context, f"{prefix}_{first + i}") for i in range(count)]
    known = [f for f in found if f is not None]
    return np.stack(known, 1) if known and len(known) == count else None


def roll_groups(context: MetricContext) -> RollGroups | None:
    """The units of the vehicle that roll together, or None without masses."""
    vehicle = context.rollout.vehicle
    return memo(vehicle, "roll groups", lambda: roll_groups_of(vehicle)) if vehicle.masses else None


def threshold_g(groups: RollGroups) -> F64:
    """(G,) static roll thresholds, g."""
    return np.asarray(groups.threshold / GRAVITY_MPS2)


def road_channel(context: MetricContext, name: str, otherwise: float) -> F64:
    """The channel ``road.NAME`` (n,) of the road under unit 0: ``grade``, ``bank`` or ``friction``; ``otherwise`` where
    neither map nor log knows of roads."""
    if f"road.{name}" not in context.rollout.channel_names:
        return np.full(len(context.rollout), otherwise)
    return np.asarray(context.rollout.channels[context.rollout.channel_names.index(f"road.{name}")])
