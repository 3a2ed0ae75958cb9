"""The rails of all agents of a batch in one store to which rails are only ever added, so that states of different
moments share it: a rail that changes is written anew behind the others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.capsules import CHUNK, MARGIN, capsule_of
from roadcraft.core.driving.jit import small_njit


class Rails(NamedTuple):
    """Rails (see ``arc_path``) with what is asked of them at every step. used (1,): vertices taken, a multiple of
    ``CHUNK``, as is the first vertex of every rail.

    progress (M,), points (M, 2), heading (M,). Of each of C = M / CHUNK chunks of a rail's corridor: capsules (C, 5),
    boxes (C, 4) its bounding box, ahead (C, 4) that of it and all later chunks of the rail, both widened by ``MARGIN``.
    """

    used: I64
    progress: F64
    points: F64
    heading: F64
    capsules: F64
    boxes: F64
    ahead: F64


def new_rails(room: int) -> Rails:
    """An empty store for at least ``room`` vertices."""
    chunks = room // CHUNK + 1
    vertices = chunks * CHUNK
    return Rails(
        np.zeros(1, np.int64),
        np.empty(vertices),
        np.empty((vertices, 2)),
        np.empty(vertices),
        np.empty((chunks, 5)),
        np.empty((chunks, 4)),
        np.empty((chunks, 4)),
    )


@small_njit
def room_of(count: int) -> int:
    """Vertices that a rail of ``count`` takes in the store."""
    return (count + CHUNK - 1) // CHUNK * CHUNK


@small_njit
def add_rail(rails: Rails, count: int, half_width: float) -> int:
    """Take in the rail whose ``count`` >= 2 vertices stand behind the used ones; returns its first vertex."""
    low = rails.used[0]
    chunk = low // CHUNK
    last = chunk + (count - 2) // CHUNK
    points = rails.points[low : low + count]
    for c in range(last, chunk - 1, -1):
        first = (c - chunk) * CHUNK
        end = min(first + CHUNK, count - 1)
        capsule_of(points, first, end, half_width, rails.capsules[c])
        x0, y0, x1, y1 = points[first, 0], points[first, 1], points[first, 0], points[first, 1]
        for i in range(first + 1, end + 1):
            x0, x1 = min(x0, points[i, 0]), max(x1, points[i, 0])
            y0, y1 = min(y0, points[i, 1]), max(y1, points[i, 1])
        wide = half_width + MARGIN
        rails.boxes[c, 0], rails.boxes[c, 1] = x0 - wide, y0 - wide
        rails.boxes[c, 2], rails.boxes[c, 3] = x1 + wide, y1 + wide
        for k in range(4):
            rails.ahead[c, k] = rails.boxes[c, k]
        if c < last:
            rails.ahead[c, 0] = min(rails.ahead[c, 0], rails.ahead[c + 1, 0])
            rails.ahead[c, 1] = min(rails.ahead[c, 1], rails.ahead[c + 1, 1])
            rails.ahead[c, 2] = max(rails.ahead[c, 2], rails.ahead[c + 1, 2])
            rails.ahead[c, 3] = max(rails.ahead[c, 3], rails.ahead[c + 1, 3])
    rails.used[0] = low + room_of(count)
    return low


def move_rails(source: Rails, low: I64, count: I64, to: Rails) -> I64:
    """Copy the rails with first vertices ``low`` (A,) into another store; returns their first vertices there."""
    chunks = (count + CHUNK - 1) // CHUNK
    end = to.used[0] // CHUNK + np.cumsum(chunks)
    first = end - chunks
    rows = to.used[0] // CHUNK + np.arange(chunks.sum())
    from_rows = rows + np.repeat(low // CHUNK - first, chunks)
    for old, new in zip(source[1:], to[1:], strict=True):
        new.reshape(len(to.capsules), -1)[rows] = old.reshape(len(source.capsules), -1)[from_rows]
    to.used[0] += CHUNK * len(rows)
    return first * CHUNK
