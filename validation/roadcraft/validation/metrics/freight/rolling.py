"""Load transfer, rollover, and what is left of the roll threshold."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2
from roadcraft.validation.metrics.common.events import runs, span_text
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.freight.common.channels import channels, road_channel, roll_groups, threshold_g
from roadcraft.validation.metrics.freight.common.thresholds import LoadTransferConfig, RolloverConfig
from roadcraft.validation.metrics.freight.common.units import units


class Rollover(Metric):
    """Multiplier. 0 where the load transfer ratio of units that roll together is 1 or more for longer than
    ``tipping_s``: the wheels of one side carry nothing. Else 1; no score without a vehicle model that rolls."""

    role: ClassVar[str] = "multiplier"

    def __init__(self, config: RolloverConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, groups = "rollover", roll_groups(context)
        ratio = None if groups is None else channels(context, "load_transfer", len(groups.threshold))
        if ratio is None:
            return MetricResult(name, None)
        u, time_us, events = units(context), frames(context).time_us, []
        for g in range(ratio.shape[1]):
            for a, b in zip(*runs(np.asarray(np.abs(ratio[:, g]) >= 1.0)), strict=True):
                if u.seconds[b] - u.seconds[a] + u.dt_s > self.config.tipping_s + 1e-6:
                    what = f"roll group {g} tips over, {span_text(time_us, int(a), int(b))}"
                    events.append(Event(int(a), what))
        return MetricResult(name, 0.0 if events else 1.0, {name: bool(events)}, events=tuple(events))


class LoadTransfer(Metric):
    """Weight 3. The largest load transfer ratio of all units that roll together: 1 up to ``good``, 0 from ``bad`` on,
    linear between. No score without a vehicle model that rolls."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 3.0

    def __init__(self, config: LoadTransferConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c, name, groups = self.config, "load_transfer", roll_groups(context)
        ratio = None if groups is None else channels(context, name, len(groups.threshold))
        if ratio is None:
            return MetricResult(name, None)
        size, time_us = np.abs(ratio), frames(context).time_us
        worst, most = size.max(axis=1), float(size.max())
        stats: dict[str, float | int | bool | None] = {
            "max_load_transfer": most,
            f"share_of_time_above_{c.good:g}": float(np.mean(worst > c.good)),
            f"share_of_time_above_{c.high:g}": float(np.mean(worst > c.high)),
            **{f"max_load_transfer_of_group_{g}": float(v) for g, v in enumerate(size.max(axis=0))},
        }
        events: tuple[Event, ...] = ()
        if most > c.good:
            step, group = divmod(int(size.argmax()), size.shape[1])
            events = (Event(step, f"load transfer ratio {most:.2f} of roll group {group}"),)
        score = 1.0 - min(max((most - c.good) / (c.bad - c.good), 0.0), 1.0)
        names = tuple(f"group {g}" for g in range(ratio.shape[1]))
        return MetricResult(name, score, stats, Series(time_us, ratio, "", names), events)


class RollMargin(Metric):
    """Reported only: 1 less the largest share of the static roll threshold that the lateral acceleration takes on the
    banked road, of all units that roll together; negative beyond the threshold. No score without a vehicle model that
    slips."""

    def __init__(self, config: LoadTransferConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, groups = "roll_margin", roll_groups(context)
        ay = None if groups is None else channels(context, "ay", context.rollout.vehicle.joints + 1)
        if groups is None or ay is None:
            return MetricResult(name, None)
        first = np.searchsorted(groups.group, np.arange(len(groups.threshold)))
        shared = np.add.reduceat(ay * groups.weight, first, axis=1)
        bank, leaning = road_channel(context, "bank", 0.0)[:, None], shared / GRAVITY_MPS2
        share = np.abs((leaning - bank) / (1.0 + leaning * bank)) / threshold_g(groups)  # across the banked road
        margin = 1.0 - float(share.max())
        good = margin >= self.config.margin
        stats = {name: margin, "max_lateral_acceleration_[g]": float(np.abs(ay).max()) / GRAVITY_MPS2, "good": good}
        return MetricResult(name, margin, stats, Series(frames(context).time_us, share.max(axis=1), "share"))
