"""What a plugin or command can be told: its parameters with type, default, unit and meaning, from its config dataclass."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, get_args

from roadcraft.core.config_tree import to_tree
from roadcraft.core.config_walk import hints_of, name_of_type, optional_part
from roadcraft.core.hookspecs import PluginRef

_UNITS = {
    "s": "s", "m": "m", "mps": "m/s", "mps2": "m/s²", "mps3": "m/s³", "rad": "rad", "radps": "rad/s", "us": "µs", "ms": "ms", "minutes": "min", "kg": "kg",
    "mps4": "m/s⁴", "rad_s": "rad/s", "deg": "°",
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """key: dotted; type: in words; default: as YAML writes it, '' where a value must be given; unit: SI; text: what it means, as far as it is written."""

    key: str
    type: str
    default: Any
    unit: str
    text: str


def parameters_of(cls: type, at: str = "") -> list[Parameter]:
    """The parameters of a config dataclass, those of dataclasses within it by dotted key."""
    hints, texts = hints_of(cls), texts_of(cls)
    found: list[Parameter] = []
    for f in fields(cls):
        hint = optional_part(hints[f.name])
        if isinstance(hint, type) and is_dataclass(hint) and hint is not PluginRef:
            found += parameters_of(hint, f"{at}{f.name}.")
            continue
        default = f.default_factory() if f.default_factory is not MISSING else f.default
        if isinstance(default, PluginRef) and not default.params:
            default = default.name
        several = any(isinstance(a, type) and issubclass(a, PluginRef) for a in get_args(hint))
        kind = f.metadata.get("kind")
        type_ = f"a list of {kind} names" if several else f"a {kind}" if kind else name_of_type(hint)
        if f.metadata.get("path"):
            type_ = "a path"
        shown = "" if default is MISSING else to_tree({"": default})[""]
        unit = _UNITS.get(f.name.rpartition("_")[2], "") if type_.startswith(("a number", "a list")) else ""
        found.append(Parameter(f"{at}{f.name}", type_, shown, unit, texts.get(f.name, "")))
    return found


def texts_of(cls: type) -> dict[str, str]:
    """What the docstrings of a dataclass and its bases say of each field: ``name, other (unit): text; third: text.``"""
    found: dict[str, str] = {}
    names = {f.name for f in fields(cls)}
    for base in cls.__mro__:
        if is_dataclass(base):
            found = {**_parsed(base.__doc__ or "", names), **found}
    return found


def _parsed(doc: str, names: set[str]) -> dict[str, str]:
    name = rf"(?:{'|'.join(sorted(map(re.escape, names), key=len, reverse=True))})"
    item = rf"{name}(?: \([^)]*\))?"
    heads = re.compile(rf"(?<![\w.`]){item}(?:(?:, and |, | and | / ){item})*(?:,)?:(?= )")
    out: dict[str, str] = {}
    mentioned: dict[str, str] = {}
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(doc)):
        text = " ".join(paragraph.split())
        found = list(heads.finditer(text))
        for head, after in zip(found, [*found[1:], None], strict=False):
            said = text[head.end() : after.start() if after else len(text)].strip()
            for key in re.findall(rf"(?<![\w.]){name}(?!\w)", re.sub(r"\([^)]*\)", "", head.group())):
                out.setdefault(key, said.rstrip(" ;,."))
        for clause in re.split(r"(?<=[;.]) ", text):  # where a field has no text of its own, what mentions it
            for key in re.findall(rf"(?<![\w.]){name}(?!\w)", clause):
                mentioned.setdefault(key, clause.rstrip(" ;,."))
    return {**mentioned, **out}


def as_rows(parameters: list[Parameter]) -> list[Mapping[str, Any]]:
    """For JSON."""
    return [{"key": p.key, "type": p.type, "default": p.default, "unit": p.unit, "text": p.text} for p in parameters]
