"""The file ``places.jsonl`` beside a map's GeoPackage, which has no place for what ``MapData.places`` holds.

JSON lines, UTF-8. The first is ``{"format": "roadcraft-places", "version": 1, "places": P}``, then come P places::

    {"kind": "clearance", "lane": 4711, "span": [70.0, 80.0], "value": 4.1, "second": 900.0}
    {"kind": "dock", "value": 1.2, "pose": [664012.0, 3997105.5, 1.57]}

``kind`` is the name of a ``PlaceKind``, ``lane`` the **id** of a lane or connector, ``span`` is from and to in m along
its centerline, ``value`` and ``second`` are as ``PlaceKind`` says, ``pose`` is x, y in m and heading in rad,
``polygon`` a list of closed rings of [x, y] in m; poses and polygons in the map's metric frame. What a place has not is
left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from roadcraft.core.arrays import I64
from roadcraft.core.data.map import Lanes, index_of
from roadcraft.core.data.places import NO_PLACES, PlaceKind, Places, RoadPlace
from roadcraft.core.errors import DataError
from roadcraft.core.files import write_atomic

NAME = "places.jsonl"
_FORMAT, _VERSION = "roadcraft-places", 1
_KEYS = ("kind", "lane", "span", "value", "second", "pose", "polygon")


def write_places(places: Places, lane_ids: I64, path: Path) -> None:
    """Write the places of a map whose lanes have the ids (L,); a map without any has no file, and an old one is
    removed."""
    if not len(places):
        path.unlink(missing_ok=True)
        return
    head = {"format": _FORMAT, "version": _VERSION, "places": len(places)}
    rows = (_row(places[i], lane_ids) for i in range(len(places)))
    write_atomic(path, "".join(json.dumps(row, allow_nan=False) + "\n" for row in (head, *rows)))


def _row(p: RoadPlace, lane_ids: I64) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": p.kind.name.lower()}
    if p.lane >= 0:
        row |= {"lane": int(lane_ids[p.lane]), "span": list(p.span)}
    row |= {name: value for name in ("value", "second") if not np.isnan(value := getattr(p, name))}
    if p.pose is not None:
        row["pose"] = list(p.pose)
    if len(p.polygon):
        row["polygon"] = [ring.tolist() for ring in p.polygon]
    return row


def read_places(path: Path, lanes: Lanes) -> Places:
    """The places of a map with the given lanes; none where there is no file. Raises DataError naming file, line and
    what would be right."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return NO_PLACES
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"cannot be read: {e}", where=str(path)) from e
    head = _parsed(lines[0] if lines else "", path, 1)
    if head.get("format") != _FORMAT or head.get("version") != _VERSION:
        remedy = f'the first line reads {{"format": "{_FORMAT}", "version": {_VERSION}, "places": P}}'
        _fault(path, 1, f"not a list of places of version {_VERSION}", remedy)
    if head.get("places") != len(lines) - 1:
        what = f"{len(lines) - 1} places, its first line promises {head.get('places')}"
        raise DataError(what, where=str(path), remedy="get the file anew; it is cut short or was changed")
    found = list(_places(lines[1:], path, lanes.id))
    try:
        places = Places.build(found)
        places.check_lanes(lanes.centerlines)
    except DataError:
        for number, place in enumerate(found, 2):
            try:
                Places.build([place]).check_lanes(lanes.centerlines)
            except DataError as e:
                _fault(path, number, e.what, e.remedy)
        raise
    return places


def _places(lines: list[str], path: Path, lane_ids: I64) -> Iterator[RoadPlace]:
    ids = np.full(len(lines), -1, np.int64)
    rows = [_parsed(line, path, number) for number, line in enumerate(lines, 2)]
    for k, row in enumerate(rows):
        strange = [key for key in row if key not in _KEYS]
        if strange:
            _fault(path, k + 2, f"unknown key {strange[0]!r}", f"known: {', '.join(_KEYS)}")
        if str(row.get("kind")).upper() not in PlaceKind.__members__:
            known = ", ".join(kind.name.lower() for kind in PlaceKind)
            _fault(path, k + 2, f"unknown kind {row.get('kind')!r}", f"known: {known}")
        if "lane" in row:
            if not isinstance(row["lane"], int) or not 0 <= row["lane"] < 2**62:
                _fault(path, k + 2, f"lane {row['lane']!r} is no id", "the id of a lane or connector of the map")
            ids[k] = row["lane"]
    lane = index_of(lane_ids, ids)
    for k, row in enumerate(rows):
        if "lane" in row and lane[k] < 0:
            _fault(path, k + 2, f"the map has no lane {ids[k]}", "ids of lanes, not rows: is it the file of this map?")
        try:
            yield _place(row, int(lane[k]))
        except (TypeError, ValueError) as e:
            _fault(path, k + 2, f"a number is no number, or there are too many or too few ({e})", "see the format")


def _place(row: dict[str, Any], lane: int) -> RoadPlace:
    begin, end = row.get("span", (0.0, 0.0))
    pose = None
    if "pose" in row:
        x, y, heading = row["pose"]
        pose = (float(x), float(y), float(heading))
    rings = [np.array(ring, np.float64) for ring in row.get("polygon", ())]
    if any(ring.ndim != 2 or ring.shape[1:] != (2,) for ring in rings):
        raise ValueError("a ring of the polygon is no list of [x, y]")
    return RoadPlace(
        PlaceKind[row["kind"].upper()], lane, (float(begin), float(end)), float(row.get("value", np.nan)),
        float(row.get("second", np.nan)), pose, rings,
    )  # fmt: skip


def _parsed(line: str, path: Path, number: int) -> dict[str, Any]:
    def no_number(name: str) -> NoReturn:
        raise ValueError(f"{name} is no number")

    try:
        row = json.loads(line, parse_constant=no_number)
    except ValueError as e:
        _fault(path, number, f"cannot be read: {e}", "one JSON object per line")
    if not isinstance(row, dict):
        _fault(path, number, f"{type(row).__name__} is no place", "one JSON object per line")
    return row


def _fault(path: Path, number: int, what: str, remedy: str) -> NoReturn:
    raise DataError(what, where=f"{path}: line {number}", remedy=remedy)
