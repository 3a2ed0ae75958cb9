"""What the decoder's layers do with their surroundings, in numba on the CPU: only those pairs that see each other are computed, and no array of pairs is made.

Shapes: G moments, A actors, N tokens of each of B scenes (G / B moments each), C = heads * d channels, R channels of a relation, W = N + A. The twins in
torch are ``relation.around`` and what autograd makes of it.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from roadcraft.core.arrays import I64
from roadcraft.plugins.common.kernels import F32, ONE, ZERO, Bool

PLACE = 9  # relation.CHANNELS
COARSE, FINE, FINEST, NEAR_M = (np.float32(x) for x in (0.02, 0.1, 0.5, 10.0))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _told(at: F32, x: F32, y: F32, c: F32, s: F32, count: int, told: F32) -> None:
    """Fills told (PLACE, W) with ``relation.channels`` of the first ``count`` poses x, y, c, s (W,), seen from at (4,)."""
    x0, y0, c0, s0 = at[0], at[1], at[2], at[3]
    for n in range(count):
        dx, dy = x[n] - x0, y[n] - y0
        ahead, left = c0 * dx + s0 * dy, c0 * dy - s0 * dx
        told[0, n], told[1, n] = COARSE * ahead, COARSE * left
        told[2, n], told[3, n] = FINE * ahead / (ONE + FINE * abs(ahead)), FINE * left / (ONE + FINE * abs(left))
        told[4, n], told[5, n] = (
            FINEST * ahead / (ONE + FINEST * abs(ahead)),
            FINEST * left / (ONE + FINEST * abs(left)),
        )
        told[6, n], told[7, n] = c0 * c[n] + s0 * s[n], c0 * s[n] - s0 * c[n]
        told[8, n] = NEAR_M / (NEAR_M + np.sqrt(ahead * ahead + left * left))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _related(told: F32, weight: F32, bias: F32, count: int, out: F32) -> None:
    """Fills out (R, W): relu of a linear layer of told, weight (R, PLACE), bias (R,)."""
    for r in range(out.shape[0]):
        b, w = bias[r], weight[r]
        w0, w1, w2, w3, w4, w5, w6, w7, w8 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8]
        for n in range(count):
            a = b + w0 * told[0, n] + w1 * told[1, n] + w2 * told[2, n] + w3 * told[3, n] + w4 * told[4, n]
            a = a + w5 * told[5, n] + w6 * told[6, n] + w7 * told[7, n] + w8 * told[8, n]
            out[r, n] = max(a, ZERO)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _add(out: F32, rows: F32, first: int, share: F32, count: int) -> None:
    """out (W,) += sum over i of share[i] * rows[first + i]."""
    size = len(share)
    i = 0
    while i + 4 <= size:
        a, b, c, d = share[i], share[i + 1], share[i + 2], share[i + 3]
        at = first + i
        for n in range(count):
            out[n] += a * rows[at, n] + b * rows[at + 1, n] + c * rows[at + 2, n] + d * rows[at + 3, n]
        i += 4
    while i < size:
        a = share[i]
        for n in range(count):
            out[n] += a * rows[first + i, n]
        i += 1


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _gather(share: F32, rows: F32, first: int, out: F32, count: int) -> None:
    """out (K,) += rows[first : first + K] times share (W,)."""
    size = len(out)
    i = 0
    while i + 4 <= size:
        a, b, c, d = ZERO, ZERO, ZERO, ZERO
        at = first + i
        for n in range(count):
            s = share[n]
            a += s * rows[at, n]
            b += s * rows[at + 1, n]
            c += s * rows[at + 2, n]
            d += s * rows[at + 3, n]
        out[i] += a
        out[i + 1] += b
        out[i + 2] += c
        out[i + 3] += d
        i += 4
    while i < size:
        a = ZERO
        for n in range(count):
            a += share[n] * rows[first + i, n]
        out[i] += a
        i += 1


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _room_for(size: int, rels: int, width: int) -> tuple[F32, F32, F32, F32, F32, F32, I64]:
    """What both passes write on, for one moment and actor after the other: keys, values, places and who as of ``_lay_out``, told, related, a row of weights."""
    return (
        np.empty((size, width), np.float32),
        np.empty((size, width), np.float32),
        np.empty((4, width), np.float32),
        np.empty((PLACE, width), np.float32),
        np.empty((rels, width), np.float32),
        np.empty(width, np.float32),
        np.empty(width, np.int64),
    )


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _lay_out(
    g: int,
    own: F32,
    alive: Bool,
    pose: F32,
    scene: F32,
    real: Bool,
    still: F32,
    keys: F32,
    values: F32,
    places: F32,
    who: I64,
) -> int:
    """Gather what is to be seen in moment g: keys, values (C, W), places (4, W), who (W,); returns how many. Tokens of the scene come first, as far as they are
    real, then the actors that are there."""
    b = g // (own.shape[0] // scene.shape[0])
    size = own.shape[2] // 3
    count = 0
    for n in range(scene.shape[1]):
        if real[b, n]:
            who[count] = n
            for i in range(size):
                keys[i, count], values[i, count] = scene[b, n, i], scene[b, n, size + i]
            for i in range(4):
                places[i, count] = still[b, n, i]
            count += 1
    for a in range(own.shape[1]):
        if alive[g, a]:
            who[count] = scene.shape[1] + a
            for i in range(size):
                keys[i, count], values[i, count] = own[g, a, size + i], own[g, a, 2 * size + i]
            for i in range(4):
                places[i, count] = pose[g, a, i]
            count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def around_into(
    own: F32,
    alive: Bool,
    pose: F32,
    scene: F32,
    real: Bool,
    still: F32,
    embed: F32,
    offset: F32,
    weigh: F32,
    out: F32,
    shares: F32,
) -> None:
    """Fills out (G, A, C + heads * R), what each actor gathers and where it was, and shares (G, A, heads, W), which the backward pass wants (not where its
    last size is 0). own (G, A, 3 * C) queries, keys and values; alive (G, A); pose (G, A, 4); scene (B, N, 2 * C) keys and values; real (B, N); still (B, N, 4);
    embed (R, PLACE), offset (R,) and weigh (heads, R) of the relation. Rows of those who are not there are left as they are."""
    moments, actors, size = own.shape[0], own.shape[1], own.shape[2] // 3
    heads, rels = weigh.shape
    d, width = size // heads, scene.shape[1] + actors
    scale = np.float32(1.0 / math.sqrt(d))
    keys, values, places, told, related, row, who = _room_for(size, rels, width)
    query = np.empty(d, np.float32)
    keep = shares.shape[3] > 0
    for g in range(moments):
        count = _lay_out(g, own, alive, pose, scene, real, still, keys, values, places, who)
        for a in range(actors):
            if not alive[g, a]:
                continue
            _told(pose[g, a], places[0], places[1], places[2], places[3], count, told)
            _related(told, embed, offset, count, related)
            got = out[g, a]
            got[:] = ZERO
            for h in range(heads):
                row[:count] = ZERO
                for i in range(d):
                    query[i] = scale * own[g, a, h * d + i]
                _add(row, keys, h * d, query, count)
                _add(row, related, 0, weigh[h], count)
                most = row[0]
                for n in range(count):
                    most = max(most, row[n])
                total = ZERO
                for n in range(count):
                    row[n] = math.exp(row[n] - most)
                    total += row[n]
                for n in range(count):
                    row[n] /= total
                if keep:
                    shares[g, a, h, :count] = row[:count]
                _gather(row, values, h * d, got[h * d : (h + 1) * d], count)
                _gather(row, related, 0, got[size + h * rels : size + (h + 1) * rels], count)


@njit(cache=True, nogil=True, error_model="numpy")
def around_back(
    own: F32, alive: Bool, pose: F32, scene: F32, real: Bool, still: F32, embed: F32, offset: F32, weigh: F32, shares: F32, slope: F32,
    own_slope: F32, scene_slope: F32, embed_slope: F32, offset_slope: F32, weigh_slope: F32,
) -> None:  # fmt: skip
    """The backward pass of ``around_into``: slope is that of out; the slopes of own, scene, embed, offset and weigh are added to the last arrays."""
    moments, actors, size = own.shape[0], own.shape[1], own.shape[2] // 3
    heads, rels = weigh.shape
    d, width = size // heads, scene.shape[1] + actors
    scale = np.float32(1.0 / math.sqrt(d))
    keys, values, places, told, related, row, who = _room_for(size, rels, width)
    key_slope, value_slope = np.empty((size, width), np.float32), np.empty((size, width), np.float32)
    related_slope = np.empty((rels, width), np.float32)
    query = np.empty(d, np.float32)
    for g in range(moments):
        count = _lay_out(g, own, alive, pose, scene, real, still, keys, values, places, who)
        key_slope[:, :count] = ZERO
        value_slope[:, :count] = ZERO
        for a in range(actors):
            if not alive[g, a]:
                continue
            _told(pose[g, a], places[0], places[1], places[2], places[3], count, told)
            _related(told, embed, offset, count, related)
            related_slope[:, :count] = ZERO
            for h in range(heads):
                share = shares[g, a, h]
                what, where = slope[g, a, h * d : (h + 1) * d], slope[g, a, size + h * rels : size + (h + 1) * rels]
                row[:count] = ZERO
                _add(row, values, h * d, what, count)
                _add(row, related, 0, where, count)
                mean = ZERO
                for n in range(count):
                    mean += share[n] * row[n]
                for n in range(count):
                    row[n] = share[n] * (row[n] - mean)
                for i in range(d):
                    query[i] = ZERO
                _gather(row, keys, h * d, query, count)
                _gather(row, related, 0, weigh_slope[h], count)
                for i in range(d):
                    at = h * d + i
                    own_slope[g, a, at] += scale * query[i]
                    q, w = scale * own[g, a, at], what[i]
                    for n in range(count):
                        key_slope[at, n] += q * row[n]
                        value_slope[at, n] += w * share[n]
                for r in range(rels):
                    q, w = weigh[h, r], where[r]
                    for n in range(count):
                        related_slope[r, n] += q * row[n] + w * share[n]
            for r in range(rels):
                total = ZERO
                for n in range(count):
                    x = related_slope[r, n] if related[r, n] > ZERO else ZERO
                    related_slope[r, n] = x
                    total += x
                offset_slope[r] += total
                _gather(related_slope[r], told, 0, embed_slope[r], count)
        b = g // (moments // scene.shape[0])
        for n in range(count):
            at = who[n] - scene.shape[1]
            for i in range(size):
                if at < 0:
                    scene_slope[b, who[n], i] += key_slope[i, n]
                    scene_slope[b, who[n], size + i] += value_slope[i, n]
                else:
                    own_slope[g, at, size + i] += key_slope[i, n]
                    own_slope[g, at, 2 * size + i] += value_slope[i, n]
