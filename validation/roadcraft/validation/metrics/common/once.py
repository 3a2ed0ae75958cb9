"""What several metrics need of a rollout, computed once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from roadcraft.core.interfaces import MetricContext

T = TypeVar("T")


def once_per_rollout(compute: Callable[[MetricContext], T]) -> Callable[[MetricContext], T]:
    """A function of a rollout whose first answer is kept with the rollout's context, for all metrics."""
    key = f"{compute.__module__}.{compute.__qualname__}"

    @wraps(compute)
    def found(context: MetricContext) -> T:
        value: T = context.shared(key, lambda: compute(context))
        return value

    return found
