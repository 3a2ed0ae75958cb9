"""Raster layers: what was measured of the ground and the space above it, as grids that lie anywhere in the global
frame.

They are the one door for terrain and occupancy. A surveyed layer of a road is a grid with heading 0 that holds from
frame 0; the output of a perception stack is a grid in the ego frame, and so has the pose it was made at and the frame
from which it is known. A ``Drive`` carries them, the store keeps them, an ``ObservationBatch`` holds those that are
known, and the feature ``raster`` (``core.driving.raster``) shows them to a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F32, F64, I64, offsets_of
from roadcraft.core.errors import DataError


class LayerKind(IntEnum):
    """What a grid says of a place."""

    GRADE = 0
    """Rise over run along the direction of travel, uphill positive."""
    FRICTION = 1
    """Coefficient between tire and road."""
    ROUGHNESS = 2
    """Standard deviation of the height within a cell, m."""
    TRAVERSABILITY = 3
    """0 (never) to 1 (freely)."""
    OCCUPANCY = 4
    """Probability in [0, 1]."""


@dataclass(frozen=True)
class Grid:
    """One grid. In the frame of its pose the center of ``values[r, c]`` lies at x = (c + 0.5) cell_m, y = (r + 0.5)
    cell_m."""

    values: F32
    """(H, W) float32, NaN where unknown."""
    cell_m: float
    """Side of a cell, m."""
    pose: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """x, y in m and heading in rad of its corner; global frame."""
    frame: int = 0
    """The frame of the drive from which it is known."""


@dataclass(frozen=True)
class RasterLayers:
    """N grids, ragged. A grid holds from its frame until the next one of its kind.

    Raises DataError where the arrays do not fit each other.
    """

    kind: NDArray[np.uint8]
    """(N,) uint8 ``LayerKind``."""
    frame: I64
    """(N,) int64: the frame of the drive from which it is known."""
    pose: F64
    """(N, 3) float64: x, y in m and heading in rad of its corner; global frame."""
    cell_m: F64
    """(N,) float64: side of a cell, m."""
    shape: I64
    """(N, 2) int64: rows, columns."""
    first: I64
    """(N,) int64: where the grid starts in ``values``."""
    values: F32
    """(V,) float32, row-major, NaN where unknown."""

    def __post_init__(self) -> None:
        n = len(self.kind)
        wanted = {"frame": (n,), "pose": (n, 3), "cell_m": (n,), "shape": (n, 2), "first": (n,)}
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise DataError(f"{name} has shape {getattr(self, name).shape}, not {shape}", where="raster layers")
        if self.values.dtype != np.float32 or self.values.ndim != 1:
            raise DataError(
                f"values are {self.values.dtype} {self.values.shape}", where="raster layers", remedy="(V,) float32"
            )
        if n == 0:
            return
        places = np.isfinite(self.pose).all() and np.isfinite(self.cell_m).all() and (self.cell_m > 0).all()
        ends = self.first + self.shape[:, 0] * self.shape[:, 1]
        known = int(self.kind.max()) < len(LayerKind)
        cells = (self.shape >= 1).all() and (self.first >= 0).all() and (ends <= len(self.values)).all()
        if not (known and places and cells):
            raise DataError(
                "a grid has an unknown kind, no place, no cells, or more than there are values", where="raster layers"
            )

    def __len__(self) -> int:
        return len(self.kind)

    def __getitem__(self, i: int) -> Grid:
        rows, columns = (int(k) for k in self.shape[i])
        values = self.values[self.first[i] : self.first[i] + rows * columns].reshape(rows, columns)
        x, y, heading = self.pose[i].tolist()
        return Grid(values, float(self.cell_m[i]), (x, y, heading), int(self.frame[i]))

    @classmethod
    def build(cls, grids: Mapping[str, Grid | list[Grid]]) -> RasterLayers:
        """From grids by the name of their kind: ``{"friction": Grid(values, 0.5, (x, y, 0.0))}``; several of one kind
        follow each other in time.

        Raises DataError naming the layer.
        """
        rows: list[tuple[LayerKind, Grid]] = []
        for name, found in grids.items():
            if name.upper() not in LayerKind.__members__:
                known = ", ".join(k.name.lower() for k in LayerKind)
                raise DataError(f"no such raster layer: {name}", where="raster layers", remedy=f"known: {known}")
            rows += [
                (LayerKind[name.upper()], _checked(name, g)) for g in (found if isinstance(found, list) else [found])
            ]
        shape = np.array([g.values.shape for _, g in rows], np.int64).reshape(-1, 2)
        flat = [g.values.ravel() for _, g in rows]
        return cls(
            np.array([k for k, _ in rows], np.uint8),
            np.array([g.frame for _, g in rows], np.int64),
            np.array([g.pose for _, g in rows], np.float64).reshape(-1, 3),
            np.array([g.cell_m for _, g in rows], np.float64),
            shape,
            offsets_of(shape[:, 0] * shape[:, 1])[:-1],
            np.concatenate(flat) if flat else np.zeros(0, np.float32),
        )

    def at(self, frame: int) -> RasterLayers:
        """The grids that hold at a frame, at most one of each kind; values are shared, not copied."""
        if self._constant and (len(self) == 0 or frame >= 0):
            return self
        held = self._order[self.frame[self._order] <= frame][::-1]
        _, latest = np.unique(self.kind[held], return_index=True)
        r = np.sort(held[latest])
        return replace(
            self, kind=self.kind[r], frame=self.frame[r], pose=self.pose[r], cell_m=self.cell_m[r], shape=self.shape[r],
            first=self.first[r],
        )  # fmt: skip

    def shifted(self, frames: int) -> RasterLayers:
        """The same grids in a drive whose frame 0 was frame ``frames``."""
        return replace(self, frame=self.frame - frames) if len(self) else self

    @cached_property
    def _order(self) -> I64:
        return np.argsort(self.frame, kind="stable")

    @cached_property
    def _constant(self) -> bool:
        return bool((self.frame <= 0).all()) and len(np.unique(self.kind)) == len(self)


def _checked(name: str, grid: Grid) -> Grid:
    where = f"raster layers: {name}"
    values = np.asarray(grid.values)
    if values.ndim != 2 or 0 in values.shape or values.dtype.kind not in "fiub":
        raise DataError(
            f"values are {values.dtype} {values.shape}",
            where=where,
            remedy="one number per cell (H, W), NaN where unknown",
        )
    if not (np.isfinite(grid.cell_m) and grid.cell_m > 0.0):
        raise DataError(f"cell_m is {grid.cell_m}", where=where, remedy="the size of a cell in meters")
    if len(grid.pose) != 3 or not np.isfinite(grid.pose).all():
        raise DataError(
            f"pose is {grid.pose}", where=where, remedy="x, y, heading of the grid's corner in the global frame"
        )
    return replace(grid, values=np.asarray(values, np.float32))


NO_LAYERS = RasterLayers.build({})
