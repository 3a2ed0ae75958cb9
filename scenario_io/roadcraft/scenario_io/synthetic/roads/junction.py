"""Junctions of three or four arms: connectors for every movement, curbs, crosswalks, stop polygons, control and
priorities."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.map import AreaKind
from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.scenario_io.synthetic.roads.chain import Chain, Profile, lay_road
from roadcraft.scenario_io.synthetic.roads.curves import offset, turn
from roadcraft.scenario_io.synthetic.roads.sketch import Sketch


class Control(IntEnum):
    """How a connector is entered."""

    FREE = 0
    LIGHT = 1
    STOP = 2
    ALL_WAY = 3


@dataclass
class Arm:
    """One road that meets the junction: its chain runs outwards from the mouth; forward lanes leave the junction."""

    chain: Chain
    profile: Profile
    limit: float
    cuts: tuple[tuple[float, float], ...] = ()
    inbound: list[int] = field(default_factory=list)
    outbound: list[int] = field(default_factory=list)
    pieces_in: list[list[int]] = field(default_factory=list)
    pieces_out: list[list[int]] = field(default_factory=list)

    @property
    def heading(self) -> float:
        return float(self.chain.heading[0])

    def near(self, s: float, d: float) -> F64:
        """A point near the mouth, s < 0 inside the junction."""
        h = self.heading
        t, n = np.array([np.cos(h), np.sin(h)]), np.array([-np.sin(h), np.cos(h)])
        return self.chain.points[0] + s * t + d * n


@dataclass(frozen=True)
class Crosswalk:
    """A crosswalk: the ends of its middle line (2, 2) at the curbs, and the light group whose green lets pedestrians
    walk (-1: none)."""

    ends: F64
    walk_group: int = -1


def movement(arm_in: Arm, arm_out: Arm) -> str:
    """'left', 'straight' or 'right'."""
    angle = wrap_array(arm_out.heading - (arm_in.heading + np.pi))
    return "straight" if abs(angle) < 0.8 else ("left" if angle > 0 else "right")


def lay_junction(
    sketch: Sketch,
    arms: list[Arm],
    control: Control,
    *,
    minor: tuple[int, ...] = (),
    protected: bool = False,
    crosswalks: bool = True,
    turn_limit: float = float("nan"),
) -> list[Crosswalk]:
    """Draws the arms and the junction between them (arms counter-clockwise). ``minor``: arms that stop where control is
    STOP.

    Light groups: 2 * axis for straight on and right, 2 * axis + 1 for left turns, axis = arm number modulo 2.
    """
    for arm in arms:
        arm.pieces_out, arm.pieces_in = lay_road(
            sketch, arm.chain, arm.profile, list(arm.cuts), (0.0, arm.chain.length), arm.limit
        )
        arm.inbound, arm.outbound = (
            arm.pieces_in[-1] if arm.pieces_in else [],
            arm.pieces_out[0] if arm.pieces_out else [],
        )
    inside = sketch.area(AreaKind.INTERSECTION, _outline(arms))
    stops = [_stop(sketch, arm, control, k in minor) if arm.inbound else -1 for k, arm in enumerate(arms)]
    walks = [_crosswalk(sketch, arm, k, control) for k, arm in enumerate(arms)] if crosswalks else []
    for i, arm_in in enumerate(arms):
        for j, arm_out in enumerate(arms):
            if i != j and arm_in.inbound and arm_out.outbound:
                rows = _connect(sketch, arm_in, arm_out, inside, turn_limit)
                for r in rows:
                    _rule(sketch, r, i, movement(arm_in, arm_out), control, i in minor, protected, stops[i])
    return walks


def _outline(arms: list[Arm]) -> F64:
    parts = []
    for k, arm in enumerate(arms):
        nxt = arms[(k + 1) % len(arms)]
        a, b = arm.near(0.0, arm.profile.left), nxt.near(0.0, nxt.profile.right)
        parts += [arm.near(0.0, arm.profile.right)[None], turn(a, arm.heading + np.pi, b, nxt.heading, 1.0)]
    return np.concatenate(parts)


def _stop(sketch: Sketch, arm: Arm, control: Control, minor: bool) -> int:
    if control == Control.FREE or (control == Control.STOP and not minor):
        return -1
    p = arm.profile
    ring = np.array([arm.near(-0.5, p.median), arm.near(0.8, p.median), arm.near(0.8, p.left), arm.near(-0.5, p.left)])
    return sketch.area(AreaKind.STOP, ring, 2 if control == Control.LIGHT else 1)


def _crosswalk(sketch: Sketch, arm: Arm, k: int, control: Control) -> Crosswalk:
    p = arm.profile
    ring = np.array([arm.near(-4.3, p.right), arm.near(-4.3, p.left), arm.near(-1.3, p.left), arm.near(-1.3, p.right)])
    sketch.area(AreaKind.CROSSWALK, ring)
    ends = np.array([arm.near(-2.8, p.right), arm.near(-2.8, p.left)])
    return Crosswalk(ends, 2 * ((k + 1) % 2) if control == Control.LIGHT else -1)


def _connect(sketch: Sketch, arm_in: Arm, arm_out: Arm, inside: int, turn_limit: float) -> list[int]:
    n, m, kind = len(arm_in.inbound), len(arm_out.outbound), movement(arm_in, arm_out)
    if kind == "left":
        pairs = [(0, 0)]
    elif kind == "right":
        pairs = [(n - 1, m - 1)]
    else:
        lanes = [i for i in range(1 if n >= 3 else 0, n) if m - n + i >= 0]
        pairs = [(i, m - n + i) for i in lanes] or [(n - 1, m - 1)]
    strips, joins = [], []
    for i, j in pairs:
        a, b = sketch.segments[arm_in.inbound[i]], sketch.segments[arm_out.outbound[j]]
        center = turn(a.center[-1], arm_in.heading + np.pi, b.center[0], arm_out.heading)
        u = np.linspace(0.0, 1.0, len(center))
        half = 0.5 * (arm_in.profile.width * (1 - u) + arm_out.profile.width * u)
        strips.append((offset(center, half)[::2], center, offset(center, -half)[::2]))
        strips[-1] = (_ends(strips[-1][0], center, half), center, _ends(strips[-1][2], center, -half))
        joins.append((arm_in.inbound[i], arm_out.outbound[j]))
    limit = arm_in.limit if kind == "straight" else turn_limit
    return sketch.connectors(strips, joins, limit, inside)


def _ends(edge: F64, center: F64, half: F64) -> F64:
    last = offset(center[-3:], half[-3:])[-1:]
    return edge if np.hypot(*(edge[-1] - last[0])) < 0.2 else np.concatenate([edge, last])


def _rule(
    sketch: Sketch, row: int, arm: int, kind: str, control: Control, minor: bool, protected: bool, stop: int
) -> None:
    seg = sketch.segments[row]
    seg.stop = stop
    if control == Control.LIGHT:
        seg.control, seg.light = Control.LIGHT, 2 * (arm % 2) + (1 if kind == "left" and protected else 0)
        seg.priority = 1 if kind == "left" and not protected else 2
    elif control == Control.ALL_WAY:
        seg.control, seg.priority = Control.ALL_WAY, 1
    elif control == Control.STOP and minor:
        seg.control, seg.priority = Control.STOP, 1 if kind == "left" else 2
    else:
        seg.control, seg.priority = Control.FREE, 3 if kind == "left" else 4
