"""What a configuration refers to: the files and folders it names, and the plugins it uses, at any depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Any

from roadcraft.core.hookspecs import PluginRef
from roadcraft.core.registry import Registry, registry


def paths_of(config: Any, plugins: Registry | None = None) -> dict[str, str]:
    """Every path of a config dataclass by its dotted key (``planner.params.checkpoint``), those of plugins' params included; empty ones are left out."""
    found = _settings(type(config), config, plugins or registry(), "")
    return {key: str(value) for key, f, value in found if f.metadata.get("path") and value}


def plugins_of(config: Any, plugins: Registry | None = None) -> dict[str, tuple[str, str]]:
    """Every plugin of a config dataclass as (kind, name) by its dotted key, those within plugins' params included."""
    found = _settings(type(config), config, plugins or registry(), "")
    return {key: (f.metadata["kind"], ref.name) for key, f, ref in found if "kind" in f.metadata}


def _settings(schema: type, values: Any, plugins: Registry, at: str) -> Iterator[tuple[str, Field[Any], Any]]:
    for f in fields(schema):
        given = values.get(f.name, _default(f)) if isinstance(values, Mapping) else getattr(values, f.name)
        listed = isinstance(given, (list, tuple))
        for i, value in enumerate(given if listed else [given]):
            key = f"{at}{f.name}[{i}]" if listed else f"{at}{f.name}"
            if "kind" in f.metadata and (ref := _ref(value)) is not None:
                yield key, f, ref
                yield from _settings(
                    plugins.config_class(f.metadata["kind"], ref.name), ref.params, plugins, f"{key}.params."
                )
            elif is_dataclass(value):
                yield from _settings(type(value), value, plugins, f"{key}.")
            elif f.metadata.get("path"):
                yield key, f, value


def _default(f: Field[Any]) -> Any:
    from dataclasses import MISSING

    return f.default_factory() if f.default_factory is not MISSING else None if f.default is MISSING else f.default


def _ref(value: Any) -> PluginRef | None:
    if isinstance(value, str) and value:
        return PluginRef(value)
    if isinstance(value, Mapping) and "name" in value:
        return PluginRef(value["name"], dict(value.get("params") or {}))
    return value if isinstance(value, PluginRef) else None
