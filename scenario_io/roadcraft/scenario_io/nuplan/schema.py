"""Tables of a nuPlan log database (reference: nuplan-devkit e924167, the queries of database/nuplan_db)."""

from __future__ import annotations

from typing import Final

from roadcraft.core.data.scenario import LightState, ObjectKind

LIDAR_CHANNEL: Final = "MergedPointCloud"
INTERVAL_US: Final = 50_000  # the reference hard-codes 20 Hz between rows of lidar_pc
ITERATION_US: Final = 100_000  # scenarios run at 10 Hz
MIN_SCENES: Final = 5  # the first two and the last two scenes of a log never yield scenarios

CATEGORIES: Final = {kind.name.lower(): kind for kind in ObjectKind}
LIGHTS: Final = {"green": LightState.GREEN, "yellow": LightState.YELLOW, "red": LightState.RED}
STATUS: Final = ("green", "yellow", "red", "unknown")

_KEY = "token BLOB NOT NULL"
_POSE = ("x", "y", "z", "qw", "qx", "qy", "qz", "vx", "vy", "vz")
_RATES = ("acceleration_x", "acceleration_y", "acceleration_z", "angular_rate_x", "angular_rate_y", "angular_rate_z")
_SHAPE = ("x", "y", "z", "width", "length", "height", "vx", "vy", "vz", "yaw", "confidence")
_MOTION = ", ".join(f"{name} FLOAT" for name in (*_POSE, *_RATES))
_BOX = ", ".join(f"{name} FLOAT" for name in _SHAPE)

TABLES: Final = {
    "log": f"{_KEY}, vehicle_name VARCHAR(64), date VARCHAR(64), timestamp INTEGER, logfile VARCHAR(64), location "
    "VARCHAR(64), "
    "map_version VARCHAR(64)",
    "lidar": f"{_KEY}, log_token BLOB NOT NULL, channel VARCHAR(64), model VARCHAR(64), translation BLOB, rotation "
    "BLOB",
    "camera": f"{_KEY}, log_token BLOB NOT NULL, channel VARCHAR(64), model VARCHAR(64), translation BLOB, rotation "
    "BLOB, "
    "intrinsic BLOB, distortion BLOB, width INTEGER, height INTEGER",
    "image": f"{_KEY}, next_token BLOB, prev_token BLOB, ego_pose_token BLOB NOT NULL, camera_token BLOB NOT NULL, "
    "filename_jpg VARCHAR(128), timestamp INTEGER",
    "ego_pose": f"{_KEY}, timestamp INTEGER, {_MOTION}, epsg INTEGER, log_token BLOB NOT NULL",
    "scene": f"{_KEY}, log_token BLOB NOT NULL, name TEXT, goal_ego_pose_token BLOB, roadblock_ids TEXT",
    "lidar_pc": f"{_KEY}, next_token BLOB, prev_token BLOB, ego_pose_token BLOB NOT NULL, lidar_token BLOB NOT NULL, "
    "scene_token BLOB, filename VARCHAR(128), timestamp INTEGER",
    "category": f"{_KEY}, name VARCHAR(64), description TEXT",
    "track": f"{_KEY}, category_token BLOB NOT NULL, width FLOAT, length FLOAT, height FLOAT",
    "lidar_box": f"{_KEY}, lidar_pc_token BLOB NOT NULL, track_token BLOB NOT NULL, next_token BLOB, prev_token BLOB, "
    f"{_BOX}",
    "scenario_tag": f"{_KEY}, lidar_pc_token BLOB NOT NULL, type TEXT, agent_track_token BLOB",
    "traffic_light_status": f"{_KEY}, lidar_pc_token BLOB NOT NULL, lane_connector_id INTEGER, status VARCHAR(8)",
}

INDICES: Final = (
    ("lidar_box", "lidar_pc_token"),
    ("lidar_box", "track_token"),
    ("lidar_pc", "timestamp"),
    ("lidar_pc", "scene_token"),
    ("scenario_tag", "lidar_pc_token"),
    ("traffic_light_status", "lidar_pc_token"),
)

# A table of our own, which other readers ignore: what the format has no place for (source, licence, vehicle).
EXTRA: Final = "roadcraft_log"


def create(table: str) -> str:
    """The CREATE TABLE statement of a table."""
    return f"CREATE TABLE {table} ({TABLES[table]}, PRIMARY KEY (token))"
