"""Config dataclasses from maps, and configurations with the params of their plugins, at any depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from typing import Any, TypeVar

from roadcraft.core.config.tree import to_tree
from roadcraft.core.config.walk import ConfigLayer, Walk
from roadcraft.core.errors import ConfigError
from roadcraft.core.plugins.hookspecs import PluginRef, extras_of
from roadcraft.core.plugins.registry import Registry, registry

T = TypeVar("T")


def build_params(plugins: Registry, kind: str, name: str, params: Mapping[str, Any]) -> Any:
    """An instance of the plugin's config dataclass from a mapping. Raises ConfigError that lists every mistake."""
    return fill(plugins.config_class(kind, name), params, f"{kind} {name}", plugins)


def fill(schema: type[T], tree: Mapping[str, Any], origin: str, plugins: Registry | None = None) -> T:
    """An instance of a config dataclass from a map that came from ``origin``. Raises ConfigError that lists every
    mistake."""
    errors: list[str] = []
    walk = Walk(plugins or registry(), errors)
    config = walk.build(schema, walk.merge(schema, {}, tree, ConfigLayer({}, origin, None), ""), "")
    if errors:
        raise ConfigError(report(errors, origin))
    filled: T = config
    return filled


def report(errors: Sequence[str], where: str = "the configuration") -> str:
    """Mistakes as one text."""
    unique = list(dict.fromkeys(errors))
    head = f"1 mistake in {where}:" if len(unique) == 1 else f"{len(unique)} mistakes in {where}:"
    return "\n".join([head, *(f"  - {e}" for e in unique)])


def full_tree(config: Any, plugins: Registry | None = None) -> dict[str, Any]:
    """The same with every parameter of every plugin spelt out, at any depth, so that it outlives a change of
    defaults."""
    return {f.name: _full(getattr(config, f.name), f, plugins or registry()) for f in fields(config)}


def _full(value: Any, f: Field[Any] | None, plugins: Registry) -> Any:
    if isinstance(value, PluginRef):
        return {"name": value.name, "params": full_tree(params_of(value, f, plugins), plugins), **extras_of(value)}
    if is_dataclass(value) and not isinstance(value, type):
        return full_tree(value, plugins)
    if isinstance(value, (list, tuple)):
        return [_full(v, f, plugins) for v in value]
    return to_tree({"": value})[""]


def params_of(ref: PluginRef, f: Field[Any] | None, plugins: Registry) -> Any:
    """The config dataclass of a plugin that is referred to in the field ``f``. Raises ConfigError and PluginError."""
    return build_params(plugins, f.metadata["kind"] if f else "", ref.name, ref.params)


def parts_of(config: Any, plugins: Registry | None = None, at: str = "") -> Iterator[tuple[str, Field[Any], Any]]:
    """Every setting of a configuration as (dotted key, field, value), at any depth, items of lists one by one, those of
    plugins' params included; a dataclass and a PluginRef come before what they hold."""
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
    """What a configuration reads: dotted key to path, of every path field that is set, at any depth
    (``planner.params.checkpoint``)."""
    found = parts_of(config, plugins)
    return {key: value for key, f, value in found if value and f.metadata.get("path", "write") != "write"}


def plugins_of(config: Any, plugins: Registry | None = None) -> dict[str, tuple[str, str]]:
    """Every plugin of a configuration as (kind, name) by its dotted key, at any depth."""
    found = parts_of(config, plugins)
    return {key: (f.metadata["kind"], ref.name) for key, f, ref in found if isinstance(ref, PluginRef)}
