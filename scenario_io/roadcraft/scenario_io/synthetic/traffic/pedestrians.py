"""The pedestrians of the traffic: how they walk, and when they step onto a crosswalk."""

from __future__ import annotations

import numpy as np

from roadcraft.core.driving.jit import njit
from roadcraft.scenario_io.synthetic.traffic.drivers import (
    DT,
    FRONT,
    GATE_WALK,
    GREEN,
    LENGTH,
    S,
    V,
)  # fmt: skip


@njit(cache=True, nogil=True)
def move_pedestrians(now, people, drivers, gates):
    """Moves the pedestrians."""
    waypoints, curb, walk, group, pace, go, u, phase, bodies, velocity = people
    for q in range(len(walk)):
        v = pace[q]
        if phase[q] == 0 and walk[q] >= 0 and u[q] >= curb[q, 0] - 0.6:
            phase[q] = 1
        if phase[q] == 1 or phase[q] == 5:
            v = 0.0
            free = now.time >= go[q] and (group[q] < 0 or now.light[group[q]] == GREEN)
            phase[q] = 5 if free else 1
            if free and _stoppable(walk[q], drivers, gates):
                phase[q], v = 2, pace[q]
        if phase[q] == 2 and u[q] > curb[q, 1] + 0.5:
            phase[q] = 3
        u[q] += v * DT
        rest = u[q]
        for leg in range(3):
            dx, dy = waypoints[q, leg + 1, 0] - waypoints[q, leg, 0], waypoints[q, leg + 1, 1] - waypoints[q, leg, 1]
            length = np.sqrt(dx * dx + dy * dy)
            if rest <= length or leg == 2:
                f = rest / max(length, 1e-9)
                bodies[q, 0], bodies[q, 1] = waypoints[q, leg, 0] + f * dx, waypoints[q, leg, 1] + f * dy
                target = np.arctan2(dy, dx)
                bodies[q, 2] = target if now.k == 0 else bodies[q, 2] + 0.15 * np.sin(target - bodies[q, 2])
                break
            rest -= length
        bodies[q, 3], bodies[q, 4], velocity[q] = 0.6, 0.7, v


@njit(cache=True, nogil=True)
def _stoppable(walk, drivers, gates):
    """Whether every driver before a crosswalk can stop for somebody who steps on it now."""
    on, path, state, const = drivers.on, drivers.path, drivers.state, drivers.const
    for i in range(len(on)):
        if on[i]:
            for g in range(gates.off[path[i]], gates.off[path[i] + 1]):
                if gates.kind[g] == GATE_WALK and gates.walk[g] == walk:
                    d = gates.s[g] - state[i, S] - const[i, FRONT]
                    if -6.0 - const[i, LENGTH] < d < 60.0 and state[i, V] * state[i, V] > 2.0 * 1.4 * max(
                        d - 1.0, 0.01
                    ):
                        return False
    return True
