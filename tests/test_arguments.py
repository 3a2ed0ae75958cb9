"""How many arguments the functions of the five rooms take: eight, ``self`` among them; others take a named tuple."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("core", "scenario_io", "planners", "validation", "plugins")
MOST = 8
MORE = {
    # kernels that Python calls for each scene, whose arrays cost more in a tuple, as they say where they stand
    "core/roadcraft/core/driving/features/kernels.py": {
        "write_agents",
        "write_static",
        "write_map",
        "write_line_objects",
    },
    "core/roadcraft/core/driving/features/reference_lines.py": {"write_references"},
    "core/roadcraft/core/driving/map_index/cell_edges.py": {"one_in_cell"},
    # options of commands, each by its name
    "validation/roadcraft/validation/commands.py": {"score", "show"},
    "validation/roadcraft/validation/golden/commands.py": {"conformance"},
    # the public entry to the closed loop, whose settings are keywords
    "validation/roadcraft/validation/simulation/loop.py": {"simulate"},
}
"""Functions that take more, by file."""


def many(source: str) -> set[str]:
    """Functions of a source that take more than ``MOST`` arguments."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            a = node.args
            if len(a.posonlyargs) + len(a.args) + len(a.kwonlyargs) > MOST:
                found.add(node.name)
    return found


def test_functions_take_at_most_eight_arguments() -> None:
    paths = [p for room in ROOMS for p in (ROOT / room).rglob("*.py") if "templates" not in p.parts]
    found = {path.relative_to(ROOT).as_posix(): many(path.read_text(encoding="utf-8")) for path in paths}
    assert len(found) > 500
    assert {path: names for path, names in found.items() if names} == MORE


def test_a_function_with_nine_is_found() -> None:
    assert many(
        "def f(a, b, c, d, /, e, f, g, *, h): ...\nclass C:\n    def g(self, a, b, c, d, e, f, *, g, h): ..."
    ) == {"g"}
