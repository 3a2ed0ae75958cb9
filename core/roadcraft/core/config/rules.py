"""Rules for the values of a config dataclass: written at the field, shown by ``--help`` and the docs, and checked from
there.

::

    @dataclass(frozen=True)
    class CautiousConfig:
        headway_s: Annotated[float, Range("> 0")] = 2.0
        \"\"\"Time gap to the object ahead; a larger gap brakes earlier.\"\"\"
        gain: Annotated[float, Range("[0, 1]"), Unit("1/s")] = 0.5
        \"\"\"Share of the speed error that is corrected per second.\"\"\"

``load_config`` and ``create`` check these rules of every config dataclass; ``check(self)`` in ``__post_init__`` also
checks what Python code builds, and takes rules that concern several fields. Every refusal names the field, its value
and the rule.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import lru_cache
from numbers import Integral, Real
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from roadcraft.core.config.hints import hints_of
from roadcraft.core.config.renamed import warn
from roadcraft.core.errors import ConfigError

_INTERVAL = re.compile(r"([\[(]) *([-\d.e]+), *([-\d.e]+) *([\])])")
_BOUND = re.compile(r"(>=?) *([-\d.e]+)")


class RuleError(ConfigError, ValueError):
    """One or more fields break their rules. faults: (field, value, rule) of each."""

    def __init__(self, owner: str, faults: list[tuple[str, Any, str]]) -> None:
        self.faults = faults
        super().__init__(f"{owner}: " + "; ".join(f"{name} {rule}, got {value!r}" for name, value, rule in faults))


@dataclass(frozen=True)
class Range:
    """The values a number takes: a bound (``>= 1``, ``> 0``) or an interval (``[0, 1)``). In a tuple or list it holds
    for each number."""

    text: str
    """The bound or interval, as ``>= 1`` or ``[0, 1)``."""

    def __post_init__(self) -> None:
        _parts(self.text)

    def holds(self, value: float) -> bool:
        """Whether a number lies within the range; infinity and NaN never do."""
        closed, low, ends, high = _parts(self.text)
        above = float(low) <= value if closed else float(low) < value
        return above and math.isfinite(value) and (value <= float(high) if ends else value < float(high))

    def message(self, value: object) -> str:
        """The rule in words, for the refusal of a value."""
        closed, low, ends, high = _parts(self.text)
        least = f"at least {low}" if closed else f"above {low}"
        if high == "inf":
            return f"must be {least}"
        if closed and ends:
            return f"must be from {low} to {high}"
        return f"must be {least} and {'at most' if ends else 'below'} {high}"


@dataclass(frozen=True, init=False)
class OneOf:
    """The texts a field takes, for choices that are no ``Literal`` (``OneOf(*NAMES)``). In a tuple or list it holds for
    each text."""

    values: tuple[str, ...]
    """The texts."""

    def __init__(self, *values: str) -> None:
        object.__setattr__(self, "values", values)

    @property
    def text(self) -> str:
        """The choices, separated by commas."""
        return ", ".join(self.values)

    def holds(self, value: object) -> bool:
        """Whether a text is one of the choices."""
        return value in self.values

    def message(self, value: object) -> str:
        """The rule in words, with the nearest spelling, for the refusal of a value."""
        near = get_close_matches(str(value), self.values, 1)
        return f"must be among {self.text}" + (f" (did you mean {near[0]!r}?)" if near else "")


@dataclass(frozen=True)
class Unit:
    """The unit of a setting whose name does not end in one (``_s``, ``_mps``, ``_m``, ...)."""

    name: str
    """The unit, as ``1/s``."""


@dataclass(frozen=True)
class Suggestions:
    """Texts that the shell offers for a field that takes other texts too."""

    source: str
    """``"package.module:function"`` that returns the texts; loaded when the shell asks."""


def check(config: Any, *others: Any) -> None:
    """For ``__post_init__``: check the rules that stand at the fields, and others, such as those of several fields:
    ``check(self, ("modes", len(self.modes) > 0, "must name one"))``.

    Args:
        config: an instance of a config dataclass. A field that is None is not checked; of a tuple or list each item is.
            A number that is not finite is refused anywhere, in the values of a dict too.
        others: field, whether its rule holds, the rule in words.

    Raises:
        RuleError: names every field that breaks a rule.
    """
    schema: Any = type(config)
    values = {f.name: getattr(config, f.name) for f in fields(config)}
    faults = faults_of(schema, values)
    if others and isinstance(others[0], Mapping):
        warn(f"{schema.__name__}: check(self, {{range: fields}})", "Annotated[type, Range(range)] at each field", 3)
        named = {n: (Range(text),) for text, names in others[0].items() for n in names.split()}
        faults, others = [*faults, *_broken(schema, values, named)], others[1:]
    broken = {name.partition("[")[0] for name, _, _ in faults}
    faults += [(n, values[n], rule) for n, holds, rule in others if not holds and n not in broken]
    if faults:
        raise RuleError(type(config).__name__, faults)


def faults_of(schema: Any, values: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    """Which of some fields' values break the rules that stand at the fields: (field, value, rule) of each."""
    faults = list(_broken(schema, values, rules_of(schema)))
    named = {name for name, _, _ in faults}
    found = (fault for name, value in values.items() for fault in _not_finite(name, value))
    return faults + [fault for fault in found if fault[0] not in named]


