"""Ragged arrays, polylines and polygons, and the flat form in which every domain type is stored.

All domain types are frozen dataclasses of numpy arrays, strings, numbers and one another. ``to_arrays`` turns one into
a flat ``{"lanes.polygons.points": array}`` plus JSON-able ``meta``; ``from_arrays`` is its inverse. The store writes
exactly that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
"""An array of float64."""
I64 = NDArray[np.int64]
"""An array of int64."""
U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]
Mask = NDArray[np.bool_]
_PLAIN = (str, int, float, type(None))
_WALKED = "_read_only"


def read_only(value: T) -> T:
    """``value`` itself, with every array that it holds marked read-only: arrays, and those in dataclasses (what they
    have cached included), tuples, lists and mappings, at any depth. Nothing is copied, so an array stays writable
    through other names that it had before. Frozen dataclasses are walked once."""
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    elif isinstance(value, (tuple, list)):
        _lock(value)
    elif is_dataclass(value) and hasattr(value, "__dict__") and not isinstance(value, type):
        own = vars(value)
        if own.get(_WALKED) != id(value):  # a copy has the mark, but another identity
            _lock(list(own.values()))
            if value.__dataclass_params__.frozen:  # type: ignore[attr-defined]
                own[_WALKED] = id(value)
    elif isinstance(value, Mapping):
        _lock(list(value.values()))
    return value


def _lock(items: Sequence[Any]) -> None:
    for item in items:
        if isinstance(item, np.ndarray):
            item.setflags(write=False)
        elif not isinstance(item, _PLAIN):
            read_only(item)


def offsets_of(lengths: Iterable[int] | NDArray[np.integer[Any]]) -> I64:
    """Row offsets (N + 1,) int64 of N ragged rows with the given lengths."""
    n = np.fromiter(lengths, np.int64) if not isinstance(lengths, np.ndarray) else lengths
    out = np.zeros(len(n) + 1, np.int64)
    np.cumsum(n, out=out[1:])
    return out


@dataclass(frozen=True)
class Ragged:
    """N rows of integers: row i is ``values[offsets[i]:offsets[i + 1]]``."""

    values: I64
    """(V,) int64."""
    offsets: I64
    """(N + 1,) int64."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> I64:
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    @classmethod
    def build(cls, rows: Sequence[Sequence[int] | I64]) -> Ragged:
        """From rows of integers."""
        values = np.concatenate([np.asarray(r, np.int64) for r in rows]) if len(rows) else np.zeros(0, np.int64)
        return cls(values.astype(np.int64, copy=False), offsets_of([len(r) for r in rows]))


@dataclass(frozen=True)
class Polylines:
    """N polylines: line i is ``points[offsets[i]:offsets[i + 1]]``."""

    points: F64
    """(P, 2) float64: x, y in m."""
    offsets: I64
    """(N + 1,) int64."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> F64:
        return self.points[self.offsets[i] : self.offsets[i + 1]]

    @classmethod
    def build(cls, lines: Sequence[F64]) -> Polylines:
        """From lines of points (P, 2), m."""
        points = (
            np.concatenate([np.asarray(p, np.float64).reshape(-1, 2) for p in lines])
            if len(lines)
            else np.zeros((0, 2))
        )
        return cls(np.ascontiguousarray(points), offsets_of([len(p) for p in lines]))


@dataclass(frozen=True)
class Polygons:
    """N polygons with holes or several parts, all rings alike; a point is inside by the even-odd rule over a polygon's
    rings."""

    points: F64
    """(P, 2) float64: x, y in m of the vertices of all rings, each ring closed (its first vertex repeated at its
    end)."""
    rings: I64
    """(R + 1,) int64: vertex offsets of the rings."""
    offsets: I64
    """(N + 1,) int64: ring offsets of the polygons."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> list[F64]:
        """The rings of polygon i, each (V, 2) and closed."""
        return [self.points[self.rings[r] : self.rings[r + 1]] for r in range(self.offsets[i], self.offsets[i + 1])]

    @classmethod
    def build(cls, polygons: Sequence[Sequence[F64]]) -> Polygons:
        """From one list of closed rings per polygon (an outline alone is a list of one ring)."""
        rings = [np.asarray(r, np.float64).reshape(-1, 2) for p in polygons for r in p]
        points = np.concatenate(rings) if rings else np.zeros((0, 2))
        return cls(
            np.ascontiguousarray(points), offsets_of([len(r) for r in rings]), offsets_of([len(p) for p in polygons])
        )


def to_arrays(value: Any, prefix: str = "") -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Flatten a domain dataclass to named arrays and JSON-able leaves, both keyed by dotted field path. What is its
    field's default is left out."""
    arrays: dict[str, NDArray[Any]] = {}
    meta: dict[str, Any] = {}
    for f in fields(value):
        item, key = getattr(value, f.name), prefix + f.name
        if isinstance(item, np.ndarray):
            arrays[key] = np.ascontiguousarray(item)
        elif is_dataclass(item):
            if item is f.default:
                continue
            a, m = to_arrays(item, key + ".")
            arrays.update(a)
            meta.update(m)
        elif isinstance(item, _PLAIN) and item == f.default:
            continue
        elif item is None or isinstance(item, (str, int, float, bool, list, tuple, dict)):
            meta[key] = list(item) if isinstance(item, tuple) else item
        else:
            raise TypeError(f"{type(value).__name__}.{f.name}: {type(item).__name__} cannot be stored")
    return arrays, meta


def from_arrays(kind: type[T], arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], prefix: str = "") -> T:
    """The inverse of :func:`to_arrays`. A missing key raises KeyError with its dotted path."""
    hints = get_type_hints(kind)
    out: dict[str, Any] = {}
    for f in fields(kind):  # type: ignore[arg-type]
        hint, key = hints[f.name], prefix + f.name
        if (
            f.default is not MISSING
            and key not in meta
            and not any(k == key or k.startswith(key + ".") for k in arrays)
        ):
            continue
        if is_dataclass(hint):
            out[f.name] = from_arrays(hint, arrays, meta, key + ".")  # type: ignore[arg-type]
        elif key in arrays:
            out[f.name] = arrays[key]
        elif key in meta:
            item = meta[key]
            out[f.name] = tuple(item) if isinstance(item, list) and str(hint).startswith("tuple") else item
        else:
            raise KeyError(key)
    return kind(**out)
