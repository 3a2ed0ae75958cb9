"""Public names of a package that are loaded on first use (PEP 562).

The stub ``__init__.pyi`` beside the package lists them, ``from MODULE import NAME as NAME``: once for type checkers,
and here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from roadcraft.core.config.renamed import NAMES, moved_names


def lazy(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """``__getattr__``, ``__dir__`` and ``__all__`` of a package: ``lazy(__name__, __file__)``."""
    homes = listed(file)

    def load(name: str) -> Any:
        if f"{package}.{name}" in NAMES:
            return moved_names(package)(name)
        if name in homes:
            return getattr(import_module(homes[name]), name)
        near = get_close_matches(name, homes, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise AttributeError(f"module {package!r} has no attribute {name!r}{hint}")

    names = sorted(homes)
    return load, lambda: names, names


def listed(file: str) -> dict[str, str]:
    """Public name to the module that defines it, from the stub beside a package's ``__init__.py``."""
    body = ast.parse(Path(file).with_suffix(".pyi").read_text(encoding="utf-8")).body
    return {a.name: node.module or "" for node in body if isinstance(node, ast.ImportFrom) for a in node.names}
