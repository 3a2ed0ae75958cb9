"""Finds plugins by their entry points and loads them by name, one at a time, with every fault contained."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

from roadcraft.core.errors import PluginError
from roadcraft.core.plugins.hookspecs import API_VERSION, GROUP, KINDS, CommandSpec, Hooks, PluginSpec

NO_PLUGINS = "ROADCRAFT_NO_PLUGINS"
_NAME = re.compile(r"[A-Za-z][\w.-]*")
_PLACE = re.compile(r"[\w.]+:\w+")


@dataclass(frozen=True)
class Provided:
    """A spec together with the distribution and version it came from; ``ours`` for those of roadcraft itself."""

    spec: Any
    provider: str
    version: str
    ours: bool

    def __str__(self) -> str:
        return f"{getattr(self.spec, 'kind', 'command')} {self.spec.name!r} of {self.provider} {self.version}"


@dataclass(frozen=True)
class Fault:
    """Something a distribution offered that cannot be used, and why."""

    provider: str
    entry_point: str
    error: str


class PluginWarning(UserWarning):
    """A plugin was left out; everything else goes on."""


class Registry:
    """All plugins and commands that were found."""

    def __init__(self, plugins: Iterable[Provided], commands: Iterable[Provided], faults: Iterable[Fault]) -> None:
        self.faults = list(faults)
        """What was left out, and why."""
        self._plugins = self._by_name((f"{p.spec.kind} {p.spec.name}", p) for p in plugins)
        self._commands = self._by_name((f"command {c.spec.name}", c) for c in commands)

    def _by_name(self, offered: Iterable[tuple[str, Provided]]) -> dict[str, list[Provided]]:
        """Who provides each name. What is ours stays ours: a third party's of that name is left out, and so is a second
        one of one distribution."""
        found: dict[str, list[Provided]] = {}
        for key, p in offered:
            others = found.setdefault(key, [])
            first = next((o for o in others if o.ours or o.provider == p.provider), None)
            if first is None:
                others.append(p)
            else:
                why = f"{key} is already provided by {first.provider} {first.version}; choose another name"
                self.faults.append(_fault(p.provider, p.version, p.spec.name, why))
        return found

    @classmethod
    def discover(cls, third_party: bool = True) -> Registry:
        """Load every entry point of the group, each on its own; a failing one becomes a fault and a warning, never a
        crash."""
        plugins: list[Provided] = []
        commands: list[Provided] = []
        faults: list[Fault] = []
        for ep in sorted(entry_points(group=GROUP), key=lambda e: (not _ours(e), e.name)):
            ours = _ours(ep)
            if ours or third_party:
                provider = _provider(ep)
                try:
                    specs = _specs_of(ep.name, ep.load())
                except KeyboardInterrupt:
                    raise
                except BaseException as e:  # sys.exit() as well
                    faults.append(_fault(*provider, ep.name, f"{type(e).__name__}: {e}"))
                    continue
                for spec in specs:
                    if why := _unusable(spec):
                        faults.append(_fault(*provider, ep.name, why))
                    else:
                        accepted = commands if isinstance(spec, CommandSpec) else plugins
                        accepted.append(Provided(spec, *provider, ours))
        return cls(plugins, commands, faults)

    @property
    def conflicts(self) -> dict[tuple[str, str], list[str]]:
        """Kind and name of plugins that several distributions provide, with those distributions."""
        several = [found for found in self._plugins.values() if len(found) > 1]
        return {(found[0].spec.kind, found[0].spec.name): [p.provider for p in found] for found in several}

    def plugins(self, kind: str | None = None) -> list[Provided]:
        """All plugins, or those of one kind, ordered by kind and name."""
        rows = [p for found in self._plugins.values() for p in found if kind in (None, p.spec.kind)]
        return sorted(rows, key=lambda p: (list(KINDS).index(p.spec.kind), p.spec.name))

    def names(self, kind: str) -> list[str]:
        """Names of the plugins of a kind, sorted."""
        return sorted({p.spec.name for p in self.plugins(kind)})

    def commands(self) -> list[Provided]:
        """One command per name."""
        return [found[0] for found in self._commands.values()]

    def command(self, name: str) -> Provided | None:
        """The command of that name, if any. Raises PluginError that names both providers of an ambiguous one."""
        found = self._commands.get(f"command {name}", [])
        return _only(found, f"command {name!r}") if found else None

    def find(self, kind: str, name: str) -> Provided:
        """The plugin of that kind and name. Raises PluginError that names the nearest spelling, or both providers of an
        ambiguous name."""
        if found := self._plugins.get(f"{kind} {name}", []):
            return _only(found, f"{kind} {name!r}")
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


def registry() -> Registry:
    """The plugins of this process's environment; discovery runs once and is read-only afterwards.

    The environment variable ROADCRAFT_NO_PLUGINS=1 (``roadcraft --no-plugins``) leaves third parties out.
    """
    return _discovered(os.environ.get(NO_PLUGINS, "") in ("", "0"))


@lru_cache(maxsize=2)
def _discovered(third_party: bool) -> Registry:
    return Registry.discover(third_party)


def _ours(ep: EntryPoint) -> bool:
    return ep.dist is not None and ep.dist.name == "roadcraft"


def _provider(ep: EntryPoint) -> tuple[str, str]:
    return (ep.dist.name, ep.dist.version) if ep.dist else (ep.value, "?")


def _fault(provider: str, version: str, name: str, error: str) -> Fault:
    warnings.warn(f"plugin {name!r} of {provider} {version} was left out: {error}", PluginWarning, stacklevel=5)
    return Fault(f"{provider} {version}", name, error)


def _only(found: Sequence[Provided], what: str) -> Provided:
    if len(found) > 1:
        both = " and ".join(f"{p.provider} {p.version}" for p in found)
        raise PluginError(f"{what} is provided by {both}; uninstall one, or switch third parties off with --no-plugins")
    return found[0]


def _specs_of(name: str, module: ModuleType) -> list[Any]:
    """Specs of one plugin module, through a pluggy manager of its own so that a misspelt hook fails there and nowhere
    else."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(Hooks)
    manager.register(module, name=name)
    manager.check_pending()
    misspelt = [n for n in vars(module) if n.startswith("roadcraft_") and not hasattr(Hooks, n)]
    if misspelt:
        raise PluginError(f"unknown hooks {misspelt}; hooks: roadcraft_plugins, roadcraft_commands")
    out: list[Any] = []
    for hook in ("roadcraft_plugins", "roadcraft_commands"):
        for specs in getattr(manager.hook, hook)():
            if not isinstance(specs, (list, tuple)):
                raise PluginError(f"{hook}() returned {specs!r}, which is not a list of specs")
            out += specs
    return out


