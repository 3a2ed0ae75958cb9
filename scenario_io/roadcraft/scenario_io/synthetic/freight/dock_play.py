"""Plays the situation of a dock: the way that the search finds, as it is driven, and the driver who reverses too
steeply."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.scenario import EGO_SIZE, Ego
from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.motion.chain import chain_of, unit_poses
from roadcraft.core.driving.motion.dynamic_chain import advance_dynamic, road_rows, start_motion
from roadcraft.core.driving.motion.truck_lqr import track_trucks, truck_gains
from roadcraft.core.driving.motion.truck_lqr_config import TruckLqrConfig
from roadcraft.core.vehicles.state import level_road
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.scenario_io.synthetic.freight.driving.course import Course
from roadcraft.scenario_io.synthetic.freight.driving.dock_legs import DockDriver, DockLeg, DockTask, legs_of, moved
from roadcraft.scenario_io.synthetic.freight.driving.dock_search import DockPath, find_path
from roadcraft.scenario_io.synthetic.freight.driving.judge import DriveVerdict, botched, judge
from roadcraft.scenario_io.synthetic.freight.driving.pace import TICK_S, Pace, nobody
from roadcraft.scenario_io.synthetic.freight.driving.wheel import FRAME_S, TruckDrive, chain_model
from roadcraft.scenario_io.synthetic.freight.play import MISTAKE_STEP, Played, others
from roadcraft.scenario_io.synthetic.freight.situations.dock_yard import GAP_M
from roadcraft.scenario_io.synthetic.freight.stage import Stage
from roadcraft.scenario_io.synthetic.traffic.traffic import Motion

CLEARANCE_M, EASY_M = 0.2, 0.35
"""Room that the expert's way keeps, and what it is to keep where it can."""
DOCKED_M, DOCKED_RAD = 0.08, 0.0145
"""Lateral and heading error within which the expert has docked."""
TRACKER = TruckLqrConfig(q_lateral_reverse=2.0)
"""How the tracker is set: at a dock there is not the room in which its usual weights remove an offset."""
JACKKNIFED_RAD = 1.5
"""Joint at which a truck has folded."""
MOST_S = 420.0
"""Longest drive."""
STAYS_S = 4.0
"""How long the expert stands at the dock before its log ends."""
FOLDS_MPS, FOLDS_M = 0.8, 30.0
"""Speed and way in reverse of who makes the mistake."""
_ROUNDS, _MOST_OFF_M = 4, 0.6


def play_dock(stage: Stage) -> Played | None:
    """The expert's drive; none where the search finds no way, or it does not come to stand at the dock."""
    task = stage.dock
    assert task is not None
    for clearance in (EASY_M, CLEARANCE_M):
        path = find_path(stage.vehicle, task.yard, task.goal, GAP_M, clearance)
        played = None if path is None else _played(stage, path)
        if played is not None and played.verdict.contact < 0 and played.verdict.off_road <= 0.0:
            return played
    return None


def _played(stage: Stage, path: DockPath) -> Played | None:
    """The drive of a way, corrected until it ends at the dock; none where it does not."""
    task = stage.dock
    assert task is not None
    back = MISTAKE_STEP * TICK_S * task.speed
    legs = legs_of(path, task.goal, back, task.speed)
    aside = turn = 0.0
    for _ in range(_ROUNDS):
        task.legs = moved(legs, task.yard.dock, aside, turn)
        driven = _driven(stage.vehicle, task)
        off, turned = docked(driven.ego[-1], driven.joints[-1], stage.vehicle, task.yard.dock)
        if abs(off) <= DOCKED_M and abs(turned) <= DOCKED_RAD:
            stage.seconds = 0.5 * (len(driven.ego) - 1) * TICK_S
            motion = quiet(len(driven.ego))
            return Played(motion, driven, _verdict(stage, motion, driven))
        if abs(off) > _MOST_OFF_M:
            break
        aside, turn = aside - off, turn - turned
    return None


def docked(ego: F64, joints: F64, vehicle: Vehicle, dock: tuple[float, float, float]) -> tuple[float, float]:
    """How far the last unit of a truck at ego (10,) with joints (J,) stands beside the axis of a dock, m to the left,
    and how it is turned, rad."""
    last = np.asarray(unit_poses(ego[None], joints[None], chain_of(vehicle)))[0, -1]
    x, y, heading = dock
    off = (last[1] - y) * np.cos(heading) - (last[0] - x) * np.sin(heading)
    return float(off), float(wrap(last[2] - heading))


def mistaken_dock(stage: Stage, played: Played) -> tuple[TruckDrive, DriveVerdict]:
    """The drive of whoever reverses from the first reversal on at full lock, to the side on which that ends badly, or
    straight on."""
    found = [(driven, said) for _, driven, said in _mistakes(stage, played)]
    return found[-1]


def side_of(stage: Stage, played: Played) -> float:
    """The share of full lock with which the mistake is made."""
    return [side for side, _, _ in _mistakes(stage, played)][-1]


