"""Noise schedules and few-step solvers: from noise at t = 1 to data at t = 0, with a network that predicts the data.

A noised sample is z = alpha x + sigma e. ``vp``: the variance-preserving diffusion of Ho et al. 2020 in continuous time
(Song et al. 2021), beta from 0.1 to 20; solved by DPM-Solver++ 2M (Lu et al. 2022). ``flow``: straight lines, alpha = 1
- t, sigma = t (Lipman et al. 2023, Liu et al. 2023); solved by Heun. At order 1 both are one formula, DDIM (Song et al.
2021), which for straight lines is Euler's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

Process = Literal["vp", "flow"]
Denoise = Callable[[Tensor, float], Tensor]  # (z, t) -> x
BETA_MIN, BETA_MAX = 0.1, 20.0
T_MIN = 1e-3


def signal_and_noise(process: Process, t: Tensor) -> tuple[Tensor, Tensor]:
    """alpha and sigma at times t."""
    if process == "flow":
        return 1.0 - t, t
    log_alpha = -0.25 * t * t * (BETA_MAX - BETA_MIN) - 0.5 * t * BETA_MIN
    return log_alpha.exp(), (-torch.expm1(2.0 * log_alpha)).sqrt()


def times(steps: int) -> list[float]:
    """Where the network is asked: evenly from 1 down to, but not at, 0, where the answer stands."""
    return [1.0 - i / steps for i in range(steps)]


def solve(process: Process, order: int, denoise: Denoise, noise: Tensor, at: Sequence[float]) -> Tensor:
    """The data x that ``noise`` (at t = at[0]) becomes. ``at``: falling times, without the end 0, where x is read
    off."""
    if order == 2:
        return _heun(denoise, noise, at) if process == "flow" else _multistep(denoise, noise, at)
    z = noise
    for t, after in zip(at, [*at[1:], 0.0], strict=True):
        x = denoise(z, t)
        if after == 0.0:
            return x
        z = _straight(process, z, x, t, after)
    raise ValueError("no times to solve at")


def _levels(process: Process, t: float) -> tuple[float, float]:
    alpha, sigma = signal_and_noise(process, torch.tensor(t, dtype=torch.float64))
    return float(alpha), float(sigma)


def _straight(process: Process, z: Tensor, x: Tensor, t: float, after: float) -> Tensor:
    """z at a later time, the noise in it kept: DDIM."""
    (alpha, sigma), (alpha_after, sigma_after) = _levels(process, t), _levels(process, after)
    return alpha_after * x + sigma_after / sigma * (z - alpha * x)


def _multistep(denoise: Denoise, noise: Tensor, at: Sequence[float]) -> Tensor:
    """DPM-Solver++ 2M; its last step is of order 1, as its authors advise where steps are few."""
    z, before, length_before = noise, None, 0.0
    for t, after in zip(at, [*at[1:], 0.0], strict=True):
        x = denoise(z, t)
        if after == 0.0:
            return x
        (alpha, sigma), (alpha_after, sigma_after) = _levels("vp", t), _levels("vp", after)
        length = math.log(alpha_after / sigma_after) - math.log(alpha / sigma)
        ahead = x if before is None else x + 0.5 * length / length_before * (x - before)
        z = sigma_after / sigma * z - alpha_after * math.expm1(-length) * ahead
        before, length_before = x, length
    raise ValueError("no times to solve at")


def _heun(denoise: Denoise, noise: Tensor, at: Sequence[float]) -> Tensor:
    """Heun's method along dz/dt = (z - x) / t."""
    z = noise
    for t, after in zip(at, [*at[1:], 0.0], strict=True):
        x = denoise(z, t)
        if after == 0.0:
            return x
        slope = (z - x) / t
        guess = z + (after - t) * slope
        z = z + 0.5 * (after - t) * (slope + (guess - denoise(guess, after)) / after)
    raise ValueError("no times to solve at")
