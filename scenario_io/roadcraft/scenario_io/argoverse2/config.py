"""Configuration of the Argoverse 2 source (standard library only)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from roadcraft.core.config.rules import Range, check

LICENCE = "CC BY-NC-SA 4.0 and the Argoverse terms of use"


@dataclass(frozen=True)
class Argoverse2Config:
    """Where the logs lie, and what is assumed where Argoverse says nothing."""

    path: str = ""
    """The data set, a split, the folder of one log, or a scenario_*.parquet."""
    split: str | None = None
    """Split that the index notes (null: the name of the folder that holds the log's)."""
    vehicle: str = "ford_fusion"
    """Vehicle that the ego is taken to be."""
    motion_pose: Literal["rear_axle", "center"] = "rear_axle"
    """What the position of the motion data set's AV is taken for; its documents do not say."""
    route_ahead_m: Annotated[float, Range(">= 0")] = 100.0
    """Length by which the route goes on beyond the lanes that were driven."""
    couple_within_m: Annotated[float, Range(">= 0")] = 60.0
    """Distance from the ego within which a truck's cab and a trailer behind it tell that they are one vehicle; farther
    off their boxes are too inexact, and the trailer is put where the nearer ones say (0: nothing is coupled)."""

    def __post_init__(self) -> None:
        check(self)
