"""Inputs of ``lines`` in numba, where no gradients are recorded (see ``kernels``). The twins, with their meaning, are
in ``line_inputs``."""

from __future__ import annotations

import math

import numpy as np

from roadcraft.core.driving.features.reference_lines import (
    HEADING_COS,
    HEADING_SIN,
    LATERAL,
    LIMIT_HERE,
    TO_RED,
    TO_ROUTE_END,
    TO_STOP,
    TO_YELLOW,
)
from roadcraft.core.driving.jit import njit
from roadcraft.plugins.common.kernels import F32, HALF, Bool
from roadcraft.plugins.common.line_inputs import BRAKING_MPS2, FAR_M, FRONT_M, HEADWAY_S, IN_PATH_M, STAND_M


@njit(cache=True, nogil=True, error_model="numpy")
def _gap_ratio(gap: float, speed: float, closing: float) -> float:
    desired = max(STAND_M + HEADWAY_S * speed + speed * closing / BRAKING_MPS2, 0.0)
    return min(desired / max(gap, 0.5), 3.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


@njit(cache=True, nogil=True, error_model="numpy")
def info_into(info: F32, speed: F32, stood: F32, out: F32) -> None:
    """Fills out (B, R, INFO_COLUMNS) from info (B, R, 8), speed (B, 1), stood (B, 1)."""
    for b in range(info.shape[0]):
        v, waited = float(speed[b, 0]), float(stood[b, 0])
        for r in range(info.shape[1]):
            row = out[b, r]
            row[0], row[1] = info[b, r, LATERAL] / 3.0, info[b, r, HEADING_SIN]
            row[2], row[3] = info[b, r, HEADING_COS], info[b, r, LIMIT_HERE] / 15.0
            for i, column in enumerate((TO_RED, TO_YELLOW, TO_STOP, TO_ROUTE_END)):
                s, at = info[b, r, column], 4 + 5 * i
                row[at], row[at + 1] = s / 50.0, math.exp(-max(s, -5.0) / 10.0)
                row[at + 2] = 1.0 if s < FAR_M - 1.0 else 0.0
                row[at + 3] = min(v * v / (2.0 * max(s, 1.0)) / 4.0, 3.0)
                row[at + 4] = _gap_ratio(s - FRONT_M, v, v)
            row[24], row[25], row[26] = waited / 10.0, math.exp(-waited), math.exp(-waited / 3.0)


@njit(cache=True, nogil=True, error_model="numpy")
def objects_into(objects: F32, real: Bool, speed: F32, vehicle: F32, rows: F32, lead: F32) -> None:
    """Fills rows (B, R, N, 17) and lead (B, R, 8) from objects (B, R, N, 6), real (B, N), speed (B, 1), vehicle (B,
    4)."""
    for b in range(objects.shape[0]):
        v = float(speed[b, 0])
        front, half_width = vehicle[b, 0] + HALF * vehicle[b, 1], HALF * vehicle[b, 2]
        for r in range(objects.shape[1]):
            nearest, lead_speed = FAR_M, 0.0
            for n in range(objects.shape[2]):
                s, d, vs, vd, half_s, half_d = objects[b, r, n]
                gap, clear = s - half_s - front, abs(d) - half_d - half_width
                closing, inward = v - vs, -np.sign(d) * vd
                free = max(gap, 0.0)
                meet, enter = free / max(closing, 0.5), max(clear, 0.0) / max(inward, 0.2)
                blocks, ahead = _sigmoid(-4.0 * clear), _sigmoid(s)
                pressing = blocks * ahead
                braking = min(max(closing, 0.0) ** 2 / (2.0 * max(gap, 1.0)) / 4.0, 3.0)
                row = rows[b, r, n]
                row[0], row[1], row[2], row[3] = s / 50.0, d / 5.0, vs / 10.0, vd / 3.0
                row[4], row[5], row[6] = half_s / 5.0, half_d / 2.0, gap / 20.0
                row[7], row[8], row[9] = math.exp(-abs(gap) / 8.0), clear / 3.0, blocks
                row[10], row[11] = pressing * math.exp(-free / 20.0), closing / 10.0
                row[12] = _gap_ratio(gap, v, closing) * pressing
                row[13], row[14] = math.exp(-meet / 3.0) * ahead, math.exp(-enter / 3.0)
                row[15], row[16] = (s - closing * min(enter, 8.0)) / 20.0, braking * pressing
                if real[b, n] and clear < IN_PATH_M and s > 0.0 and gap < nearest:
                    nearest, lead_speed = float(gap), float(vs)
            row = lead[b, r]
            row[:] = 0.0
            if nearest < FAR_M:
                ratio = _gap_ratio(nearest, v, v - lead_speed)
                row[0], row[1] = nearest / 50.0, math.exp(-max(nearest, -2.0) / 5.0)
                row[2], row[3], row[4] = lead_speed / 10.0, (v - lead_speed) / 5.0, ratio
                row[5], row[6], row[7] = ratio * ratio / 3.0, v / 10.0, 1.0
