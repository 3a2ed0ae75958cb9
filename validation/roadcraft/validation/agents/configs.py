"""Settings of the agent policies."""

from __future__ import annotations

from dataclasses import dataclass

from roadcraft.core.rules import check


@dataclass(frozen=True)
class LogAgentsConfig:
    """Everybody does what the log did; there is nothing to set."""


@dataclass(frozen=True)
class IdmAgentsConfig:
    """Cars on lanes follow the intelligent driver model; slow and static kinds replay the log.

    target_speed_mps: where no lane says otherwise; min_gap_m, headway_s: to the object ahead; max_accel_mps2, max_decel_mps2: bounds, both positive;
    min_path_m: path kept ahead beyond target speed times headway; radius_m: agents farther than this from ego are removed for good;
    replayed: object kinds that replay the log, in the order in which they are listed in observations.
    """

    target_speed_mps: float = 10.0
    min_gap_m: float = 1.0
    headway_s: float = 1.5
    max_accel_mps2: float = 1.0
    max_decel_mps2: float = 2.0
    min_path_m: float = 20.0
    radius_m: float = 100.0
    replayed: tuple[str, ...] = ("pedestrian", "barrier", "czone_sign", "traffic_cone", "generic_object")

    def __post_init__(self) -> None:
        kinds = ("pedestrian", "bicycle", "traffic_cone", "barrier", "czone_sign", "generic_object")
        check(
            self,
            {
                "> 0": "target_speed_mps min_gap_m max_accel_mps2 max_decel_mps2 radius_m",
                ">= 0": "headway_s min_path_m",
            },
            ("replayed", set(self.replayed) <= set(kinds), f"must be kinds among {', '.join(kinds)}"),
        )
