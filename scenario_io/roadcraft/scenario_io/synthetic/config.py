"""What ``roadcraft synth`` can be told. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from roadcraft.core.config.rules import OneOf, Range, check

SITUATIONS = (
    "car_following", "slow_lead", "stop_and_go", "signal_straight", "protected_left", "unprotected_left", "right_turn",
    "all_way_stop", "stop_sign", "lane_change_left", "lane_change_right", "on_ramp_merge", "cones_lane_drop", "cut_in",
    "pedestrian_crossing", "bicycle_ahead", "parked_vehicle", "long_vehicle", "fast_curve", "stop_behind_lead",
    "dense_traffic", "fast_road", "crawling", "free_road", "stop_sign_alone", "red_light",
)  # fmt: skip
"""The situations a world can hold, one per world; worlds take turns through them."""

FREIGHT_SITUATIONS = (
    "loop_ramp", "end_of_queue", "cut_in_hard_brake", "work_zone_shift", "lane_change_dense", "on_ramp_merge",
    "downgrade", "low_bridge", "low_mu_curve_brake", "shoulder_stop", "move_over",
    "upgrade_climb", "lane_drop", "crosswind_gusts",
    "rail_crossing", "dual_left_turn", "roundabout", "tight_right_turn", "dock_reverse",
)  # fmt: skip
"""The situations of the freight suite."""

FREIGHT_VEHICLES = ("us_sleeper_53", "eu_4x2_13m6", "au_b_double", "se_a_double", "us_straight_26")
"""The trucks that drive the freight suite where none are named."""

FREIGHT_LOADS = ("empty", "loaded", "cubed")
"""Their states of load where none are named."""

LEFT_HAND = frozenset({"sg-one-north"})
"""Locations where worlds of the freight suite have traffic on the left."""

LOCATIONS = {
    "us-nv-las-vegas-strip": 32611,
    "us-ma-boston": 32619,
    "us-pa-pittsburgh-hazelwood": 32617,
    "sg-one-north": 32648,
}
"""nuPlan's four locations and the EPSG code of their metric frame (reference: nuplan-devkit e924167, map layer
``meta``)."""


@dataclass(frozen=True)
class SynthConfig:
    """What to make."""

    suite: Literal["", "freight"] = ""
    """A suite of situations: none for nuPlan's cars, ``freight`` for trucks."""
    worlds: Annotated[int, Range("[1, 100000]")] = 26
    """Drives, each on a patch of road of its own."""
    seed: Annotated[int, Range("[0, 9223372036854775807]")] = 0
    """Worlds of different seeds share no road, time, token or traffic."""
    processes: Annotated[int, Range("[0, 1024]")] = 0
    """Worker processes (0: one per core); they never change the result."""
    situations: Annotated[tuple[str, ...], OneOf(*dict.fromkeys(SITUATIONS + FREIGHT_SITUATIONS))] = ()
    """Situations of the suite that worlds take turns through (empty: all)."""
    vehicles: tuple[str, ...] = ()
    """Trucks that drive the freight suite (empty: five common ones)."""
    loads: tuple[str, ...] = ()
    """Their states of load, where a truck knows them and the situation is about them (empty: empty, loaded, cubed)."""
    locations: Annotated[int, Range("[1, 4]")] = 4
    """Locations of nuPlan over which the patches of road are spread."""
    traffic: Annotated[float, Range("[0.1, 4]")] = 1.0
    """Density of the traffic beside what a situation needs; 2 makes twice as many cars and pedestrians."""
    split: str = "synthetic"
    """Folder of the logs."""

    def __post_init__(self) -> None:
        folder = bool(self.split) and "/" not in self.split and not self.split.startswith(".")
        strange = [s for s in self.situations if s not in self.known]
        other = f"must name situations of suite={self.suite or repr('')}, not {', '.join(strange)}"
        only = "must be left out: they are for suite=freight"
        check(
            self,
            ("split", folder, "must be the name of a folder"),
            ("situations", not strange, other),
            ("vehicles", bool(self.suite) or not self.vehicles, only),
            ("loads", bool(self.suite) or not self.loads, only),
        )

    @property
    def known(self) -> tuple[str, ...]:
        """The situations of the suite."""
        return FREIGHT_SITUATIONS if self.suite else SITUATIONS
