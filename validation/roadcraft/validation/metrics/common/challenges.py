"""Which metrics each of nuPlan's challenges computes, in its order (reference: nuplan-devkit e924167,
config/common/simulation_metric), and how they enter the freight score. Light."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_CLOSED_LOOP = (
    "ego_lane_change",
    "ego_jerk",
    "ego_lat_acceleration",
    "ego_lon_acceleration",
    "ego_lon_jerk",
    "ego_yaw_acceleration",
    "ego_yaw_rate",
    "ego_progress_along_expert_route",
    "drivable_area_compliance",
    "corners_in_drivable_area",
    "no_ego_at_fault_collisions",
    "time_to_collision_within_bound",
    "speed_limit_compliance",
    "ego_is_comfortable",
    "ego_is_making_progress",
    "driving_direction_compliance",
)

CHALLENGE_METRICS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "closed_loop_nonreactive_agents": _CLOSED_LOOP,
        "closed_loop_reactive_agents": _CLOSED_LOOP,
        "open_loop_boxes": (
            "planner_expert_average_l2_error_within_bound",
            "planner_expert_final_l2_error_within_bound",
            "planner_miss_rate_within_bound",
            "planner_expert_final_heading_error_within_bound",
            "planner_expert_average_heading_error_within_bound",
        ),
    }
)

FREIGHT_ROLES: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "ego_is_comfortable": ("weighted", 1.0),
        **dict.fromkeys(
            (
                "no_ego_at_fault_collisions",
                "drivable_area_compliance",
                "ego_is_making_progress",
                "ego_progress_along_expert_route",
                "time_to_collision_within_bound",
                "speed_limit_compliance",
            ),
            ("report", 0.0),
        ),
    }
)
"""Role and weight in the freight score of those of nuPlan's metrics that have another one there."""
