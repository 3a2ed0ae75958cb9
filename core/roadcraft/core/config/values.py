"""Single values as their annotations ask for them, and annotations and values in words (used by ``walk``)."""

from __future__ import annotations

import math
import re
import types
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from roadcraft.core.config.yaml_text import Plain

ABSENT = object()
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")
_WHOLE = re.compile(r"[-+]?[0-9][0-9_]*")
_HEX = re.compile(r"[-+]?0x[0-9a-fA-F]+")


def scalar_of(hint: Any, value: Any) -> Any:
    """A text, number or truth value as the annotation asks for it; ABSENT where it is none such."""
    if hint is str and isinstance(value, (str, int, float, Path)) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return _from_text(hint, value)
    if hint is bool and isinstance(value, bool):
        return value
    if isinstance(value, bool):
        return ABSENT
    if hint is int and isinstance(value, int):
        return value
    if hint is float and isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    return ABSENT


def _from_text(hint: Any, text: str) -> Any:
    """The number or truth value that a text says. Digits are decimal, whatever stands before them."""
    if hint is bool and text.lower() in (*_TRUE, *_FALSE):
        return text.lower() in _TRUE
    if hint is int and len(text) < 100 and _WHOLE.fullmatch(text):
        return int(text)
    if hint is int and len(text) < 100 and _HEX.fullmatch(text):
        return int(text, 16)
    if hint is float:
        try:
            number = float(text)
        except ValueError:
            return ABSENT
        return number if math.isfinite(number) else ABSENT
    return ABSENT


def optional_part(hint: Any) -> Any:
    """X of ``X | None``."""
    if get_origin(hint) in (Union, types.UnionType):
        rest = [a for a in get_args(hint) if a is not type(None)]
        return rest[0] if len(rest) == 1 else hint
    return hint


def is_sequence(hint: Any) -> bool:
    """Whether an annotation asks for a tuple or list of certain items."""
    return get_origin(hint) in (tuple, list)


def as_list(hint: Any, value: Any) -> Any:
    """One text or number as a list of one, where a list of any length is due; a text with a comma may be meant as
    several, and no number is short for an item with settings of its own."""
    any_length = hint in (tuple, list) or get_origin(hint) is list or get_args(hint)[-1:] == (...,)
    fits = isinstance(value, (str, int, float, Path)) and value != "" and "," not in str(value)
    if any_length and fits and not (is_schema(next(iter(get_args(hint)), None)) and _is_number(value)):
        nothing = isinstance(value, Plain) and (value.is_null or value.fault)
        return value if nothing else [value]
    return value


def is_schema(hint: Any) -> bool:
    """Whether an annotation is a dataclass."""
    return isinstance(hint, type) and is_dataclass(hint)


def expected(what: str, value: Any) -> str:
    """``value`` is not ``what``; where a list is due and a text with commas is given, how to write it."""
    text = f"expected {'a finite number' if what == 'a number' and _is_number(value) else what}, got {value!r}"
    if fault := getattr(value, "fault", ""):
        return f"{text}: {fault}"
    return f"{text}; write [{value}]" if what.startswith("a list") and isinstance(value, str) and "," in value else text


def written(value: Any) -> str:
    """A value as a file or a word would give it: a list in brackets."""
    return repr(list(value) if isinstance(value, tuple) else value)


def _is_number(value: Any) -> bool:
    """Whether a value, or a text, is one that ``float`` takes."""
    try:
        float(value.lower().removeprefix(".") if isinstance(value, str) else value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)


def name_of_type(hint: Any) -> str:
    """A type in words."""
    names = {
        float: "a number",
        int: "a whole number",
        bool: "true or false",
        str: "text",
        dict: "a map",
        list: "a list",
    }
    if hint in names:
        return names[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(map(str, args))}"
    if origin is dict:
        return "a map"
    if origin is tuple and args and args[-1] is not Ellipsis:
        return f"a list of {len(args)} values"
    if origin in (tuple, list) or hint is tuple:
        item = args[0] if args else Any
        return f"a list of {name_of_type(item).removeprefix('a ')}s" if item in (float, int) else "a list"
    return "a map" if is_schema(hint) else "anything" if hint is Any else str(getattr(hint, "__name__", hint))
