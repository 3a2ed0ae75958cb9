"""The vector map: lanes, road blocks, areas and lines as structs of arrays, in the log's own metric frame.

One ``MapData`` serves every source. The terms follow nuPlan's: a *lane* is a stretch of road between junctions, a
*connector* joins two lanes (inside a junction, or where lane counts change); both are rows of ``Lanes``. A *road block*
groups parallel lanes (or connectors). Ids are the source's own integers, unique over lanes and connectors together.
Rows keep the source's order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, Mask, Polygons, Polylines, Ragged, read_only, to_arrays

if TYPE_CHECKING:
    from roadcraft.core.driving.map_index.index import MapIndex


class LaneKind(IntEnum):
    """Rows of ``Lanes.kind`` and ``RoadBlocks.kind``."""

    LANE = 0
    CONNECTOR = 1


class AreaKind(IntEnum):
    """Rows of ``Areas.kind``. ROAD_SEGMENT, INTERSECTION, GENERIC_DRIVABLE and CARPARK together are the drivable
    area."""

    ROAD_SEGMENT = 0
    INTERSECTION = 1
    GENERIC_DRIVABLE = 2
    CARPARK = 3
    CROSSWALK = 4
    WALKWAY = 5
    STOP = 6
    SPEED_BUMP = 7


class LineKind(IntEnum):
    """Rows of ``Lines.kind``: lane boundaries (what nuPlan calls boundaries), painted lines, and physical road
    edges."""

    BOUNDARY = 0
    ROAD_LINE = 1
    ROAD_EDGE = 2


def index_of(ids: I64, wanted: I64) -> I64:
    """Row of each wanted id, -1 where there is none. ids (N,) int64 unique in any order, wanted (M,) int64 -> (M,)
    int64."""
    if len(ids) == 0:
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(ids, kind="stable")
    pos = np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)
    row = order[pos]
    return np.where(ids[row] == wanted, row, -1).astype(np.int64)


@dataclass(frozen=True)
class Lanes:
    """L lanes and connectors: all lanes first, then all connectors, each in the source's row order.

    id (L,) int64; kind (L,) uint8 LaneKind; block (L,) int64 row of RoadBlocks or -1; lane_index (L,) int64 position in
    its block, 0 = leftmost (-1 unknown); speed_limit_mps (L,) float64, meaningful where has_speed_limit (L,) bool;
    has_light (L,) bool: governed by a traffic light; polygons (L): surface; centerlines (L): driven direction; left /
    right (L): edges as seen when driving, possibly empty rows; successors / predecessors (L): rows of Lanes; stops (L):
    rows of Areas (kind STOP) that govern a connector; left_line / right_line (L,) int64: row of Lines that bounds it,
    or -1.
    """

    id: I64
    kind: U8
    block: I64
    lane_index: I64
    speed_limit_mps: F64
    has_speed_limit: Mask
    has_light: Mask
    polygons: Polygons
    centerlines: Polylines
    left: Polylines
    right: Polylines
    successors: Ragged
    predecessors: Ragged
    stops: Ragged
    left_line: I64
    right_line: I64

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class RoadBlocks:
    """K road blocks: all lane groups first, then all groups of connectors, each in the source's row order.

    id (K,) int64, unique over both kinds; kind (K,) uint8 LaneKind; polygons (K); lanes (K): rows of Lanes;
    successors / predecessors (K): rows of RoadBlocks; intersection (K,) int64 row of Areas (kind INTERSECTION), or -1.
    """

    id: I64
    kind: U8
    polygons: Polygons
    lanes: Ragged
    successors: Ragged
    predecessors: Ragged
    intersection: I64

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class Areas:
    """A areas, grouped by kind in ascending AreaKind order, each kind in the source's row order.

    id (A,) int64, unique within a kind; kind (A,) uint8 AreaKind; subtype (A,) int64: for STOP 0 pedestrian crossing, 1
    stop sign, 2 traffic light, 3 turn stop, 4 yield, 5 unknown; else 0; polygons (A).
    """

    id: I64
    kind: U8
    subtype: I64
    polygons: Polygons

    def __len__(self) -> int:
        return len(self.id)

    def of(self, *kinds: AreaKind) -> I64:
        """Rows of the given kinds, ascending."""
        return np.flatnonzero(np.isin(self.kind, [int(k) for k in kinds])).astype(np.int64)


@dataclass(frozen=True)
class Lines:
    """B lines. id (B,) int64; kind (B,) uint8 LineKind; subtype (B,) int64, the source's own type code; lines (B)."""

    id: I64
    kind: U8
    subtype: I64
    lines: Polylines

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class MapData:
    """One location's map. ``name`` is the location ('us-ma-boston'), ``version`` the source's version, ``epsg`` its
    metric frame (0: local)."""

    name: str
    version: str
    source: str
    licence: str
    epsg: int
    lanes: Lanes
    blocks: RoadBlocks
    areas: Areas
    lines: Lines

    def lane_rows(self, ids: I64) -> I64:
        """Rows of Lanes with the given ids, -1 where unknown."""
        return index_of(self.lanes.id, np.asarray(ids, np.int64))

    def block_rows(self, ids: I64) -> I64:
        """Rows of RoadBlocks with the given ids, -1 where unknown."""
        return index_of(self.blocks.id, np.asarray(ids, np.int64))

    @cached_property
    def drivable(self) -> I64:
        """Rows of Areas that make up the drivable area, in nuPlan's order: road segments, intersections, generic,
        carparks."""
        return read_only(
            self.areas.of(AreaKind.ROAD_SEGMENT, AreaKind.INTERSECTION, AreaKind.GENERIC_DRIVABLE, AreaKind.CARPARK)
        )

    @cached_property
    def index(self) -> MapIndex:
        """The map's spatial index, built on first use (a store keeps it beside the map)."""
        from roadcraft.core.driving.map_index.index import build_index

        areas = self.areas
        rows = {
            "drivable": self.drivable,
            "intersections": areas.of(AreaKind.INTERSECTION),
            "crosswalks": areas.of(AreaKind.CROSSWALK),
            "stops": areas.of(AreaKind.STOP),
        }
        return read_only(build_index(self.lanes.polygons, self.blocks.polygons, areas.polygons, rows))

    @cached_property
    def content_hash(self) -> str:
        """32 hex digits over every array and name: equal maps have equal hashes, whatever file they came from."""
        return content_hash(self)


def content_hash(value: Any) -> str:
    """BLAKE2 of a domain dataclass's arrays and metadata, in name order."""
    arrays, meta = to_arrays(value)
    h = blake2b(digest_size=16)
    for key in sorted(arrays):
        a = arrays[key]
        h.update(f"{key}:{a.dtype.str}:{a.shape};".encode())
        h.update(np.ascontiguousarray(a).tobytes())
    h.update(repr(sorted(meta.items())).encode())
    return h.hexdigest()
