"""Whether what a metric answers keeps its contract, and the answer in plain numbers and text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from roadcraft.core.errors import PluginError
from roadcraft.core.interfaces import Metric
from roadcraft.core.types import Event, MetricResult, Series

ROLES = ("multiplier", "weighted", "report")
_ROUNDING = 1e-9  # by which a score may miss [0, 1]


def check_role(name: str, metric: Metric) -> None:
    """Raises PluginError where a metric's role or weight says nothing about its score."""
    role, weight = metric.role, metric.weight
    if role not in ROLES:
        raise PluginError(f"metric {name!r} has role {role!r}, expected one of {', '.join(ROLES)}")
    number = isinstance(weight, (int, float, np.number)) and not isinstance(weight, bool)
    if not number or not 0.0 <= weight < math.inf:
        raise PluginError(f"metric {name!r} has weight {weight!r}, expected a finite number not below 0")


def checked(name: str, metric: Metric, result: Any, steps: int) -> MetricResult:
    """The answer of a metric of that name for a rollout of ``steps`` steps. Raises PluginError naming the value that
    breaks the contract."""
    if not isinstance(result, MetricResult):
        raise PluginError(f"it returns {_said(result)}, expected a MetricResult")
    if result.name != name:
        raise PluginError(f"its result is called {_said(result.name)}, expected its own name {name!r}")
    score = None if result.score is None else _number(None, result.score)
    if score is not None and metric.role != "report":
        if not -_ROUNDING <= score <= 1.0 + _ROUNDING:
            raise PluginError(f"score = {score!r} lies outside [0, 1] (role {metric.role})")
        score = min(max(float(score), 0.0), 1.0)
    if not isinstance(result.stats, Mapping):
        raise PluginError(f"stats are {_said(result.stats)}, expected a map of named numbers")
    if result.series is not None and not isinstance(result.series, Series):
        raise PluginError(f"series is {_said(result.series)}, expected a Series")
    if not isinstance(result.events, (tuple, list)):
        raise PluginError(f"events are {_said(result.events)}, expected a tuple of Event")
    stats = {_key(key): None if value is None else _number(key, value) for key, value in result.stats.items()}
    events = tuple(_event(i, e, steps) for i, e in enumerate(result.events))
    return MetricResult(name, None if score is None else float(score), stats, result.series, events)


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise PluginError(f"stats have the key {_said(key)}, expected text")
    return key


def _number(key: str | None, value: Any) -> float | int | bool:
    """A statistic, or the score where there is no key."""
    if (type(value) is float and math.isfinite(value)) or type(value) is bool:
        return value  # type: ignore[no-any-return]
    what = "score" if key is None else f"stats[{key!r}]"
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (bool, int, float)):
        raise PluginError(f"{what} is {_said(value)}, expected a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise PluginError(f"{what} = {value!r} is no finite number; None says that there is none")
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:  # what tables hold
        raise PluginError(f"{what} is a whole number of {value.bit_length()} bits, expected at most 63 (or a float)")
    return value


def _event(place: int, event: Any, steps: int) -> Event:
    if not isinstance(event, Event):
        raise PluginError(f"events[{place}] is {_said(event)}, expected an Event")
    step, id = (v.item() if isinstance(v, np.integer) else v for v in (event.step, event.object_id))
    if type(step) is not int or not 0 <= step < steps:
        raise PluginError(f"events[{place}].step is {_said(event.step)}, expected a whole number from 0 to {steps - 1}")
    if not isinstance(event.what, str):
        raise PluginError(f"events[{place}].what is {_said(event.what)}, expected text")
    if id is not None and (type(id) is not int or not 0 <= id < 1 << 64):
        raise PluginError(f"events[{place}].object_id is {_said(event.object_id)}, expected a track id or None")
    return Event(step, event.what, id)


def _said(value: Any) -> str:
    """A value and its type, shortly."""
    text = " ".join(repr(value).split())
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
