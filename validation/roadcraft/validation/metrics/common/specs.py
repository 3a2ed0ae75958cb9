"""The metrics this room registers, by nuPlan's own names. Light."""

from __future__ import annotations

from roadcraft.core.plugins.hookspecs import PluginSpec

_TABLE = (
    # name, module where it is not of that name, config, summary
    ("no_ego_at_fault_collisions", "", "CollisionConfig", "Collisions that ego caused (multiplier)"),
    ("drivable_area_compliance", "", "DrivableAreaConfig", "Ego stays on the drivable area (multiplier)"),
    (
        "driving_direction_compliance",
        "",
        "DrivingDirectionConfig",
        "Ego does not drive against the traffic (multiplier)",
    ),
    ("ego_is_making_progress", "", "MakingProgressConfig", "Ego makes progress (multiplier)"),
    ("ego_progress_along_expert_route", "", "ProgressConfig", "Ego's progress relative to the expert's (weight 5)"),
    ("time_to_collision_within_bound", "", "TimeToCollisionConfig", "Time to collision stays above a bound (weight 5)"),
    ("speed_limit_compliance", "", "SpeedLimitConfig", "Ego keeps the speed limit (weight 4)"),
    ("ego_is_comfortable", "", "ComfortConfig", "Accelerations, jerks and yaw stay within bounds (weight 2)"),
    ("ego_lane_change", "", "LaneChangeConfig", "Lane changes and how many failed (report)"),
    ("ego_jerk", "ego_motion", "JerkConfig", "Jerk's magnitude (report)"),
    ("ego_lon_jerk", "ego_motion", "LonJerkConfig", "Longitudinal jerk (report)"),
    ("ego_lat_jerk", "ego_motion", "", "Lateral jerk (report)"),
    ("ego_acceleration", "ego_motion", "", "Acceleration's magnitude (report)"),
    ("ego_lat_acceleration", "ego_motion", "LatAccelerationConfig", "Lateral acceleration (report)"),
    ("ego_lon_acceleration", "ego_motion", "LonAccelerationConfig", "Longitudinal acceleration (report)"),
    ("ego_yaw_rate", "ego_motion", "YawRateConfig", "Yaw rate (report)"),
    ("ego_yaw_acceleration", "ego_motion", "YawAccelerationConfig", "Yaw acceleration (report)"),
    ("ego_mean_speed", "", "", "Mean speed (report)"),
    ("ego_expert_L2_error", "ego_expert_errors", "", "Distance of ego to the expert (report)"),
    (
        "ego_expert_l2_error_with_yaw",
        "ego_expert_errors",
        "ErrorWithYawConfig",
        "Distance and heading error to the expert (report)",
    ),
    ("corners_in_drivable_area", "", "", "All four corners on the drivable area (report)"),
    (
        "planner_expert_average_l2_error_within_bound",
        "planner_expert_errors",
        "DisplacementConfig",
        "Open loop: average displacement error (weight 1)",
    ),
    (
        "planner_expert_final_l2_error_within_bound",
        "planner_expert_errors",
        "DisplacementConfig",
        "Open loop: final displacement error (weight 1)",
    ),
    (
        "planner_expert_average_heading_error_within_bound",
        "planner_expert_errors",
        "HeadingConfig",
        "Open loop: average heading error (weight 2)",
    ),
    (
        "planner_expert_final_heading_error_within_bound",
        "planner_expert_errors",
        "HeadingConfig",
        "Open loop: final heading error (weight 2)",
    ),
    ("planner_miss_rate_within_bound", "", "MissRateConfig", "Open loop: plans that miss the expert (multiplier)"),
)

