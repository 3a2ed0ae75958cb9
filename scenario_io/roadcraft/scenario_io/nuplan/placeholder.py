"""Stand-ins for locations that the reference insists on opening: one straight road of one lane."""

from __future__ import annotations

from typing import Final

import numpy as np

from roadcraft.core.arrays import Polygons, Polylines, Ragged
from roadcraft.core.data.map import AreaKind, Areas, LaneKind, Lanes, LineKind, Lines, MapData, RoadBlocks

# The reference's locations: map version and projected frame of each.
LOCATIONS: Final = {
    "sg-one-north": ("9.17.1964", 32648),
    "us-ma-boston": ("9.12.1817", 32619),
    "us-nv-las-vegas-strip": ("9.15.1915", 32611),
    "us-pa-pittsburgh-hazelwood": ("9.17.1937", 32617),
}


def placeholder(name: str, version: str, epsg: int) -> MapData:
    """A map of one lane, a connector and a lane after it, 100 m in all, at the middle of the UTM zone."""
    x0, y0, width = 500_000.0, 4_000_000.0 if epsg != 32648 else 140_000.0, 3.5
    cuts = ((0.0, 45.0), (45.0, 55.0), (55.0, 100.0))

    def line(a: float, b: float, y: float) -> np.ndarray:
        return np.array([[x0 + a, y0 + y], [x0 + b, y0 + y]])

    def area(a: float, b: float) -> list[np.ndarray]:
        left, right = line(a, b, width / 2), line(a, b, -width / 2)
        return [np.concatenate([left, right[::-1], left[:1]])]

    rows = (0, 2, 1)  # lanes first, then the connector between them
    none = Ragged.build([[], [], []])
    left = Polylines.build([line(*cuts[i], width / 2) for i in rows])
    right = Polylines.build([line(*cuts[i], -width / 2) for i in rows])
    kind = np.array([LaneKind.LANE, LaneKind.LANE, LaneKind.CONNECTOR], np.uint8)
    polygons = Polygons.build([area(*cuts[i]) for i in rows])
    after, before = Ragged.build([[2], [], [1]]), Ragged.build([[], [2], [0]])
    lanes = Lanes(
        id=np.array([1, 2, 3]), kind=kind, block=np.arange(3), lane_index=np.zeros(3, np.int64),
        speed_limit_mps=np.full(3, 10.0),
        has_speed_limit=np.ones(3, bool), has_light=np.zeros(3, bool), polygons=polygons,
        centerlines=Polylines.build([line(*cuts[i], 0.0) for i in rows]), left=left, right=right, successors=after,
        predecessors=before,
        stops=none, left_line=np.arange(3), right_line=np.arange(3, 6),
    )  # fmt: skip
    blocks = RoadBlocks(
        np.array([11, 12, 13]), kind, polygons, Ragged.build([[0], [1], [2]]), after, before, np.array([-1, -1, 1])
    )
    kinds = [k for k in AreaKind if k != AreaKind.SPEED_BUMP]
    areas = Areas(
        np.arange(21, 21 + len(kinds)),
        np.array(kinds, np.uint8),
        np.array([2 if k == AreaKind.STOP else 0 for k in kinds]),
        Polygons.build([area(45.0, 55.0) if k == AreaKind.INTERSECTION else area(0.0, 100.0) for k in kinds]),
    )
    edges = Polylines.build([*(left[i] for i in range(3)), *(right[i] for i in range(3))])
    lines = Lines(np.arange(31, 37), np.full(6, LineKind.BOUNDARY, np.uint8), np.zeros(6, np.int64), edges)
    return MapData(name, version, "placeholder", "Apache-2.0", epsg, lanes, blocks, areas, lines)
