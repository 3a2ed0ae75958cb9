"""What is computed in numba on the CPU, most of it where no gradients are recorded: many small steps over few numbers,
for which torch would make an array each.

Every kernel has a twin in torch, which is used everywhere else and which tests compare it with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from roadcraft.core.driving.geometry.frames import to_frame
from roadcraft.core.driving.jit import njit

F32, Bool = NDArray[np.float32], NDArray[np.bool_]
ZERO, HALF, ONE, TWO, THREE, SIX = (np.float32(n) for n in (0, 0.5, 1, 2, 3, 6))  # plain ones would make it float64
SHORTEST_M, TINY = np.float32(1e-3), np.float32(1e-6)


def on_cpu(x: Tensor) -> bool:
    """Whether a kernel that has a backward pass stands in for torch where ``x`` is."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.compiler.is_compiling()


def compiled(x: Tensor) -> bool:
    """Whether kernels without a backward pass stand in for torch where ``x`` is."""
    return x.device.type == "cpu" and not torch.is_grad_enabled() and not torch.compiler.is_compiling()


def array(x: Tensor) -> Any:
    """A tensor's contiguous numpy array; booleans stay, numbers become float32."""
    x = x.detach()
    return (x if x.dtype == torch.bool else x.float()).contiguous().numpy()


@njit(cache=True, nogil=True, error_model="numpy")
def drive_along(line: F32, shift: F32, way: F32, pace: F32, out: F32) -> None:
    """Fills out (B, K, T, 5): x, y, cos, sin, speed at ways (B, K, T) along lines (B, K, P, 4) shifted sideways (B, K,
    P); pace (B, K, T) is copied. The twins are ``frenet._shifted`` and ``frenet._along``."""
    points, times = line.shape[2], way.shape[2]
    x, y, arc = np.zeros(points, np.float32), np.zeros(points, np.float32), np.zeros(points, np.float32)
    tx, ty = np.ones(points, np.float32), np.zeros(points, np.float32)
    for b in range(line.shape[0]):
        for k in range(line.shape[1]):
            for p in range(1, points):
                x[p] = line[b, k, p, 0] - line[b, k, p, 3] * shift[b, k, p]
                y[p] = line[b, k, p, 1] + line[b, k, p, 2] * shift[b, k, p]
            far = 0.0
            for p in range(1, points):
                dx, dy = x[p] - x[p - 1], y[p] - y[p - 1]
                far += max(np.sqrt(dx * dx + dy * dy), SHORTEST_M)
                arc[p] = far
                after = min(p + 1, points - 1)
                dx, dy = x[after] - x[p - 1], y[after] - y[p - 1]
                norm = max(np.sqrt(dx * dx + dy * dy), TINY)
                tx[p], ty[p] = dx / norm, dy / norm
            i = 0
            for t in range(times):
                w = way[b, k, t]
                while i < points - 2 and arc[i + 1] <= w:
                    i += 1
                while i > 0 and arc[i] > w:
                    i -= 1
                size, over = arc[i + 1] - arc[i], w - arc[i]
                u = min(max(over / size, ZERO), ONE)
                rest = ONE - u
                on, first, last = u * u * (THREE - TWO * u), u * rest * rest * size, u * u * rest * size
                turn, turn_first, turn_last = (
                    SIX * u * rest, rest * (ONE - THREE * u) * size, u * (THREE * u - TWO) * size,
                )  # fmt: skip
                dx, dy = x[i + 1] - x[i], y[i + 1] - y[i]
                hx = turn * dx + turn_first * tx[i] + turn_last * tx[i + 1]
                hy = turn * dy + turn_first * ty[i] + turn_last * ty[i + 1]
                norm = max(np.sqrt(hx * hx + hy * hy), TINY)
                hx, hy = hx / norm, hy / norm
                beyond = max(over - size, ZERO)
                out[b, k, t, 0] = x[i] + on * dx + first * tx[i] - last * tx[i + 1] + beyond * hx
                out[b, k, t, 1] = y[i] + on * dy + first * ty[i] - last * ty[i + 1] + beyond * hy
                out[b, k, t, 2] = hx
                out[b, k, t, 3] = hy
                out[b, k, t, 4] = pace[b, k, t]


@njit(cache=True, nogil=True, error_model="numpy")
def agents_into(agent: F32, valid: Bool, size: F32, speed_scale: float, out: F32) -> None:
    """Fills out (B, A, (H - 1) * 6 + 5) from agent (B, A, H, 6), valid (B, A, H), size (B, A, 2). The twin is
    ``agents.described``."""
    steps = agent.shape[2]
    scale = np.float32(speed_scale)
    for b in range(agent.shape[0]):
        for k in range(agent.shape[1]):
            c, s = agent[b, k, steps - 1, 2], agent[b, k, steps - 1, 3]
            row = out[b, k]
            before = ZERO
            for h in range(steps):
                here = agent[b, k, h]
                pace = np.sqrt(here[4] * here[4] + here[5] * here[5])
                if h > 0:
                    at = 6 * (h - 1)
                    row[at : at + 6] = ZERO
                    if valid[b, k, h] and valid[b, k, h - 1]:
                        last = agent[b, k, h - 1]
                        dx, dy = here[0] - last[0], here[1] - last[1]
                        row[at], row[at + 1] = to_frame(dx, dy, c, s)
                        row[at + 2], row[at + 3] = here[2] - last[2], here[3] - last[3]
                        row[at + 4], row[at + 5] = pace - before, ONE
                before = pace
            vx, vy = agent[b, k, steps - 1, 4], agent[b, k, steps - 1, 5]
            x, y = (c * vx + s * vy) / scale, (c * vy - s * vx) / scale
            at = 6 * (steps - 1)
            row[at], row[at + 1], row[at + 2] = x, y, np.sqrt(x * x + y * y)
            row[at + 3], row[at + 4] = size[b, k, 0] / np.float32(5.0), size[b, k, 1] / np.float32(5.0)