FREIGHT_TABLE = (
    # name, module, config, summary
    ("all_unit_collisions", "all_unit_collisions", "", "Collisions that any unit of ego caused (multiplier)"),
    ("all_unit_ttc", "all_unit_ttc", "AllUnitTtcConfig", "Time to collision of all units (report)"),
    (
        "all_unit_drivable_area",
        "all_unit_drivable_area",
        "AllUnitDrivableAreaConfig",
        "All units stay on the drivable area (multiplier)",
    ),
    (
        "lane_keeping_all_units",
        "lane_keeping_all_units",
        "LaneKeepingConfig",
        "All units stay in the lanes that unit 0 uses (weight 3)",
    ),
    ("articulation", "articulation", "ArticulationConfig", "No jackknife, no swinging trailer (multiplier)"),
    ("rollover", "rolling", "RolloverConfig", "The vehicle does not tip over (multiplier)"),
    ("load_transfer", "rolling", "LoadTransferConfig", "Load that moves to one side (weight 3)"),
    ("roll_margin", "rolling", "LoadTransferConfig", "What is left of the roll threshold (report)"),
    (
        "rearward_amplification",
        "handling",
        "RearwardAmplificationConfig",
        "Lateral acceleration of the last unit against the first (report)",
    ),
    ("yaw_damping", "handling", "YawDampingConfig", "Damping of the joints' motion (report)"),
    ("friction_use", "handling", "FrictionUseConfig", "Share of the tires' friction (report)"),
    ("low_speed_offtracking", "offtracking", "LowSpeedOfftrackingConfig", "How far trailers cut corners (report)"),
    (
        "high_speed_offtracking",
        "offtracking",
        "HighSpeedOfftrackingConfig",
        "How far the last axle runs outside at speed (report)",
    ),
    ("swept_width", "offtracking", "", "Width of what all units cover (report)"),
    ("tail_swing", "swing", "TailSwingConfig", "How far rear corners swing out (report)"),
    ("frontal_swing", "swing", "FrontalSwingConfig", "How far front corners swing out (report)"),
    ("progress_feasible", "progress", "FeasibleProgressConfig", "Progress against what is feasible (weight 5)"),
    (
        "makes_feasible_progress",
        "progress",
        "MakesFeasibleProgressConfig",
        "Some of the progress that is feasible (multiplier)",
    ),
    ("stopping_margin", "gaps", "StoppingMarginConfig", "Ego could stop behind its leader (weight 5)"),
    ("brake_demand", "gaps", "BrakeDemandConfig", "Braking that the leader asks for (report)"),
    ("headway", "gaps", "HeadwayConfig", "Time gap behind the leader (weight 2)"),
    ("lane_change_gap", "lane_change_gap", "LaneChangeGapConfig", "Gaps in lane changes (weight 3)"),
    ("merge", "merge", "MergeConfig", "Gaps and the end of the lane in merges (weight 3)"),
    ("truck_speed", "truck_speed", "TruckSpeedConfig", "Ego keeps the speed limits of trucks (weight 2)"),
    (
        "grade_speed",
        "grade_speed",
        "place_thresholds:GradeSpeedConfig",
        "Ego keeps the advisory of downgrades (weight 2)",
    ),
    (
        "lane_restriction",
        "lane_restriction",
        "place_thresholds:LaneRestrictionConfig",
        "Ego keeps out of lanes closed to trucks (weight 2)",
    ),
    ("cargo", "cargo", "CargoConfig", "What the payload feels (weight 2)"),
    ("brake_heat", "brakes", "BrakeHeatConfig", "Temperature of the brakes (weight 3)"),
    ("energy", "brakes", "EnergyConfig", "Fuel and brake energy (report)"),
    ("rollback", "brakes", "RollbackConfig", "Rolling back (report)"),
    ("vru_side", "beside", "VruSideConfig", "Room for people and cyclists beside the units (weight 3)"),
    ("move_over", "beside", "MoveOverConfig", "Room or low speed beside vehicles at the roadside (weight 3)"),
    ("shoulder_stop", "pull_over", "ShoulderStopConfig", "How ego stops where told to pull over (weight 3)"),
    ("pulls_over", "pull_over", "ShoulderStopConfig", "Ego stands beside the lanes where told to (multiplier)"),
    ("junction_blocked", "junction_blocked", "JunctionBlockedConfig", "Ego does not stand in junctions (weight 3)"),
    (
        "bridge_clearance",
        "places",
        "place_thresholds:BridgeClearanceConfig",
        "All units fit under structures (multiplier)",
    ),
    (
        "weight_limits",
        "places",
        "place_thresholds:WeightLimitsConfig",
        "The vehicle keeps limits of weight (multiplier)",
    ),
    ("stop_on_rails", "places", "", "No unit stands on a railway (multiplier)"),
    ("dock", "places", "place_thresholds:DockConfig", "How ego stands at a dock (weight 3)"),
)
"""Metrics of heavy and articulated vehicles, whose config is one of ``thresholds`` where it names no module. Of both
tables: without settings where the config is empty."""

_ROOM = "roadcraft.validation.metrics"


def metric_specs() -> list[PluginSpec]:
    """One spec per metric. Its class bears its name in camel case."""
    nuplan = [
        _spec(name, module or name, config and f"common.configs:{config}", s) for name, module, config, s in _TABLE
    ]
    freight = [
        _spec(
            name,
            f"freight.{module}",
            config and f"freight.common.{config if ':' in config else f'thresholds:{config}'}",
            s,
        )
        for name, module, config, s in FREIGHT_TABLE
    ]
    return nuplan + freight


def _spec(name: str, module: str, config: str, summary: str) -> PluginSpec:
    settings = f"{_ROOM}.{config or 'common.configs:NoSettings'}"
    return PluginSpec("metric", name, summary, settings, f"{_ROOM}.{module}:{name.title().replace('_', '')}")
