"""A configuration as plain maps, for YAML and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from roadcraft.core.config import yaml_text
from roadcraft.core.plugins.hookspecs import PluginRef, extras_of


def to_tree(config: Any) -> dict[str, Any]:
    """A config dataclass (or a map) as plain maps, lists and scalars, ready for YAML or JSON."""
    plain: dict[str, Any] = _plain(config)
    return plain


def to_yaml(config: Any) -> str:
    """A config dataclass (or a plain tree) as YAML text that ``load_config`` reads back."""
    return yaml_text.to_yaml(config if isinstance(config, dict) else to_tree(config))


def flat(tree: Mapping[str, Any], at: str = "") -> dict[str, Any]:
    """A tree with dotted keys."""
    out: dict[str, Any] = {}
    for k, v in tree.items():
        out.update(flat(v, f"{at}{k}.") if isinstance(v, Mapping) and v else {f"{at}{k}": v})
    return out


def given_only(config: Any, tree: Mapping[str, Any]) -> dict[str, Any]:
    """Of a config dataclass the values that ``tree`` names, as plain maps, lists and scalars."""
    out = {}
    for name, given in tree.items():
        value = getattr(config, name)
        inner = is_dataclass(value) and not isinstance(value, (type, PluginRef)) and isinstance(given, Mapping)
        out[name] = given_only(value, given) if inner else to_tree({"": value})[""]
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, PluginRef):
        return {"name": value.name, "params": _plain(value.params), **extras_of(value)}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value
