"""Opens whatever holds scenarios: a store, or a folder or file of raw logs."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from roadcraft.core.config.factory import create
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.core.plugins.registry import registry
from roadcraft.scenario_io.store.store import Store, is_store

_PATTERNS = {
    "argoverse2": ("city_SE3_egovehicle.feather", "scenario_*.parquet"),
    "nuplan": ("*.db",),
    "womd": ("*.tfrecord", "*.tfrecord-*"),
}
_DEPTH = 4  # folders below the given one in which logs are looked for
ACCEPTED = (
    "a store (a folder with store.json, made by: roadcraft ingest FORMAT PATH --out STORE), "
    "nuPlan logs (*.db), Waymo Motion scenarios (*.tfrecord*), or Argoverse 2 logs (city_SE3_egovehicle.feather, "
    "scenario_*.parquet)"
)


def open_source(path: str | Path, format: str | None = None, **params: Any) -> ScenarioSource:
    """The scenarios in ``path``: a store, or raw logs of a format that is told by the files' names.

    format: name of a source plugin ('store', 'nuplan', 'womd', 'argoverse2', or a third party's), looked for where
    None; params: of that source's config dataclass, whose first field is the path. Raises DataError that says what is
    accepted.
    """
    root = Path(path).expanduser()
    if not root.exists():
        raise DataError("there is no such file or folder", where=str(path), remedy=f"accepted: {ACCEPTED}")
    format = format or detect(root)
    if format == "store":
        if params:
            raise DataError(f"a store takes no parameters, got {sorted(params)}", where=str(path))
        return Store(root)
    first = fields(registry().config_class("source", format))[0].name
    source: ScenarioSource = create("source", format, {first: str(root), **params})
    return source


def detect(path: Path) -> str:
    """The format of what lies at ``path``. Raises DataError when none, or more than one, is found."""
    if is_store(path):
        return "store"
    if path.is_file():
        found = [f for f, patterns in _PATTERNS.items() if any(path.match(p) for p in patterns)]
    else:
        found = [f for f, patterns in _PATTERNS.items() if any(_holds(path, p) for p in patterns)]
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            f"holds logs of several formats: {', '.join(found)}",
            where=str(path),
            remedy="say format=NAME, or a subfolder",
        )
    inside = sorted(p.name for p in path.iterdir()) if path.is_dir() else [path.name]
    holds = ", ".join(inside[:3]) + (", ..." if len(inside) > 3 else "")
    what = f"no scenarios are found here, but {holds}" if inside else "the folder is empty"
    raise DataError(what, where=str(path), remedy=f"accepted: {ACCEPTED}; for another format say format=NAME")


def _holds(folder: Path, pattern: str) -> bool:
    return any(next(folder.glob("*/" * depth + pattern), None) is not None for depth in range(_DEPTH))
