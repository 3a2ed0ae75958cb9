"""The metrics this room registers, by nuPlan's own names. Light."""

from __future__ import annotations

from roadcraft.core.hookspecs import PluginSpec

_TABLE = (
    # name, module, class, config, summary
    ("no_ego_at_fault_collisions", "NoEgoAtFaultCollisions", "CollisionConfig", "Collisions that ego caused (multiplier)"),
    ("drivable_area_compliance", "DrivableAreaCompliance", "DrivableAreaConfig", "Ego stays on the drivable area (multiplier)"),
    ("driving_direction_compliance", "DrivingDirectionCompliance", "DrivingDirectionConfig", "Ego does not drive against the traffic (multiplier)"),
    ("ego_is_making_progress", "EgoIsMakingProgress", "MakingProgressConfig", "Ego gets somewhere (multiplier)"),
    ("ego_progress_along_expert_route", "EgoProgressAlongExpertRoute", "ProgressConfig", "Ego's progress as a share of the expert's (weight 5)"),
    ("time_to_collision_within_bound", "TimeToCollisionWithinBound", "TimeToCollisionConfig", "Nobody is about to be hit (weight 5)"),
    ("speed_limit_compliance", "SpeedLimitCompliance", "SpeedLimitConfig", "Ego keeps the speed limit (weight 4)"),
    ("ego_is_comfortable", "EgoIsComfortable", "ComfortConfig", "Accelerations, jerks and yaw stay within bounds (weight 2)"),
    ("ego_lane_change", "EgoLaneChange", "LaneChangeConfig", "Lane changes and how many failed (report)"),
    ("ego_jerk", "EgoJerk", "JerkConfig", "Jerk's magnitude (report)"),
    ("ego_lon_jerk", "EgoLonJerk", "LonJerkConfig", "Longitudinal jerk (report)"),
    ("ego_lat_jerk", "EgoLatJerk", "NoSettings", "Lateral jerk (report)"),
    ("ego_acceleration", "EgoAcceleration", "NoSettings", "Acceleration's magnitude (report)"),
    ("ego_lat_acceleration", "EgoLatAcceleration", "LatAccelerationConfig", "Lateral acceleration (report)"),
    ("ego_lon_acceleration", "EgoLonAcceleration", "LonAccelerationConfig", "Longitudinal acceleration (report)"),
    ("ego_yaw_rate", "EgoYawRate", "YawRateConfig", "Yaw rate (report)"),
    ("ego_yaw_acceleration", "EgoYawAcceleration", "YawAccelerationConfig", "Yaw acceleration (report)"),
    ("ego_mean_speed", "EgoMeanSpeed", "NoSettings", "Mean speed (report)"),
    ("ego_expert_L2_error", "EgoExpertL2Error", "NoSettings", "Distance of ego to the expert (report)"),
    ("ego_expert_l2_error_with_yaw", "EgoExpertL2ErrorWithYaw", "ErrorWithYawConfig", "Distance and heading error to the expert (report)"),
    ("corners_in_drivable_area", "CornersInDrivableArea", "NoSettings", "All four corners on the drivable area (report)"),
    ("planner_expert_average_l2_error_within_bound", "AverageL2Error", "DisplacementConfig", "Open loop: average displacement error (weight 1)"),
    ("planner_expert_final_l2_error_within_bound", "FinalL2Error", "DisplacementConfig", "Open loop: final displacement error (weight 1)"),
    ("planner_expert_average_heading_error_within_bound", "AverageHeadingError", "HeadingConfig", "Open loop: average heading error (weight 2)"),
    ("planner_expert_final_heading_error_within_bound", "FinalHeadingError", "HeadingConfig", "Open loop: final heading error (weight 2)"),
    ("planner_miss_rate_within_bound", "MissRate", "MissRateConfig", "Open loop: plans that miss the expert (multiplier)"),
)  # fmt: skip

_ROOM = "roadcraft.validation.metrics"


def metric_specs() -> list[PluginSpec]:
    """One spec per metric; its module bears its name in lower case."""
    return [
        PluginSpec("metric", name, summary, f"{_ROOM}.common.configs:{config}", f"{_ROOM}.{name.lower()}:{target}")
        for name, target, config, summary in _TABLE
    ]
