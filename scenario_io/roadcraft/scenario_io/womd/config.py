"""Configuration of the Waymo Motion source (standard library only)."""

from __future__ import annotations

from dataclasses import dataclass

from roadcraft.core.rules import check

LICENCE = "Waymo Dataset License Agreement for Non-Commercial Use"


@dataclass(frozen=True)
class WomdConfig:
    """path: a TFRecord file, or a folder in which all ``*.tfrecord*`` are taken; split: as the index notes it (None: the file's folder);
    vehicle: vehicle file the ego is taken to be: its box centre stays where the log has it, its size is the vehicle's.

    What the map does not say: lane_half_width_m where neither a boundary nor a parallel lane bounds a lane; min_half_width_m and
    max_half_width_m bound what is measured; kerb_m: width of the strip behind a road edge that never counts as drivable;
    route_ahead_m: how far the route goes on beyond the driven lanes.
    """

    path: str = ""
    split: str | None = None
    vehicle: str = "pacifica"
    lane_half_width_m: float = 1.8
    min_half_width_m: float = 1.2
    max_half_width_m: float = 2.5
    kerb_m: float = 1.0
    route_ahead_m: float = 100.0

    def __post_init__(self) -> None:
        within = self.min_half_width_m <= self.lane_half_width_m <= self.max_half_width_m
        bounds = f"must lie between min_half_width_m = {self.min_half_width_m} and max_half_width_m = {self.max_half_width_m}"
        check(
            self,
            {"> 0": "min_half_width_m", ">= 0": "kerb_m route_ahead_m"},
            ("lane_half_width_m", within, bounds),
        )
