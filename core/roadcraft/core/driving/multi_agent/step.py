"""A step of a crowd: who is driven moves, then all are checked.

The motion is ``bicycle.advance``, that of trailers the chord of the hitch (``chain.chord_turn``), the checks are
those of ``collisions``. Sines and cosines of a row are kept until its heading changes.
"""

from __future__ import annotations

import math

from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.motion.bicycle import advance_turned
from roadcraft.core.driving.motion.chain import chord_turn
from roadcraft.core.driving.multi_agent.collisions import box_into, check_into, turn_to
from roadcraft.core.driving.multi_agent.following import follow_into


@njit(cache=True, nogil=True)
def clip_actions(rows, controls, out):  # type: ignore[no-untyped-def]
    """The actions of rows that move by themselves into out (B, N, 2), within their bounds; 0 of all others. controls
    (B, N, 2): acceleration m/s2 and steering rate rad/s. Returns -1; or the flat number of a row whose action is not
    finite, and then writes nothing."""
    there, driven, towed, bounds = rows.there, rows.driven, rows.towed, rows.bounds
    for write in range(2):
        for b in range(len(there)):
            for i in range(there.shape[1]):
                acts = there[b, i] and driven[b, i] and not towed[b, i, 0] > 0.0
                acceleration, rate = controls[b, i, 0], controls[b, i, 1]
                if write:
                    out[b, i, 0] = min(max(acceleration, bounds[b, i, 0]), bounds[b, i, 1]) if acts else 0.0
                    out[b, i, 1] = min(max(rate, -bounds[b, i, 2]), bounds[b, i, 2]) if acts else 0.0
                elif acts and not (math.isfinite(acceleration) and math.isfinite(rate)):
                    return b * there.shape[1] + i
    return -1


@small_njit
def _drive(own, known, action, dt, motion, reverse):  # type: ignore[no-untyped-def]
    """A row (10,) that moves by itself; known: its ``CrowdChecks.turned``."""
    if known[1] != own[7]:
        known[1], known[6] = own[7], math.tan(own[7])
    speed, yaw_rate = own[3], own[8]
    known[6] = advance_turned(own, (known[2], known[3], known[6]), (action[0], action[1]), dt, motion, own)
    known[1] = own[7]
    if own[3] < 0.0 and not reverse:
        own[3], own[5], own[8], own[9] = 0.0, -speed / dt, 0.0, -yaw_rate / dt


@small_njit
def _follow(front, ahead_of, before, own, known, link):  # type: ignore[no-untyped-def]
    """A trailer, ``own`` (10,), behind the unit ``front`` (10,), which has moved from ``before`` (x, y, cosine and sine
    of its heading). ahead_of, known: their ``CrowdChecks.turned``; link: distance from hitch to axle, the hitch ahead
    of the front unit's axle, and s of the step."""
    (x, y, c, s), (length, ahead, dt) = before, link
    fc, fs = ahead_of[2], ahead_of[3]
    turn = chord_turn(front[0] - x + ahead * (fc - c), front[1] - y + ahead * (fs - s), known[2], known[3], length)
    own[2] = wrap(own[2] + turn)
    turn_to(known, own[2])
    nc, ns = known[2], known[3]
    own[0], own[1] = front[0] + ahead * fc - length * nc, front[1] + ahead * fs - length * ns
    speed, yaw_rate = front[3] * (fc * nc + fs * ns) + ahead * front[8] * (fc * ns - fs * nc), turn / dt
    own[5], own[9] = (speed - own[3]) / dt, (yaw_rate - own[8]) / dt
    own[3], own[4], own[6], own[7], own[8] = speed, 0.0, 0.0, 0.0, yaw_rate


@njit(cache=True, nogil=True)
def move_into(rows, b, actions, dt, reverse, out):  # type: ignore[no-untyped-def]
    """Move the rows of scenario b that are driven by ``dt`` s, no one where it is 0; boxes and corners of all that are
    there into ``out``, ``CrowdChecks``."""
    state, motion, towed, body = rows.state, rows.motion, rows.towed, rows.body
    there, driven, boxes, turned = rows.there, rows.driven, out.boxes, out.turned
    x, y, c, s = 0.0, 0.0, 1.0, 0.0  # of the row before, before the step
    for i in range(there.shape[1]):
        if not there[b, i]:
            continue
        own, known, box = state[b, i], turned[b, i], boxes[b, i]
        turn_to(known, own[2])
        before, pulled = (x, y, c, s), towed[b, i, 0] > 0.0
        x, y, c, s = own[0], own[1], known[2], known[3]
        if dt > 0.0 and driven[b, i]:
            if pulled:
                link = (towed[b, i, 0], towed[b, i, 1], dt)
                _follow(state[b, i - 1], turned[b, i - 1], before, own, known, link)
            else:
                _drive(own, known, actions[b, i], dt, motion[b, i], reverse)
                turn_to(known, own[2])
        ahead = body[b, i, 0]
        box[0], box[1], box[2] = own[0] + ahead * known[2], own[1] + ahead * known[3], own[2]
        box[3], box[4] = body[b, i, 1], body[b, i, 2]
        box_into(out, b, i)


@njit(cache=True, nogil=True)
def step_rows(rows, actions, dt, reverse, road, lanes, places, checks):  # type: ignore[no-untyped-def]
    """Move who is driven, check all, find their places. Held: ``CrowdRows``, ``RoadField``, ``LaneField``,
    ``RowPlaces``, ``CrowdChecks``."""
    for b in range(len(rows.place)):
        move_into(rows, b, actions, dt, reverse, checks)
        check_into(checks, b, rows.vehicle[b], rows.there[b], road, rows.place[b])
        follow_into(rows, lanes, places, b, dt, checks.turned)
