"""Signatures of all public names as text, one a line: ``python tests/support/signatures.py`` writes
tests/public_api.txt."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import griffe

from roadcraft.core.lazy import listed

ROOMS = (
    "roadcraft.core", "roadcraft.core.testing", "roadcraft.scenario_io", "roadcraft.planners", "roadcraft.validation",
    "roadcraft.plugins",
)  # fmt: skip
STORED = Path(__file__).resolve().parents[1] / "public_api.txt"


def signatures() -> str:
    """All public names with their parameters, annotations and defaults, read from the sources without importing
    them."""
    lines = []
    for room in ROOMS:
        file = import_module(room).__file__
        assert file is not None
        for name, home in sorted(listed(file).items()):
            if name != "__version__":  # changes with each release
                lines += _of(f"{room}.{name}", member_of(home, name))
    return "\n".join(lines) + "\n"


_modules: dict[str, Any] = {}


def member_of(home: str, name: str) -> Any:
    """A name of a module, or of the module that this one imports it from."""
    found = _module(home).members[name]
    return member_of(*found.target_path.rsplit(".", 1)) if found.is_alias else found


def _module(name: str) -> Any:
    """A module, read from its file."""
    if name not in _modules:
        file = import_module(name).__file__
        assert file is not None
        _modules[name] = griffe.visit(name, filepath=Path(file), code=Path(file).read_text(encoding="utf-8"))
    return _modules[name]


def _of(path: str, found: Any) -> Iterator[str]:
    """A function, a value, or a class with its public members in the order of the source."""
    if found.is_function:
        yield f"{path}({', '.join(_parameter(p) for p in found.parameters)}) -> {found.returns}"
    elif found.is_class:
        yield f"class {path}({', '.join(str(b) for b in found.bases)})"
        for name, member in found.members.items():
            if not name.startswith("_") or name == "__init__":
                yield from _of(f"{path}.{name}", member)
    elif found.is_attribute:
        kind = f": {found.annotation}" if found.annotation is not None else ""
        yield f"{path}{kind} = {found.value}"


def _parameter(p: Any) -> str:
    star = {"variadic positional": "*", "variadic keyword": "**"}.get(p.kind.value if p.kind else "", "")
    only = "*, " if p.kind is griffe.ParameterKind.keyword_only else ""
    kind = f": {p.annotation}" if p.annotation is not None else ""
    default = f" = {p.default}" if p.default is not None and not star else ""
    return f"{only}{star}{p.name}{kind}{default}"


if __name__ == "__main__":
    STORED.write_text(signatures(), encoding="utf-8")
    print(f"wrote {STORED}")
