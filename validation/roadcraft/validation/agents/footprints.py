"""How far apart two footprints are: a footprint is a box, and of an agent also the corridor that it sweeps in a
headway."""

from __future__ import annotations

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.capsules import capsule_gap
from roadcraft.core.driving.geometry.corridor_distance import (
    BOX,
    Corridor,
    Pieces,
    distance_of_corridors,
    distance_to_polygon,
    polygon_distance,
)
from roadcraft.core.driving.jit import small_njit


@small_njit
def footprint_distance(
    swept: Corridor,
    box: F64,
    bound: F64,
    other: Corridor,
    other_box: F64,
    other_bound: F64,
    best: float,
    pieces: Pieces,
) -> float:
    """min(best, distance of two footprints): a corridor, of fewer than two points where there is none, a box (4, 2) and
    the box's capsule (5,) each."""
    if capsule_gap(bound, other_bound) < best:
        best = polygon_distance(box, BOX, other_box, BOX, best)
    if swept.n > 1 and best > 0.0:
        best = distance_to_polygon(swept, other_box, BOX, other_bound, best, pieces)
    if other.n > 1 and best > 0.0:
        best = distance_to_polygon(other, box, BOX, bound, best, pieces)
    if other.n > 1 and swept.n > 1 and best > 0.0:
        best = distance_of_corridors(swept, other, best, pieces)
    return best
