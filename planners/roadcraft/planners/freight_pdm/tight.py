"""Ways about bends in which the units need more room than the lane has: set up before, turn late, come back after."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.motion.chain import ChainArrays, pull_joints
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.planners.freight_pdm.line import Line, LineEdges, TruckWay, sweep

_KNOT_M, _ROUNDS, _STEP_M = 4.0, 14, 1e-4
_TIGHT, _OVER_M = 0.6, 0.1  # rad by which a bend turns within the vehicle's length; what is too far beyond the lane
_ROOM_M = (0.1, 0.15, 0.4)  # wanted within the lane, lanes of its direction, and the road
_WEIGHTS = (3.0, 3.0, 8.0), (0.5, 1.5, 6.0)  # of a m that is missing; the second where the first leave the road
_LEAVES_M = 0.02  # beyond the road
_LOCK, _TURNS, _STRAYS = 40.0, 10.0, 0.02  # weights of curvature beyond the lock, its change, and a m beside the way
_RAMP_M = 60.0  # on which a way beside comes back, a lane at the speed of a bend without haste
_RATE_SHARE, _SLOWEST_MPS = 0.6, 1.2


def steering_caps(way: TruckWay, vehicle: Vehicle) -> F64:
    """Speeds (W,) m/s at which the steering turns as fast as the way asks for, by a margin."""
    if vehicle.max_steering_rate_radps is None:
        return np.full(len(way.curvature), np.inf)
    angle = np.arctan(vehicle.body.wheel_base_m * way.curvature)
    turned = np.abs(np.gradient(angle)) / way.stretch
    return np.maximum(_RATE_SHARE * vehicle.max_steering_rate_radps / np.maximum(turned, 1e-6), _SLOWEST_MPS)


def fitted_offsets(line: Line, edges: LineEdges, offset: F64, chain: ChainArrays, lock: float) -> tuple[F64, F64]:
    """Offsets (S,) of unit 0's rear axle: those of ``offset`` (S,) but for tight bends where the units would stand
    beyond the lane or unit 0 could not turn so sharply; and which share (S,) of a distance to the left or right of them
    may be kept: none about such bends. lock: largest curvature of its axle's path, 1/m.

    About such a bend bumps are added to the offsets, with which the units stand least beyond road, lanes of their
    direction, and lane, by weighted least squares (Levenberg-Marquardt).
    """
    from scipy.ndimage import grey_closing, grey_opening

    # what one station alone lacks, where two lanes meet, is there
    edges = LineEdges(*(np.stack([grey_opening(e[:, 0], 3), grey_closing(e[:, 1], 3)], 1) for e in edges))
    links, stations = np.zeros(len(chain.wheel_base) - 1), np.arange(len(offset))
    length = float(chain.front[0] + chain.rear[-1] + (chain.wheel_base[1:] - chain.hitch[:-1]).sum())
    way = sweep(line, edges, offset, 0, links, chain)
    over = np.maximum(edges.own[:, 0] - way.band[:, 0], way.band[:, 1] - edges.own[:, 1])
    lacks = (over > _OVER_M) | (np.abs(way.curvature) > lock)
    tight = np.flatnonzero(np.abs(line.curvature) * length > _TIGHT)
    out, share, reach = offset.copy(), np.ones(len(offset)), int(1.5 * length + 15.0)
    for part in np.split(tight, np.flatnonzero(np.diff(tight) > reach) + 1) if len(tight) else ():
        a, b = max(int(part[0]) - reach, 0), min(int(part[-1]) + reach, len(offset))
        if b - a < 6.0 * _KNOT_M or not lacks[a:b].any():
            continue
        poses = sweep(line, edges, out[: a + 1], 0, links, chain).pose
        joints = pull_joints(poses[None], links[None], chain)[0, -1]
        for weights in _WEIGHTS:
            trial = _fitted((line, edges), out[a:b], a, joints, chain, lock, weights)
            if sweep(line, edges, trial, a, joints, chain).excess[-1, 2] <= _LEAVES_M:
                break
        out[a:b] = trial
        outside = np.maximum(a - stations, stations - b)
        share = np.minimum(share, np.clip(outside / _RAMP_M + 1.0, 0.0, 1.0))
    return out, share * share * (3.0 - 2.0 * share)


def _fitted(
    road: tuple[Line, LineEdges],
    offset: F64,
    first: int,
    joints: F64,
    chain: ChainArrays,
    lock: float,
    weights: tuple[float, float, float],
) -> F64:
    line, edges = road
    knots = np.arange(2.0 * _KNOT_M, len(offset) - 2.0 * _KNOT_M, _KNOT_M)
    bumps = np.exp(-0.5 * ((np.arange(len(offset))[:, None] - knots) / _KNOT_M) ** 2)
    near = LineEdges(*(e[first : first + len(offset)] for e in edges))

    def misses(x: F64) -> F64:
        way = sweep(line, edges, offset + bumps @ x, first, joints, chain)
        return np.concatenate([_misses(way, near, lock, weights), _STRAYS * x])

    x, damping = np.zeros(len(knots)), 1e-2
    now = misses(x)
    for _ in range(_ROUNDS):
        jacobian = np.stack([(misses(x + step) - now) / _STEP_M for step in _STEP_M * np.eye(len(x))], 1)
        normal, slope = jacobian.T @ jacobian, jacobian.T @ now
        for _ in range(7):
            trial = x - np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-3), slope)
            then = misses(trial)
            if then @ then < now @ now:
                break
            damping *= 8.0
        else:
            break
        gained, x, now, damping = now @ now - then @ then, trial, then, damping / 8.0
        if gained < 1e-3 * (now @ now):
            break
    return np.asarray(offset + bumps @ x)


def _misses(way: TruckWay, edges: LineEdges, lock: float, weights: tuple[float, float, float]) -> F64:
    """What a way misses, weighted: room within the edges, curvature within the lock, steady curvature."""
    out = [
        weight * np.maximum(beyond + room, 0.0)
        for weight, room, edge in zip(weights, _ROOM_M, edges[:3], strict=True)
        for beyond in (edge[:, 0] - way.band[:, 0], way.band[:, 1] - edge[:, 1])
    ]
    out += [_LOCK * np.maximum(np.abs(way.curvature) - lock, 0.0), _TURNS * np.diff(way.curvature)]
    return np.concatenate(out)
