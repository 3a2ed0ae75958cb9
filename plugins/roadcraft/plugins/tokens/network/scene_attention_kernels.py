"""What the decoder's layers do with their surroundings, in numba on the CPU: only those pairs that see each other are
computed, and no array of pairs is made.

Shapes: G moments, A actors, N tokens of each of B scenes (G / B moments each), C = heads * d channels, R channels of a
relation, W = room_for(N + A). The twins in torch are ``SceneContext.attend_in_torch`` and what autograd makes of it.

A compiler may not change the order of a sum, so sums are written in an order that it can compute side by side: LANES
partial sums, each of its own lane. What is summed over all that is seen therefore lies across: in blocks (W, LANES),
LANES channels of one key side by side; what is summed over channels lies along: (channels, W). What is seen is filled
up with zeros to a multiple of LANES.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import I64
from roadcraft.core.driving.jit import njit
from roadcraft.plugins.common.kernels import F32, ONE, ZERO, Bool

PLACE = 9  # relation.CHANNELS
LANES = 16
LOWEST = np.float32(-np.inf)
COARSE, FINE, FINEST, NEAR_M = (np.float32(x) for x in (0.02, 0.1, 0.5, 10.0))


class Seen(NamedTuple):
    """Who looks, and at what: own (G, A, 3 * C) queries, keys and values; alive (G, A); pose (G, A, 4); scene (B, N, 2
    * C) keys and values; real (B, N); still (B, N, 4)."""

    own: F32
    alive: Bool
    pose: F32
    scene: F32
    real: Bool
    still: F32


class RelationArrays(NamedTuple):
    """embed (R, PLACE), offset (R,) and weigh (heads, R) of a relation."""

    embed: F32
    offset: F32
    weigh: F32


def room_for(size: int) -> int:
    """size, rounded up to a multiple of LANES."""
    return -(-size // LANES) * LANES


_room_for = njit(cache=True, nogil=True, inline="always")(room_for)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _write_channels(at: F32, x: F32, y: F32, c: F32, s: F32, count: int, place: F32) -> None:
    """Fills place (PLACE, W) with ``relation.channels`` of the first ``count`` poses x, y, c, s (W,), seen from at
    (4,)."""
    x0, y0, c0, s0 = at[0], at[1], at[2], at[3]
    for n in range(count):
        dx, dy = x[n] - x0, y[n] - y0
        ahead, left = c0 * dx + s0 * dy, c0 * dy - s0 * dx
        place[0, n], place[1, n] = COARSE * ahead, COARSE * left
        place[2, n], place[3, n] = FINE * ahead / (ONE + FINE * abs(ahead)), FINE * left / (ONE + FINE * abs(left))
        place[4, n], place[5, n] = (
            FINEST * ahead / (ONE + FINEST * abs(ahead)),
            FINEST * left / (ONE + FINEST * abs(left)),
        )
        place[6, n], place[7, n] = c0 * c[n] + s0 * s[n], c0 * s[n] - s0 * c[n]
        place[8, n] = NEAR_M / (NEAR_M + np.sqrt(ahead * ahead + left * left))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _related(place: F32, weight: F32, bias: F32, count: int, out: F32) -> None:
    """Fills out (R, W): relu of a linear layer of told, weight (R, PLACE), bias (R,)."""
    for r in range(out.shape[0]):
        b, w = bias[r], weight[r]
        w0, w1, w2, w3, w4, w5, w6, w7, w8 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8]
        for n in range(count):
            a = b + w0 * place[0, n] + w1 * place[1, n] + w2 * place[2, n] + w3 * place[3, n] + w4 * place[4, n]
            a = a + w5 * place[5, n] + w6 * place[6, n] + w7 * place[7, n] + w8 * place[8, n]
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
def _gather(share: F32, across: F32, block: int, lanes: F32, out: F32, count: int) -> None:
    """out (K,) += sum over n of share[n] * key n in the blocks (W, LANES) from ``block`` on, which hold K channels."""
    for first in range(0, len(out), LANES):
        start = (block + first // LANES) * len(share) * LANES
        for j in range(LANES):
            lanes[j] = ZERO
        for n in range(0, count, 8):
            a, b, c, d = share[n], share[n + 1], share[n + 2], share[n + 3]
            e, f, g, h = share[n + 4], share[n + 5], share[n + 6], share[n + 7]
            keys = across[start + n * LANES : start + (n + 8) * LANES]
            for j in range(LANES):
                one = (a * keys[j] + b * keys[LANES + j]) + (c * keys[2 * LANES + j] + d * keys[3 * LANES + j])
                two = (e * keys[4 * LANES + j] + f * keys[5 * LANES + j]) + (
                    g * keys[6 * LANES + j] + h * keys[7 * LANES + j]
                )
                lanes[j] += one + two
        for j in range(min(LANES, len(out) - first)):
            out[first + j] += lanes[j]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _lie_across(along: F32, across: F32, count: int) -> None:
    """Fills blocks (W, LANES) with along (K, W)."""
    width = along.shape[1]
    for k in range(along.shape[0]):
        start = k // LANES * width * LANES + k % LANES
        for n in range(count):
            across[start + n * LANES] = along[k, n]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _sum(row: F32, count: int) -> np.float32:
    a, b, c, d = ZERO, ZERO, ZERO, ZERO
    for n in range(0, count, 4):
        a, b, c, d = a + row[n], b + row[n + 1], c + row[n + 2], d + row[n + 3]
    return (a + b) + (c + d)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _largest(row: F32, count: int) -> np.float32:
    a, b, c, d = row[0], row[1], row[2], row[3]
    for n in range(4, count, 4):
        a, b, c, d = max(a, row[n]), max(b, row[n + 1]), max(c, row[n + 2]), max(d, row[n + 3])
    return max(max(a, b), max(c, d))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _blocks(size: int) -> int:
    return _room_for(size) // LANES


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _workspace(heads: int, d: int, rels: int, width: int) -> tuple[F32, F32, F32, F32, F32, F32, F32, F32, I64]:
    """What both passes write on, for one moment and actor after the other: along, across, places and who as of
    ``_lay_out``; told, with a row of ones, by which slopes of an offset are those of a weight; related, which lies
    along and across; a row of weights; lanes."""
    place = np.ones((PLACE + 1, width), np.float32)
    return (
        np.empty((heads * d, width), np.float32),
        np.zeros(heads * _blocks(d) * width * LANES, np.float32),
        np.empty((4, width), np.float32),
        place,
        np.empty((rels, width), np.float32),
        np.zeros(_blocks(rels) * width * LANES, np.float32),
        np.empty(width, np.float32),
        np.empty(LANES, np.float32),
        np.empty(width, np.int64),
    )


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _place(moment: F32, from_along: int, from_across: int, d: int, n: int, along: F32, across: F32) -> None:
    """Channels of one key, those from from_along on to column n of along (C, W), those from from_across on to row n of
    the blocks of each head."""
    size, width = along.shape
    for i in range(size):
        along[i, n] = moment[from_along + i]
    for h in range(size // d):
        for first in range(0, d, LANES):
            start = ((h * _blocks(d) + first // LANES) * width + n) * LANES
            at = from_across + h * d + first
            for j in range(min(LANES, d - first)):
                across[start + j] = moment[at + j]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _lay_out(g: int, seen: Seen, d: int, back: int, along: F32, across: F32, places: F32, who: I64) -> int:
    """Gather what is to be seen in moment g: along (C, W) keys and across values, or the other way round (back 1);
    places (4, W), who (W,); returns how many. Tokens of the scene come first, as far as they are real, then the actors
    that are there."""
    own, alive, pose, scene, real, still = seen
    b = g // (own.shape[0] // scene.shape[0])
    size = own.shape[2] // 3
    count = 0
    for n in range(scene.shape[1]):
        if real[b, n]:
            who[count] = n
            _place(scene[b, n], back * size, (1 - back) * size, d, count, along, across)
            for i in range(4):
                places[i, count] = still[b, n, i]
            count += 1
    for a in range(own.shape[1]):
        if alive[g, a]:
            who[count] = scene.shape[1] + a
            _place(own[g, a], (1 + back) * size, (2 - back) * size, d, count, along, across)
            for i in range(4):
                places[i, count] = pose[g, a, i]
            count += 1
    filled, width = _room_for(count), along.shape[1]
    along[:, count:filled] = ZERO
    places[:, count:filled] = ZERO
    for block in range(len(across) // (width * LANES)):
        across[(block * width + count) * LANES : (block * width + filled) * LANES] = ZERO
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def attention_into(seen: Seen, relation: RelationArrays, out: F32, shares: F32) -> None:
    """Fills out (G, A, C + heads * R), what each actor gathers and where it was, and shares (G, A, heads, W), which the
    backward pass wants (not where its last size is 0). Rows of those who are not there are left as they are."""
    own, alive, pose, scene = seen.own, seen.alive, seen.pose, seen.scene
    embed, offset, weigh = relation
    moments, actors, size = own.shape[0], own.shape[1], own.shape[2] // 3
    heads, rels = weigh.shape
    d, width = size // heads, _room_for(scene.shape[1] + actors)
    scale = np.float32(1.0 / math.sqrt(d))
    keys, values, places, place, related, related_across, row, lanes, who = _workspace(heads, d, rels, width)
    query = np.empty(d, np.float32)
    keep = shares.shape[3] > 0
    for g in range(moments):
        count = _lay_out(g, seen, d, 0, keys, values, places, who)
        filled = _room_for(count)
        for a in range(actors):
            if not alive[g, a]:
                continue
            _write_channels(pose[g, a], places[0], places[1], places[2], places[3], filled, place)
            _related(place, embed, offset, filled, related)
            _lie_across(related, related_across, filled)
            got = out[g, a]
            got[:] = ZERO
            for h in range(heads):
                row[:filled] = ZERO
                for i in range(d):
                    query[i] = scale * own[g, a, h * d + i]
                _add(row, keys, h * d, query, filled)
                _add(row, related, 0, weigh[h], filled)
                row[count:filled] = LOWEST
                most = _largest(row, filled)
                for n in range(filled):
                    row[n] = math.exp(row[n] - most)
                total = _sum(row, filled)
                for n in range(filled):
                    row[n] /= total
                if keep:
                    shares[g, a, h, :filled] = row[:filled]
                _gather(row, values, h * _blocks(d), lanes, got[h * d : (h + 1) * d], filled)
                _gather(row, related_across, 0, lanes, got[size + h * rels : size + (h + 1) * rels], filled)


@njit(cache=True, nogil=True, error_model="numpy")
def attention_back(
    seen: Seen, relation: RelationArrays, shares: F32, slope: F32, own_slope: F32, scene_slope: F32,
    relation_slope: RelationArrays,
) -> None:  # fmt: skip
    """The backward pass of ``attention_into``: slope is that of out; the slopes of own, scene and the relation are
    added to the last arrays."""
    own, alive, pose, scene = seen.own, seen.alive, seen.pose, seen.scene
    embed, offset, weigh = relation
    embed_slope, offset_slope, weigh_slope = relation_slope
    moments, actors, size = own.shape[0], own.shape[1], own.shape[2] // 3
    heads, rels = weigh.shape
    d, width = size // heads, _room_for(scene.shape[1] + actors)
    scale = np.float32(1.0 / math.sqrt(d))
    values, keys, places, place, related, related_across, row, lanes, who = _workspace(heads, d, rels, width)
    place_across = np.zeros(_blocks(PLACE + 1) * width * LANES, np.float32)
    key_slope, value_slope = np.empty((size, width), np.float32), np.empty((size, width), np.float32)
    related_slope = np.empty((rels, width), np.float32)
    query, place_slope = np.empty(d, np.float32), np.empty(PLACE + 1, np.float32)
    for g in range(moments):
        count = _lay_out(g, seen, d, 1, values, keys, places, who)
        filled = _room_for(count)
        key_slope[:, :filled] = ZERO
        value_slope[:, :filled] = ZERO
        for a in range(actors):
            if not alive[g, a]:
                continue
            _write_channels(pose[g, a], places[0], places[1], places[2], places[3], filled, place)
            _related(place, embed, offset, filled, related)
            _lie_across(related, related_across, filled)
            _lie_across(place, place_across, filled)
            related_slope[:, :filled] = ZERO
            for h in range(heads):
                share = shares[g, a, h]
                what, where = slope[g, a, h * d : (h + 1) * d], slope[g, a, size + h * rels : size + (h + 1) * rels]
                row[:filled] = ZERO
                _add(row, values, h * d, what, filled)
                _add(row, related, 0, where, filled)
                for n in range(filled):
                    row[n] *= share[n]
                mean = _sum(row, filled)
                for n in range(filled):
                    row[n] -= share[n] * mean
                query[:] = ZERO
                _gather(row, keys, h * _blocks(d), lanes, query, filled)
                _gather(row, related_across, 0, lanes, weigh_slope[h], filled)
                for i in range(d):
                    at = h * d + i
                    own_slope[g, a, at] += scale * query[i]
                    q, w = scale * own[g, a, at], what[i]
                    for n in range(filled):
                        key_slope[at, n] += q * row[n]
                        value_slope[at, n] += w * share[n]
                for r in range(rels):
                    q, w = weigh[h, r], where[r]
                    for n in range(filled):
                        related_slope[r, n] += q * row[n] + w * share[n]
            for r in range(rels):
                for n in range(filled):
                    related_slope[r, n] = related_slope[r, n] if related[r, n] > ZERO else ZERO
                place_slope[:] = ZERO
                _gather(related_slope[r], place_across, 0, lanes, place_slope, filled)
                for i in range(PLACE):
                    embed_slope[r, i] += place_slope[i]
                offset_slope[r] += place_slope[PLACE]
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
