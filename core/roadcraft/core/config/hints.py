"""The annotations of config dataclasses."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, get_type_hints

from roadcraft.core.errors import PluginError


def hints_of(schema: Any, marked: bool = False) -> dict[str, Any]:
    """The annotations of a config dataclass as types; marked: ``Annotated`` ones as they are. Raises PluginError where
    they cannot be read."""
    try:
        return _hints_of(schema, include_extras=marked)
    except Exception as e:
        raise PluginError(f"the types of {schema.__module__}.{schema.__qualname__} cannot be read: {e}") from e


_hints_of = lru_cache(maxsize=512)(get_type_hints)
