"""Confidence intervals of means over scenarios. Scenarios of one log share weather, traffic and map, so it is the logs
that count as independent.

Cluster-robust (CR1) standard error with Student's t on logs - 1 degrees of freedom; where nearly every log holds one
and the same value (all scores 1, a rare failure, two equal runs) that error says nothing, and exact (Clopper-Pearson)
limits of the share of logs that depart from it are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit

LEVEL = 0.95
MIN_LOGS = 10  # with fewer, no method tried kept its promise on skewed differences
FEW_LOGS = 5  # departing logs from which on the t interval holds
SCORE = (0.0, 1.0)
DIFFERENCE = (-1.0, 1.0)
POWER = 0.8

Values = NDArray[np.float64]
Logs = Sequence[str] | NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """low, high: its limits; exact: whether they are Clopper-Pearson limits; logs: how many it rests on."""

    low: float
    high: float
    exact: bool
    logs: int

    @property
    def pair(self) -> list[float]:
        return [self.low, self.high]


def count_logs(values: Values, logs: Logs) -> int:
    """Logs with at least one finite value."""
    return len(np.unique(np.asarray(logs)[np.isfinite(values)]))


def no_interval(logs: int) -> str:
    """Why there is no interval, in words."""
    if logs < MIN_LOGS:
        return f"no interval: {logs} log{'s' * (logs != 1)}, {MIN_LOGS} are needed"
    return "no interval: all values are equal"


def standard_error(values: Values, logs: Logs) -> float:
    """CR1 standard error of the mean of finite ``values`` (N,) with ``logs`` (N,) as clusters. At least two logs are
    needed."""
    _, group = np.unique(np.asarray(logs), return_inverse=True)
    sums = np.bincount(group, weights=values - values.mean())
    return float(np.sqrt(len(sums) / (len(sums) - 1) * np.sum(sums**2)) / len(values))


def mean_interval(
    values: Values, logs: Logs, level: float = LEVEL, bounds: tuple[float, float] | None = None
) -> Interval | None:
    """Two-sided interval of the mean of ``values`` (N,), NaN left out.

    logs: of each value (N,); bounds: what the values lie in (``SCORE``, ``DIFFERENCE``), to which the limits are
    clipped; values that are all 0 or 1 are shares and lie in ``SCORE``. Where all bounded values are equal, exact
    limits say how many logs might depart from them. None under ``MIN_LOGS`` logs, and where unbounded values are all
    equal.
    """
    ok = np.isfinite(values)
    values, logs = values[ok], np.asarray(logs)[ok]
    _, group = np.unique(logs, return_inverse=True)
    count = int(group.max()) + 1 if len(group) else 0
    if count < MIN_LOGS:
        return None
    if bounds is None and np.isin(values, (0.0, 1.0)).all():
        bounds = SCORE
    if bounds is not None:
        for home in (0.0,) if bounds[0] < 0.0 < bounds[1] else bounds:
            if len(np.unique(group[values != home])) < FEW_LOGS:
                return _exact(values, group, level, bounds, home)
    error = standard_error(values, group)
    if error < 1e-12:
        return None if bounds is None else _exact(values, group, level, bounds, float(values[0]))
    reach = stdtrit(count - 1, 0.5 + level / 2) * error
    low, high = values.mean() - reach, values.mean() + reach
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Interval(float(low), float(high), False, count)


def detectable(values: Values, logs: Logs, level: float = LEVEL) -> float | None:
    """The smallest true mean that a sample like ``values`` would have told from 0 with power 0.8; None where there is
    no t interval."""
    interval = mean_interval(values, logs, level, DIFFERENCE)
    if interval is None or interval.exact:
        return None
    ok = np.isfinite(values)
    free = interval.logs - 1
    quantiles = stdtrit(free, 0.5 + level / 2) + stdtrit(free, POWER)
    return float(quantiles * standard_error(values[ok], np.asarray(logs)[ok]))


def _exact(
    values: Values, group: NDArray[np.int64], level: float, bounds: tuple[float, float], home: float
) -> Interval:
    """Limits where few logs depart from the value ``home``: by at most the whole range each, and by how much was seen
    at the end where nothing can pull the other way."""
    count = int(group.max()) + 1
    tail = 0.5 - level / 2

    def share(part: Values, room: float) -> tuple[float, float]:
        """Limits of the mean of departures to one side, of at most ``room`` each."""
        if room == 0.0:
            return 0.0, 0.0
        k = len(np.unique(group[part > 0.0]))
        high = float(betaincinv(k + 1, count - k, 1.0 - tail)) if k < count else 1.0
        if k == 0:
            return 0.0, high * room
        # Departures of a log that departs, in rooms: above 1 only where its scenarios are more than the other logs'.
        seen = float(part.mean()) / room * count / k
        return seen * float(betaincinv(k, count - k + 1, tail)) * room, min(max(seen, 1.0) * high, 1.0) * room

    rise = share(np.maximum(values - home, 0.0), bounds[1] - home)
    fall = share(np.maximum(home - values, 0.0), home - bounds[0])
    one_way = bounds[0] == home or bounds[1] == home
    low, high = (rise[0] - fall[1], rise[1] - fall[0]) if one_way else (-fall[1], rise[1])
    return Interval(home + low, home + high, True, count)
