"""Builds plugins by name."""

from __future__ import annotations

import inspect
from typing import Any

from roadcraft.core.config.plugins import build_params
from roadcraft.core.config.rules import check
from roadcraft.core.errors import ConfigError
from roadcraft.core.plugins.registry import Registry, registry


def create(kind: str, name: str, params: Any = None, **more: Any) -> Any:
    """The plugin of that kind and name that is installed here, such as ``create("planner", "idm", headway_s=2.0)``.

    Args:
        kind: one of ``KINDS``.
        name: the plugin's.
        params: a mapping, checked against the plugin's config dataclass, or an instance of it.
        more: further params, and what the kind hands to every plugin (``dim`` and ``features`` of a model).

    Raises:
        PluginError: there is no such plugin, or it cannot be loaded.
        ConfigError: a param is unknown or has no permitted value.
    """
    return create_from(registry(), kind, name, params, **more)


def create_from(plugins: Registry, kind: str, name: str, params: Any = None, **more: Any) -> Any:
    """The same out of given plugins."""
    cls, target = plugins.config_class(kind, name), plugins.target(kind, name)
    context = {k: more.pop(k) for k in list(more) if k in _context_of(target)}
    if isinstance(params, cls) and more:
        raise ConfigError(f"{kind} {name}: give a {cls.__name__} or single params ({', '.join(more)}), not both")
    config = params if isinstance(params, cls) else build_params(plugins, kind, name, {**(params or {}), **more})
    check(config)
    return target(config, **context)


def _context_of(target: Any) -> set[str]:
    """The names of what a target takes beside its config."""
    try:
        parameters = list(inspect.signature(target).parameters.values())[1:]
    except (TypeError, ValueError):
        return set()
    return {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
