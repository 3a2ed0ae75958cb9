"""One freight world: a situation is set up for a truck, driven by its expert, judged and, if it will not do, tried
again with the next draw of the same seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.scenario import Drive
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.random import scenario_key
from roadcraft.core.vehicles.vehicle import Vehicle, load_vehicle
from roadcraft.scenario_io.synthetic.config import LEFT_HAND
from roadcraft.scenario_io.synthetic.freight.dock_play import mistaken_dock, play_dock
from roadcraft.scenario_io.synthetic.freight.driving.judge import DriveVerdict, botched
from roadcraft.scenario_io.synthetic.freight.driving.wheel import TruckDrive
from roadcraft.scenario_io.synthetic.freight.log import mark_surface, placed, record_truck
from roadcraft.scenario_io.synthetic.freight.play import Played, mistake, play
from roadcraft.scenario_io.synthetic.freight.situations.crosswind import crosswind_gusts
from roadcraft.scenario_io.synthetic.freight.situations.dock_yard import VEHICLES as DOCK_VEHICLES, dock_reverse
from roadcraft.scenario_io.synthetic.freight.situations.downgrade import downgrade
from roadcraft.scenario_io.synthetic.freight.situations.dual_left import dual_left_turn
from roadcraft.scenario_io.synthetic.freight.situations.highway import cut_in_hard_brake, end_of_queue
from roadcraft.scenario_io.synthetic.freight.situations.lane_drop import lane_drop
from roadcraft.scenario_io.synthetic.freight.situations.lanes import lane_change_dense, work_zone_shift
from roadcraft.scenario_io.synthetic.freight.situations.loop_ramp import loop_ramp
from roadcraft.scenario_io.synthetic.freight.situations.low_bridge import low_bridge
from roadcraft.scenario_io.synthetic.freight.situations.rail_crossing import rail_crossing
from roadcraft.scenario_io.synthetic.freight.situations.ramps import on_ramp_merge
from roadcraft.scenario_io.synthetic.freight.situations.roadside import move_over, shoulder_stop
from roadcraft.scenario_io.synthetic.freight.situations.roundabout import roundabout
from roadcraft.scenario_io.synthetic.freight.situations.tight_right import tight_right_turn
from roadcraft.scenario_io.synthetic.freight.situations.upgrade import upgrade_climb
from roadcraft.scenario_io.synthetic.freight.situations.weather import low_mu_curve_brake
from roadcraft.scenario_io.synthetic.freight.stage import Stage, stage_of
from roadcraft.scenario_io.synthetic.recording.record import Identity
from roadcraft.scenario_io.synthetic.roads.assemble import Patch
from roadcraft.scenario_io.synthetic.roads.sketch import Sketch

BUILDERS: dict[str, Callable[[Stage], None]] = {
    "loop_ramp": loop_ramp,
    "end_of_queue": end_of_queue,
    "cut_in_hard_brake": cut_in_hard_brake,
    "work_zone_shift": work_zone_shift,
    "lane_change_dense": lane_change_dense,
    "on_ramp_merge": on_ramp_merge,
    "downgrade": downgrade,
    "low_bridge": low_bridge,
    "low_mu_curve_brake": low_mu_curve_brake,
    "shoulder_stop": shoulder_stop,
    "move_over": move_over,
    "upgrade_climb": upgrade_climb,
    "rail_crossing": rail_crossing,
    "dual_left_turn": dual_left_turn,
    "roundabout": roundabout,
    "tight_right_turn": tight_right_turn,
    "lane_drop": lane_drop,
    "crosswind_gusts": crosswind_gusts,
    "dock_reverse": dock_reverse,
}
"""How each situation is set up."""
LOADS: dict[str, tuple[str, ...]] = {
    "loop_ramp": ("loaded", "cubed"),
    "cut_in_hard_brake": ("loaded", "cubed"),
    "downgrade": ("loaded", "cubed"),
    "low_mu_curve_brake": ("empty",),
    "upgrade_climb": ("loaded", "cubed"),
    "crosswind_gusts": ("empty",),
}
"""States of load that a situation is about, where not all of them are."""
TOWING = frozenset({"crosswind_gusts"})
"""Situations that are about trailers."""
VEHICLES: dict[str, tuple[str, ...]] = {"dock_reverse": DOCK_VEHICLES}
"""Trucks that drive a situation where none are named, if they are others than those of the suite."""
MOST_JOINTS: dict[str, int] = {"dock_reverse": 1}
"""Most joints of the trucks that a situation is for, where not all are."""
MOST_TRANSFER, MOST_EXCESS_M, LEAST_MARGIN = 0.7, 0.2, 0.97
"""What an expert must keep: load transfer ratio, reach beyond its lanes, share of time in which it could stop."""
_ATTEMPTS = 20


class FreightDraw(NamedTuple):
    """What is asked of one world."""

    number: int
    """Its number."""
    situation: str
    """Its situation."""
    vehicles: tuple[str, ...]
    """Trucks, of which one is drawn."""
    loads: tuple[str, ...]
    """States of load, of which one is drawn."""
    traffic: float = 1.0
    """Density of the traffic beside what the situation needs."""


@dataclass(frozen=True)
class FreightWorld:
    """A truck's drive, the patch of road it was made on, and how many draws it took."""

    drive: Drive
    """What the truck's log holds."""
    patch: Patch
    """The road."""
    situation: str
    """What it is about."""
    location: str
    """Where it lies."""
    attempts: int
    """Draws needed."""
    stage: Stage
    """The stage as it was set up, before it was mirrored and moved."""
    played: Played
    """What came of it."""
    dropped: tuple[str, ...]
    """Why draws were dropped."""


