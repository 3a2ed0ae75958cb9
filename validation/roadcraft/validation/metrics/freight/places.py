"""Places of the map that the units pass: clearances, limits of weight, railways, docks."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.arrays import I64, Mask
from roadcraft.core.data.places import PlaceKind
from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.core.driving.motion.stopped import STOPPED_MPS
from roadcraft.core.driving.route_places import (
    KG_PER_POUND,
    bridge_verdict,
    closed_places,
    is_truck,
    unit_heights,
    weights_of,
)
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult
from roadcraft.validation.metrics.common.configs import NoSettings
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.common.routes import ego_route
from roadcraft.validation.metrics.freight.common.docks import dock_asked_for, rear_at
from roadcraft.validation.metrics.freight.common.lines import lane_line, over_span
from roadcraft.validation.metrics.freight.common.place_thresholds import (
    BridgeClearanceConfig,
    DockConfig,
    WeightLimitsConfig,
)
from roadcraft.validation.metrics.freight.common.units import unit_name, units

_ALONG = 0.5  # cosine of the largest angle between a unit and the lane whose places it passes
_BESIDE_M = 2.5  # farthest that a unit's center is from the centerline of a place's lane


def over_places(context: MetricContext, *kinds: PlaceKind) -> list[tuple[int, Mask]]:
    """Rows of the map's places of these kinds on lanes, and (n, m) whether each unit is over the span: its length
    reaches into it, and its center is beside the lane's centerline, along which it heads."""
    places = context.rollout.scenario.map.places
    return over_rows(context, places.of(*kinds)) if len(places) else []


def over_rows(context: MetricContext, rows: I64) -> list[tuple[int, Mask]]:
    """The same of the places with these rows."""
    lane = context.rollout.scenario.map.places.lane
    return [(row, _over(context, row)) for row in rows.tolist() if lane[row] >= 0]


def _over(context: MetricContext, row: int) -> Mask:
    world = context.rollout.scenario.map
    low, high = world.places.span[row].tolist()
    line = lane_line(world, int(world.places.lane[row]))
    return over_span(line, units(context).boxes, (low, high), _BESIDE_M, _ALONG)


