"""What a freight situation is made of: a road with its surface, traffic, and the two drivers of its truck.

Everything is laid out for traffic on the right; the finished world is mirrored for traffic on the left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.map import AreaKind
from roadcraft.core.driving.motion.roll import roll_groups_of
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2, Vehicle
from roadcraft.scenario_io.synthetic.freight.driving.course import Course, Surface
from roadcraft.scenario_io.synthetic.freight.driving.dock_legs import DockTask
from roadcraft.scenario_io.synthetic.freight.driving.pace import Manner
from roadcraft.scenario_io.synthetic.freight.driving.wheel import TruckDrive
from roadcraft.scenario_io.synthetic.roads.chain import Chain, Edge, lay_lanes, lay_links, middle
from roadcraft.scenario_io.synthetic.situations.scene import SyntheticScene
from roadcraft.scenario_io.synthetic.traffic.traffic import Motion


class Piece(NamedTuple):
    """A lane or connector along the reference line."""

    segment: int
    """Its number in the sketch."""
    begin: float
    """Where it begins along the line, m."""
    end: float
    """Where it ends."""
    middle: Edge
    """Offset of its middle."""


@dataclass(frozen=True)
class Intent:
    """What a driver of the truck wants."""

    course: Course
    """Its way."""
    cap: F64
    """(P,) largest speed at the points of the course, m/s."""
    manner: Manner = Manner()
    """How it drives."""
    minds: bool = True
    """Whether it minds those ahead."""
    lane: Course | None = None
    """Middle of the lane about which its units are to be held, where it says."""
    until: float = np.inf
    """Place along the road's line after which others make room for it."""
    least: float = 0.0
    """Speed below which it will not fall, m/s, else it does something else."""
    behind: float = 12.0
    """Room that it wants behind its last unit, m."""
    halt: float = np.inf
    """Place along the road's line that its front end is not to pass: it stops before, by the gap of its manner."""
    width: float | None = None
    """Width that it takes its truck for, m, where it is mistaken about it."""
    beside: float = 0.3
    """Room that it wants beside its units, m."""
    wait: tuple[float, float] = (np.inf, 0.0)
    """A wall that only it sees: place along the road's line, m, and time, s, until which it stands there."""
    over: tuple[float, float] = (np.inf, np.inf)
    """Stretch of the road's line on which it stands with no unit, m."""


def _always(m: Motion) -> bool:
    return True


def _right(driven: TruckDrive) -> str:
    return ""


@dataclass
class Stage:
    """One freight world in the making."""

    rng: np.random.Generator
    """All draws."""
    vehicle: Vehicle
    """The truck in its state of load."""
    scene: SyntheticScene
    """Road and traffic; driver 0 is nobody."""
    surface: Surface = Surface()
    """What the road is like."""
    pieces: list[Piece] = field(default_factory=list)
    """Lanes along the reference line."""
    own: list[int] = field(default_factory=list)
    """Segments that the truck's units may be on."""
    beside: list[F64] = field(default_factory=list)
    """Outlines beside them that the units may be on."""
    route: int = 0
    """The traffic's path along the truck's route."""
    start: tuple[float, float] = (0.0, 0.0)
    """Place along both courses, m, and speed, m/s."""
    seconds: float = 40.0
    """Length of the drive."""
    sight: float = 250.0
    """Distance within which the truck sees others, m; it needs more than 100 m to stop."""
    ghost: Intent | None = None
    """What others see of the truck while its expert makes up its mind, by default the first of its ways."""
    experts: list[Intent] = field(default_factory=list)
    """What the driver who does it well may do; the first that keeps clear of all others is done."""
    mistakes: list[Intent] = field(default_factory=list)
    """What the driver who makes the mistake may do; the first that does not keep clear is done, else the last."""
    event: Callable[[Motion], bool] = _always
    """Whether the traffic does what the situation is about."""
    wrong: Callable[[TruckDrive], str] = _right
    """What a drive does wrong by the situation's own rule, empty where nothing."""
    practice: int = 2
    """Drives after which an expert knows where its units go."""
    told: tuple[tuple[float, str], ...] = ()
    """What the truck is told: s from the start, and the words."""
    populated: list[int] = field(default_factory=list)
    """The traffic's paths that random traffic is on."""
    dock: DockTask | None = None
    """The dock to reverse to, where the situation is about one; its expert is then a search, not an intent."""

    @property
    def threshold(self) -> float:
        """Lateral acceleration at which the first of the truck's units tip, m/s2."""
        return float(roll_groups_of(self.vehicle).threshold.min())

    @property
    def top_speed(self) -> float:
        """Speed up to which the engine drives it, m/s."""
        engine = self.vehicle.powertrain
        return 29.0 if engine is None or engine.speed_limiter_mps is None else engine.speed_limiter_mps - 0.5


