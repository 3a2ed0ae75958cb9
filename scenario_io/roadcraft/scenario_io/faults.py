"""What a log may get wrong without being useless: impossible frames and boxes are left out, and nothing spans a hole in
time.

All of it is faults: one DataError per kind of fault, which says how many there were and where the first one is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, Mask, Polylines, offsets_of
from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive, ObjectFrames, ScenarioRow
from roadcraft.core.data.windows import select_scenes
from roadcraft.core.errors import DataError
from roadcraft.scenario_io.filter_config import DEFAULT_TYPE
from roadcraft.scenario_io.filters import window_of

GAP_S = 0.25  # a longer step between two frames is a hole
IRREGULAR = 0.1  # share of steps off by more than half of the nominal one: single frames may be missing
JUMP_M = 50.0  # the ego does not move that far between two frames
OUTLIER_M = 500.0  # nor does an object come back from that far
SIZE_M = 200.0  # no object is longer
SPEED_MPS = 150.0
PAST_S = 2.0  # of the log before a scenario that planners look back on
SAME_M = 1e-6  # vertices this near are one
FAR = 1e9  # no coordinate in meters is larger


@dataclass(frozen=True)
class Gap:
    """A hole between the frames at ``first_us`` and ``last_us``, or a jump of the ego; ``what`` says which, and how
    large."""

    first_us: int
    last_us: int
    what: str


def mended(drive: Drive, where: str) -> tuple[Drive, list[DataError]]:
    """The drive without frames whose ego state, and boxes whose pose or size, is impossible; missing velocities taken
    from the next frame beside.

    Everything is told in the list. A drive without faults is returned as it is. Raises DataError where fewer than two
    frames would be left.
    """
    faults: list[DataError] = []
    good = sound_poses(drive.ego)
    if good.sum() < min(2, len(drive)):
        what = f"{(~good).sum()} of {len(good)} frames have no finite ego pose"
        raise DataError(what, where=where, remedy="position, heading and velocity of at least 2 frames must be numbers")
    if not good.all():
        faults.append(_fault("frames", "without a finite ego pose", ~good, drive.token, where))
        drive = _without_frames(drive, good)
    o = drive.objects
    frame = np.repeat(np.arange(len(drive)), np.diff(o.offsets))
    moves = np.isfinite(o.velocity).all(1) & (np.abs(o.velocity) < SPEED_MPS).all(1)
    here = np.isfinite(o.box).all(1) & (np.abs(o.box) < FAR).all(1)
    with np.errstate(invalid="ignore"):
        here &= (o.box[:, 3:] > 0.0).all(1) & (o.box[:, 3:] < SIZE_M).all(1)
    here &= ~_outliers(o, frame, here)
    if here.all() and moves.all():
        return drive, faults
    tokens = drive.token[frame]
    if not moves.all():
        faults.append(
            _fault("velocities", "missing or impossible: taken from the frame beside, or 0", ~moves, tokens, where)
        )
        o = replace(o, velocity=_velocities(o, frame, moves))
    if not here.all():
        track = drive.tracks.id[o.track[~here][0]]
        place = f"{where}: track {int(track):016x}"
        faults.append(
            _fault("boxes", "without a finite pose, possible position or possible size", ~here, tokens, place)
        )
        kept = np.bincount(frame[here], minlength=len(drive))
        o = ObjectFrames(offsets_of(kept), o.track[here], o.box[here], o.velocity[here])
    return replace(drive, objects=o), faults


def repeated(points: F64, owner: I64) -> Mask:
    """Vertices (P,) of lines that repeat the one before on their line ``owner`` (P,): what lies between has no
    direction."""
    again = np.zeros(len(points), np.bool_)
    again[1:] = (np.abs(np.diff(points, axis=0)) < SAME_M).all(1) & (owner[1:] == owner[:-1])
    return again


def mended_map(m: MapData, where: str) -> tuple[MapData, list[DataError]]:
    """The map without repeated vertices in its center lines, and how many there were. Raises DataError for a center
    line without length."""
    lines = m.lanes.centerlines
    lane = np.repeat(np.arange(len(lines)), np.diff(lines.offsets))
    again = repeated(lines.points, lane)
    if not again.any():
        return m, []
    counts = np.bincount(lane[~again], minlength=len(lines))
    first = int(m.lanes.id[lane[again][0]])
    place = f"{where}: map {m.name}, lane"
    if (counts[np.unique(lane[again])] < 2).any():
        raise DataError("a center line without length", where=f"{place} {m.lanes.id[counts < 2][0]}")
    lanes = replace(m.lanes, centerlines=Polylines(lines.points[~again], offsets_of(counts)))
    fault = DataError(f"{again.sum()} repeated vertices of center lines left out", where=f"{place} {first}")
    return replace(m, lanes=lanes), [fault]


def sound_poses(ego: F64) -> Mask:
    """Frames (F,) whose ego state is finite and on the globe."""
    return np.isfinite(ego).all(1) & (np.abs(ego) < FAR).all(1)


def gaps_of(time_us: I64, xy: F64, interval_us: int, where: str) -> list[Gap]:
    """The holes of a log, and the ego's jumps. Raises DataError where so many frames are missing that no stretch is
    like the log it claims to be."""
    step_s, move_m = np.diff(time_us) * 1e-6, np.hypot(*np.diff(xy, axis=0).T)
    irregular = _irregular(time_us, interval_us)
    if irregular.sum() > max(IRREGULAR * len(irregular), 2):
        raise DataError(
            f"{irregular.mean():.0%} of the steps between frames are not the nominal {interval_us * 1e-6:g} s: frames "
            "are missing",
            where=where,
            remedy=f"at most {IRREGULAR:.0%} may be missing",
        )
    out: list[Gap] = []
    start = time_us[0] if len(time_us) else 0
    for i in np.flatnonzero((step_s > max(GAP_S, 2.5e-6 * interval_us)) | (move_m > JUMP_M)):
        hole = step_s[i] > GAP_S
        what = f"a gap of {step_s[i]:.2f} s" if hole else f"the ego jumps {move_m[i]:.0f} m"
        at = f"{(time_us[i] - start) * 1e-6:.2f} s after the start of the log"
        out.append(Gap(int(time_us[i]), int(time_us[i + 1]), f"{what} {at}"))
    return out


def without_gaps(
    rows: Sequence[ScenarioRow], time_us: I64, interval_us: int, gaps: Sequence[Gap], where: str
) -> tuple[list[ScenarioRow], list[DataError]]:
    """The scenarios whose windows, and the PAST_S before them, span no gap and hold nearly all frames; what was left
    out, per gap."""
    lost = np.concatenate([[0], np.cumsum(_irregular(time_us, interval_us))])
    if not gaps and lost[-1] == 0:
        return list(rows), []
    windows = np.array([_window(r) for r in rows], np.int64).reshape(-1, 2)
    gone = np.zeros(len(rows), np.bool_)
    faults: list[DataError] = []
    for gap in gaps:
        spans = (windows[:, 0] < gap.last_us) & (windows[:, 1] > gap.first_us)
        gone |= spans
        faults.append(DataError(f"{gap.what}: {spans.sum()} scenarios across it left out", where=where))
    if len(time_us):
        a, b = (np.clip(np.searchsorted(time_us, windows[:, i]), 0, len(time_us) - 1) for i in (0, 1))
        sparse = ~gone & (lost[b] - lost[a] > np.maximum(IRREGULAR * (b - a), 2))
        gone |= sparse
        if sparse.any():
            faults.append(DataError(f"frames are missing: {sparse.sum()} scenarios over them left out", where=where))
    return [r for r, g in zip(rows, gone.tolist(), strict=True) if not g], faults


def pieces(time_us: I64, gaps: Sequence[Gap]) -> list[tuple[int, int]]:
    """First and last frame of the stretches between gaps that hold two frames or more."""
    cuts = np.searchsorted(time_us, [g.last_us for g in gaps])
    bounds = zip([0, *cuts.tolist()], [*(cuts - 1).tolist(), len(time_us) - 1], strict=True)
    return [(a, b) for a, b in bounds if b > a]


def _window(row: ScenarioRow) -> tuple[int, int]:
    """The longest window that a row may be given, whatever type it is counted under."""
    found = [window_of(row, t) for t in row.tags or (DEFAULT_TYPE,)]
    return min(a for a, _ in found) - round(PAST_S * 1e6), max(b for _, b in found)


def _irregular(time_us: I64, interval_us: int) -> Mask:
    return np.abs(np.diff(time_us) - interval_us) > 0.5 * interval_us


def _fault(things: str, why: str, bad: Mask, tokens: NDArray[np.uint64], where: str) -> DataError:
    first, count = tokens[np.flatnonzero(bad)[0]], int(bad.sum())
    name = things if count > 1 else {"boxes": "box", "velocities": "velocity", "frames": "frame"}[things]
    verb = "" if things == "velocities" else " left out:"
    return DataError(f"{count} {name}{verb} {why}", where=f"{where}, frame {int(first):016x}")


def _neighbors(o: ObjectFrames, frame: I64) -> tuple[I64, I64]:
    """The row of the same track in the frame before and in the frame after, -1 where there is none."""
    order = np.lexsort((frame, o.track))
    adjacent = (np.diff(o.track[order]) == 0) & (np.diff(frame[order]) == 1)
    before, after = np.full(len(frame), -1, np.int64), np.full(len(frame), -1, np.int64)
    before[order[1:][adjacent]], after[order[:-1][adjacent]] = order[:-1][adjacent], order[1:][adjacent]
    return before, after


def _outliers(o: ObjectFrames, frame: I64, here: Mask) -> Mask:
    """Boxes far away from where their track is in the frames before and after, which agree."""
    xy = np.where(here[:, None], o.box[:, :2], np.nan)
    if len(xy) == 0 or np.nanmax(np.ptp(xy[here], axis=0), initial=0.0) < OUTLIER_M:
        return np.zeros(len(frame), np.bool_)
    before, after = _neighbors(o, frame)
    known = (before >= 0) & (after >= 0)
    with np.errstate(invalid="ignore"):
        off = np.minimum(np.hypot(*(xy - xy[before]).T), np.hypot(*(xy - xy[after]).T)) > OUTLIER_M
        return np.asarray(known & off & (np.hypot(*(xy[before] - xy[after]).T) < OUTLIER_M))


def _velocities(o: ObjectFrames, frame: I64, known: Mask) -> F64:
    before, after = _neighbors(o, frame)
    out = np.where(known[:, None], o.velocity, 0.0)
    for row in np.flatnonzero(~known):
        adjacent = next((r for r in (before[row], after[row]) if r >= 0 and known[r]), -1)
        if adjacent >= 0:
            out[row] = o.velocity[adjacent]
    return out


def _without_frames(drive: Drive, keep: Mask) -> Drive:
    layers, kept = drive.layers, np.flatnonzero(keep)
    at = np.cumsum(keep) - keep
    first = at[drive.scenes.first]
    left = np.flatnonzero(first < np.append(first[1:], keep.sum()))
    tagged = keep[drive.tag_frame]
    return replace(
        drive,
        time_us=drive.time_us[keep],
        token=drive.token[keep],
        ego=drive.ego[keep],
        joints=drive.joints[keep],
        objects=drive.objects.select(kept),
        lights=drive.lights.select(kept),
        scenes=select_scenes(drive.scenes, left, first[left]),
        tag_frame=at[drive.tag_frame[tagged]],
        tag_type=drive.tag_type[tagged],
        layers=replace(layers, frame=np.where(layers.frame > 0, at[layers.frame], layers.frame))
        if len(layers)
        else layers,
    )
