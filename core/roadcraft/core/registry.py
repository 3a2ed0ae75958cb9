"""Finds plugins by their entry points and loads them by name, one at a time, with every fault contained."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, is_dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

from roadcraft.core.errors import PluginError
from roadcraft.core.hookspecs import API_VERSION, GROUP, KINDS, CommandSpec, Hooks, PluginSpec

NO_PLUGINS = "ROADCRAFT_NO_PLUGINS"


@dataclass(frozen=True)
class Provided:
    """A spec together with the distribution and version it came from; ``ours`` for those of roadcraft itself."""

    spec: Any
    provider: str
    version: str
    ours: bool


@dataclass(frozen=True)
class Fault:
    """Something a distribution offered that cannot be used, and why."""

    provider: str
    entry_point: str
    error: str


class PluginWarning(UserWarning):
    """A plugin was left out; everything else goes on."""


class Registry:
    """All plugins and commands that were found. ``faults`` lists what was left out; ``conflicts`` kind/name pairs with two providers."""

    def __init__(self, plugins: Iterable[Provided], commands: Iterable[Provided], faults: Iterable[Fault]) -> None:
        self.faults = list(faults)
        self._plugins: dict[tuple[str, str], list[Provided]] = {}
        for p in plugins:
            self._plugins.setdefault((p.spec.kind, p.spec.name), []).append(p)
        self._commands: dict[str, list[Provided]] = {}
        for c in commands:
            self._commands.setdefault(c.spec.name, []).append(c)

    @classmethod
    def discover(cls, third_party: bool = True) -> Registry:
        """Load every entry point of the group, each on its own; a failing one becomes a fault and a warning, never a crash."""
        plugins: list[Provided] = []
        commands: list[Provided] = []
        faults: list[Fault] = []
        for ep in sorted(entry_points(group=GROUP), key=lambda e: (not _ours(e), e.name)):
            if _ours(ep) or third_party:
                try:
                    specs = _specs_of(ep.name, ep.load())
                except Exception as e:
                    _fault(faults, ep, f"{type(e).__name__}: {e}")
                    continue
                for spec in specs:
                    _sort_in(spec, ep, plugins, commands, faults)
        return cls(plugins, commands, faults)

    @property
    def conflicts(self) -> dict[tuple[str, str], list[str]]:
        return {key: [p.provider for p in found] for key, found in self._plugins.items() if len(found) > 1}

    def plugins(self, kind: str | None = None) -> list[Provided]:
        """All plugins, or those of one kind, ordered by kind and name."""
        rows = [p for (k, _), found in self._plugins.items() if kind in (None, k) for p in found]
        return sorted(rows, key=lambda p: (list(KINDS).index(p.spec.kind), p.spec.name))

    def names(self, kind: str) -> list[str]:
        return sorted(name for k, name in self._plugins if k == kind)

    def commands(self) -> list[Provided]:
        """One command per name; ours win over third parties' (which become faults)."""
        for name, found in self._commands.items():
            for extra in found[1:]:
                fault = Fault(extra.provider, name, f"command {name!r} is already provided by {found[0].provider}")
                if fault not in self.faults:
                    self.faults.append(fault)
        return [found[0] for found in self._commands.values()]

    def find(self, kind: str, name: str) -> Provided:
        """The plugin of that kind and name. Raises PluginError that names the nearest spelling, or both providers of an ambiguous name."""
        found = self._plugins.get((kind, name), [])
        if len(found) == 1:
            return found[0]
        if found:
            both = " and ".join(f"{p.provider} {p.version}" for p in found)
            raise PluginError(
                f"{kind} {name!r} is provided by {both}; uninstall one, or switch third parties off with --no-plugins"
            )
        if kind not in KINDS:
            raise PluginError(f"there is no plugin kind {kind!r}; kinds: {', '.join(KINDS)}")
        near = get_close_matches(name, self.names(kind), 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        broken = "".join(f"; left out: {f.provider} ({f.error})" for f in self.faults)
        raise PluginError(f"no {kind} named {name!r}; {hint}known: {', '.join(self.names(kind)) or 'none'}{broken}")

    def config_class(self, kind: str, name: str) -> type:
        """The config dataclass of a plugin."""
        p = self.find(kind, name)
        cls = _load(p, p.spec.config)
        if not (isinstance(cls, type) and is_dataclass(cls)):
            raise PluginError(f"{kind} {name!r} of {p.provider}: config {p.spec.config} is not a dataclass")
        return cls

    def target(self, kind: str, name: str) -> Any:
        """The class (or function) that a plugin names as its target."""
        p = self.find(kind, name)
        return _load(p, p.spec.target)

    def create(self, kind: str, name: str, params: Any = None, **context: Any) -> Any:
        """Build a plugin: ``params`` (a mapping, checked against its config dataclass, or an instance of it) and the kind's context."""
        from roadcraft.core.config import build_params

        cls = self.config_class(kind, name)
        config = params if isinstance(params, cls) else build_params(self, kind, name, params or {})
        return self.target(kind, name)(config, **context)


def registry() -> Registry:
    """The plugins of this process's environment; discovery runs once and is read-only afterwards.

    The environment variable ROADCRAFT_NO_PLUGINS=1 (``roadcraft --no-plugins``) leaves third parties out.
    """
    return _discovered(os.environ.get(NO_PLUGINS, "") in ("", "0"))


@lru_cache(maxsize=2)
def _discovered(third_party: bool) -> Registry:
    return Registry.discover(third_party)


def create(kind: str, name: str, params: Any = None, **context: Any) -> Any:
    """``registry().create(...)``: build the plugin of that kind and name."""
    return registry().create(kind, name, params, **context)


def _ours(ep: EntryPoint) -> bool:
    return ep.dist is not None and ep.dist.name == "roadcraft"


def _provider(ep: EntryPoint) -> tuple[str, str]:
    return (ep.dist.name, ep.dist.version) if ep.dist else (ep.value, "?")


def _fault(faults: list[Fault], ep: EntryPoint, error: str) -> None:
    provider, version = _provider(ep)
    faults.append(Fault(f"{provider} {version}", ep.name, error))
    warnings.warn(f"plugin {ep.name!r} of {provider} {version} was left out: {error}", PluginWarning, stacklevel=4)


def _specs_of(name: str, module: ModuleType) -> list[Any]:
    """Specs of one plugin module, through a pluggy manager of its own so that a misspelt hook fails there and nowhere else."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(Hooks)
    manager.register(module, name=name)
    manager.check_pending()
    misspelt = [n for n in vars(module) if n.startswith("roadcraft_") and not hasattr(Hooks, n)]
    if misspelt:
        raise PluginError(f"unknown hooks {misspelt}; hooks: roadcraft_plugins, roadcraft_commands")
    found = manager.hook.roadcraft_plugins() + manager.hook.roadcraft_commands()
    return [spec for specs in found for spec in specs]


def _sort_in(spec: Any, ep: EntryPoint, plugins: list[Provided], commands: list[Provided], faults: list[Fault]) -> None:
    provided = Provided(spec, *_provider(ep), _ours(ep))
    if not isinstance(spec, (PluginSpec, CommandSpec)):
        _fault(faults, ep, f"{spec!r} is neither a PluginSpec nor a CommandSpec")
    elif spec.api_version > API_VERSION:
        _fault(
            faults,
            ep,
            f"{spec.name!r} needs plugin API {spec.api_version}, this roadcraft has {API_VERSION}: upgrade roadcraft",
        )
    elif isinstance(spec, CommandSpec):
        commands.append(provided)
    elif spec.kind not in KINDS:
        _fault(faults, ep, f"{spec.name!r} is of unknown kind {spec.kind!r}; kinds: {', '.join(KINDS)}")
    else:
        plugins.append(provided)


def _load(p: Provided, path: str) -> Any:
    module, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as e:
        raise PluginError(
            f"{p.spec.kind} {p.spec.name!r} of {p.provider} {p.version} cannot be loaded from {path!r}: {type(e).__name__}: {e}"
        ) from e
