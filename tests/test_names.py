"""Names across the five rooms."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("core", "scenario_io", "planners", "validation", "plugins")
# not "licence": Drive.licence and MapData.licence are keys of stores that are there already
BRITISH = ("centre", "neighbour", "behaviour", "colour", "synthesise", "manoeuvre", "normalise", "summarise")


def modules() -> list[Path]:
    """Every module of the rooms; what a template makes is not ours."""
    return [p for room in ROOMS for p in (ROOT / room).rglob("*.py") if "templates" not in p.parts]


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(list)
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert len(places) > 300
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_identifiers_are_spelled_the_american_way() -> None:
    found = set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in (getattr(node, kind, None) for kind in ("name", "id", "arg", "attr")):
                if isinstance(name, str) and any(word in name.lower() for word in BRITISH):
                    found.add(f"{path.relative_to(ROOT)}: {name}")
    assert found == set()
