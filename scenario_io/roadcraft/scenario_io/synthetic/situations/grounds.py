"""The two grounds that situations play on: a road with bends, and a junction of roads. Both vary with the stage's
generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.map import AreaKind
from roadcraft.core.data.scenario import ObjectKind
from roadcraft.scenario_io.synthetic.roads.chain import Chain, Profile, lay_road
from roadcraft.scenario_io.synthetic.roads.curves import bends
from roadcraft.scenario_io.synthetic.roads.junction import Arm, Control, Crosswalk, lay_junction, movement
from roadcraft.scenario_io.synthetic.roads.paths import make_path
from roadcraft.scenario_io.synthetic.situations.scene import SyntheticScene

CITY = (8.94, 11.18, 11.18, 13.41)  # 20, 25, 30 mph
ARTERIAL = (13.41, 15.65, 17.88)  # 30 to 40 mph
HIGHWAY = (22.35, 24.59, 29.06)  # 50 to 65 mph


@dataclass
class Road:
    """A road from end to end: its chain, cross-section, and the stage's paths of forward and backward lanes, left to
    right as driven."""

    chain: Chain
    profile: Profile
    limit: float
    forward: list[int]
    backward: list[int]

    def offset(self, lane: int) -> float:
        """Of the middle of a forward lane."""
        return -self.profile.median - (lane + 0.5) * self.profile.width


def road_length(limit: float) -> float:
    """Enough road for a stage's whole time at the limit, and some to look ahead."""
    return 70.0 * limit + 260.0


def start_arc(scene: SyntheticScene) -> float:
    """Where the ego starts: far enough along that others can be behind it."""
    return float(scene.rng.uniform(90, 130))


def winding(rng: np.random.Generator, length: float, bend: float, calm: float = 60.0) -> Chain:
    """A reference line of random bends with curvature up to ``bend``; its first ``calm`` meters are straight."""
    pieces, total = [(calm, 0.0)], calm
    while total < length:
        piece = float(rng.uniform(70, 220))
        pieces.append((piece, float(rng.uniform(-1, 1)) * bend if rng.random() < 0.75 else 0.0))
        total += piece
    points, heading = bends(pieces)
    n = int(length / 0.5) + 1
    return Chain(points[:n], heading[:n])


class RoadDesign(NamedTuple):
    """What is asked of a road. Lengths and offsets in m."""

    length: float
    """Length of its reference line, where ``chain`` gives none."""
    limit: float
    """Speed limit, m/s."""
    forward: int = 2
    """Lanes in the ego's direction."""
    backward: int = 2
    """Lanes against it."""
    bend: float = 1 / 400
    """Largest curvature, 1/m."""
    cuts: tuple[float, ...] = ()
    """Places around which a connector of 12 m lies; () for one at 0.45 of the length."""
    shoulder: float = 0.6
    """Width beside the lanes."""
    median: float = 0.0
    """Half the width between the directions."""
    walkway: bool = True
    """Whether people may walk beside it."""
    width: float = 0.0
    """Width of a lane, 0 for a random one."""
    chain: Chain | None = None
    """Its reference line, None for a random one."""
    posted: float = 0.88
    """Probability with which the limit is on the map."""


def lay_out_road(scene: SyntheticScene, design: RoadDesign) -> Road:
    """A road from end to end, with what stands beside it."""
    rng, d = scene.rng, design
    chain = d.chain or winding(rng, d.length, d.bend)
    parking = d.walkway and d.shoulder == 0.6 and chain.length > 0 and rng.random() < 0.55
    shoulder, width = 2.5 if parking else d.shoulder, d.width or float(rng.uniform(3.4, 3.75))
    profile = Profile(width, d.forward, d.backward, d.median, shoulder, 0.6, d.walkway)
    sign = d.limit if rng.random() < d.posted else float("nan")
    spans = [(c - 6.0, c + 6.0) for c in (d.cuts or (0.45 * chain.length,))]
    f, b = lay_road(scene.sketch, chain, profile, spans, (0.0, chain.length), sign)
    _beside(scene, chain, profile)
    if parking:
        _kerbside(scene, chain, profile)
    scene.find_routes()
    back = [scene.path_from(x) for x in b[0]] if b else []
    return Road(chain, profile, d.limit, [scene.path_from(x) for x in f[0]], back)


def _kerbside(scene: SyntheticScene, chain: Chain, profile: Profile) -> None:
    """Cars parked on the strip right of the lanes, clear of them."""
    rng, s = scene.rng, float(scene.rng.uniform(20, 60))
    while s < chain.length - 40.0:
        d = profile.right + 1.05 + float(rng.uniform(0.0, 0.12))
        h = float(np.interp(s, np.arange(len(chain.heading)) * chain.ds, chain.heading))
        length = float(rng.uniform(4.2, 5.2))
        scene.thing(
            ObjectKind.VEHICLE, chain.at(np.array([s]), d)[0], h + float(rng.normal(0, 0.01)), length, 1.85, 1.6
        )
        s += float(rng.uniform(6.5, 10.0)) if rng.random() < 0.6 else float(rng.uniform(18, 70))


