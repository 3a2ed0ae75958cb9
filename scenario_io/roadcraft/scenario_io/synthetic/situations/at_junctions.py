"""Situations at a junction. Each function sets a stage up; its name in config.SITUATIONS is the function's."""

from __future__ import annotations

import numpy as np

from roadcraft.scenario_io.synthetic.roads.junction import Control
from roadcraft.scenario_io.synthetic.situations.grounds import (
    CITY,
    Cross,
    JunctionDesign,
    cross_path,
    cross_paths,
    ego_on,
    lay_out_cross,
)
from roadcraft.scenario_io.synthetic.situations.scene import SyntheticScene, signal_program


def _two_phases(scene: SyntheticScene) -> None:
    rng = scene.rng
    a, b = float(rng.uniform(13, 20)), float(rng.uniform(11, 17))
    scene.lights = signal_program(
        [((0,), a), ((2,), b)], 4, float(rng.uniform(0, a + b + 10)), float(rng.uniform(3.0, 4.0))
    )


def _four_phases(scene: SyntheticScene) -> None:
    rng = scene.rng
    green = [float(x) for x in rng.uniform((7, 10, 6, 9), (10, 15, 8, 13))]
    order = [((1,), green[0]), ((0,), green[1]), ((3,), green[2]), ((2,), green[3])]
    scene.lights = signal_program(order, 4, float(rng.uniform(0, sum(green) + 18)), 3.2, 1.8)


def _set_up(
    scene: SyntheticScene,
    cross: Cross,
    spacing: float,
    *,
    ahead: float = 0.0,
    v: float = 8.5,
    ego_lane: int | None = None,
    lat_accel: float = 2.0,
) -> None:
    """The ego 70 to 130 m before the junction, perhaps with somebody ahead, and traffic from everywhere."""
    rng = scene.rng
    path = cross_path(scene, cross, cross.ego_arm, cross.out_arm, ego_lane)
    stop = next(
        a
        for a, k in zip(scene.paths[path].starts, scene.paths[path].route.segments, strict=False)
        if scene.sketch.segments[k].source >= 0
    )
    s = float(stop) - float(rng.uniform(75, 130))
    ego_on(scene, path, s, v, lat_accel=lat_accel * float(rng.uniform(0.85, 1.1)))
    if rng.random() < ahead:
        gap = float(rng.uniform(18, 30))
        onward = [
            p
            for p in cross_paths(scene, cross)[cross.ego_arm]
            if scene.paths[p].route.segments[0] == scene.paths[path].route.segments[0]
        ]
        scene.driver(int(rng.choice(onward)), s + gap, v, changes=0)
    for paths in cross_paths(scene, cross).values():
        few = [int(p) for p in rng.permutation(paths)]
        scene.fill(few, spacing * len(few) * float(rng.uniform(0.8, 1.3)), factor=0.75, trucks=0.04)
    scene.strollers(int(rng.integers(5, 12)), 70, np.zeros(2))


def _crossing_people(scene: SyntheticScene, cross: Cross, count: int, *, skip: tuple[int, ...] = ()) -> None:
    """Pedestrians who use the junction's crosswalks."""
    rng = scene.rng
    free = [w for w in range(len(scene.walks)) if w not in skip]
    for _ in range(count if free else 0):
        w = int(rng.choice(free))
        arm, side = cross.arms[w], 1.0 if rng.random() < 0.5 else -1.0
        p, along = arm.profile, -2.8 + float(rng.uniform(-0.8, 0.8))
        a, b = (p.right, p.left) if side > 0 else (p.left, p.right)
        waypoints = np.array([
            arm.near(float(rng.uniform(4, 16)), a - 1.3 * side), arm.near(along, a - 0.4 * side), arm.near(along,
            b + 0.4 * side),
            arm.near(float(rng.uniform(15, 40)), b + 1.3 * side),
        ])  # fmt: skip
        group = scene.walks[w].walk_group
        scene.walker(waypoints, speed=float(rng.uniform(1.1, 1.6)), walk=w, go=float(rng.uniform(0, 45)), group=group)