class BridgeClearance(Metric):
    """Multiplier. 0 where a unit passes under a structure with less than ``least_m`` left above it, counting its rise
    in the sag below, or where unit 0 drives onto a lane with such a structure. No score where there is no structure on
    the lanes of the route."""

    role: ClassVar[str] = "multiplier"

    def __init__(self, config: BridgeClearanceConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, vehicle = "bridge_clearance", context.rollout.vehicle
        places, least, events = context.rollout.scenario.map.places, None, list[Event]()
        for row, under in over_places(context, PlaceKind.CLEARANCE):
            entered = _entered(context, int(places.lane[row]))
            if not under.any() and entered is None:
                continue
            rooms = (float(places.value[row]) - unit_heights(vehicle, float(places.second[row]))).tolist()
            passing = [r for i, r in enumerate(rooms) if under[:, i].any()]
            room = min(passing) if passing else min(rooms)
            least = room if least is None else min(least, room)
            for i, r in enumerate(rooms):
                if r < self.config.least_m and under[:, i].any():
                    what = f"{unit_name(i)} passes a structure with {r:.2f} m above it"
                    events.append(Event(int(under[:, i].argmax()), what))
            if min(rooms) < self.config.least_m and entered and not events:
                events.append(Event(entered, "enters a lane with a structure that is too low"))
        if least is None:
            return MetricResult(name, None)
        return MetricResult(name, 0.0 if events else 1.0, {"least_clearance_[meters]": least}, events=tuple(events))


def _entered(context: MetricContext, lane: int) -> int | None:
    """The step at which unit 0 comes onto a lane, 0 where it begins there; None where it never does."""
    on = np.flatnonzero((ego_route(context).rows == lane).any(axis=1))
    return int(on[0]) if len(on) else None


class WeightLimits(Metric):
    """Multiplier. 0 where a unit is over a place that the vehicle may not pass: its limit of gross mass, of a single
    axle or of a group of axles is exceeded, or it is closed to trucks of that mass; and, under the law
    ``us_interstate``, where the axles exceed the federal bridge formula. Axle loads are those of the standing vehicle,
    shared evenly within a group. No score where nothing of that concerns the vehicle: one without masses has no limits
    of weight, and what is no truck may go where trucks may not."""

    role: ClassVar[str] = "multiplier"

    def __init__(self, config: WeightLimitsConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, vehicle = "weight_limits", context.rollout.vehicle
        kinds = [PlaceKind.GROSS_LIMIT, PlaceKind.AXLE_LIMIT] if vehicle.masses else []
        kinds += [PlaceKind.NO_TRUCKS] if is_truck(vehicle) else []
        passed = [(row, over) for row, over in over_places(context, *kinds) if over.any()] if kinds else []
        interstate = self.config.law == "us_interstate" and bool(vehicle.masses)
        if not passed and not interstate:
            return MetricResult(name, None)
        w, events, stats = weights_of(vehicle), list[Event](), dict[str, float | int | bool | None]()
        if vehicle.masses:
            verdict = bridge_verdict(vehicle)
            margin = min(verdict.group_margin, verdict.axle_margin, verdict.gross_margin) * KG_PER_POUND
            stats = {
                "gross_[kg]": w.gross_kg, "heaviest_axle_[kg]": w.axle_kg, "heaviest_group_[kg]": w.group_kg,
                "bridge_formula_margin_[kg]": margin,
            }  # fmt: skip
            if interstate and not verdict.compliant:
                events.append(Event(0, f"{-margin:.0f} kg above what the bridge formula allows"))
        places = context.rollout.scenario.map.places
        closed = closed_places(context.rollout.scenario.map, vehicle)
        for row, over in passed:
            if not closed[row]:
                continue
            what = "closed to this vehicle"
            if places.kind[row] == PlaceKind.GROSS_LIMIT:
                what = f"{w.gross_kg:.0f} kg where {places.value[row]:.0f} kg are allowed"
            elif places.kind[row] == PlaceKind.AXLE_LIMIT:
                what = f"axle of {w.axle_kg:.0f} kg, group of {w.group_kg:.0f} kg, above the limit"
            events.append(Event(int(over.any(axis=1).argmax()), what))
        return MetricResult(name, 0.0 if events else 1.0, stats, events=tuple(events))


class StopOnRails(Metric):
    """Multiplier. 0 where a unit is over a railway while unit 0 stands, else 1; no score where none is crossed."""

    role: ClassVar[str] = "multiplier"

    def __init__(self, config: NoSettings) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, still = "stop_on_rails", np.abs(units(context).speed[:, 0]) <= STOPPED_MPS
        passed = [over for _, over in over_places(context, PlaceKind.RAIL_CROSSING) if over.any()]
        if not passed:
            return MetricResult(name, None)
        stood = np.any(passed, axis=0) & still[:, None]
        steps = stood.any(axis=1)
        events: tuple[Event, ...] = ()
        if steps.any():
            step = int(steps.argmax())
            events = (Event(step, f"stands with {unit_name(int(stood[step].argmax()))} on a railway"),)
        seconds = float(np.count_nonzero(steps)) * units(context).dt_s
        return MetricResult(name, 0.0 if events else 1.0, {"stood_on_rails_[s]": seconds}, events=events)


class Dock(Metric):
    """Weight 3. How the middle of the last unit's rear edge and its heading lie to the nearest dock where ego at last
    stands: 1 within ``lateral_m``, ``heading_rad`` and between ``least_gap_m`` and ``most_gap_m``; each counts a third
    and falls to 0 at four times its bound. Where ego is not within ``near_m`` of a dock at the end, or does not stand:
    0 where the expert reversed to one, else no score."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 3.0

    def __init__(self, config: DockConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c, name, u = self.config, "dock", units(context)
        places = context.rollout.scenario.map.places
        docks = places.pose[places.of(PlaceKind.DOCK)] if len(places) else np.zeros((0, 3))
        rear = rear_at(context, -1)
        away = np.hypot(*(docks[:, :2] - rear).T)
        if not len(docks) or away.min() > c.near_m or abs(u.speed[-1, 0]) > STOPPED_MPS:
            if dock_asked_for(context) is None:
                return MetricResult(name, None)
            missed = Event(len(frames(context)) - 1, "does not stand at the dock to which the expert reversed")
            return MetricResult(name, 0.0, events=(missed,))
        x, y, heading = docks[int(away.argmin())]
        gap = (rear[0] - x) * np.cos(heading) + (rear[1] - y) * np.sin(heading)
        lateral = abs((rear[1] - y) * np.cos(heading) - (rear[0] - x) * np.sin(heading))
        turned = abs(float(wrap_array(u.poses[-1, -1, 2] - heading)))
        middle, half = 0.5 * (c.least_gap_m + c.most_gap_m), 0.5 * (c.most_gap_m - c.least_gap_m)
        parts = ((lateral, c.lateral_m), (turned, c.heading_rad), (abs(gap - middle), half))
        score = sum(1.0 - min(max(v / bound - 1.0, 0.0) / 3.0, 1.0) for v, bound in parts) / 3.0
        signs = np.sign(u.speed[np.abs(u.speed[:, 0]) > STOPPED_MPS, 0])
        pull_ups = int(np.count_nonzero((signs[1:] > 0.0) & (signs[:-1] < 0.0)))
        stats: dict[str, float | int | bool | None] = {
            "lateral_[meters]": float(lateral),
            "heading_[rad]": turned,
            "gap_[meters]": float(gap),
            "pull_ups": pull_ups,
            "time_[s]": float(u.seconds[-1]),
        }
        what = f"stands {lateral:.2f} m beside the dock, {gap:.2f} m from it, turned by {turned:.3f} rad"
        events = (Event(len(frames(context)) - 1, what),) if score < 1.0 else ()
        return MetricResult(name, float(score), stats, events=events)
