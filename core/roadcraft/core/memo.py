"""What is computed once for a frozen object, a map above all, and kept with it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


def memo(owner: Any, key: Hashable, make: Callable[[], T]) -> T:
    """What ``make`` answered when it was first asked for ``key``. It lives as long as ``owner``, a frozen dataclass."""
    cache: dict[Hashable, T] = vars(owner).setdefault("_memo", {})
    if key not in cache:
        cache[key] = make()
    return cache[key]