def make_freight_world(
    draw: FreightDraw, who: Identity, place: Callable[[Sketch, np.random.Generator], Patch | None]
) -> FreightWorld:
    """The world of a draw; depends on nothing else. place: lays a sketch into its cell of the location. Raises
    ConfigError for a truck that has none of the loads, DataError when no draw is good."""
    why: list[str] = []
    trucks = _trucks(draw)
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([scenario_key(who.seed, f"freight {draw.number}"), attempt])
        stage = stage_of(rng, trucks[int(rng.integers(len(trucks)))], draw.traffic)
        BUILDERS[draw.situation](stage)
        played = play_dock(stage) if stage.dock else play(stage, lambda v: not faults_of(v))
        if played is None:
            why.append("the expert finds no way that keeps clear")
            continue
        wrong = faults_of(played.verdict)
        if not wrong and not stage.event(played.motion):
            wrong = ["it did not happen"]
        if not wrong and not botched(mistaken(stage, played)[1]):
            wrong = ["the mistake does no harm"]
        if wrong:
            why.append(", ".join(wrong))
            continue
        mark_surface(stage)
        left, sketch = who.location in LEFT_HAND, stage.scene.sketch
        patch = place(sketch.mirrored() if left else sketch, rng)
        if patch is None:
            why.append("its road does not fit into a cell")
            continue
        drive = record_truck(stage, played, draw.situation, who, patch)
        return FreightWorld(drive, patch, draw.situation, who.location, attempt + 1, stage, played, tuple(why))
    place_of = f"seed {who.seed}, world {draw.number}"
    raise DataError(f"no good draw of {draw.situation!r} in {_ATTEMPTS}", where=place_of, remedy="; ".join(why[-3:]))


def mistaken_drive(world: FreightWorld) -> tuple[F64, F64, DriveVerdict]:
    """Ego states (F, 10) and joints (F, J), global frame, of the driver who makes the situation's mistake, and what is
    said of it."""
    driven, verdict = mistaken(world.stage, world.played)
    return *placed(driven, world.patch, world.location in LEFT_HAND), verdict


def mistaken(stage: Stage, played: Played) -> tuple[TruckDrive, DriveVerdict]:
    """The drive of whoever makes the situation's mistake, and what is said of it."""
    return mistaken_dock(stage, played) if stage.dock else mistake(stage, played)


def faults_of(v: DriveVerdict) -> list[str]:
    """What is wrong with an expert's drive; empty when it may be kept."""
    return [
        said
        for bad, said in (
            (v.contact >= 0, f"contact at {0.1 * v.contact:.1f} s"),
            (v.excess > MOST_EXCESS_M, f"{v.excess:.2f} m beyond its lanes"),
            (v.off_road > 0.05, f"{v.off_road:.2f} m off the road"),
            (v.load_transfer > MOST_TRANSFER, f"load transfer {v.load_transfer:.2f}"),
            (v.margin < LEAST_MARGIN, f"could stop during {v.margin:.2f} of the time"),
            (v.wrong != "", v.wrong),
        )
        if bad
    ]


def _trucks(draw: FreightDraw) -> list[Vehicle]:
    about = LOADS.get(draw.situation, draw.loads)
    known = [v for v in map(load_vehicle, draw.vehicles) if v.joints or draw.situation not in TOWING]
    if draw.situation in MOST_JOINTS:
        known = [v for v in known if v.joints <= MOST_JOINTS[draw.situation]]
    found = [replace(v, load=load) for v in known for load in draw.loads if load in v.loads and load in about]
    if not found:
        raise ConfigError(
            f"no truck of {', '.join(draw.vehicles)} has a load of {', '.join(draw.loads)} that {draw.situation} is "
            f"about: {', '.join(about)}"
        )
    return found
