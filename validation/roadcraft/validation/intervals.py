"""Confidence intervals that resample logs, not scenarios: scenarios of one log share weather, traffic and map, so they are not independent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4000
LEVEL = 0.95


def log_weights(logs: Sequence[str], resamples: int = RESAMPLES) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Number of each scenario's log (N,), logs in sorted order, and how often each log is drawn in each resample (resamples, L).

    The draws depend on the number of logs only, so that a repeated call gives the same interval.
    """
    names, group = np.unique(np.asarray(logs, dtype=str), return_inverse=True)
    rng = np.random.default_rng(20_240_601)
    draws = rng.multinomial(len(names), np.full(len(names), 1.0 / max(len(names), 1)), size=resamples)
    return group.astype(np.int64), draws.astype(np.float64)


def mean_interval(
    values: NDArray[np.float64], group: NDArray[np.int64], draws: NDArray[np.float64], level: float = LEVEL
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of the mean of ``values`` (N,), NaN left out; None where fewer than two logs have a value."""
    ok = np.isfinite(values)
    count = np.bincount(group[ok], minlength=draws.shape[1]).astype(np.float64)
    if (count > 0).sum() < 2:
        return None
    total = np.bincount(group[ok], weights=values[ok], minlength=draws.shape[1])
    n = draws @ count
    drawn = n > 0
    means = (draws[drawn] @ total) / n[drawn]
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)
