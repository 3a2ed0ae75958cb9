"""Configuration of the Waymo Motion source (standard library only)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range, check

LICENCE = "Waymo Dataset License Agreement for Non-Commercial Use"


@dataclass(frozen=True)
class WomdConfig:
    """Where the scenarios lie, and what is assumed where Waymo's map says nothing."""

    path: str = ""
    """A TFRecord file, or a folder in which all *.tfrecord* files are read."""
    split: str | None = None
    """Split that the index notes (null: the name of the file's folder)."""
    vehicle: str = "pacifica"
    """Vehicle that the ego is taken to be: the center of its box is the log's, its size the vehicle's."""
    lane_half_width_m: Annotated[float, Range("> 0")] = 1.8
    """Half the width of a lane that neither a boundary nor a parallel lane bounds."""
    min_half_width_m: Annotated[float, Range("> 0")] = 1.2
    """Least half width that is measured."""
    max_half_width_m: Annotated[float, Range("> 0")] = 2.5
    """Largest half width that is measured."""
    curb_m: Annotated[float, Range(">= 0")] = 1.0
    """Width of the strip behind a road edge that is never drivable."""
    route_ahead_m: Annotated[float, Range(">= 0")] = 100.0
    """Length by which the route goes on beyond the lanes that were driven."""

    def __post_init__(self) -> None:
        within = self.min_half_width_m <= self.lane_half_width_m <= self.max_half_width_m
        bounds = (
            f"must lie between min_half_width_m = {self.min_half_width_m} and max_half_width_m = "
            f"{self.max_half_width_m}"
        )
        check(self, ("lane_half_width_m", within, bounds))
