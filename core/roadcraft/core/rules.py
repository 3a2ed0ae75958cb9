"""Rules for the values of a config dataclass, so that every refusal names the field, its value and the rule."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from roadcraft.core.errors import ConfigError

_INTERVAL = re.compile(r"([\[(]) *([-\d.e]+), *([-\d.e]+) *([\])])")


class RuleError(ConfigError, ValueError):
    """One or more fields break their rules. faults: (field, value, rule) of each."""

    def __init__(self, owner: str, faults: list[tuple[str, Any, str]]) -> None:
        self.faults = faults
        super().__init__(f"{owner}: " + "; ".join(f"{name} {rule}, got {value!r}" for name, value, rule in faults))


def check(config: Any, ranges: Mapping[str, str], *others: tuple[str, bool, str]) -> None:
    """For ``__post_init__``: ``check(self, {">= 1": "batch steps", "[0, 1)": "ema"}, ("modes", len(self.modes) > 0, "must name at least one"))``.

    ranges: a bound (``>= 1``, ``> 0``) or an interval (``[0, 1)``) and the fields it holds for, each a number, None (not checked) or a sequence of
    numbers; others: field, whether its rule holds, the rule. Raises RuleError naming every field that breaks one.
    """
    faults = []
    for rule, names in ranges.items():
        for name in names.split():
            value = getattr(config, name)
            several = isinstance(value, (tuple, list))
            for i, v in enumerate(value if several else [value]):
                if v is not None and not _holds(rule, v):
                    faults.append((f"{name}[{i}]" if several else name, v, _told(rule)))
    broken = {name for name, _, _ in faults}
    faults += [(n, getattr(config, n), rule) for n, holds, rule in others if not holds and n not in broken]
    if faults:
        raise RuleError(type(config).__name__, faults)


def _parts(rule: str) -> tuple[bool, str, bool, str]:
    """(low end belongs to it, low, high end belongs to it, high)."""
    if match := _INTERVAL.fullmatch(rule):
        left, low, high, right = match.groups()
        return left == "[", low, right == "]", high
    sign, low = rule.split()
    return {">=": True, ">": False}[sign], low, True, "inf"


def _holds(rule: str, value: float) -> bool:
    closed, low, ends, high = _parts(rule)
    above = float(low) <= value if closed else float(low) < value
    return above and math.isfinite(value) and (value <= float(high) if ends else value < float(high))


def _told(rule: str) -> str:
    closed, low, ends, high = _parts(rule)
    least = f"at least {low}" if closed else f"above {low}"
    if high == "inf":
        return f"must be {least}"
    return (
        f"must be from {low} to {high}"
        if closed and ends
        else f"must be {least} and {'at most' if ends else 'below'} {high}"
    )
