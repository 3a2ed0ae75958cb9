"""One world: a situation is set up, played, judged and, if it will not do, tried again with the next draw of the same
seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from roadcraft.core.arrays import Mask
from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive
from roadcraft.core.errors import DataError
from roadcraft.core.random import scenario_key
from roadcraft.scenario_io.synthetic.config import LOCATIONS, SITUATIONS
from roadcraft.scenario_io.synthetic.recording.check import faults
from roadcraft.scenario_io.synthetic.recording.record import Identity, record
from roadcraft.scenario_io.synthetic.recording.tags import (
    FIRST_ANCHOR,
    FRAMES,
    LAST_ANCHOR,
    WARM_UP,
    conditions,
    view_of,
)
from roadcraft.scenario_io.synthetic.roads.assemble import Patch, Place, build_map
from roadcraft.scenario_io.synthetic.roads.sketch import Sketch
from roadcraft.scenario_io.synthetic.situations import (
    at_junctions as junction_situations,
    merges as merge_situations,
    obstacles as obstacle_situations,
    on_roads as road_situations,
)
from roadcraft.scenario_io.synthetic.situations.scene import STEPS, SyntheticScene
from roadcraft.scenario_io.synthetic.traffic.traffic import Motion

ATTEMPTS = 60
CELL_M = (2100.0, 800.0)  # of the grid of patches
MARGIN_M = 60.0  # between the lanes of neighboring patches
COLUMNS = 3
ORIGINS = {  # somewhere within each location's UTM zone, meters
    "us-nv-las-vegas-strip": (664_000.0, 3_996_000.0),
    "us-ma-boston": (330_000.0, 4_690_000.0),
    "us-pa-pittsburgh-hazelwood": (587_000.0, 4_475_000.0),
    "sg-one-north": (365_000.0, 143_000.0),
}
SCENARIO_PAST = 60  # frames from a scenario's start to its tagged frame
DULL = frozenset(
    (
        "near_high_speed_vehicle",
        "medium_magnitude_speed",
        "high_magnitude_speed",
        "following_lane_without_lead",
        "stationary",
        "low_magnitude_speed",
        "following_lane_with_lead",
    )
)
EPOCH_US = 1_640_995_200_000_000  # 2022-01-01


@dataclass(frozen=True)
class SyntheticWorld:
    """A drive, the patch of road it was made on, and how many draws it took."""

    drive: Drive
    patch: Patch
    situation: str
    location: str
    attempts: int


def situation_of(seed: int, number: int, situations: tuple[str, ...]) -> str:
    """Worlds take turns through the situations, in an order that each round of them shuffles anew."""
    turn, k = divmod(number, len(situations))
    order = np.random.default_rng([scenario_key(seed, f"round {turn}")]).permutation(len(situations))
    return situations[int(order[k])]


def make_world(
    seed: int, number: int, situations: tuple[str, ...] = SITUATIONS, locations: int = 4, traffic: float = 1.0
) -> SyntheticWorld:
    """World ``number`` of a seed and these settings; depends on nothing else. Raises DataError when no draw is good
    (which does not happen with the situations that come with roadcraft)."""
    situation = situation_of(seed, number, situations)
    location = list(LOCATIONS)[number % locations]
    why: list[str] = []
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([scenario_key(seed, f"world {number}"), attempt])
        scene = SyntheticScene(rng, traffic=traffic)
        build(scene, situation)
        motion = scene.run()
        plan = lay_window(scene, motion)
        if plan is None:
            why.append("it did not happen")
            continue
        patch = place_patch(scene.sketch, seed, number // locations, location, rng)
        if patch is None:
            why.append("its road does not fit into a cell")
            continue
        who = Identity(f"synthetic_{seed}_{number:05d}_{situation}", seed, location, start_us(seed, number))
        drive = record(scene, motion, plan[0], plan[1], who, patch)
        wrong = faults(drive, own_map(patch, location, seed))
        if not wrong:
            return SyntheticWorld(drive, patch, situation, location, attempt + 1)
        why += wrong
    raise DataError(
        f"no good draw of {situation!r} in {ATTEMPTS}", where=f"seed {seed}, world {number}", remedy="; ".join(why[-3:])
    )


def build(scene: SyntheticScene, situation: str) -> None:
    """Sets a stage up for a situation of config.SITUATIONS."""
    modules = (road_situations, obstacle_situations, merge_situations, junction_situations)
    getattr(next(m for m in modules if hasattr(m, situation)), situation)(scene)


def own_map(patch: Patch, location: str, seed: int) -> MapData:
    """The map of one patch alone."""
    return build_map(location, map_version(seed), LOCATIONS[location], [patch])


def map_version(seed: int) -> str:
    return f"synthetic.{seed}"


def lay_window(scene: SyntheticScene, m: Motion) -> tuple[int, list[tuple[int, tuple[str, ...]]]] | None:
    """First step of the log and its tagged frames, or None if what the world is about does not happen in time."""
    holds = conditions(scene, m)
    main = holds.get(scene.tag)
    if main is None:
        return None
    main = main & (m.s[:, 0] >= scene.focus[0]) & (m.s[:, 0] <= scene.focus[1])
    if scene.cutter >= 0:  # from when it moves over
        main = main & (m.path[:, scene.cutter] != m.path[0, scene.cutter])
    on = m.active[:, 0]
    alive = int(on.sum()) if on.all() else int(np.flatnonzero(~on)[0])
    low, high = WARM_UP + FIRST_ANCHOR, min(alive, STEPS) - (FRAMES - LAST_ANCHOR)
    begin = np.flatnonzero(main & ~np.concatenate([[False], main[:-1]]))
    runs = [(int(b), int(b + np.argmin(np.append(main[b:], False)))) for b in begin]
    runs = [(max(a, low), min(b, high)) for a, b in runs if min(b, high) > max(a, low)]
    if not runs:
        return None
    a, b = runs[int(scene.rng.integers(min(2, len(runs))))]
    view = view_of(scene, m)
    bent = np.abs(view.lat) > 0.2 * np.maximum(
        view.v, 0.1
    )  # yaw rate beyond 0.2 rad/s: a bad start, as logged states carry no steering
    late = min(b - 1, a + 80)
    event = a if "starting" in scene.tag or "stopping" in scene.tag else int(scene.rng.integers(a, late + 1))
    first = event - int(20 * scene.rng.uniform(*scene.before))
    first = int(np.clip(first, max(WARM_UP, event - LAST_ANCHOR), min(event - FIRST_ANCHOR, alive - FRAMES)))
    if bent[event - SCENARIO_PAST]:
        return None
    if first < WARM_UP or not FIRST_ANCHOR <= event - first <= LAST_ANCHOR:
        return None
    return first, _anchors(scene, holds, bent, first, event)


def _anchors(
    scene: SyntheticScene, holds: dict[str, Mask], bent: Mask, first: int, event: int
) -> list[tuple[int, tuple[str, ...]]]:
    """The world's own frame, and one more at least 4 s away, if possible where something happens. The type of a
    scenario is the alphabetically last of its tags: the world's own frame carries none that comes after its own."""
    tags = {t for t, mask in holds.items() if mask[event] and t <= scene.tag}
    anchors = [(event - first, tuple(sorted(tags | {scene.tag, *scene.extra})))]
    spare: tuple[int, tuple[str, ...]] | None = None
    for f in scene.rng.permutation(np.arange(FIRST_ANCHOR, LAST_ANCHOR, 7)).tolist():
        here = tuple(sorted(t for t, mask in holds.items() if mask[first + f]))
        if not here or abs(f - anchors[0][0]) < 80 or bent[first + f - SCENARIO_PAST]:
            continue
        spare = spare or (f, here)
        if set(here) - DULL:
            spare = (f, here)
            break
    if spare is not None:
        anchors.append(spare)
    return sorted(anchors)


