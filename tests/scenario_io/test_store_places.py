"""Places of maps in the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from roadcraft.core.arrays import to_arrays
from roadcraft.core.data.map import MapData
from roadcraft.core.data.places import NO_PLACES, PlaceKind, Places, RoadPlace
from roadcraft.core.data.scenario import Drive
from roadcraft.core.errors import DataError
from roadcraft.scenario_io.show import describe_map
from roadcraft.scenario_io.store.store import Store
from roadcraft.scenario_io.store.writer import StoreWriter

PLACES = Places.build(
    [
        RoadPlace(PlaceKind.CLEARANCE, 0, (1.0, 2.0), 4.1),
        RoadPlace(PlaceKind.CLEARANCE, 1, (0.0, 0.0), 3.9, 500.0),
        RoadPlace(PlaceKind.DOCK, value=1.2, pose=(1.0, 2.0, 3.0)),
    ]
)


def test_maps_with_and_without_places(
    tmp_path: Path, make_drive: Callable[..., Drive], make_map: Callable[[int], MapData]
) -> None:
    bare = make_map(0)
    rich = replace(bare, places=PLACES)
    with StoreWriter(tmp_path / "s") as out:
        out.add("bare", make_drive(0), bare)
        out.add("rich", make_drive(1), rich)
    store = Store(tmp_path / "s")
    assert store.map("bare").places is NO_PLACES
    assert store.index.drives["bare"].map != store.index.drives["rich"].map
    found, wanted = to_arrays(store.map("rich").places)[0], to_arrays(PLACES)[0]
    assert all(np.array_equal(found[k], wanted[k], equal_nan=True) for k in wanted)
    assert store.map("rich").content_hash == rich.content_hash
    assert describe_map(store.map("rich"))["places"] == {"clearance": 2, "dock": 1}
    assert not store.verify()
    assert b"places" not in (tmp_path / "s" / "maps" / f"{bare.content_hash}.safetensors").read_bytes()


def test_damaged_places_are_told_with_their_file(
    tmp_path: Path, make_drive: Callable[..., Drive], make_map: Callable[[int], MapData]
) -> None:
    rich = replace(make_map(0), places=replace(PLACES, value=PLACES.value.copy()))
    rich.places.value[1] = -1.0  # as no constructor would let it be
    with StoreWriter(tmp_path / "s") as out:
        out.add("rich", make_drive(1), rich)
    with pytest.raises(
        DataError, match=r"safetensors: map: places: place 1 \(CLEARANCE\): its value is missing or out"
    ):
        Store(tmp_path / "s").map("rich")
