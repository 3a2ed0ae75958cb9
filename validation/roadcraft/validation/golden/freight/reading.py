"""Golden files as trees whose every value knows its place, so that what is wrong with one is said with it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2, RigidUnit, UnitLoad, Vehicle, VehicleLoad

FORMAT = "freight-golden-1"
_STEERING_RAD = 1.4  # no golden drive reaches a limit
_LENGTHS = ("front_m", "rear_m", "width_m", "height_m", "wheel_base_m", "hitch_m")


@dataclass(frozen=True)
class Node:
    """A value of a golden file and its place. Whatever does not fit raises DataError with file and place."""

    file: str
    """The file."""
    place: str
    """Where the value stands in it."""
    value: Any
    """The value."""

    def wrong(self, what: str) -> NoReturn:
        """Raise DataError at this place."""
        raise DataError(what, where=f"{self.file}: {self.place or 'top'}")

    def __getitem__(self, key: str) -> Node:
        if not isinstance(self.value, dict):
            self.wrong(f"must be a map with {key!r}, not {_kind(self.value)}")
        if key not in self.value:
            self.wrong(f"lacks {key!r}")
        return Node(self.file, f"{self.place}.{key}" if self.place else key, self.value[key])

    def __iter__(self) -> Iterator[Node]:
        if not isinstance(self.value, list):
            self.wrong(f"must be a list, not {_kind(self.value)}")
        return (Node(self.file, f"{self.place}[{i}]", v) for i, v in enumerate(self.value))

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value, dict) and key in self.value

    def text(self) -> str:
        """The value, a string."""
        if not isinstance(self.value, str):
            self.wrong(f"must be a text, not {_kind(self.value)}")
        return self.value

    def number(self) -> float:
        """The value, a finite number."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)) or not math.isfinite(self.value):
            self.wrong(f"must be a finite number, not {_kind(self.value)}")
        return float(self.value)

    def array(self, *shape: int | None) -> F64:
        """The value, numbers of that shape; None for any length."""
        flat: list[float] = []
        sizes = list(shape)
        self._collect(sizes, 0, flat)
        return np.array(flat, np.float64).reshape([s or 0 for s in sizes])

    def _collect(self, sizes: list[int | None], depth: int, flat: list[float]) -> None:
        if depth == len(sizes):
            flat.append(self.number())
            return
        items = list(self)
        if sizes[depth] is None:
            sizes[depth] = len(items)
        if len(items) != sizes[depth]:
            self.wrong(f"must hold {sizes[depth]} entries, not {len(items)}")
        for item in items:
            item._collect(sizes, depth + 1, flat)

    def columns(self, *names: str) -> list[int]:
        """Places of these names in the value, a list of texts."""
        have = [n.text() for n in self]
        for name in names:
            if name not in have:
                self.wrong(f"lacks the column {name!r}")
        return [have.index(name) for name in names]


def _kind(value: Any) -> str:
    return {dict: "a map", list: "a list", type(None): "null"}.get(type(value), repr(value)[:40])


def read_node(path: Path) -> Node:
    """A golden file. Raises DataError where it cannot be read or is of another format."""
    try:
        root = Node(str(path), "", json.loads(path.read_text(encoding="utf-8")))
    except json.JSONDecodeError as e:
        raise DataError(f"not a JSON file: {e.msg}", where=f"{path}: line {e.lineno}, column {e.colno}") from e
    except (OSError, ValueError, RecursionError) as e:
        raise DataError(f"cannot be read: {e}", where=str(path)) from e
    if root["format"].text() != FORMAT:
        root["format"].wrong(f"must be {FORMAT!r}")
    return root


def freight_files(folder: Path) -> list[Path]:
    """The files of a folder of freight goldens, sorted; empty where it is none: no file of it names the format."""
    files = sorted(folder.glob("*.json"))
    return files if any(_names_format(f) for f in files) else []


def _names_format(path: Path) -> bool:
    try:
        with path.open("rb") as f:
            return b"freight-golden" in f.read(4096)
    except OSError:
        return False


def units_of(node: Node) -> tuple[RigidUnit, ...]:
    """The units under ``units`` of a vehicle or a case."""
    units: list[RigidUnit] = []
    for unit in node["units"]:
        lengths: dict[str, Any] = {key: unit[key].number() for key in _LENGTHS}
        try:
            units.append(RigidUnit(**lengths, kind="truck" if not units else "semitrailer"))
        except ConfigError as e:
            unit.wrong(str(e))
    if not units:
        node["units"].wrong("must hold at least one unit")
    return tuple(units)


def vehicle_of(node: Node) -> Vehicle:
    """A vehicle that says lengths alone, or masses too."""
    units = units_of(node)
    if "mass_kg" not in node:
        return Vehicle("golden", units, _STEERING_RAD, accel_lag_s=0.0, steering_lag_s=0.0)
    n = len(units)
    mass, inertia, cog = (node[k].array(n) for k in ("mass_kg", "yaw_inertia_kgm2", "cog_m"))
    if node["gravity_mps2"].number() != GRAVITY_MPS2:
        node["gravity_mps2"].wrong(f"must be {GRAVITY_MPS2}, with which our models work")
    tires = node["cornering_coefficient_per_rad"].number()
    try:
        loaded = tuple(
            RigidUnit(
                **{key: getattr(u, key) for key in (*_LENGTHS, "kind")},
                cornering_per_rad=tires,
                loads={"golden": UnitLoad(mass[i], cog[i], 1.0, inertia[i])},
            )
            for i, u in enumerate(units)
        )
        loads = {"golden": VehicleLoad(brake_mps2=5.0, launch_mps2=1.0)}
        return Vehicle("golden", loaded, _STEERING_RAD, accel_lag_s=0.0, steering_lag_s=0.0, loads=loads)
    except ConfigError as e:
        node.wrong(str(e))
