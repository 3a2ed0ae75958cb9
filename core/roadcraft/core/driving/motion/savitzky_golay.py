"""Savitzky-Golay filters as fixed linear maps: what nuPlan's comfort metrics and PDM's own comfort test smooth and
differentiate with.

Equal to scipy's ``savgol_filter(..., mode="interp")``: inside, a polynomial is fitted to the window around each sample
and evaluated at its center; at both ends the first and last windows' polynomials are evaluated at the samples
themselves. With an even window the center lies half a sample after the sample, which nuPlan's window of 8 does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.readonly import frozen


def savgol(values: F64, window: int, order: int, derivative: int = 0, spacing: float = 1.0) -> F64:
    """Filter values (..., n) over the last axis. spacing: between samples, in the unit of the derivative.

    The window shrinks to n where there are fewer samples, as nuPlan's callers do. Raises ValueError when it does not
    exceed the order.
    """
    n = values.shape[-1]
    window = min(window, n)
    if window <= order:
        raise ValueError(f"{n} samples are too few for a polynomial of order {order}")
    inner, left, right = filters(window, order, derivative)
    flat = frozen(values.reshape(-1, n))
    return np.asarray(_apply(flat, inner, left, right, spacing**-derivative)).reshape(values.shape)


@lru_cache(maxsize=64)
def filters(window: int, order: int, derivative: int) -> tuple[F64, F64, F64]:
    """Weights for unit spacing: inner (window,) for output i over the window that starts at sample i - (window - 1) //
    2; left (h, window), h = window // 2, for the first h outputs over the first window; right (window - h, window) for
    the last h outputs (its last h rows) over the last window."""
    h = window // 2
    places = np.arange(window, dtype=np.float64)
    # fitted around the middle of the window, where the normal matrix is well conditioned
    middle = (window - 1) / 2.0
    vandermonde = (places - middle)[:, None] ** np.arange(order + 1)
    fit = np.linalg.pinv(vandermonde)

    def at(where: F64) -> F64:
        powers = np.arange(order + 1)
        factor = np.ones(order + 1)
        for d in range(derivative):
            factor *= powers - d
        exponent = np.maximum(powers - derivative, 0)
        return frozen(((where - middle)[:, None] ** exponent * factor) @ fit)

    return frozen(at(np.array([middle]))[0]), at(places[:h]), at(places[h:])


@njit(cache=True, nogil=True)
def _apply(values: F64, inner: F64, left: F64, right: F64, scale: float) -> F64:
    rows, n = values.shape
    out = np.empty((rows, n))
    for r in range(rows):
        for i in range(n):
            out[r, i] = filtered_at(values[r], i, inner, left, right) * scale
    return out


@small_njit
def last_needed(i: int, n: int, window: int) -> int:
    """The last sample of n that output i of a filter of ``window`` samples takes."""
    h = window // 2
    return window - 1 if i < h else n - 1 if i >= n - h else i - (window - 1) // 2 + window - 1


@njit(cache=True, nogil=True)
def filtered_at(values: F64, i: int, inner: F64, left: F64, right: F64) -> float:
    """Output i of the filter of :func:`filters` over values (n,), at unit spacing."""
    n, window, h = len(values), len(inner), len(left)
    total = 0.0
    if i < h:
        for k in range(window):
            total += left[i, k] * values[k]
    elif i >= n - h:
        for k in range(window):
            total += right[i - n + window - h, k] * values[n - window + k]
    else:
        for k in range(window):
            total += inner[k] * values[i - (window - 1) // 2 + k]
    return total


class Taps(NamedTuple):
    """A Savitzky-Golay filter: inner (w,) weights of a window, left (w // 2, w) those of the first outputs of a series
    over its first window."""

    inner: F64
    left: F64


def taps(window: int, order: int, derivative: int, spacing: float) -> Taps:
    """The filter for samples ``spacing`` apart."""
    inner, left, _ = filters(window, order, derivative)
    return Taps(frozen(inner / spacing**derivative), frozen(left / spacing**derivative))


@njit(cache=True, nogil=True)
def filter_from(values: F64, first: int, weights: Taps, begin: bool, out: F64) -> int:
    """Filter values[first:] into ``out``; the place of the first output, the last being half a window before the end.
    begin: the series starts with values[first], so that the first window's polynomial serves for the outputs before its
    middle, as in the metric."""
    inner, left = weights
    width, h = len(inner), len(left)
    lead = (width - 1) // 2
    if begin and len(values) - first >= width:
        for i in range(h):
            total = 0.0
            for k in range(width):
                total += left[i, k] * values[first + k]
            out[first + i] = total
    for i in range(first + lead, len(values) - (width - 1 - lead)):
        if begin and i < first + h:
            continue
        total = 0.0
        for k in range(width):
            total += inner[k] * values[i - lead + k]
        out[i] = total
    return first if begin else first + lead
