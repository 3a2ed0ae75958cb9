"""What one step of the planner is given: its constants for a vehicle, what a scenario shows, and the way."""

from __future__ import annotations

from typing import NamedTuple

from roadcraft.core.arrays import F64, I64, U8, U64
from roadcraft.core.driving.motion.chain import ChainArrays
from roadcraft.planners.freight_pdm.line import Line, LineEdges
from roadcraft.planners.freight_pdm.pace import RoadAhead, Truck, TruckManner
from roadcraft.planners.pdm.comfort import Comfort
from roadcraft.planners.trajectory_scoring.scorer import Rules


class FreightSetup(NamedTuple):
    """The planner's constants for one vehicle: see ``FreightPdmConfig``."""

    truck: Truck
    manner: TruckManner
    rules: Rules
    comfort: Comfort
    chain: ChainArrays
    vehicle_box: F64
    shares: F64
    sides: F64
    radius_m: float
    limits: I64
    room: tuple[float, float]
    change_mps2: float
    long_m: float
    scored: int
    brake_within_s: float


class TruckScene(NamedTuple):
    """What a scenario's observation holds: ego (10,), its box (5,), joints (J,); identity, kind (R,), box (R, 5),
    velocity (R, 2), slowing (R,) m/s2 of objects; collided (C,) identities of those that overlapped ego before; halts
    (H,): stations at which to stand; sight_m: how far it sees."""

    ego: F64
    body: F64
    joints: F64
    identity: U64
    kind: U8
    box: F64
    velocity: F64
    slowing: F64
    collided: U64
    halts: F64
    sight_m: float


class Roadside(NamedTuple):
    """A scenario's way: see ``route.Route``."""

    line: Line
    edges: LineEdges
    road: RoadAhead
    centered: F64
    beside: F64
    joins: F64
