"""A configuration as plain maps: for YAML and JSON, with the defaults of its plugins, and the paths it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadcraft.core import yaml_text
from roadcraft.core.hookspecs import PluginRef, extras_of

if TYPE_CHECKING:
    from roadcraft.core.registry import Registry


def to_tree(config: Any) -> dict[str, Any]:
    """A config dataclass (or a map) as plain maps, lists and scalars, ready for YAML or JSON."""
    plain: dict[str, Any] = _plain(config)
    return plain


def full_tree(config: Any, plugins: Registry | None = None) -> dict[str, Any]:
    """The same with every parameter of every plugin spelt out, at any depth, so that it outlives a change of defaults."""
    from roadcraft.core.registry import registry

    return {f.name: _full(getattr(config, f.name), f, plugins or registry()) for f in fields(config)}


def _full(value: Any, f: Field[Any] | None, plugins: Registry) -> Any:
    if isinstance(value, PluginRef):
        return {"name": value.name, "params": full_tree(params_of(value, f, plugins), plugins), **extras_of(value)}
    if is_dataclass(value) and not isinstance(value, type):
        return full_tree(value, plugins)
    if isinstance(value, (list, tuple)):
        return [_full(v, f, plugins) for v in value]
    return _plain(value)


def params_of(ref: PluginRef, f: Field[Any] | None, plugins: Registry) -> Any:
    """The config dataclass of a plugin that is referred to in the field ``f``. Raises ConfigError and PluginError."""
    from roadcraft.core.config import build_params

    return build_params(plugins, f.metadata["kind"] if f else "", ref.name, ref.params)


def parts_of(config: Any, plugins: Registry | None = None, at: str = "") -> Iterator[tuple[str, Field[Any], Any]]:
    """Every setting of a configuration as (dotted key, field, value), at any depth, items of lists one by one, those of plugins' params included; a
    dataclass and a PluginRef come before what they hold."""
    from roadcraft.core.registry import registry

    plugins = plugins or registry()
    for f in fields(config):
        value = getattr(config, f.name)
        several = isinstance(value, (list, tuple))
        for i, v in enumerate(value if several else [value]):
            key = f"{at}{f.name}[{i}]" if several else f"{at}{f.name}"
            yield key, f, v
            if isinstance(v, PluginRef):
                yield from parts_of(params_of(v, f, plugins), plugins, f"{key}.params.")
            elif is_dataclass(v) and not isinstance(v, type):
                yield from parts_of(v, plugins, f"{key}.")


def paths_of(config: Any, plugins: Registry | None = None) -> dict[str, str]:
    """What a configuration reads: dotted key to path, of every path field that is set, at any depth (``planner.params.checkpoint``)."""
    found = parts_of(config, plugins)
    return {key: value for key, f, value in found if value and f.metadata.get("path", "write") != "write"}


def plugins_of(config: Any, plugins: Registry | None = None) -> dict[str, tuple[str, str]]:
    """Every plugin of a configuration as (kind, name) by its dotted key, at any depth."""
    found = parts_of(config, plugins)
    return {key: (f.metadata["kind"], ref.name) for key, f, ref in found if isinstance(ref, PluginRef)}


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
