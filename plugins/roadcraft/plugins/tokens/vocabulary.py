"""Motion tokens: how a box may move within half a second, a vocabulary for each class, and the reading of trajectories
in them.

A token is 5 poses (x, y, cos, sin) of the box's center, 0.1 s apart, as seen from where it started. Motions are
compared by their last pose: the mean distance of the four corners of the box there. A trajectory is read by rolling:
each token is chosen as seen from where the tokens before it have led, so that errors do not add up (SMART, Wu et al.
2024). A vocabulary is drawn from data by k-disk sampling: take a motion at random, drop all within a radius of it, and
so on.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import I64
from roadcraft.core.driving.geometry.frames import from_frame, to_frame
from roadcraft.core.driving.jit import njit

F32 = NDArray[np.float32]
POSES = 5  # of a token
POSE_S = 0.1
TOKEN_S = POSES * POSE_S
BOXES = (
    (4.8, 2.0),
    (0.7, 0.7),
    (1.9, 0.7),
)  # length, width by which motions of a class are compared when its vocabulary is drawn
FASTEST_MPS = (50.0, 5.0, 20.0)
TURN_RAD = 1.3  # motions beyond these are faults of the log
FAINT = 7.0  # tokens whose label would be less than e^-7 of the closest one's get none
GROWTH = 1.15  # of the radius, as long as the vocabulary is too small for it


class _Box(NamedTuple):
    """A box at a pose."""

    x: float
    y: float
    cos: float
    sin: float
    length: float
    width: float


@njit(cache=True, nogil=True)
def corner_distance(end: F32, v: int, box: _Box) -> float:
    """Mean distance of the four corners of a box and of the same box at pose v of end (V, 4). Never less than the
    distance of the centers."""
    dx, dy, length, width = end[v, 0] - box.x, end[v, 1] - box.y, box.length, box.width
    fx, fy = 0.5 * length * (end[v, 2] - box.cos), 0.5 * length * (end[v, 3] - box.sin)
    sx, sy = -0.5 * width * (end[v, 3] - box.sin), 0.5 * width * (end[v, 2] - box.cos)
    total = math.hypot(dx + fx + sx, dy + fy + sy) + math.hypot(dx + fx - sx, dy + fy - sy)
    return 0.25 * (total + math.hypot(dx - fx + sx, dy - fy + sy) + math.hypot(dx - fx - sx, dy - fy - sy))


@njit(cache=True, nogil=True)
def closest(box: _Box, end: F32, first: int, last: int) -> int:
    """The token of ``first:last`` whose last pose ``end`` (V, 4) is closest by corners, the lowest among equals."""
    best, found = np.inf, first
    for v in range(first, last):
        dx, dy = end[v, 0] - box.x, end[v, 1] - box.y
        if dx * dx + dy * dy >= best * best:
            continue  # the corners are no nearer than the centers
        d = corner_distance(end, v, box)
        if d < best:
            best, found = d, v
    return found


@njit(cache=True, nogil=True)
def _seen_from(pose: F32, goal: F32) -> tuple[float, float, float, float]:
    """The pose ``goal`` (4,) x, y, cos, sin in the frame of ``pose`` (4,)."""
    x, y = to_frame(goal[0] - pose[0], goal[1] - pose[1], pose[2], pose[3])
    c, s = to_frame(goal[2], goal[3], pose[2], pose[3])
    return x, y, c, s


@njit(cache=True, nogil=True)
def match(pose: F32, goal: F32, size: F32, kind: I64, end: F32, bounds: I64) -> I64:
    """Tokens (N,) that lead boxes from ``pose`` (N, 4) closest to ``goal`` (N, 4). size (N, 2); kind (N,); end (V, 4);
    bounds (3, 2): first and past-the-last token of each class."""
    out = np.empty(len(pose), np.int64)
    for i in range(len(pose)):
        x, y, c, s = _seen_from(pose[i], goal[i])
        first, last = bounds[kind[i]]
        out[i] = closest(_Box(x, y, c, s, size[i, 0], size[i, 1]), end, first, last)
    return out


@njit(cache=True, nogil=True)
def labels(pose: F32, goal: F32, size: F32, end: F32, spread: float) -> F32:
    """Shares (N, V) of the tokens of a class that lead boxes from ``pose`` (N, 4) near ``goal`` (N, 4): a normal
    distribution of their distances by corners, spread m wide, beyond that of the closest token. size (N, 2); end (V,
    4)."""
    out = np.zeros((len(pose), len(end)), np.float32)
    double = 2.0 * spread**2
    for i in range(len(pose)):
        x, y, gc, gs = _seen_from(pose[i], goal[i])
        box = _Box(x, y, gc, gs, size[i, 0], size[i, 1])
        v = closest(box, end, 0, len(end))
        nearest = corner_distance(end, v, box)
        total = 0.0
        for v in range(len(end)):
            far = (end[v, 0] - x) ** 2 + (end[v, 1] - y) ** 2 - nearest**2
            if far > FAINT * double:
                continue  # the corners are no nearer than the centers
            d = corner_distance(end, v, box)
            out[i, v] = math.exp(-(d * d - nearest * nearest) / double)
            total += out[i, v]
        for v in range(len(end)):
            out[i, v] /= total
    return out


@njit(cache=True, nogil=True)
def roll(goal: F32, valid: NDArray[np.bool_], size: F32, kind: I64, end: F32, bounds: I64) -> tuple[I64, F32]:
    """Read trajectories in tokens. goal (N, S + 1, 4), valid (N, S + 1): poses every half second -> tokens (N, S), 0
    where a step's start or end is missing, and the poses (N, S + 1, 4) they lead to; after a gap the trajectory is
    taken up where it is seen again."""
    n, steps = len(goal), goal.shape[1] - 1
    token, pose = np.zeros((n, steps), np.int64), goal.copy()
    for i in range(n):
        for t in range(steps):
            if not valid[i, t]:
                continue
            if not valid[i, t + 1]:
                continue
            here = pose[i, t : t + 1]
            v = match(here, goal[i, t + 1 : t + 2], size[i : i + 1], kind[i : i + 1], end, bounds)[0]
            token[i, t] = v
            x, y, c, s = here[0]
            pose[i, t + 1, 0], pose[i, t + 1, 1] = x + c * end[v, 0] - s * end[v, 1], y + s * end[v, 0] + c * end[v, 1]
            pose[i, t + 1, 2], pose[i, t + 1, 3] = from_frame(end[v, 2], end[v, 3], c, s)
    return token, pose


@njit(cache=True, nogil=True)
def k_disk(end: F32, radius: float, length: float, width: float, most: int) -> I64:
    """Rows of ``end`` (N, 4), the first one first, then always the next that is farther than ``radius`` from all
    chosen; -1 in the last entry where more than ``most`` would be needed."""
    left = np.arange(len(end))
    count, chosen = len(end), np.empty(most + 1, np.int64)
    for n in range(most + 1):
        if count == 0:
            return chosen[:n]
        pick = left[0]
        chosen[n] = pick
        box = _Box(end[pick, 0], end[pick, 1], end[pick, 2], end[pick, 3], length, width)
        kept = 0
        for k in range(count):
            i = left[k]
            far = math.hypot(end[i, 0] - box.x, end[i, 1] - box.y) > radius
            if far or corner_distance(end, i, box) > radius:
                left[kept] = i
                kept += 1
        count = kept
    chosen[most] = -1
    return chosen


def draw(motions: F32, kind: int, size: int, tolerance_m: float, rng: np.random.Generator) -> tuple[F32, float]:
    """A vocabulary of at most ``size`` tokens (V, 5, 4) from motions (N, 5, 4) of one class, and its radius: every
    motion is within it of a token. Token 0 stands still. Motions that no such box could make are left out."""
    travel = np.hypot(motions[:, -1, 0], motions[:, -1, 1])
    turn = np.abs(np.arctan2(motions[:, -1, 3], motions[:, -1, 2]))
    real = motions[(travel <= FASTEST_MPS[kind] * TOKEN_S) & (turn <= TURN_RAD) & np.isfinite(motions).all((1, 2))]
    stand = np.zeros((1, POSES, 4), np.float32)
    stand[..., 2] = 1.0
    pool = np.concatenate([stand, real[rng.permutation(len(real))]]).astype(np.float32)
    end, radius = np.ascontiguousarray(pool[:, -1]), tolerance_m
    while True:
        rows = k_disk(end, radius, *BOXES[kind], size)
        if rows[-1] >= 0:
            return pool[rows], radius
        radius *= GROWTH


def made_up(kind: int, size: int) -> F32:
    """A vocabulary (size, 5, 4) without data: arcs of constant curvature, speeds by turns, standing still first. For
    networks not yet prepared, and for classes of which the data has none."""
    turns = max(int(math.sqrt(size / 4.0)) | 1, 3)
    paces = -(-(size - 1) // turns)
    top = (25.0, 3.0, 10.0)[kind]
    sharpest = (0.2, 1.0, 0.5)[kind]  # 1/m
    speed, bend = np.meshgrid(top * np.arange(1, paces + 1) / paces, np.linspace(-1.0, 1.0, turns), indexing="ij")
    way = speed.ravel()[: size - 1, None] * (POSE_S * np.arange(1, POSES + 1))
    grip = np.minimum(sharpest, 4.0 / np.maximum(speed.ravel()[: size - 1, None], 0.1) ** 2)  # at most 4 m/s2 sideways
    angle = way * bend.ravel()[: size - 1, None] * grip
    half = np.sinc(angle / (2.0 * np.pi)) * way  # the chord of an arc
    arcs = np.stack([half * np.cos(angle / 2), half * np.sin(angle / 2), np.cos(angle), np.sin(angle)], -1)
    stand = np.zeros((1, POSES, 4))
    stand[..., 2] = 1.0
    return np.concatenate([stand, arcs]).astype(np.float32)
