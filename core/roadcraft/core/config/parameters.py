"""The settings of a plugin or command: key, type, default, unit, range and sentence of every field of its config
dataclass.

The one table behind ``roadcraft COMMAND --help``, ``roadcraft plugins KIND NAME``, ``roadcraft config show`` and the
reference of the docs. The sentence is the text under the field, the range and unit stand in its annotation
(``config.rules``); a unit that the name ends in (``_s``, ``_mps``) need not be said.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields, is_dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin

from roadcraft.core.config.hints import hints_of
from roadcraft.core.config.rules import OneOf, Suggestions, Unit, marks_of, rules_of
from roadcraft.core.config.tree import to_tree
from roadcraft.core.config.values import name_of_type, optional_part
from roadcraft.core.plugins.hookspecs import PluginRef

_UNITS = {
    "s": "s", "us": "µs", "ms": "ms", "minutes": "min", "m": "m", "mps": "m/s", "mps2": "m/s²", "mps3": "m/s³",
    "mps4": "m/s⁴",
    "rad": "rad", "radps": "rad/s", "deg": "°", "kg": "kg", "kgm2": "kg m²", "m2": "m²", "g": "g", "W": "W",
    "JpK": "J/K", "WpK": "W/K", "JpKm": "J/(K m)",
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One setting."""

    key: str
    """Dotted key, as it is written on the command line."""
    type: str
    """The type in words."""
    default: Any
    """The default as plain maps, lists and scalars; '' where a value must be given."""
    unit: str
    """SI unit; '' for none."""
    range: str
    """The numbers it takes, as a bound (``> 0``) or an interval (``[0, 1)``), or the texts, separated by commas; ''
    where nothing is ruled out."""
    text: str
    """What it does, in a sentence."""
    kind: str = ""
    """Kind of the plugin it names, if it names one."""
    choices: tuple[str, ...] = ()
    """The values it takes, where they are few."""
    suggestions: str = ""
    """``"package.module:function"`` that returns texts it takes among others, for the shell."""

    @property
    def constraint(self) -> str:
        """Type and range in words: ``a number > 0``, ``one of calm, normal``."""
        if self.kind:
            return f"{self.type}; see `roadcraft plugins {self.kind}`"
        if self.choices:
            return self.type
        return f"{self.type} in {self.range}" if self.range[:1] in ("[", "(") else f"{self.type} {self.range}".strip()


@dataclass(frozen=True)
class Section:
    """The settings of one config dataclass, without those of dataclasses within it."""

    key: str
    """Dotted key of the field that holds the dataclass; '' for the outermost."""
    text: str
    """What the field is for; of the outermost, the docstring of the dataclass."""
    parameters: tuple[Parameter, ...]
    """Its settings, in the order of the fields."""


def parameters_of(schema: type) -> list[Parameter]:
    """The settings of a config dataclass at any depth, by dotted key; those of a dataclass within it come after its
    own."""
    return [p for section in sections_of(schema) for p in section.parameters]


def sections_of(schema: type, at: str = "", text: str = "") -> list[Section]:
    """The same in sections, one for each dataclass. ``at`` goes before every key."""
    own: list[Parameter] = []
    deeper: list[Section] = []
    texts = texts_of(schema)
    for f in fields(schema):
        hint = optional_part(hints_of(schema)[f.name])
        by_name = get_origin(hint) is dict
        item = (get_args(hint) or (hint,))[-1 if by_name else 0]
        if isinstance(item, type) and is_dataclass(item) and not issubclass(item, PluginRef):
            key = f"{at}{f.name}{'' if item is hint else '.NAME' if by_name else '[]'}"
            deeper += sections_of(item, f"{key}.", texts[f.name])
        else:
            own.append(_parameter(schema, f, at, texts[f.name]))
    doc = inspect.cleandoc(schema.__doc__ or "")
    made = doc.startswith(f"{schema.__name__}(")  # by dataclass(), where the class has none
    return [Section(at.rstrip("."), text if at or made else doc, tuple(own)), *deeper]


def _parameter(schema: type, f: Field[Any], at: str, text: str) -> Parameter:
    hint, kind = hints_of(schema)[f.name], f.metadata.get("kind", "")
    plain, rules = optional_part(hint), rules_of(schema).get(f.name, ())
    choices = next((r.values for r in rules if isinstance(r, OneOf)), _choices(plain))
    several = get_origin(plain) in (tuple, list)
    range_ = ", ".join(r.text for r in rules)
    if kind:
        one = f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} plugin"
        type_ = f"a list of {kind} plugins" if several else one
    elif f.metadata.get("path"):
        type_ = "a path"
    elif choices and plain is not bool:
        range_ = ", ".join(c or repr(c) for c in choices)
        type_ = f"{'a list' if several else 'one'} of {range_}"
    else:
        type_ = name_of_type(plain)
    if plain is not hint:
        type_ += " or null"
    default = f.default_factory() if f.default_factory is not MISSING else f.default
    if isinstance(default, PluginRef) and not default.params:
        default = default.name
    shown = "" if default is MISSING else to_tree({"": default})[""]
    by_name = _UNITS.get(f.name.rpartition("_")[2], "") if type_.startswith(("a number", "a list of")) else ""
    marks = marks_of(hints_of(schema, marked=True)[f.name])
    unit = next((m.name for m in marks if isinstance(m, Unit)), by_name)
    suggestions = next((m.source for m in marks if isinstance(m, Suggestions)), "")
    return Parameter(f"{at}{f.name}", type_, shown, unit, range_, text, kind, choices, suggestions)


def _choices(hint: Any) -> tuple[str, ...]:
    """The values of a truth value, of a ``Literal``, or of a tuple of them."""
    if hint is bool:
        return ("true", "false")
    item = get_args(hint)[0] if get_origin(hint) in (tuple, list) else hint
    return tuple(map(str, get_args(item))) if get_origin(item) is Literal else ()


def texts_of(schema: type) -> dict[str, str]:
    """The text under each field of a dataclass, its own or that of the base it comes from; '' where there is none, or
    no source."""
    found: dict[str, str] = {}
    for base in reversed(schema.__mro__):
        found |= _own_texts(base) if is_dataclass(base) else {}
    return {f.name: found.get(f.name, "") for f in fields(schema)}


@lru_cache(maxsize=512)
def _own_texts(schema: Any) -> Mapping[str, str]:
    """A string that stands by itself after a field, as its docstring."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(schema)))
    except (OSError, TypeError, SyntaxError):
        return {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    return {
        field.target.id: " ".join(after.value.value.split())
        for field, after in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str)
    }  # fmt: skip


def as_rows(parameters: list[Parameter]) -> list[Mapping[str, Any]]:
    """For JSON."""
    return [{k: v for k, v in asdict(p).items() if k not in ("kind", "choices", "suggestions")} for p in parameters]
