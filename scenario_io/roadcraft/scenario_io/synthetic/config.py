"""What ``roadcraft synth`` can be told. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

SITUATIONS = (
    "car_following", "slow_lead", "stop_and_go", "signal_straight", "protected_left", "unprotected_left", "right_turn",
    "all_way_stop", "stop_sign", "lane_change_left", "lane_change_right", "on_ramp_merge", "cones_lane_drop", "cut_in",
    "pedestrian_crossing", "bicycle_ahead", "parked_vehicle", "long_vehicle", "fast_curve", "stop_behind_lead",
    "dense_traffic", "fast_road", "crawling", "free_road", "stop_sign_alone", "red_light",
)  # fmt: skip
"""The situations a world can hold, one per world; worlds take turns through them."""

LOCATIONS = {
    "us-nv-las-vegas-strip": 32611,
    "us-ma-boston": 32619,
    "us-pa-pittsburgh-hazelwood": 32617,
    "sg-one-north": 32648,
}
"""nuPlan's four locations and the EPSG code of their metric frame (reference: nuplan-devkit e924167, map layer ``meta``)."""


@dataclass(frozen=True)
class SynthConfig:
    """What to make. worlds: how many drives, each on a patch of road of its own; seed: worlds of different seeds share no road, time, token or
    traffic; processes: worker processes (0: one per core), which never change the result; situations: those that worlds take turns through
    (empty: all); locations: number of nuPlan locations that the patches are spread over, 1 to 4; traffic: how dense the traffic is beside what a
    situation itself needs (1: as usual, 2: twice as many cars and pedestrians); split: folder of the logs."""

    worlds: int = 26
    seed: int = 0
    processes: int = 0
    situations: tuple[str, ...] = ()
    locations: int = 4
    traffic: float = 1.0
    split: str = "synthetic"

    def __post_init__(self) -> None:
        unknown = [s for s in self.situations if s not in SITUATIONS]
        if unknown:
            near = [n for s in unknown for n in get_close_matches(s, SITUATIONS, 1)]
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"situations: there is no {unknown[0]!r}{hint} known: {', '.join(SITUATIONS)}")
        for name, low, high in (
            ("worlds", 1, 100_000),
            ("seed", 0, 2**63 - 1),
            ("processes", 0, 1024),
            ("locations", 1, len(LOCATIONS)),
            ("traffic", 0.1, 4.0),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} = {getattr(self, name)}: it must be from {low} to {high}")
        if not self.split or "/" in self.split or self.split.startswith("."):
            raise ValueError(f"split = {self.split!r}: it must be the name of a folder")
