"""Tables of cases: linear models, swept paths, closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64
from roadcraft.core.driving.motion import closed_forms
from roadcraft.core.driving.motion.chain import ChainArrays
from roadcraft.core.driving.motion.linear_single_track import (
    gains,
    lane_change,
    least_damping,
    linear_single_track,
    static_loads,
    steady_turn,
)
from roadcraft.core.errors import ConfigError
from roadcraft.core.vehicles.geometry import swept_path
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2, Brakes, Powertrain
from roadcraft.validation.golden.freight.reading import Node, vehicle_of
from roadcraft.validation.golden.freight.rows import Rows

LINEAR_TOLERANCE, LANE_CHANGE_TOLERANCE, CLOSED_TOLERANCE, SAG_TOLERANCE = 1e-6, 1e-4, 1e-9, 1e-4
WIDTH_TOLERANCE_M, SWEPT_TOLERANCE_M, JOINT_TOLERANCE = 3e-3, 2e-4, 1e-4


def compare_linear(rows: Rows, case: Node, at: int) -> None:
    """One case of kind ``linear_single_track``."""
    if "mass_kg" not in case:
        case.wrong("lacks 'mass_kg'")
    vehicle, speed = vehicle_of(case), case["speed_kmh"].number() / 3.6
    try:
        model = linear_single_track(vehicle, speed)
    except ConfigError as e:
        case.wrong(str(e))
    n, size = len(vehicle.units), len(model.A)
    loads = [case["steered_axle_load_N"].number(), *case["axle_load_N"].array(n)]
    rows.add_relative("static loads", static_loads(vehicle), loads, LINEAR_TOLERANCE, at)
    rows.add_relative("A", model.A, case["A"].array(size, size), LINEAR_TOLERANCE, at, whole=True)
    rows.add_relative("B", model.B, case["B"].array(size), LINEAR_TOLERANCE, at, whole=True)
    poles = case["eigenvalues"].array(size, 2)
    paired = _paired(np.linalg.eigvals(model.A), poles)
    rows.add_relative("eigenvalues", paired, poles, LINEAR_TOLERANCE, at, whole=True)
    rows.add_relative("least damping", least_damping(model), case["damping_ratio_min"].number(), LINEAR_TOLERANCE, at)
    hertz = np.array([case["ay_gain_peak_Hz"].number(), case["yaw_gain_peak_Hz"].number()])
    ay, yaw = gains(model, hertz)
    given = [case["ay_gain_peak"].number(), case["yaw_gain_peak"].number()]
    rows.add_relative("gains", [ay[0], yaw[1]], given, LINEAR_TOLERANCE, at)
    turn = case["steady_turn"]
    found = steady_turn(vehicle, speed, turn["lateral_g"].number())
    given = [turn["radius_m"].number(), turn["steering_rad"].number()]
    rows.add_relative("steady turn", [found.radius_m, found.steering_rad], given, LINEAR_TOLERANCE, at)
    outward = turn["axle_offset_outward_m"].array(n)
    rows.add_relative("steady offsets", found.outward_m, outward, LINEAR_TOLERANCE, at, whole=True)
    change = case["lane_change"]
    keys = ("ra", "yaw_rate_rwa", "hsto_m", "max_steering_rad")
    driven = lane_change(model, change["frequency_Hz"].number(), change["width_m"].number())
    rows.add_relative("lane change", driven, [change[k].number() for k in keys], LANE_CHANGE_TOLERANCE, at)


def _paired(ours: NDArray[Any], theirs: F64) -> F64:
    """Our eigenvalues as (m, 2), each where the nearest of theirs stands."""
    left = [complex(v) for v in ours]
    out = []
    for real, imaginary in theirs:
        out.append(min(left, key=lambda v: abs(v - complex(real, imaginary))))
        left.remove(out[-1])
    return np.array([[v.real, v.imag] for v in out])


def compare_swept(rows: Rows, case: Node, at: int) -> None:
    """One case of kind ``swept_paths``."""
    vehicle = vehicle_of(case)
    n = len(vehicle.units)
    radius, angle = case["radius_m"].number(), math.radians(case["angle_deg"].number())
    try:
        ours = swept_path(vehicle, radius, angle)
    except ConfigError as e:
        case.wrong(str(e))
    width = case["swept_width_m"].number()
    rows.add("swept width", ours.swept_width_m, width, WIDTH_TOLERANCE_M, at=at)
    there = np.interp(case["at_m"].number(), ours.stations_m, ours.widths_m)
    rows.add("swept width at its place", there, width, WIDTH_TOLERANCE_M, at=at)
    rows.add("offtracking", ours.offtracking_m, case["offtracking_m"].number(), SWEPT_TOLERANCE_M, at=at)
    rows.add("tail swing", ours.tail_swing_m, case["tail_swing_m"].array(n), SWEPT_TOLERANCE_M, at=at)
    rows.add("largest joints", ours.max_joint_rad, case["max_joint_rad"].array(n - 1), JOINT_TOLERANCE, at=at)


Answers = list[tuple[float | None, float | None]]


def _numbers(case: Node, *keys: str) -> list[float]:
    return [case[k].number() for k in keys]


def _with(case: Node, ours: list[float], *keys: str) -> Answers:
    return list(zip(ours, _numbers(case, *keys), strict=True))


def _steady_circle(case: Node) -> Answers:
    base = case["wheel_base_m"].array(None)
    n = len(base)
    front = np.full(n, base[0] + case["front_overhang_m"].number())
    hitch = np.append(case["hitch_m"].array(n - 1), 0.0)
    chain = ChainArrays(base, hitch, front, np.zeros(n), case["width_m"].array(n))
    ours = closed_forms.steady_circle(chain, case["steering_rad"].number())
    if ours is None:
        return [(None, 0.0)]
    keys = ("steered_axle_radius_m", "offtracking_m", "outer_radius_m", "inner_radius_m", "swept_width_m")
    pairs = _with(case, [ours.steered_m, ours.offtracking_m, ours.outer_m, ours.inner_m, ours.swept_m], *keys)
    pairs += zip(ours.radii_m, case["axle_radius_m"].array(n), strict=True)
    pairs += zip(ours.joints_rad, case["joint_rad"].array(n - 1), strict=True)
    return pairs


def _tractrix(case: Node) -> Answers:
    ours = closed_forms.tractrix(*_numbers(case, "joint_start_rad", "wheel_base_m", "pull_m"))
    return _with(case, list(ours), "joint_rad", "axle_along_m", "axle_across_m")


def _joint_on_arc(case: Node) -> Answers:
    keys = ("joint_start_rad", "wheel_base_m", "hitch_m", "curvature_per_m", "arc_m")
    return _with(case, [closed_forms.joint_on_arc(*_numbers(case, *keys))], "joint_rad")


def _equivalent(case: Node) -> Answers:
    axles = [float(a) for a in case["axle_from_hitch_m"].array(None)]
    return _with(case, [closed_forms.equivalent_wheel_base(axles)], "equivalent_wheel_base_m")


def _no_return(case: Node) -> Answers:
    ours = closed_forms.no_return_joint(*_numbers(case, "wheel_base_m", "hitch_m", "min_radius_m"))
    theirs = case["no_return_joint_rad"]
    return [(ours, None if theirs.value is None else theirs.number())]


def _stopping(case: Node) -> Answers:
    keys = ("speed_mps", "deceleration_mps2", "dead_time_s", "ramp_s", "grade")
    ours = closed_forms.stopping(*_numbers(case, *keys))
    return [(None, 0.0)] if ours is None else _with(case, list(ours), "time_s", "distance_m")


def _brake_temperature(case: Node) -> Answers:
    slope = closed_forms.Slope(*_numbers(case, "grade_down", "distance_m", "speed_mps", "ambient_degC"))
    drag, rolling = _numbers(case, "drag_area_m2", "rolling_coefficient")
    keys = ("retarder_power_W", "heat_capacity_JpK", "cooling_WpK", "cooling_speed_WspmK")
    retarder, heat, cooling, by_speed = _numbers(case, *keys)
    brakes = Brakes(retarder_W=retarder, heat_JpK=heat, cooling_WpK=cooling, cooling_JpKm=by_speed)
    engine = Powertrain(1.0, drag_area_m2=drag, rolling=rolling)
    mass, start = _numbers(case, "mass_kg", "start_degC")
    ours = closed_forms.brake_temperature(mass, start, slope, engine, brakes)
    return _with(case, list(ours), "brake_power_W", "temperature_degC")


def _gsrs(case: Node) -> Answers:
    ours = closed_forms.gsrs_temperature(*_numbers(case, "weight_lb", "grade_down", "speed_mph", "length_mi"))
    return _with(case, [*ours, ours.total_F], "brake_power_hp", "temperature_F", "emergency_stop_F", "total_F")


def _traction(case: Node) -> Answers:
    keys = ("power_W", "efficiency", "drag_area_m2", "rolling_coefficient", "rotating_mass_factor")
    engine = Powertrain(*_numbers(case, *keys))
    road = closed_forms.RoadGrip(*_numbers(case, "grade", "friction"))
    mass, share, speed = _numbers(case, "mass_kg", "drive_axle_share", "speed_mps")
    ours = closed_forms.traction(mass, share, speed, engine, road)
    return _with(case, list(ours), "acceleration_mps2", "steady_speed_mps")


def _roll(case: Node) -> Answers:
    keys = ("track_m", "cog_height_m", "sprung_fraction", "sprung_lever_m", "roll_rad_per_g", "roll_frequency_Hz")
    body = closed_forms.RollBody(*_numbers(case, *keys, "roll_damping"))
    ay, time = _numbers(case, "ay_mps2", "time_s")
    ours = [body.threshold_g, ay / (GRAVITY_MPS2 * body.threshold_g), *closed_forms.roll_step(body, ay, time)]
    return _with(case, ours, "srt_g", "ltr_steady", "roll_rad", "roll_rate_radps", "ltr_step")


def _bridge(case: Node) -> Answers:
    position = case["axle_position_ft"].array(None)
    weight = case["axle_weight_lb"].array(len(position))
    if len(position) < 2:
        case["axle_position_ft"].wrong("must hold at least two axles")
    ours = closed_forms.bridge_formula(position.tolist(), weight.tolist())
    keys = ("worst_group_margin_lb", "single_axle_margin_lb", "gross_margin_lb")
    pairs = _with(case, [ours.group_margin, ours.axle_margin, ours.gross_margin], *keys)
    pairs += zip(ours.worst_group, case["worst_group"].array(2), strict=True)
    if not isinstance(case["compliant"].value, bool):
        case["compliant"].wrong("must be true or false")
    return [*pairs, (float(ours.compliant), float(case["compliant"].value))]


def _sag(case: Node) -> Answers:
    behind, ahead, radius = _numbers(case, "axle_behind_m", "axle_ahead_m", "sag_radius_m")
    rise = closed_forms.sag_rise(behind, ahead, radius)
    clearance, height = _numbers(case, "clearance_m", "vehicle_height_m")
    return _with(case, [rise, clearance - height - rise], "rise_m", "margin_m")


def _sag_circle(case: Node) -> Answers:
    """The rise over a circle instead of a parabola."""
    behind, ahead, radius = _numbers(case, "axle_behind_m", "axle_ahead_m", "sag_radius_m")
    middle, half = 0.5 * (behind - ahead), 0.5 * (behind + ahead)
    if not radius > half:
        case["sag_radius_m"].wrong("must exceed half the distance of the axles")
    # the difference of two nearly equal roots, without cancellation
    exact = behind * ahead / (math.sqrt(radius**2 - middle**2) + math.sqrt(radius**2 - half**2))
    return [(closed_forms.sag_rise(behind, ahead, radius), exact)]


def _curve(case: Node) -> Answers:
    ours = closed_forms.curve_speed(*_numbers(case, "radius_m", "superelevation", "srt_g", "share"))
    return _with(case, [ours], "speed_mps")


SECTIONS: dict[str, tuple[tuple[str, Callable[[Node], Answers], float], ...]] = {
    name: ((name, function, CLOSED_TOLERANCE),)
    for name, function in {
        "steady_circle": _steady_circle,
        "tractrix": _tractrix,
        "joint_on_arc": _joint_on_arc,
        "equivalent_wheelbase": _equivalent,
        "reverse_no_return": _no_return,
        "stopping": _stopping,
        "brake_temperature": _brake_temperature,
        "gsrs_recalled_formula": _gsrs,
        "traction": _traction,
        "roll": _roll,
        "bridge_formula": _bridge,
        "sag_clearance": _sag,
        "curve_speed": _curve,
    }.items()
}
SECTIONS["sag_clearance"] += (("sag_clearance on a circle", _sag_circle, SAG_TOLERANCE),)


def compare_closed(rows: Rows, section: str, case: Node, at: int) -> None:
    """One case of a section of kind ``closed_forms``."""
    for quantity, function, tolerance in SECTIONS[section]:
        for ours, theirs in function(case):
            if ours is None or theirs is None:
                gap = 0.0 if ours is theirs else math.inf
                shown = [math.nan if v is None else v for v in (ours, theirs)]
                rows.add_gaps(quantity, [gap], [shown[0]], [shown[1]], tolerance, at)
            else:
                rows.add_relative(quantity, [ours], [theirs], tolerance, at)
