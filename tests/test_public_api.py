"""The public API is what the rooms' ``__all__`` says: examples and templates need no more, and every change of a
signature is seen."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import json
import os
import re
import subprocess
import sys
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

    def public(module: str, name: str) -> bool:
        return module in PUBLIC and (not name or name in importlib.import_module(module).__all__)

    return [f"{module}.{name}" for module, name in imports_of(source) if not public(module, name)]


def notebook(path: Path) -> str:
    """The code of a notebook."""
    cells = json.loads(path.read_text())["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")


WRITTEN = [
    *sorted((ROOT / "examples").rglob("*.py")),
    *sorted((ROOT / "examples").rglob("*.ipynb")),
    *sorted((ROOT / "core/roadcraft/core/plugins/templates").rglob("*.py")),
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


@pytest.mark.parametrize("room", sorted(PUBLIC))
def test_the_api_pages_list_the_public_names_and_no_others(room: str) -> None:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    text = pages.PAGES[f"api/{room.rpartition('.')[2]}.md"]()
    listed = [place.rpartition(".")[2] for place in re.findall(r"^::: (\S+)$", text, re.MULTILINE)]
    assert sorted(listed) == sorted(importlib.import_module(room).__all__)


def test_every_change_of_a_public_signature_is_seen() -> None:
    pytest.importorskip("griffe")
    from signatures import STORED, signatures

    before, now = STORED.read_text(encoding="utf-8").splitlines(), signatures().splitlines()
    changed = "\n".join(difflib.unified_diff(before, now, "stored", "now", lineterm="", n=0))
    assert not changed, f"the public API changed; if that is meant: make api\n{changed}"


@pytest.mark.slow
def test_types_of_core_are_known() -> None:
    """But for kernels, whose types numba's stubs do not know, and templates, which are checked as packages."""
    command = [sys.executable, "-m", "pyright", "--verifytypes", "roadcraft.core", "--ignoreexternal", "--outputjson"]
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))  # where pyright looks for python
    found = json.loads(
        subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PATH": path}).stdout
    )
    symbols = found["typeCompleteness"]["symbols"]
    assert len(symbols) > 1000
    kernels = tuple(f"roadcraft.core.driving.{part}." for part in ("geometry", "jit", "motion", "multi_agent"))
    unknown = [s["name"] for s in symbols if s["isExported"] and not (s["isTypeKnown"] or s["isTypeAmbiguous"])]
    assert not [n for n in unknown if not n.startswith(("roadcraft.core.plugins.templates.", *kernels))]