def _mistakes(stage: Stage, played: Played) -> Iterator[tuple[float, TruckDrive, DriveVerdict]]:
    """Ways to reverse badly, up to the first that does harm."""
    assert stage.dock is not None
    steps = (len(played.expert.ego) - 1) // 2
    for side in (1.0, -1.0, 0.0):
        driven = _driven(stage.vehicle, stage.dock, steps, side)
        said = _verdict(stage, played.motion, driven)
        yield side, driven, said
        if botched(said):
            return


def folding_controls(ego: F64, side: float, most: float, far: float) -> F64:
    """Controls (2,) of whoever reverses at a share of full lock, 1 to the left, and has gone ``far`` m so."""
    wanted = 0.0 if far > FOLDS_M else -FOLDS_MPS
    accel = min(max(0.8 * (wanted - float(ego[Ego.VX])), -0.8), 0.8)
    rate = min(max(2.0 * (side * most - float(ego[Ego.STEERING])), -0.35), 0.35)
    return np.array([accel, rate])


def _verdict(stage: Stage, motion: Motion, driven: TruckDrive) -> DriveVerdict:
    count = (len(driven.ego) + 1) // 2
    own = [stage.scene.sketch.segments[k].ring for k in stage.own]
    said = judge(driven, stage.vehicle, others(stage, motion), nobody(count), stage.scene.sketch, own)
    return said._replace(wrong="it folds" if said.joint >= JACKKNIFED_RAD else "")


def quiet(frames: int) -> Motion:
    """A yard in which nobody else moves."""
    none, number = np.zeros((frames, 1)), np.zeros((frames, 1), np.int64)
    return Motion(
        np.zeros((frames, 1, 5)), none, none, np.zeros((frames, 1), np.bool_), number, none, np.zeros(frames),
        np.zeros(frames, np.int64), np.zeros((frames, 0, 3)), np.zeros((frames, 0)),
    )  # fmt: skip


def _start(task: DockTask, vehicle: Vehicle) -> F64:
    """Ego state (1, 10) of a straight truck at the begin of its legs."""
    ego = np.zeros((1, EGO_SIZE))
    ego[0, :3] = task.legs[0].pose[0]
    ego[0, Ego.VX] = task.speed
    return ego


def _driven(vehicle: Vehicle, task: DockTask, steps: int = -1, side: float | None = None) -> TruckDrive:
    """The drive along the legs until it has stood for ``STAYS_S``, or for ``steps``; side: share of full lock from the
    first reversal on, none for who drives its legs. A truck that stands at the start does so until ``MISTAKE_STEP``."""
    ego, joints = _start(task, vehicle), np.zeros((1, vehicle.joints))
    motion, model, gains = (
        start_motion(vehicle, ego, joints),
        chain_model(vehicle),
        truck_gains(vehicle, TRACKER),
    )
    road, half, now, links = (
        road_rows(level_road(1), vehicle),
        np.full(1, FRAME_S),
        np.zeros(1, np.int64),
        vehicle.joints,
    )
    driver, rows = DockDriver(tuple(task.legs)), [(ego[0], joints[0], motion[0])]
    stood, folded, folds = 0, 0.0, False
    most = steps if steps > 0 else round(MOST_S / TICK_S)
    for k in range(most):
        waits = task.speed == 0.0 and k < MISTAKE_STEP
        folds = folds or (side is not None and not waits and (not driver.legs or not driver.legs[0].forward))
        driver = driver if waits or folds else driver.after(ego[0])
        if folds and side is not None:
            controls = folding_controls(ego[0], side, vehicle.max_steering_rad, folded)[None]
            folded += abs(float(ego[0, Ego.VX])) * TICK_S
        else:
            states = (DockDriver(()) if waits else driver).states(ego[0])[None]
            times: I64 = np.round(np.arange(states.shape[1]) * TICK_S * 1e6).astype(np.int64)[None]
            rates = np.ascontiguousarray(motion[:, : links + 1])
            length = np.array([states.shape[1]], np.int64)
            controls = track_trucks(ego, joints, rates, now, (times, states, length), gains)
        for _ in range(2):
            ego, joints, motion = advance_dynamic(ego, joints, motion, controls, half, road, model)
            rows.append((ego[0], joints[0], motion[0]))
        stood = stood + 1 if not driver.legs else 0
        if steps < 0 and stood >= STAYS_S / TICK_S:
            break
    columns = [np.array([r[c] for r in rows]) for c in range(3)]
    return _told(columns, task.legs)


def _told(columns: list[F64], legs: list[DockLeg]) -> TruckDrive:
    """The drive, its course in driving order, and its pace, whose speeds are negative in reverse."""
    ego = columns[0]
    pose = np.concatenate([leg.pose for leg in legs])
    ends = np.cumsum([0.0, *(leg.way[-1] for leg in legs)])
    way = np.concatenate([leg.way + end for leg, end in zip(legs, ends, strict=False)])
    flat = np.zeros(len(way))
    turn = np.gradient(pose[:, 2], np.arange(len(way)) * 0.1)
    course = Course(
        pose[:, :2], pose[:, 2], way, turn, way, flat, flat, np.full(len(way), 0.8), np.zeros((len(way), 2))
    )
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(ego[:, :2], axis=0).T))])
    plan = Pace(s[::2], ego[::2, Ego.VX], ego[::2, Ego.AX])
    return TruckDrive(ego, columns[1], columns[2], s, course, plan)
