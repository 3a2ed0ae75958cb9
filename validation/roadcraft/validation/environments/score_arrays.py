"""What the running score of a drive reads and remembers, as arrays for its kernel."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U64, Mask
from roadcraft.core.data.map import MapData
from roadcraft.core.data.rollout_context import RolloutContext
from roadcraft.core.data.scenario import Scenario
from roadcraft.core.driving.held import Held
from roadcraft.core.driving.map_index.index import LayerArrays
from roadcraft.core.driving.motion.savitzky_golay import filters
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.memo import memo
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.metrics.common.configs import (
    CollisionConfig,
    ComfortConfig,
    DrivableAreaConfig,
    DrivingDirectionConfig,
    MakingProgressConfig,
    ProgressConfig,
    SpeedLimitConfig,
    TimeToCollisionConfig,
)
from roadcraft.validation.metrics.common.dynamics import ACCELERATION, JERK, YAW_ACCELERATION, YAW_RATE
from roadcraft.validation.metrics.common.frames import expert_boxes
from roadcraft.validation.metrics.common.progress import along, expert_pairs
from roadcraft.validation.metrics.common.routes import graph
from roadcraft.validation.metrics.driving_direction_compliance import horizon_steps
from roadcraft.validation.metrics.ego_is_comfortable import comfort_bounds
from roadcraft.validation.metrics.speed_limit_compliance import interval_and_duration_s

_SERIES = (
    "longitudinal acceleration", "lateral acceleration", "longitudinal jerk", "jerk", "yaw rate", "yaw acceleration",
)  # fmt: skip
NO_FAULT, OVERLAP, NO_LIMIT, TOO_MANY = range(4)
FAULTS = {
    OVERLAP: "two lanes overlap under the ego; lane polygons must not overlap, connectors may",
    NO_LIMIT: "a connector under the ego joins no lanes, so no speed limit can be told",
    TOO_MANY: "the ego has touched more objects than the log has tracks: object ids must stay with their objects",
}
"""Why a drive cannot be scored, by the codes of ``Counts.FAULT``; the offline metrics refuse the first two as well."""


class ScoreMap(NamedTuple):
    """A map. lanes, blocks, drivable, intersections: layers; points, offsets: center lines; limit (L,) m/s, known (L,)
    whether there is one; the lane graph as in ``Graph``."""

    lanes: LayerArrays
    blocks: LayerArrays
    drivable: LayerArrays
    intersections: LayerArrays
    points: F64
    offsets: I64
    limit: F64
    known: Mask
    kind: Any
    next_values: I64
    next_offsets: I64
    before_values: I64
    before_offsets: I64


class SmoothingFilter(NamedTuple):
    """A Savitzky-Golay filter of ``window`` samples: inner, left and right weights as in ``filters``, and what its
    outputs are multiplied with."""

    window: int
    inner: F64
    left: F64
    right: F64
    scale: float


class ScoreLimits(NamedTuple):
    """What does not change in a drive of n samples: nuPlan's settings, the times, the expert's route.

    pairs (P, 2): (block, lane) rows of the expert's route, empty where it has none; expert_m: the expert's progress;
    horizon: steps of the driving direction; interval_s, duration_s: of the whole scenario; allowed (3,): collisions
    with vulnerable road users, vehicles and objects; low, high (6,): bounds of comfort, in the order of ``_SERIES``."""

    pairs: I64
    expert_m: float
    horizon: int
    interval_s: float
    duration_s: float
    allowed: I64
    tolerance_m: float
    compliance_m: float
    violation_m: float
    min_progress_m: float
    min_ratio: float
    ttc_step_s: float
    ttc_horizon_s: float
    min_ttc_s: float
    max_overspeed_mps: float
    low: F64
    high: F64
    acceleration: SmoothingFilter
    jerk: SmoothingFilter
    yaw_rate: SmoothingFilter
    yaw_acceleration: SmoothingFilter


class ScoreMemory(NamedTuple):
    """What is remembered of the drive so far; n samples in all, K lanes under a point and C touched tracks at most.

    box (n, 5), corner (n, 4, 2), speed (n,): ego; raw, rows (n, K) and raw_count, count (n,): the lanes under ego's
    center as they were found, and thinned; corner_rows (1, 4, K) now and corner_count (n, 4): those under its corners;
    candidates (2, 8 K): all that were under corners, at even and odd steps; far_m (n,): the farthest corner beyond the
    drivable area; way, backward (n,): along the lanes, at a step and over the last ones; way_row, way_known, way_arc
    (n + 1,): the state before each step; over (n,): m/s above the limit; unlimited (n,): no limit can be told; along
    (n,): m along the expert's route, arc (1,): where on it; motion (4, n): accelerations x, y, magnitude and the
    heading; smooth (3, n): the accelerations filtered; uncomfortable, close (n,): steps out of comfort's bounds, too
    close to a collision; broken (6,): whether each bound of comfort ever was, in the order of ``_SERIES``; touched
    (C,): ids; counts (13,): see the columns; parts (10,): ``SCORE_PARTS``."""

    box: F64
    corner: F64
    speed: F64
    raw: I64
    raw_count: I64
    rows: I64
    count: I64
    corner_rows: I64
    corner_count: I64
    candidates: I64
    far_m: F64
    way: F64
    backward: F64
    way_row: I64
    way_known: I64
    way_arc: F64
    over: F64
    unlimited: I64
    along: F64
    arc: F64
    motion: F64
    smooth: F64
    uncomfortable: I64
    close: I64
    broken: I64
    touched: U64
    counts: I64
    parts: F64


SCORE_PARTS = (
    "score", "collisions", "drivable_area", "driving_direction", "making_progress", "progress",
    "time_to_collision", "speed_limit", "comfort", "graded_score",
)  # fmt: skip
"""Columns of the running score's parts: the score, its multipliers and weighted parts so far, and the score where time
to collision and comfort are shares of the steps that keep them."""

# columns of ScoreMemory.counts: samples so far; why there is no score; corner candidates; ids in ``touched``;
# collisions at fault; the place in the expert's route; turns of the heading; outputs of the comfort filters so far
STEPS, FAULT, CANDIDATES, TOUCHED, HIT_VRU, HIT_VEHICLE, HIT_OBJECT, ALONG_AT = range(8)
TURNS, SMOOTHED, JERKED, RATED, TURNED = range(8, 13)


def score_map(map_data: MapData) -> Held:
    """A map for the kernel; made once per map."""

    def make() -> Held:
        index, lanes, lines = map_data.index, map_data.lanes, map_data.lanes.centerlines
        context: Any = RolloutContext(SimpleNamespace(scenario=SimpleNamespace(map=map_data)))  # type: ignore[arg-type]
        return Held(
            ScoreMap(
                index.lanes.arrays,
                index.blocks.arrays,
                index.drivable.arrays,
                index.intersections.arrays,
                frozen(lines.points),
                frozen(lines.offsets, np.int64),
                frozen(lanes.speed_limit_mps),
                frozen(lanes.has_speed_limit, np.bool_),
                *graph(context),
            )
        )

    return memo(map_data, "score_map", make)


def score_limits(scenario: Scenario, vehicle: Vehicle) -> Held:
    """What does not change while a scenario is driven with a vehicle. Raises DataError where two lanes overlap under
    the expert."""
    n = len(scenario) - 1
    context: Any = RolloutContext(SimpleNamespace(scenario=scenario, vehicle=vehicle))  # type: ignore[arg-type]
    time_us, pairs = scenario.time_us[:n], expert_pairs(context)
    expert = float(np.sum(along(context, expert_boxes(context)))) if len(pairs) else 0.0
    spacing = float(np.diff(time_us / 1e6).mean())
    hits, direction, ttc = CollisionConfig(), DrivingDirectionConfig(), TimeToCollisionConfig()
    bounds = comfort_bounds(ComfortConfig())
    low, high = np.array([bounds[name][:2] for name in _SERIES]).T
    return Held(
        ScoreLimits(
            pairs,
            expert,
            horizon_steps(time_us, direction),
            *interval_and_duration_s(time_us),
            frozen(np.array([hits.allow_vru, hits.allow_vehicle, hits.allow_object]), np.int64),
            DrivableAreaConfig().tolerance_m,
            direction.compliance_m,
            direction.violation_m,
            ProgressConfig().min_progress_m,
            MakingProgressConfig().min_ratio,
            ttc.step_s,
            ttc.horizon_s,
            ttc.min_ttc_s,
            SpeedLimitConfig().max_overspeed_mps,
            frozen(low),
            frozen(high),
            _filter(n, spacing, *ACCELERATION),
            _filter(n, spacing, *JERK),
            _filter(n, spacing, *YAW_RATE),
            _filter(n, spacing, *YAW_ACCELERATION),
        )
    )


def _filter(n: int, spacing: float, window: int, order: int, derivative: int) -> SmoothingFilter:
    inner, left, right = filters(min(window, n), order, derivative)
    return SmoothingFilter(len(inner), inner, left, right, float(spacing**-derivative))


def score_memory(scenario: Scenario) -> Held:
    """The memory of a drive that has not begun."""
    n = len(scenario) - 1
    starts = scenario.map.index.lanes.starts
    k = memo(scenario.map, "lanes_at_a_point", lambda: max(int(np.diff(starts).max(initial=0)), 1))

    def ints(*shape: int) -> I64:
        return np.zeros(shape, np.int64)

    def floats(*shape: int) -> F64:
        return np.zeros(shape)

    return Held.copied(
        ScoreMemory(
            box=floats(n, 5), corner=floats(n, 4, 2), speed=floats(n),
            raw=ints(n, k), raw_count=ints(n), rows=ints(n, k), count=ints(n),
            corner_rows=ints(1, 4, k), corner_count=ints(n, 4), candidates=ints(2, 8 * k),
            far_m=floats(n), way=floats(n), backward=floats(n),
            way_row=ints(n + 1), way_known=ints(n + 1), way_arc=floats(n + 1),
            over=floats(n), unlimited=ints(n), along=floats(n), arc=floats(1),
            motion=floats(4, n), smooth=floats(3, n), uncomfortable=ints(n), close=ints(n), broken=ints(len(_SERIES)),
            touched=np.zeros(max(len(scenario.drive.tracks), 1), np.uint64), counts=ints(13),
            parts=floats(len(SCORE_PARTS)),
        )
    )  # fmt: skip