def _unusable(spec: Any) -> str:
    """Why a spec cannot be used; empty where it can."""
    if not isinstance(spec, (PluginSpec, CommandSpec)):
        return f"{spec!r} is neither a PluginSpec nor a CommandSpec"
    for f in fields(spec):
        if type(value := getattr(spec, f.name)) is not (int if f.name == "api_version" else str):
            return f"{f.name} = {value!r} of {spec.name!r} is not {'a number' if f.name == 'api_version' else 'text'}"
    if not _NAME.fullmatch(spec.name):
        return f"{spec.name!r} is not a name: letters, digits, _, - and ., a letter first"
    wanted = ("config", "target") if isinstance(spec, PluginSpec) else ("target",)
    for name in wanted:
        if not _PLACE.fullmatch(getattr(spec, name)):
            return f"{name} = {getattr(spec, name)!r} of {spec.name!r} is not of the form 'package.module:Name'"
    if spec.api_version > API_VERSION:
        return f"{spec.name!r} needs plugin API {spec.api_version}, this roadcraft has {API_VERSION}: upgrade roadcraft"
    if isinstance(spec, PluginSpec) and spec.kind not in KINDS:
        return f"{spec.name!r} is of unknown kind {spec.kind!r}; kinds: {', '.join(KINDS)}"
    return ""


def _load(p: Provided, path: str) -> Any:
    return load_object(path, str(p))


def load_object(path: str, what: str) -> Any:
    """What ``"package.module:Name"`` names. Raises PluginError that says for whom it could not be loaded, and why."""
    module, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except KeyboardInterrupt:
        raise
    except BaseException as e:  # sys.exit() as well
        raise PluginError(f"{what} cannot be loaded from {path!r}: {type(e).__name__}: {e}") from e