def _broken(
    schema: Any, values: Mapping[str, Any], rules: Mapping[str, tuple[Any, ...]]
) -> Iterator[tuple[str, Any, str]]:
    whole = _whole_numbers(schema)
    for name, of_field in rules.items():
        value: Any = values.get(name)
        several = isinstance(value, (tuple, list))
        for i, v in enumerate(value if several else [value]):
            for rule in of_field:
                if v is not None and (fault := _fault(rule, v, name in whole)):
                    yield f"{name}[{i}]" if several else name, v, fault


def _fault(rule: Range | OneOf, value: Any, whole: bool) -> str:
    """In what way a value breaks a rule, in words; nothing where it does not."""
    number = Integral if whole else Real
    if isinstance(rule, Range) and (isinstance(value, bool) or not isinstance(value, number)):
        return "must be a whole number" if whole else "must be a number"
    return "" if rule.holds(value) else rule.message(value)


def _not_finite(name: str, value: Any) -> Iterator[tuple[str, Any, str]]:
    """The numbers in a value, at any depth, that are not finite."""
    if isinstance(value, Mapping):
        items: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, (tuple, list)):
        items = enumerate(value)
    else:
        if isinstance(value, Real) and not isinstance(value, Integral) and not math.isfinite(value):
            yield name, value, "must be finite"
        return
    for key, item in items:
        yield from _not_finite(f"{name}[{key}]", item)


@lru_cache(maxsize=512)
def _whole_numbers(schema: Any) -> frozenset[str]:
    """The fields whose numbers are whole ones."""
    return frozenset(k for k, hint in hints_of(schema).items() if _types_in(hint) & {int, float} == {int})


def _types_in(hint: Any) -> set[Any]:
    """The types of which an annotation is made."""
    return {hint}.union(*map(_types_in, get_args(hint))) if get_origin(hint) is not Literal else set()


@lru_cache(maxsize=512)
def rules_of(schema: Any) -> dict[str, tuple[Range | OneOf, ...]]:
    """The rules of each field that has any."""
    marks = {name: marks_of(hint) for name, hint in hints_of(schema, marked=True).items()}
    found = {name: tuple(m for m in of_field if isinstance(m, (Range, OneOf))) for name, of_field in marks.items()}
    return {name: rules for name, rules in found.items() if rules}


def marks_of(hint: Any) -> tuple[Any, ...]:
    """What ``Annotated`` says beside the type: of the field, of X in ``X | None``, of the items of a tuple or list."""
    if get_origin(hint) is Annotated:
        return (*get_args(hint)[1:], *marks_of(get_args(hint)[0]))
    if get_origin(hint) in (Union, types.UnionType, tuple, list):
        return tuple(m for part in get_args(hint) for m in marks_of(part))
    return ()


@lru_cache
def _parts(rule: str) -> tuple[bool, str, bool, str]:
    """(low end belongs to it, low, high end belongs to it, high)."""
    if match := _INTERVAL.fullmatch(rule):
        left, low, high, right = match.groups()
        return left == "[", low, right == "]", high
    if match := _BOUND.fullmatch(rule):
        return match[1] == ">=", match[2], True, "inf"
    raise ValueError(f"{rule!r} is no range: write a bound (>= 1, > 0) or an interval ([0, 1), (0, 1])")
