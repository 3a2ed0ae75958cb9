"""The public API is what the rooms' ``__all__`` says: examples and templates need no more, and every change of a
signature is seen."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("core", "scenario_io", "planners", "validation", "plugins")
PUBLIC = {*(f"roadcraft.{room}" for room in ROOMS), "roadcraft.core.testing"}


def imports_of(source: str) -> list[tuple[str, str]]:
    """Module and name of everything that a source imports from roadcraft ("" where it takes the whole module)."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found += [(node.module or "", a.name) for a in node.names]
        elif isinstance(node, ast.Import):
            found += [(a.name, "") for a in node.names]
    return [(module, name) for module, name in found if module.partition(".")[0] == "roadcraft"]


def private(source: str) -> list[str]:
    """What a source imports that is not public."""
    from importlib import import_module

    def public(module: str, name: str) -> bool:
        return module in PUBLIC and (not name or name in import_module(module).__all__)

    return [f"{module}.{name}" for module, name in imports_of(source) if not public(module, name)]


def notebook(path: Path) -> str:
    """The code of a notebook."""
    cells = json.loads(path.read_text())["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")


WRITTEN = [
    *sorted((ROOT / "examples").rglob("*.py")),
    *sorted((ROOT / "examples").rglob("*.ipynb")),
    *sorted((ROOT / "core/roadcraft/core/templates").rglob("*.py")),
]


@pytest.mark.parametrize("path", WRITTEN, ids=[str(p.relative_to(ROOT)) for p in WRITTEN])
def test_examples_and_templates_import_public_names_only(path: Path) -> None:
    source = notebook(path) if path.suffix == ".ipynb" else path.read_text()
    filled = source.replace("__IMPORTS__", "PluginSpec").replace("__SUITE__", "PlannerConformance")
    assert not private(filled)


def test_a_private_import_is_found() -> None:
    assert private("from roadcraft.core.driving.jit import small_njit\nimport roadcraft.planners.guard\n") == [
        "roadcraft.core.driving.jit.small_njit", "roadcraft.planners.guard.",
    ]  # fmt: skip
    assert private("from roadcraft.core import Plan, Plaan") == ["roadcraft.core.Plaan"]
