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
from roadcraft.core.data.places import NO_PLACES, Places

if TYPE_CHECKING:
    from roadcraft.core.driving.map_index.index import MapIndex


class LaneKind(IntEnum):
    """Rows of ``Lanes.kind`` and ``RoadBlocks.kind``."""

    LANE = 0
    """A lane between intersections."""
    CONNECTOR = 1
    """A way through an intersection, from one lane to another."""


class AreaKind(IntEnum):
    """Rows of ``Areas.kind``. ROAD_SEGMENT, INTERSECTION, GENERIC_DRIVABLE and CARPARK together are the drivable
    area."""

    ROAD_SEGMENT = 0
    """Surface of a road between intersections."""
    INTERSECTION = 1
    """Surface of an intersection."""
    GENERIC_DRIVABLE = 2
    """Any other drivable surface."""
    CARPARK = 3
    """Parking area."""
    CROSSWALK = 4
    """Pedestrian crossing."""
    WALKWAY = 5
    """Walkway."""
    STOP = 6
    """Area in which a vehicle stops; ``Areas.subtype`` says for what."""
    SPEED_BUMP = 7
    """Speed bump."""


class LineKind(IntEnum):
    """Rows of ``Lines.kind``."""

    BOUNDARY = 0
    """Boundaries of lanes, as nuPlan calls them."""
    ROAD_LINE = 1
    """Painted lines."""
    ROAD_EDGE = 2
    """Physical edges of the road."""


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
    """L lanes and connectors: all lanes first, then all connectors, each in the source's row order."""

    id: I64
    """(L,) int64."""
    kind: U8
    """(L,) uint8 ``LaneKind``."""
    block: I64
    """(L,) int64: row of ``RoadBlocks``, or -1."""
    lane_index: I64
    """(L,) int64: position in its block, 0 for the leftmost, -1 where unknown."""
    speed_limit_mps: F64
    """(L,) float64 m/s, meaningful where ``has_speed_limit``."""
    has_speed_limit: Mask
    """(L,) bool."""
    has_light: Mask
    """(L,) bool: governed by a traffic light."""
    polygons: Polygons
    """(L) surfaces, m, the map's frame."""
    centerlines: Polylines
    """(L) lines in driving direction, m, the map's frame."""
    left: Polylines
    """(L) left edges as seen when driving, m, possibly without points."""
    right: Polylines
    """(L) right edges as seen when driving, m, possibly without points."""
    successors: Ragged
    """(L) rows of ``Lanes`` that begin where it ends."""
    predecessors: Ragged
    """(L) rows of ``Lanes`` that end where it begins."""
    stops: Ragged
    """(L) rows of ``Areas`` (kind STOP) that govern a connector."""
    left_line: I64
    """(L,) int64: row of ``Lines`` that bounds it on the left, or -1."""
    right_line: I64
    """(L,) int64: row of ``Lines`` that bounds it on the right, or -1."""

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class RoadBlocks:
    """K road blocks: all lane groups first, then all groups of connectors, each in the source's row order."""

    id: I64
    """(K,) int64, unique over both kinds."""
    kind: U8
    """(K,) uint8 ``LaneKind``."""
    polygons: Polygons
    """(K) surfaces, m, the map's frame."""
    lanes: Ragged
    """(K) rows of ``Lanes``."""
    successors: Ragged
    """(K) rows of ``RoadBlocks`` that follow it."""
    predecessors: Ragged
    """(K) rows of ``RoadBlocks`` that lead into it."""
    intersection: I64
    """(K,) int64: row of ``Areas`` (kind INTERSECTION), or -1."""

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class Areas:
    """A areas, grouped by kind in ascending ``AreaKind`` order, each kind in the source's row order."""

    id: I64
    """(A,) int64, unique within a kind."""
    kind: U8
    """(A,) uint8 ``AreaKind``."""
    subtype: I64
    """(A,) int64: for STOP 0 pedestrian crossing, 1 stop sign, 2 traffic light, 3 turn stop, 4 yield, 5 unknown; else
    0."""
    polygons: Polygons
    """(A) surfaces, m, the map's frame."""

    def __len__(self) -> int:
        return len(self.id)

    def of(self, *kinds: AreaKind) -> I64:
        """Rows of the given kinds, ascending."""
        return np.flatnonzero(np.isin(self.kind, [int(k) for k in kinds])).astype(np.int64)


@dataclass(frozen=True)
class Lines:
    """B lines."""

    id: I64
    """(B,) int64."""
    kind: U8
    """(B,) uint8 ``LineKind``."""
    subtype: I64
    """(B,) int64: the source's own type code."""
    lines: Polylines
    """(B) polylines, m, the map's frame."""

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class MapData:
    """One location's map."""

    name: str
    """The location, as ``us-ma-boston``."""
    version: str
    """The source's version."""
    source: str
    """Where it comes from."""
    licence: str
    """The terms it is given under."""
    epsg: int
    """EPSG code of its metric frame, 0 for a local one."""
    lanes: Lanes
    """Its lanes and connectors."""
    blocks: RoadBlocks
    """Its road blocks."""
    areas: Areas
    """Its areas."""
    lines: Lines
    """Its lines."""
    places: Places = NO_PLACES
    """What holds on stretches of its lanes and beside them: slopes, clearances, limits, docks, ... Raises DataError
    where one lies on no lane of the map."""

    def __post_init__(self) -> None:
        if len(self.places):
            self.places.check_lanes(self.lanes.centerlines)

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
