"""nuPlan's log databases and GeoPackage maps, read and written. Public names load on first use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "NuplanConfig": "config",
    "NuplanSource": "source",
    "read_map": "map_reader",
    "write_drive": "log_writer",
    "write_maps": "map_writer",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
