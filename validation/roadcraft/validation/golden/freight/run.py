"""Freight goldens of a folder, file by file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from roadcraft.core.errors import DataError, RoadcraftError
from roadcraft.validation.golden.freight.reading import Node, read_node
from roadcraft.validation.golden.freight.rows import Rows
from roadcraft.validation.golden.freight.sequences import compare_rolling, compare_sliding
from roadcraft.validation.golden.freight.tables import SECTIONS, compare_closed, compare_linear, compare_swept

_WHOLE = {"kst": compare_rolling, "chain": compare_rolling, "dynamics": compare_sliding}
_CASES = {"linear_single_track": compare_linear, "swept_paths": compare_swept}
KINDS = (*_WHOLE, *_CASES, "closed_forms")
"""Kinds of files."""


def wanted(files: Sequence[Path], only: str) -> list[Path]:
    """The files whose name holds, or matches, ``only``."""
    return [f for f in files if not only or only in f.stem or fnmatch(f.stem, only)]


def compare_file(path: Path) -> tuple[Rows | None, list[str]]:
    """The comparisons of one file, and what of it could not be compared, with its place."""
    try:
        file = read_node(path)
        kind = file["kind"].text()
        if kind not in KINDS:
            file["kind"].wrong(f"must be one of {', '.join(KINDS)}")
        if kind in _WHOLE:
            return _WHOLE[kind](file), []
        rows = Rows(file)
        errors: list[str] = []
        for section, at, case in _cases(file, kind, errors):
            try:
                _CASES[kind](rows, case, at) if section is None else compare_closed(rows, section, case, at)
            except Exception as e:
                errors.append(_said(case, e))
        return rows, errors
    except Exception as e:
        return None, [_said(Node(str(path), "", None), e)]


def _said(node: Node, error: Exception) -> str:
    """An error in words with its place."""
    if isinstance(error, RoadcraftError):
        return str(error)
    return f"{node.file}: {node.place or 'top'}: cannot be computed: {type(error).__name__}: {error}"


def _cases(file: Node, kind: str, errors: list[str]) -> Iterator[tuple[str | None, int, Node]]:
    """Section, place and node of every case of a table; what is no list of cases goes to ``errors``."""
    if kind in _CASES:
        yield from ((None, i, case) for i, case in enumerate(file["cases"]))
        return
    sections = file["sections"]
    if not isinstance(sections.value, dict):
        sections.wrong("must be a map of sections")
    for name in sections.value:
        node = sections[name]
        try:
            if name not in SECTIONS:
                node.wrong(f"is no section that is known; known: {', '.join(SECTIONS)}")
            yield from ((name, i, case) for i, case in enumerate(node))
        except DataError as e:
            errors.append(str(e))
