"""Layers and columns of a nuPlan map (reference: nuplan-devkit e924167, common/maps/nuplan_map)."""

from __future__ import annotations

from typing import Final

from roadcraft.core.data.map import AreaKind

SPEED_BUMPS: Final = "speed_bumps"  # read and written where there are any; the reference has no such layer

AREAS: Final = {
    AreaKind.ROAD_SEGMENT: "road_segments",
    AreaKind.INTERSECTION: "intersections",
    AreaKind.GENERIC_DRIVABLE: "generic_drivable_areas",
    AreaKind.CARPARK: "carpark_areas",
    AreaKind.CROSSWALK: "crosswalks",
    AreaKind.WALKWAY: "walkways",
    AreaKind.STOP: "stop_polygons",
    AreaKind.SPEED_BUMP: SPEED_BUMPS,
}

COLUMNS: Final = {
    "lanes_polygons": {
        "lane_fid": "INTEGER", "lane_group_fid": "INTEGER", "lane_index": "INTEGER", "lane_type_fid": "INTEGER",
        "speed_limit_mps": "REAL", "left_boundary_fid": "INTEGER", "right_boundary_fid": "INTEGER",
        "from_edge_fid": "INTEGER", "to_edge_fid": "INTEGER",
    },
    "lane_connectors": {
        "exit_lane_fid": "INTEGER", "entry_lane_fid": "INTEGER", "lane_group_connector_fid": "INTEGER",
        "intersection_fid": "INTEGER", "speed_limit_mps": "REAL", "turn_type_fid": "INTEGER",
        "right_of_way_type_fid": "INTEGER", "traffic_light_stop_line_fids": "TEXT", "bulb_fids": "TEXT",
        "overlap": "INTEGER",
    },
    "gen_lane_connectors_scaled_width_polygons": {
        "lane_connector_fid": "INTEGER", "left_boundary_fid": "INTEGER", "right_boundary_fid": "INTEGER",
    },
    "baseline_paths": {"lane_fid": "REAL", "lane_connector_fid": "REAL", "path_type_fid": "INTEGER"},
    "boundaries": {"boundary_type_fid": "INTEGER", "is_ground_truth": "INTEGER"},
    "lane_groups_polygons": {"road_segment_fid": "INTEGER", "from_edge_fid": "INTEGER", "to_edge_fid": "INTEGER"},
    "lane_group_connectors": {
        "from_lane_group_fid": "INTEGER", "to_lane_group_fid": "INTEGER", "intersection_fid": "INTEGER",
    },
    "road_segments": {"road_type": "INTEGER"},
    "intersections": {"intersection_type_fid": "INTEGER", "is_mini": "INTEGER"},
    "generic_drivable_areas": {"kind": "INTEGER"},
    "carpark_areas": {"heading": "REAL"},
    "crosswalks": {"intersection_fids": "TEXT", "is_marked": "INTEGER"},
    "walkways": {"is_paved": "INTEGER"},
    "stop_polygons": {"stop_polygon_type_fid": "INTEGER", "intersection_fid": "INTEGER"},
    SPEED_BUMPS: {"kind": "INTEGER"},
}  # fmt: skip
