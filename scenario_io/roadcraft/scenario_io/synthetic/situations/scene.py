"""A scene: one patch of road with everybody on it, before the clock starts. Situations (situations.py) set it up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64
from roadcraft.core.data.map import AreaKind
from roadcraft.core.data.scenario import LightState, ObjectKind
from roadcraft.core.vehicles.geometry import length_of
from roadcraft.core.vehicles.vehicle import Vehicle, load_vehicle
from roadcraft.scenario_io.synthetic.roads.junction import Crosswalk
from roadcraft.scenario_io.synthetic.roads.paths import STEP, DriverPath, SegmentRoute, make_path, make_table, routes_of
from roadcraft.scenario_io.synthetic.roads.sketch import Sketch
from roadcraft.scenario_io.synthetic.traffic import drivers as dr
from roadcraft.scenario_io.synthetic.traffic.drivers import DT
from roadcraft.scenario_io.synthetic.traffic.traffic import Motion, Program, Told, Walkers, drive

STEPS = 1440  # 72 s: more than is kept, so that the window can be laid around what happens
RIGS = ("us_daycab_53", "us_sleeper_53", "eu_4x2_13m6")  # articulated vehicles among the traffic


@dataclass
class SyntheticScene:
    """sketch, walks: the road; paths: everybody's, the ego's last (set by ``finish``); drivers: rows of (path, state,
    const, kind); statics: (kind, box, height) of things that never move; lights (STEPS, groups); scripts: speed caps;
    lane_change: (arc0, arc1, side) of the ego; tag: what the world is about; extra: tags that go with it; before:
    seconds of log before the world's own frame; cutter: who cuts in ahead of the ego; zipper: meters before the merge
    lane where drivers begin to take turns; focus: stretch of the ego's path where that frame must lie; rigs:
    drivers that are articulated vehicles, whose reference point is the rear axle of the towing unit."""

    rng: np.random.Generator
    sketch: Sketch = field(default_factory=Sketch)
    walks: list[Crosswalk] = field(default_factory=list)
    routes: list[SegmentRoute] = field(default_factory=list)
    paths: list[DriverPath] = field(default_factory=list)
    ego_path: DriverPath | None = None
    path_of: list[int] = field(default_factory=list)
    states: list[F64] = field(default_factory=list)
    consts: list[F64] = field(default_factory=list)
    kinds: list[ObjectKind] = field(default_factory=list)
    statics: list[tuple[ObjectKind, F64, float]] = field(default_factory=list)
    lights: NDArray[np.uint8] | None = None
    scripts: list[F64] = field(default_factory=list)
    pedestrians: list[dict[str, Any]] = field(default_factory=list)
    lane_change: tuple[float, float, int] | None = None
    cutter: int = -1
    merge_lane: int = -1
    zipper: float = 110.0
    tag: str = ""
    extra: tuple[str, ...] = ()
    before: tuple[float, float] = (5.0, 10.0)
    focus: tuple[float, float] = (0.0, np.inf)
    traffic: float = 1.0
    taken: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    rigs: dict[int, Vehicle] = field(default_factory=dict)

    # -- paths
    # ----------------------------------------------------------------------------------

    def find_routes(self) -> None:
        """All routes of the sketch as paths of the traffic."""
        self.routes = routes_of(self.sketch)
        self.paths = [make_path(self.sketch, r, lat_accel=2.0) for r in self.routes]

    def path_from(self, lane: int, through: int = -1) -> int:
        """The path that starts at a lane (and runs through a segment)."""
        return next(
            i for i, r in enumerate(self.routes) if r.segments[0] == lane and (through < 0 or through in r.segments)
        )

    def arc(self, path: int, point: F64) -> float:
        """Where on a path a point is."""
        return float(np.argmin(((self.paths[path].xy - point) ** 2).sum(1)) * STEP)

    # -- drivers
    # ----------------------------------------------------------------------------------

    def driver(
        self,
        path: int,
        s: float,
        v: float,
        *,
        kind: ObjectKind = ObjectKind.VEHICLE,
        length: float = 0.0,
        width: float = 0.0,
        spawn: float = 0.0,
        **more: float,
    ) -> int:
        """Adds a driver and returns its number; keywords name constants of drivers.py (``headway=1.2``). spawn: when
        it comes where there is room, s; below 0: it is there from the start, however near others are."""
        rng, c, st = self.rng, np.zeros(dr.CONSTANTS), np.zeros(dr.STATES)
        length = length or float(np.clip(rng.normal(4.75, 0.3), 4.1, 5.5))
        width = width or float(np.clip(rng.normal(1.9, 0.07), 1.75, 2.1))
        c[[dr.LENGTH, dr.WIDTH, dr.FRONT, dr.REAR]] = length, width, 0.5 * length, 0.5 * length
        c[dr.SPEED_FACTOR] = np.clip(rng.normal(0.97, 0.05), 0.84, 1.08)
        c[dr.HEADWAY], c[dr.GAP] = rng.uniform(1.0, 1.7), rng.uniform(2.0, 3.2)
        c[dr.ACCEL], c[dr.DECEL], c[dr.JERK] = rng.uniform(1.1, 1.7), rng.uniform(1.5, 2.1), 3.0
        c[dr.NOISE], c[dr.NOISE_PHASE] = 0.07, rng.uniform(0, 2 * np.pi)
        c[dr.WANDER], c[dr.WANDER_PHASE] = rng.uniform(0.0, 0.15), rng.uniform(0, 2 * np.pi)
        c[dr.SPAWN], c[dr.SCRIPT], c[dr.TOP_SPEED] = spawn, -1.0, np.inf
        c[dr.CHANGES] = float(rng.random() < 0.6)
        for name, value in more.items():
            c[getattr(dr, name.upper())] = value
        st[dr.S], st[dr.V] = s, v
        self.path_of.append(path)
        self.states.append(st)
        self.consts.append(c)
        self.kinds.append(kind)
        if spawn <= 0.0 and path >= 0:
            self._take(path, s + 0.5 * (c[dr.FRONT] - c[dr.REAR]), length)
        return len(self.states) - 1

    def ego(self, s: float, v: float, **more: float) -> None:
        """Puts the ego on its path; must be the first driver. Its reference point is the rear axle."""
        body = load_vehicle("pacifica").body
        calm: dict[str, Any] = {
            "speed_factor": float(self.rng.uniform(0.95, 0.985)), "headway": float(self.rng.uniform(1.5, 1.9)),
            "gap": float(self.rng.uniform(2.6, 3.4)), "accel": float(self.rng.uniform(1.2, 1.5)), "decel": 1.6,
            "jerk": 1.6,
            "noise": 0.0, "wander": 0.0, "changes": 0.0, "front": body.front_m, "rear": body.rear_m,
        }  # fmt: skip
        self.driver(-1, s, v, length=body.length_m, width=body.width_m, **{**calm, **more})

    def _take(self, path: int, s: float, length: float) -> None:
        seg, arc = self.segment_at(self.paths[path], s)
        self.taken.setdefault(seg, []).append((arc - 0.5 * length, arc + 0.5 * length))

    def reserve(self, path: DriverPath, s: float, behind: float, ahead: float) -> None:
        """Keeps a stretch of a path's lane free of the random traffic that is laid later, by ``fill`` or otherwise."""
        seg, arc = self.segment_at(path, s)
        self.taken.setdefault(seg, []).append((arc - behind, arc + ahead))

    @staticmethod
    def segment_at(path: DriverPath, s: float) -> tuple[int, float]:
        k = int(np.clip(np.searchsorted(path.starts, s, side="right") - 1, 0, len(path.route.segments) - 1))
        return path.route.segments[k], s - float(path.starts[k])

    def fill(
        self, paths: list[int], spacing: float, *, inflow: bool = True, factor: float = 0.9, trucks: float = 0.08
    ) -> None:
        """Random traffic on the given paths, ``spacing`` meters apart on average, and more of it coming in at their
        starts."""
        rng, spacing = self.rng, max(26.0, 0.8 * spacing) / self.traffic
        for p in paths:
            path, s = self.paths[p], float(rng.uniform(5.0, 5.0 + spacing))
            while s < path.length - 30.0:
                truck = rng.random() < trucks
                length = float(rng.uniform(8.0, 12.5)) if truck else 0.0
                if self._room(p, s, (length or 4.8) + 14.0 / self.traffic):
                    self.driver(p, s, self.pace(path, s, factor), length=length, width=2.5 if length else 0.0)
                s += max(22.0 / self.traffic, rng.exponential(max(spacing - 15.0, 4.0)) + 15.0)
            if inflow:
                self.inflow(p, spacing, factor)

    def inflow(self, p: int, spacing: float, factor: float) -> None:
        """More traffic that comes in at the start of a path, ``spacing`` meters apart on average."""
        v = self.pace(self.paths[p], 6.0, factor)
        time = float(self.rng.exponential(spacing / max(v, 3.0)))
        while time < 55.0:
            self.driver(p, 4.0, v, spawn=time)
            time += max(2.5, float(self.rng.exponential(spacing / max(v, 3.0))))

    def rig(self, p: int, s: float, vehicle: Vehicle, factor: float) -> None:
        """A tractor, its rear axle at ``s``, with its semitrailer straight behind it."""
        front, length = vehicle.body.front_m, length_of(vehicle)
        k = self.driver(
            p, s, self.pace(self.paths[p], s, factor), length=length, width=2.6, front=front, rear=length - front,
            top_speed=float(self.rng.uniform(22.0, 25.0)), accel=0.5, changes=0.0, headway=2.0,
        )  # fmt: skip
        self.rigs[k] = vehicle

    def pace(self, path: DriverPath, s: float, factor: float) -> float:
        """A speed at which somebody drives who keeps to a share of a path's cap, m/s."""
        return float(path.cap[min(int(s / STEP), len(path.cap) - 1)]) * factor * float(self.rng.uniform(0.85, 1.0))

    def _room(self, path: int, s: float, need: float) -> bool:
        seg, arc = self.segment_at(self.paths[path], s)
        if self.sketch.segments[seg].source >= 0:
            return False
        return all(b < arc - 0.5 * need or a > arc + 0.5 * need for a, b in self.taken.get(seg, []))

    def script(self, caps: F64) -> float:
        """Registers speed caps (STEPS,); the value is what a driver's ``script`` constant must be."""
        self.scripts.append(caps)
        return float(len(self.scripts) - 1)

    # -- things and people
    # ----------------------------------------------------------------------------------------------------------------

    def thing(self, kind: ObjectKind, xy: F64, heading: float, length: float, width: float, height: float) -> None:
        self.statics.append((kind, np.array([xy[0], xy[1], heading, length, width]), height))

    def walker(
        self, waypoints: F64, *, speed: float, walk: int = -1, go: float = 0.0, start: float = 0.0, group: int = -1
    ) -> None:
        """A pedestrian along up to four points; with ``walk`` the second leg is that crosswalk."""
        points = np.asarray(waypoints, float)
        points = np.concatenate([points, np.repeat(points[-1:], 4 - len(points), 0)])
        legs = np.hypot(*np.diff(points, axis=0).T)
        curb = (legs[0], legs[0] + legs[1]) if walk >= 0 else (np.inf, np.inf)
        self.pedestrians.append(
            {"waypoints": points, "curb": curb, "walk": walk, "group": group, "speed": speed, "go": go, "start": start}
        )

    def strollers(self, count: int, radius: float, center: F64) -> None:
        """Pedestrians on the walkways around a point."""
        walkways = [ring for kind, _, ring in self.sketch.areas if kind == AreaKind.WALKWAY]
        for _ in range(round(count * self.traffic) if walkways else 0):
            ring = walkways[int(self.rng.integers(len(walkways)))]
            half = (len(ring) - 1) // 2
            mid = 0.5 * (ring[:half] + ring[half : 2 * half][::-1]) + self.rng.uniform(-0.6, 0.6)
            near = np.flatnonzero(np.hypot(*(mid - center).T) < radius)
            if len(near) < 20:
                continue
            a = int(near[int(self.rng.integers(0, len(near) - 15))])
            pick = np.clip(a + np.array([0, 8, 18, 30]) * (1 if self.rng.random() < 0.5 else -1), 0, len(mid) - 1)
            self.walker(mid[pick], speed=float(self.rng.uniform(0.9, 1.6)), start=float(self.rng.uniform(0, 3)))

    # -- run
    # ----------------------------------------------------------------------------------

    def run(self, told: Told | None = None) -> Motion:
        """Lets everybody go for STEPS steps; ``told``: how the ego moves, instead of driver 0, as long as it says."""
        paths = self.paths if self.ego_path is None else [*self.paths, self.ego_path]
        table = make_table(self.sketch, paths, self.walks, len(self.paths), self.merge_lane)
        lights = np.zeros((STEPS, 1), np.uint8) if self.lights is None else self.lights
        w = self.pedestrians
        walkers = Walkers(
            np.array([x["waypoints"] for x in w], float).reshape(-1, 4, 2), np.array([x["curb"] for x in w],
            float).reshape(-1, 2),
            np.array([x["walk"] for x in w], np.int64), np.array([x["group"] for x in w], np.int64),
            np.array([x["speed"] for x in w], float), np.array([x["go"] for x in w], float),
            np.array([x["start"] for x in w], float),
        )  # fmt: skip
        path = np.array([len(self.paths) if p < 0 else p for p in self.path_of], np.int64)
        script = np.array(self.scripts) if self.scripts else np.full((1, STEPS), np.inf)
        steps = STEPS if told is None else len(told.speed)
        program = Program(lights[:steps], script, told)
        return drive(table, path, np.array(self.states), np.array(self.consts), program, walkers, self.zipper)


def signal_program(
    order: list[tuple[tuple[int, ...], float]], groups: int, shift: float, yellow: float = 3.0, red: float = 2.0
) -> NDArray[np.uint8]:
    """Lights (STEPS, groups) that cycle through phases of (green groups, seconds), each followed by yellow and all-red
    seconds; the cycle starts ``shift`` seconds in."""
    cycle = sum(green + yellow + red for _, green in order)
    t = (np.arange(STEPS) * DT + shift) % cycle
    out = np.full((STEPS, groups), int(LightState.RED), np.uint8)
    begin = 0.0
    for on, green in order:
        for g in on:
            out[(t >= begin) & (t < begin + green), g] = int(LightState.GREEN)
            out[(t >= begin + green) & (t < begin + green + yellow), g] = int(LightState.YELLOW)
        begin += green + yellow + red
    return out
