"""What would stop a command is found before it writes anything: every mistake of paths, plugins and data at once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from roadcraft.core.config.plugins import params_of, parts_of, report
from roadcraft.core.config.walk import origin_of
from roadcraft.core.errors import ConfigError, DataError, PluginError, RoadcraftError
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.plugins.registry import Registry, registry

_ORIGINS: ContextVar[Mapping[str, str]] = ContextVar("origins of keys", default={})  # noqa: B039 (never written into)


@contextlib.contextmanager
def given_by(origins: Mapping[str, str]) -> Iterator[None]:
    """Within the body, what is found wrong says where its key was given (``Loaded.origins``)."""
    token = _ORIGINS.set(origins)
    try:
        yield
    finally:
        _ORIGINS.reset(token)


def _located(key: str, text: str) -> str:
    """The text under its key, or under the longer key that it begins with, and where that was given."""
    if text.startswith(key):
        key, _, text = text.partition(": ")
    return f"{key}{origin_of(key, _ORIGINS.get())}: {text}" if text else key


class Faults:
    """Gathers what is wrong, each under its key."""

    def __init__(self) -> None:
        self.found: list[tuple[str, RoadcraftError]] = []

    @contextlib.contextmanager
    def of(self, key: str) -> Iterator[None]:
        """What the body raises is kept under ``key``; the body ends there."""
        try:
            yield
        except RoadcraftError as e:
            self.found.append((key, e))

    def of_parts(self, config: Any, skip: tuple[str, ...] = (), plugins: Registry | None = None) -> None:
        """Paths that are read must exist, but for the keys ``skip``; and each plugin's config dataclass says by a
        method ``preflight()`` what else."""
        plugins = plugins or registry()
        refs = []
        for key, f, value in parts_of(config, plugins):
            if isinstance(value, PluginRef):
                refs.append((key, f, value))
            elif value and f.metadata.get("path", "write") != "write" and key not in skip and not os.path.exists(value):
                with self.of(key):
                    raise DataError("there is no such file or folder", where=str(value))
        for key, f, ref in refs:
            own = getattr(params_of(ref, f, plugins), "preflight", None)
            if callable(own) and not any(k.startswith(f"{key}.params.") for k, _ in self.found):
                with self.of(f"{key}.params"):
                    own()

    def end(self) -> None:
        """Raise what was found, if anything: a DataError where only files and data are at fault, else a ConfigError."""
        if not self.found:
            return
        (key, first), *others = self.found
        if isinstance(first, DataError) and not others:
            place = f"{key}{origin_of(key, _ORIGINS.get())}"
            raise type(first)(
                first.what, where=f"{place}: {first.where}" if first.where else place, remedy=first.remedy
            )
        lines = [_located(k, str(e).replace("\n", "\n    ")) for k, e in self.found]
        settings = [e for _, e in self.found if isinstance(e, (ConfigError, PluginError))]
        raise ConfigError(report(lines)) if settings else DataError(report(lines, "what is read"))