def _beside(scene: SyntheticScene, chain: Chain, profile: Profile) -> None:
    """Now and then a parking lot beyond the walkway, with parked cars."""
    rng = scene.rng
    if rng.random() < 0.45 and profile.walkway:
        s, d = float(rng.uniform(120, max(130, 0.5 * chain.length))), profile.right - 2.6
        scene.sketch.area(AreaKind.CARPARK, chain.strip(s, s + 60.0, d - 18.0, d))
        for k in range(int(rng.integers(3, 10))):
            at = chain.at(np.array([s + 4.0 + 5.0 * k]), d - 14.0)[0]
            h = float(np.interp(s + 4.0 + 5.0 * k, np.arange(len(chain.heading)) * chain.ds, chain.heading))
            scene.thing(
                ObjectKind.VEHICLE,
                at,
                h + np.pi / 2 + float(rng.normal(0, 0.03)),
                float(rng.uniform(4.3, 5.1)),
                1.9,
                1.6,
            )


def ego_on(
    scene: SyntheticScene,
    path: int,
    s: float,
    v: float,
    *,
    lat_accel: float = 2.0,
    shift: F64 | None = None,
    **more: float,
) -> None:
    """Puts the ego on one of the traffic's paths."""
    scene.ego_path = make_path(scene.sketch, scene.paths[path].route, lat_accel=lat_accel, decel=1.2, shift=shift)
    scene.reserve(scene.ego_path, s, 26.0, 26.0)
    scene.ego(s, v, **more)


@dataclass
class Cross:
    """A junction: arms counter-clockwise from the ego's (arm 0), and the ego's movement."""

    arms: list[Arm]
    walks: list[Crosswalk]
    ego_arm: int
    out_arm: int


class JunctionDesign(NamedTuple):
    """What is asked of a junction."""

    control: Control
    """Who may go when."""
    turn: str
    """The ego's movement: ``right``, ``straight`` or ``left``."""
    lanes: tuple[int, int] = (1, 1)
    """Lanes per direction on the ego's axis and across."""
    limit: float = 11.18
    """Speed limit, m/s."""
    minor: tuple[int, ...] = ()
    """Arms that stop where control is STOP."""
    protected: bool = False
    """Whether left turns have a phase of their own."""
    three: bool = False
    """Whether the arm that the ego does not need is left out of the four."""
    crosswalks: bool = True
    """Whether people may cross."""


def lay_out_cross(scene: SyntheticScene, design: JunctionDesign) -> Cross:
    """A junction of four arms or three."""
    rng, lanes, limit = scene.rng, design.lanes, design.limit
    out = {"right": 1, "straight": 2, "left": 3}[design.turn]
    numbers = [0, 1, 2, 3]
    if design.three:
        numbers.remove({1: 2, 2: 1, 3: 2}[out])
    corner = float(rng.uniform(7.5, 11.0))
    width = float(rng.uniform(3.4, 3.7))
    median = float(rng.uniform(0.4, 1.2))
    profiles = [Profile(width, lanes[k % 2], lanes[k % 2], median, 0.5, 0.5) for k in range(4)]
    arms = []
    for k in numbers:
        heading = -np.pi / 2 + k * np.pi / 2 + float(rng.uniform(-0.12, 0.12))
        mouth = profiles[(k + 1) % 2].left + corner
        length = 300.0 if k == 0 else (620.0 if k == out else 190.0)
        chain = winding(rng, length, 1 / 350, calm=70.0)
        c, s = np.cos(heading), np.sin(heading)
        points = chain.points @ np.array([[c, s], [-s, c]]) + mouth * np.array([c, s])
        posted = limit if rng.random() < 0.9 else float("nan")
        cuts = ((250.0, 262.0),) if k == out else ()
        arms.append(Arm(Chain(points, chain.heading + heading), profiles[k], posted, cuts))
    scene.walks = lay_junction(
        scene.sketch, arms, design.control, minor=design.minor, protected=design.protected,
        crosswalks=design.crosswalks,
        turn_limit=limit if rng.random() < 0.5 else float("nan"),
    )  # fmt: skip
    scene.find_routes()
    return Cross(arms, scene.walks, 0, numbers.index(out))


def cross_path(scene: SyntheticScene, cross: Cross, arm_in: int, arm_out: int, lane: int | None = None) -> int:
    """The traffic's path from one arm to another."""
    a, b = cross.arms[arm_in], cross.arms[arm_out]
    kind = movement(a, b)
    lane = lane if lane is not None else {"left": 0, "right": len(a.inbound) - 1, "straight": len(a.inbound) - 1}[kind]
    out = set(b.outbound)
    for i, r in enumerate(scene.routes):
        if r.segments[0] == a.pieces_in[0][lane] and out & set(r.segments):
            return i
    raise LookupError("no such movement")


def cross_paths(scene: SyntheticScene, cross: Cross) -> dict[int, list[int]]:
    """Paths by the arm they come from (lanes that nothing leads into are nobody's way)."""
    first = {x: k for k, arm in enumerate(cross.arms) for x in (arm.pieces_in[0] if arm.pieces_in else [])}
    found: dict[int, list[int]] = {}
    for i, r in enumerate(scene.routes):
        if r.segments[0] in first:
            found.setdefault(first[r.segments[0]], []).append(i)
    return found