def _lanes(scene: SyntheticScene) -> tuple[int, int]:
    return int(scene.rng.integers(1, 4)), int(scene.rng.integers(1, 3))


def signal_straight(scene: SyntheticScene) -> None:
    rng = scene.rng
    cross = lay_out_cross(
        scene, JunctionDesign(Control.LIGHT, "straight", lanes=_lanes(scene), limit=float(rng.choice((11.18, 13.41))))
    )
    _two_phases(scene)
    _set_up(scene, cross, 45, ahead=0.5, v=9.0)
    _crossing_people(scene, cross, 5)
    scene.tag = "starting_straight_traffic_light_intersection_traversal"


def red_light(scene: SyntheticScene) -> None:
    rng = scene.rng
    cross = lay_out_cross(
        scene, JunctionDesign(Control.LIGHT, "straight", lanes=_lanes(scene), limit=float(rng.choice((11.18, 13.41))))
    )
    _two_phases(scene)
    with_lead = rng.random() < 0.5
    _set_up(scene, cross, 50, ahead=1.0 if with_lead else 0.0, v=9.0)
    _crossing_people(scene, cross, 5)
    scene.tag = f"stopping_at_traffic_light_{'with' if with_lead else 'without'}_lead"
    scene.before = (4.0, 6.0)


def protected_left(scene: SyntheticScene) -> None:
    cross = lay_out_cross(
        scene,
        JunctionDesign(Control.LIGHT, "left", lanes=(2, int(scene.rng.integers(1, 3))), protected=True, limit=11.18),
    )
    _four_phases(scene)
    _set_up(scene, cross, 55, ahead=0.35)
    scene.tag, scene.extra = "starting_protected_cross_turn", ("starting_left_turn",)


def unprotected_left(scene: SyntheticScene) -> None:
    cross = lay_out_cross(
        scene, JunctionDesign(Control.LIGHT, "left", lanes=(int(scene.rng.integers(1, 3)), 1), limit=11.18)
    )
    _two_phases(scene)
    _set_up(scene, cross, 75, ahead=0.25)
    _crossing_people(scene, cross, 2, skip=(cross.out_arm,))
    scene.tag, scene.extra = "starting_unprotected_cross_turn", ("starting_left_turn",)


def right_turn(scene: SyntheticScene) -> None:
    rng = scene.rng
    three = bool(rng.random() < 0.3)
    light = not three and rng.random() < 0.6
    cross = lay_out_cross(
        scene, JunctionDesign(Control.LIGHT if light else Control.STOP, "right", lanes=_lanes(scene),
        limit=float(rng.choice(CITY[:3])),
        minor=(0,) if three else (0, 2), three=three),
    )  # fmt: skip
    if light:
        _two_phases(scene)
    _set_up(scene, cross, 60, ahead=0.3, v=8.0, lat_accel=1.4)
    _crossing_people(scene, cross, 4)
    scene.tag = "starting_right_turn"


def all_way_stop(scene: SyntheticScene) -> None:
    rng = scene.rng
    turn = str(rng.choice(("straight", "straight", "left", "right")))
    cross = lay_out_cross(scene, JunctionDesign(Control.ALL_WAY, turn, limit=float(rng.choice(CITY[:3]))))
    _set_up(scene, cross, 85, v=8.0)
    _crossing_people(scene, cross, 2)
    scene.tag = "on_all_way_stop_intersection"


def _stop_sign(scene: SyntheticScene, spacing: float) -> None:
    rng = scene.rng
    cross = lay_out_cross(
        scene,
        JunctionDesign(
            Control.STOP,
            "straight",
            lanes=(1, int(rng.integers(1, 3))),
            minor=(0, 2),
            limit=float(rng.choice(CITY[:3])),
        ),
    )
    _set_up(scene, cross, spacing, v=8.0)
    _crossing_people(scene, cross, 2)


def stop_sign(scene: SyntheticScene) -> None:
    _stop_sign(scene, 170)
    scene.tag = "starting_straight_stop_sign_intersection_traversal"


def stop_sign_alone(scene: SyntheticScene) -> None:
    _stop_sign(scene, 190)
    scene.tag, scene.before = "stopping_at_stop_sign_without_lead", (4.0, 6.0)