def place_patch(sketch: Sketch, seed: int, number: int, location: str, rng: np.random.Generator) -> Patch | None:
    """The sketch in its cell of the location, turned some way that fits; None if it is too large for a cell."""
    points = np.concatenate([s.center for s in sketch.segments])[::5]
    shift = np.random.default_rng([scenario_key(seed, location)]).uniform(0.0, 20_000.0, 2)
    row, column = divmod(number, COLUMNS)
    x, y = ORIGINS[location]
    origin = (x + round(shift[0], 1) + column * CELL_M[0], y + round(shift[1], 1) + row * CELL_M[1])
    for angle in rng.uniform(0.0, 2.0 * np.pi, 60).tolist():
        turned = Place((0.0, 0.0), angle, (0.0, 0.0)).move(points)
        low, high = turned.min(0), turned.max(0)
        if (high - low < np.asarray(CELL_M) - MARGIN_M).all():
            center = Place((0.0, 0.0), -angle, (0.0, 0.0)).move(0.5 * (low + high))
            return Patch(number, sketch, Place(origin, angle, (float(center[0]), float(center[1]))))
    return None


def start_us(seed: int, number: int) -> int:
    """First time stamp of a world."""
    return EPOCH_US + (scenario_key(seed, "start") % 20_000) * 3_600_000_000 + number * 60_000_000
