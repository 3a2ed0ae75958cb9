"""Paired figures of two runs over the same scenarios: mean difference, interval, and what it decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.validation.intervals import (
    DIFFERENCE,
    MIN_LOGS,
    count_logs,
    detectable,
    mean_interval,
    no_interval,
    standard_error,
)

TOLERANCE = 1e-6  # of a score; smaller differences are rounding
MARGIN = 0.02  # a loss up to which a run counts as not worse

Values = NDArray[np.float64]


def paired_figure(a: Values, b: Values, logs: Sequence[str], margin: float = MARGIN) -> dict[str, Any]:
    """Figures of b - a, both (N,), where both are finite.

    Means ``a`` and ``b``, ``difference``, its two-sided 95 % interval ``ci`` over ``logs`` (N,) or None, ``scenarios``,
    ``logs``, ``sd`` of the differences, ``design_effect`` of logs, the ``detectable`` difference (power 0.8), ``worse``
    / ``better``: whether the interval lies on one side of 0; ``verdict``: 'equal', 'worse', 'better', 'not worse' (a
    loss of ``margin`` or more is excluded at one-sided 95 %) or 'undecided', and ``reason``.
    """
    d = b - a
    ok = np.isfinite(d)
    group = np.unique(np.asarray(logs, dtype=str), return_inverse=True)[1][ok]
    d = d[ok]
    interval = mean_interval(d, group, bounds=DIFFERENCE)
    sd = float(d.std(ddof=1)) if len(d) > 1 else None
    found: dict[str, Any] = {
        "a": float(a[ok].mean()) if len(d) else None,
        "b": float(b[ok].mean()) if len(d) else None,
        "difference": float(d.mean()) if len(d) else None,
        "ci": None if interval is None else interval.pair,
        "exact": interval is not None and interval.exact,
        "scenarios": len(d),
        "logs": count_logs(d, group),
        "sd": sd,
        "design_effect": float((standard_error(d, group) / sd) ** 2 * len(d)) if interval is not None and sd else None,
        "detectable": detectable(d, group),
        "worse": interval is not None and interval.high < 0.0,
        "better": interval is not None and interval.low > 0.0,
    }
    return {**found, **_decided(found, d, group, margin)}


def _decided(found: dict[str, Any], d: Values, group: NDArray[np.int64], margin: float) -> dict[str, str]:
    if not len(d):
        return {"verdict": "undecided", "reason": "no value in both runs"}
    if np.abs(d).max() <= TOLERANCE:
        return {"verdict": "equal", "reason": f"no scenario differs by more than {TOLERANCE:g}"}
    if found["logs"] < MIN_LOGS:
        return {"verdict": "undecided", "reason": no_interval(found["logs"])}
    for side in ("worse", "better"):
        if found[side]:
            return {"verdict": side, "reason": "the 95 % interval excludes 0"}
    one_sided = mean_interval(d, group, 0.90, DIFFERENCE)
    if one_sided is None:
        return {"verdict": "undecided", "reason": no_interval(found["logs"])}
    lowest = one_sided.low
    if lowest > -margin:
        return {"verdict": "not worse", "reason": f"a loss of {margin:g} or more is excluded"}
    few = "; nearly all scenarios are equal, so that the limits are exact ones" if found["exact"] else ""
    return {"verdict": "undecided", "reason": f"the interval holds 0, and a loss of {-lowest:.3f} is possible{few}"}
