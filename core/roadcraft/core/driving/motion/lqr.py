"""nuPlan's LQR tracker: a plan in, acceleration and steering rate out (reference: nuplan-devkit e924167, LQRTracker),
and PDM's batched variant of it.

Both fit a speed and a curvature profile to the plan's poses by regularised least squares. The reference solves for an
initial value and its increments with a dense pseudo-inverse; here the unknowns are the profile's own values, which
makes the very same problems banded:

* speed: with p_k the displacement along the heading, ``(dt^2 I + (lambda / dt^2) D2'D2) v = dt p`` (D2: second
  differences), pentadiagonal. It does not depend on the headings, so its factors are computed once per call and shared
  by all plans;
* curvature: ``(diag((v_k dt)^2) + (mu / dt^2) D1'D1 + 1e-10 e0 e0') kappa = v dt dh``, tridiagonal; eliminated without
  subtractions, so that the tiny 1e-10 is not lost when the plan stands still.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import astuple, fields
from math import cos, sin, tan
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.angles import normalize, unwrap, wrap
from roadcraft.core.driving.geometry.arc_path import first_beyond, pose_between
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.motion.bicycle import advance_turned
from roadcraft.core.driving.motion.lqr_config import LqrConfig

INITIAL_CURVATURE_PENALTY = 1e-10


Gains: Any = namedtuple("Gains", [f.name for f in fields(LqrConfig)])  # type: ignore[misc]
"""The values of an :class:`LqrConfig` as kernels take them."""
NUPLAN: Any = Gains(*astuple(LqrConfig()))


@njit(cache=True, nogil=True)
def speed_factors(m, dt, jerk_penalty, pdm=False):  # type: ignore[no-untyped-def]
    """LDL' factors (m, 3) of the speed fit over ``m`` displacements: 1 / d_k, l_{k+1,k}, l_{k+2,k}.

    pdm: PDM's difference matrix has lost its upper band but for the last row (reference: tuplan_garage b51d5d0,
    _make_banded_difference_matrix), so that it penalizes accelerations, and one jerk, instead of all jerks.
    """
    w = jerk_penalty / (dt * dt)
    diag, near, far = np.full(m, dt * dt), np.zeros(m), np.zeros(m)
    for i in range(m - 2):
        if pdm and i < m - 3:
            diag[i] += w
            diag[i + 1] += w
            near[i] -= w
        else:
            diag[i] += w
            diag[i + 1] += 4.0 * w
            diag[i + 2] += w
            near[i] -= 2.0 * w
            near[i + 1] -= 2.0 * w
            far[i] += w
    out = np.zeros((m, 3))
    d1 = d2 = l1 = l2 = m2 = 0.0
    for k in range(m):
        d = diag[k] - l1 * l1 * d1 - m2 * m2 * d2
        e = (near[k] - l1 * d1 * l2) / d
        out[k, 0], out[k, 1], out[k, 2] = 1.0 / d, e, far[k] / d
        m2, d2 = l2, d1
        l1, l2, d1 = e, far[k] / d, d
    return out


@njit(cache=True, nogil=True)
def fit_speed(along, factors, dt, m, v):  # type: ignore[no-untyped-def]
    for k in range(m):
        r = dt * along[k]
        if k >= 1:
            r -= factors[k - 1, 1] * v[k - 1]
        if k >= 2:
            r -= factors[k - 2, 2] * v[k - 2]
        v[k] = r
    for k in range(m - 1, -1, -1):
        r = v[k] * factors[k, 0]
        if k + 1 < m:
            r -= factors[k, 1] * v[k + 1]
        if k + 2 < m:
            r -= factors[k, 2] * v[k + 2]
        v[k] = r


@njit(cache=True, nogil=True)
def fit_curvature(turn, v, dt, rate_penalty, m, s, kappa):  # type: ignore[no-untyped-def]
    w = rate_penalty / (dt * dt)
    for k in range(m):
        g = v[k] * dt
        s[k] = g * g
        kappa[k] = g * turn[k]
        if k == 0:
            s[k] += INITIAL_CURVATURE_PENALTY
        else:
            ratio = w / (s[k - 1] + w)
            s[k] += ratio * s[k - 1]
            kappa[k] += ratio * kappa[k - 1]
    kappa[m - 1] /= s[m - 1]
    for k in range(m - 2, -1, -1):
        kappa[k] = (kappa[k] + w * kappa[k + 1]) / (s[k] + w)


@njit(cache=True, nogil=True)
def interpolated(x, xp, fp, n):  # type: ignore[no-untyped-def]
    """numpy.interp of one value over the first n knots, rounding included."""
    if x <= xp[0]:
        return fp[0]
    if x >= xp[n - 1]:
        return fp[n - 1]
    j = first_beyond(xp, n, x) - 1
    if xp[j] == x:
        return fp[j]
    return (fp[j + 1] - fp[j]) / (xp[j + 1] - xp[j]) * (x - xp[j]) + fp[j]


@small_njit
def sample_plan(times, states, headings, i, t):  # type: ignore[no-untyped-def]
    """x, y, wrapped heading at time t between knots i and i + 1 of a plan."""
    x, y, h = pose_between(times, states, headings, i, t)
    return x, y, wrap(h)


@njit(cache=True, nogil=True)
def _steer(lateral, heading, steering, speed, accel, kappa, wheel_base, gains):  # type: ignore[no-untyped-def]
    """Steering rate: ``horizon`` linear steps composed into one, then the one-step optimum with heading and steering
    errors wrapped."""
    dt = gains.interval_s
    a01 = a02 = a12 = b0 = b1 = b2 = g0 = g1 = gained = 0.0
    for k in range(gains.horizon):
        v = speed + gained
        gained += accel * dt
        a = v * dt
        b = v * dt / wheel_base
        g0 += a * g1
        g1 += -v * kappa[k] * dt
        b0 += a * b1
        b1 += b * b2
        b2 += dt
        a02 += a * a12
        a01 += a
        a12 += b
    e0 = lateral + a01 * heading + a02 * steering + g0
    e1 = wrap(heading + a12 * steering + g1)
    e2 = wrap(steering)
    cost = gains.q_lateral * b0 * b0 + gains.q_heading * b1 * b1 + gains.q_steering * b2 * b2 + gains.r_steering
    return -(gains.q_lateral * b0 * e0 + gains.q_heading * b1 * e1 + gains.q_steering * b2 * e2) / cost


@njit(cache=True, nogil=True)
def accelerate(speed, reference, gains):  # type: ignore[no-untyped-def]
    reach = gains.horizon * gains.interval_s
    return -1.0 / (reach * gains.q_speed * reach + gains.r_accel) * reach * gains.q_speed * (speed - reference)


@njit(cache=True, nogil=True)
def resampled(t0, t1, tick):  # type: ignore[no-untyped-def]
    """Number of poses of a plan from t0 to t1 (inclusive) resampled every ``tick`` microseconds."""
    return (t1 - t0) // tick + 1


@njit(cache=True, nogil=True)
def _track_one(ego, now, plan, wheel_base, gains, factors, scratch, out):  # type: ignore[no-untyped-def]
    """Acceleration and steering rate, out (2,), of one ego (10,). plan: its times, its states and how many of them
    count; scratch: the rows that ``_track`` allocates."""
    (times, states, n), (work, kappa) = plan, scratch
    tick = int(gains.interval_s * 1e6)
    dt = gains.interval_s
    headings, along, turn, v, s, profile, seconds = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    unwrap(states[:n, 2], n, headings)
    m = resampled(times[0], times[n - 1], tick) - 1
    j = 1
    px, py, ph = sample_plan(times, states, headings, np.int64(0), times[0])
    c, sn = cos(ph), sin(ph)
    for k in range(m):
        t = times[0] + (k + 1) * tick
        while times[j] < t:
            j += 1
        x, y, h = sample_plan(times, states, headings, j - 1, t)
        along[k] = c * (x - px) + sn * (y - py)
        turn[k] = wrap(h - ph)
        seconds[k] = (t - tick) / 1e6
        if h != ph:  # straight on, which most plans are
            c, sn = cos(h), sin(h)
        px, py, ph = x, y, h
    fit_speed(along, factors, dt, m, v)
    fit_curvature(turn, v, dt, gains.curvature_rate_penalty, m, s, profile)

    j = 1
    while j < n - 1 and times[j] < now:
        j += 1
    rx, ry, rh = sample_plan(times, states, headings, j - 1, now)
    lateral = -(ego[0] - rx) * sin(rh) + (ego[1] - ry) * cos(rh)
    heading = wrap(ego[2] - rh)
    # Seconds at 1e9 resolve 2.4e-7 s, and the reference takes now as us * 1e-6 but the knots as us / 1e6: the
    # look-ahead falls beside a knot now and
    # then, which moves the reference speed by 1e-6 m/s. Its rounding is kept.
    clock = now * 1e-6
    reference = interpolated(clock + gains.horizon * dt, seconds, v, m)
    if reference <= gains.stop_speed and ego[3] <= gains.stop_speed:
        out[0] = -gains.stop_gain * (ego[3] - reference)
        out[1] = 0.0
        return
    for k in range(gains.horizon):
        kappa[k] = interpolated(clock + k * dt, seconds, profile, m)
    out[0] = accelerate(ego[3], reference, gains)
    out[1] = _steer(lateral, heading, ego[7], ego[3], out[0], kappa, wheel_base, gains)


@njit(cache=True, nogil=True)
def _track(ego, now_us, plan_time_us, plan_states, length, wheel_base, gains):  # type: ignore[no-untyped-def]
    tick = int(gains.interval_s * 1e6)
    out = np.empty((len(ego), 2))
    most = 1
    for b in range(len(ego)):
        most = max(most, resampled(plan_time_us[b, 0], plan_time_us[b, length[b] - 1], tick))
    work = np.empty((7, max(most, plan_time_us.shape[1])))
    kappa = np.empty(gains.horizon)
    factors = np.empty((0, 3))
    for b in range(len(ego)):
        m = resampled(plan_time_us[b, 0], plan_time_us[b, length[b] - 1], tick) - 1
        if m < 1:
            out[b] = np.nan
            continue
        if m != len(factors):
            factors = speed_factors(m, gains.interval_s, gains.jerk_penalty, np.bool_(False))
        plan = (plan_time_us[b], plan_states[b], length[b])
        _track_one(ego[b], now_us[b], plan, wheel_base, gains, factors, (work, kappa), out[b])
    return out


def track(
    ego: F64,
    now_us: I64,
    plan_time_us: I64,
    plan_states: F64,
    length: I64,
    wheel_base: float,
    gains: Any = NUPLAN,
) -> F64:
    """Controls that follow the plans (reference: nuplan-devkit e924167, LQRTracker.track_trajectory).

    ego (B, 10) float64 columns ``Ego``; now_us (B,) int64; plan_time_us (B, T) int64 strictly increasing over the first
    ``length`` (B,) >= 2 entries; plan_states (B, T, C >= 3) x, y, heading of the rear axle, global frame; wheel_base m.
    Returns (B, 2): acceleration m/s2, steering rate rad/s; NaN for a plan shorter than ``gains.interval_s``. ``now_us``
    must lie within the plan.
    """
    out: F64 = _track(ego, now_us, plan_time_us, plan_states, length, wheel_base, gains)
    return out


@small_njit
def _follow(ego, pose, motion, gains, factors, work, states, facing):  # type: ignore[no-untyped-def]
    """States (T, 10) of one proposal, pose (>= T, 3), the first ``ego``; facing (T, 2): cosine, sine of their
    headings. work (7, T) and (horizon,): scratch."""
    (rows, kappa), dt = work, gains.interval_s
    along, turn, v, s, profile, cosine, sine = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6]
    m = len(states) - 1
    for k in range(m):
        h = pose[k, 2]
        cosine[k], sine[k] = cos(h), sin(h)
        along[k] = cosine[k] * (pose[k + 1, 0] - pose[k, 0]) + sine[k] * (pose[k + 1, 1] - pose[k, 1])
        turn[k] = normalize(pose[k + 1, 2] - h)
    fit_speed(along, factors, dt, m, v)
    fit_curvature(turn, v, dt, gains.curvature_rate_penalty, m, s, profile)
    for c in range(10):
        states[0, c] = ego[c]
    facing[0, 0], facing[0, 1], tangent = cos(ego[2]), sin(ego[2]), tan(ego[7])
    for i in range(m):
        now = states[i]
        lateral = -(now[0] - pose[i, 0]) * sine[i] + (now[1] - pose[i, 1]) * cosine[i]
        heading = normalize(now[2] - pose[i, 2])
        # PDM reads its profiles by index, not by time: the last entry serves every look-ahead beyond it.
        last = min(i + gains.horizon, m - 1)
        if v[last] <= gains.stop_speed and now[3] <= gains.stop_speed:
            accel, rate = -gains.stop_gain * (now[3] - v[last]), 0.0
        else:
            for k in range(gains.horizon):
                kappa[k] = profile[min(i + k, last)]
            accel = accelerate(now[3], v[last], gains)
            rate = _steer(lateral, heading, now[7], now[3], accel, kappa, motion[0], gains)
        turned, then = (facing[i, 0], facing[i, 1], tangent), states[i + 1]
        tangent = advance_turned(now, turned, (accel, rate), dt, motion, then)
        facing[i + 1, 0], facing[i + 1, 1] = cos(then[2]), sin(then[2])


@njit(cache=True, nogil=True)
def simulate_proposals(ego, poses, length, motion, gains):  # type: ignore[no-untyped-def]
    """Ego states that follow each of N proposals, from the same start (reference: tuplan_garage b51d5d0, PDMSimulator).

    ego (10,) float64 columns ``Ego``; poses (N, >= T, 3) x, y, heading of the rear axle every ``gains.interval_s`` s,
    the first now; length: T; motion (4,) of :func:`roadcraft.core.driving.motion.bicycle.motion_of`. Returns states (N,
    T, 10), the first of each ``ego``, and the cosines and sines of their headings (N, T, 2). PDM's tracker differs from
    nuPlan's in that profiles are fitted once and read by index, accelerations are penalized instead of jerks, and
    angles are normalized by atan2.
    """
    count = len(poses)
    states, facing = np.empty((count, length, 10)), np.empty((count, length, 2))
    work = (np.empty((7, length)), np.empty(gains.horizon))
    factors = speed_factors(length - 1, gains.interval_s, gains.jerk_penalty, np.bool_(True))
    for p in range(count):
        _follow(ego, poses[p], motion, gains, factors, work, states[p], facing[p])
    return states, facing