def put_truck(stage: Stage, road: Highway, lane: int, s: float, speed: float, seconds: float) -> None:
    """Puts the truck on a lane of a highway."""
    stage.route, stage.start, stage.seconds = road.paths[lane], (s, speed), seconds


def stage_of(rng: np.random.Generator, vehicle: Vehicle, traffic: float = 1.0) -> Stage:
    """An empty stage."""
    scene = SyntheticScene(rng, traffic=traffic)
    scene.driver(0, 0.0, 0.0, spawn=np.inf)
    return Stage(rng, vehicle, scene)


def lay_way(
    stage: Stage,
    chain: Chain,
    edges: Sequence[Edge],
    shoulders: tuple[float, float],
    cuts: Sequence[float],
    limit: float,
) -> list[list[int]]:
    """A road in one direction from end to end of a line: edges from left to right, shoulders (left, right) in m, short
    connectors at the cuts. Returns the segments of its lanes piece by piece."""
    bounds = [0.0, *[x for c in cuts for x in (c, c + 12.0)], chain.length]
    sketch, spans = stage.scene.sketch, list(zip(bounds[::2], bounds[1::2], strict=True))
    left, right = beyond(edges[0], shoulders[0]), beyond(edges[-1], -shoulders[1])
    rows = [lay_lanes(sketch, chain, a, b, edges, limit) for a, b in spans]
    for (a, b), lanes in zip(spans, rows, strict=True):
        sketch.area(AreaKind.ROAD_SEGMENT, chain.strip(a, b, right, left))
        stage.pieces += [Piece(x, a, b, middle(e, f)) for x, (e, f) in zip(lanes, pairwise(edges), strict=True)]
    for k, (a, b) in enumerate(zip(bounds[1::2], bounds[2::2], strict=False)):
        inside = sketch.area(AreaKind.INTERSECTION, chain.strip(a, b, right, left))
        joins = [(x, y, e, f) for x, y, (e, f) in zip(rows[k], rows[k + 1], pairwise(edges), strict=True)]
        links = lay_links(sketch, chain, a, b, joins, limit, inside)
        stage.pieces += [Piece(x, a, b, middle(e, f)) for x, (e, f) in zip(links, pairwise(edges), strict=True)]
    return rows


def beyond(edge: Edge, distance: float) -> Edge:
    """The edge so many m to the left of another."""
    return lambda s: (edge(s) if callable(edge) else np.full(np.shape(s), float(edge))) + distance


def curve_cap(course: Course, threshold: float, share: float, limit: F64 | float) -> F64:
    """Largest speeds (P,) at which curves take a share of the roll threshold (m/s2), and no more than the limit."""
    k = np.maximum(np.abs(course.curvature), 1e-6)
    inward = np.sign(course.curvature) * course.bank
    tipped = np.arctan(share * threshold / GRAVITY_MPS2) + np.arctan(inward)
    held: F64 = np.sqrt(np.maximum(GRAVITY_MPS2 * np.tan(tipped) / k, 4.0))
    return np.minimum(limit, held)


class Highway(NamedTuple):
    """A road in one direction with lanes side by side, and the traffic's paths along them, left to right."""

    chain: Chain
    edges: tuple[float, ...]
    paths: list[int]
    limit: float

    def middle(self, lane: int) -> float:
        """Offset of the middle of a lane."""
        return 0.5 * (self.edges[lane] + self.edges[lane + 1])


def lay_highway(
    stage: Stage, chain: Chain, lanes: int, limit: float, cut: float = 0.0, shoulder: float = 3.0
) -> Highway:
    """A highway along a line, which its lanes lie to the right of; all of its lanes are the truck's to use. cut: place
    of the connectors between its two pieces, by default a little before the middle; shoulder: width of that on the
    right, m."""
    rng, scene = stage.rng, stage.scene
    width = float(rng.uniform(3.5, 3.75))
    edges = tuple(-k * width for k in range(lanes + 1))
    rows = lay_way(stage, chain, edges, (1.2, shoulder), (cut or 0.45 * chain.length,), limit)
    scene.find_routes()
    stage.own = [p.segment for p in stage.pieces]
    return Highway(chain, edges, [scene.path_from(x) for x in rows[0]], limit)
