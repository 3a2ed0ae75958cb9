"""A drive of our own closed loop against the reference's, step by step: times, ego, agents, plans."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import Ego, Scenario
from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.validation.golden.difference import Comparison
from roadcraft.validation.golden.files import GoldenDrive
from roadcraft.validation.golden.repeat import Repeat

_POSE = slice(0, 2)


def compare_scenario(golden: GoldenDrive, scenario: Scenario) -> list[Comparison]:
    """What is driven: iterations, the log's times and states, the route."""
    expert = np.array([[math.nan if v is None else v for v in row] for row in golden.data["expert"]], np.float64)
    row = Comparison(golden.name, "scenario", group="scenario and times", tolerance=1e-6)
    row.add("iterations", len(scenario), golden.data["iterations"], 0.0)
    row.add_steps("time_us", scenario.time_us.tolist(), expert[:, 0].astype(np.int64).tolist(), 0.0)
    n = min(len(scenario), len(expert))
    gaps = np.nan_to_num(np.abs(scenario.expert[:n, :7] - expert[:n, 1:8]))
    gaps[:, 2] = turned(gaps[:, 2])
    row.add_gaps(gaps.max(axis=1), scenario.expert[:n, :7], expert[:n, 1:8], np.arange(n), "expert")
    row.add("route", [str(i) for i in scenario.route], [str(i) for i in golden.data["route_roadblock_ids"]], 0.0)
    return [row]


def compare_steps(golden: GoldenDrive, ours: Rollout, repeat: Repeat) -> list[Comparison]:
    """Ego, agents and plans of all steps."""
    return [
        *_ego(golden, ours, repeat.ego_m),
        *compare_agents(golden, ours, repeat.agents_m),
        *_plans(golden, ours, repeat),
    ]


def _ego(golden: GoldenDrive, ours: Rollout, limit: float) -> list[Comparison]:
    theirs = np.array([row[:11] for row in golden.data["ego"]], np.float64)
    times = Comparison(golden.name, "time", group="scenario and times", tolerance=0.0)
    times.add_steps("time_us", ours.drive.time_us.tolist(), theirs[:, 0].astype(np.int64).tolist())
    n = min(len(ours), len(theirs))
    have, want, steps = ours.drive.ego[:n], theirs[:n, 1:], np.arange(n)
    off = np.abs(have - want)
    quantities = {
        "ego position": (np.hypot(off[:, Ego.X], off[:, Ego.Y]), _POSE),
        "ego heading": (turned(off[:, Ego.HEADING]), slice(Ego.HEADING, Ego.HEADING + 1)),
        "ego speed": (np.hypot(off[:, Ego.VX], off[:, Ego.VY]), slice(Ego.VX, Ego.VY + 1)),
        "ego steering": (off[:, Ego.STEERING], slice(Ego.STEERING, Ego.STEERING + 1)),
    }
    rows = [times]
    for name, (gaps, columns) in quantities.items():
        group = "ego pose" if name in ("ego position", "ego heading") else "ego speed, steering"
        row = Comparison(golden.name, name, tolerance=limit, group=group)
        row.add_gaps(gaps, have[:, columns], want[:, columns], steps, name)
        rows.append(row)
    return rows


def compare_agents(golden: GoldenDrive, ours: Rollout, limit: float) -> list[Comparison]:
    """The others of all steps."""
    present = Comparison(golden.name, "agents present", group="agents present", tolerance=0.0)
    frames, ids = ours.drive.objects, ours.drive.tracks.id[ours.drive.objects.track]
    mine: list[I64] = []
    wanted: list[list[Any]] = []
    steps: list[int] = []
    for step, objects in enumerate(golden.data["objects"][: len(ours)]):
        rows = frames.rows(step)
        at = {f"{int(i):016x}": rows.start + k for k, i in enumerate(ids[rows])}
        names = [o[0] for o in objects]
        if set(names) == set(at) and len(at) == rows.stop - rows.start == len(names):
            present.compared += 1
            present.equal += 1
        else:
            extra, lacking = sorted(set(at) - set(names)), sorted(set(names) - set(at))
            present.note(f"step {step}", f"{len(at)} objects, {extra[:3]} too many", f"also {lacking[:3]}", 1.0, step)
        both = [(at[o[0]], o) for o in objects if o[0] in at]
        mine.append(np.array([i for i, _ in both], np.int64))
        wanted += [[math.nan if v is None else v for v in o[1:8]] for _, o in both]
        steps += [step] * len(both)
    index = np.concatenate(mine) if mine else np.zeros(0, np.int64)
    want = np.array(wanted, np.float64).reshape(-1, 7)
    return [present, *_boxes(golden.name, frames.box[index], frames.velocity[index], want, np.array(steps), limit)]


def _boxes(name: str, box: F64, velocity: F64, want: F64, steps: I64, limit: float) -> list[Comparison]:
    off = np.abs(box - want[:, :5])
    drift = np.nan_to_num(np.abs(velocity - want[:, 5:]))  # static kinds have no velocity
    quantities = {
        "agent position": (np.hypot(off[:, 0], off[:, 1]), box[:, :2], want[:, :2]),
        "agent heading": (turned(off[:, 2]), box[:, 2], want[:, 2]),
        "agent size": (off[:, 3:].max(axis=1, initial=0.0), box[:, 3:], want[:, 3:5]),
        "agent velocity": (np.hypot(drift[:, 0], drift[:, 1]), velocity, want[:, 5:]),
    }
    rows = []
    for what, (gaps, mine, theirs) in quantities.items():
        row = Comparison(name, what, tolerance=limit, group="agents")
        row.add_gaps(gaps, mine, theirs, steps, what)
        rows.append(row)
    return rows


def _plans(golden: GoldenDrive, ours: Rollout, repeat: Repeat) -> list[Comparison]:
    """All stored plans; one value per pose."""
    log = ours.plans
    at = {int(step): slice(int(log.offsets[i]), int(log.offsets[i + 1])) for i, step in enumerate(log.step)}
    pose = Comparison(golden.name, "plan poses", group="plans", tolerance=repeat.ego_m)
    heading = Comparison(golden.name, "plan headings", group="plans", tolerance=repeat.ego_m)
    speed = Comparison(golden.name, "plan speeds", group="plans", tolerance=repeat.ego_m)
    for step, poses in golden.data["plans"]:
        want = np.array(poses, np.float64).reshape(-1, 5)
        have = log.states[at[step]] if step in at else np.zeros((0, 4))
        if len(have) != len(want) or log.time_us[at[step]].tolist() != want[:, 0].astype(np.int64).tolist():
            pose.note("poses and times", f"{len(have)} poses", f"{len(want)} poses", math.inf, int(step))
            continue
        off, steps = np.abs(have - want[:, 1:]), np.full(len(want), step)
        pose.add_gaps(np.hypot(off[:, 0], off[:, 1]), have[:, :2], want[:, 1:3], steps, "pose")
        heading.add_gaps(turned(off[:, 2]), have[:, 2], want[:, 3], steps, "heading")
        speed.add_gaps(off[:, 3], have[:, 3], want[:, 4], steps, "speed")
    return [pose, heading, speed] if repeat.plan_speeds else [pose, heading]


def turned(angle: F64) -> F64:
    """Absolute differences of angles, around the circle."""
    out: F64 = np.abs(wrap_array(angle))
    return out
