"""A made-up log and map in nuPlan's format."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from random_logs import make_drive, make_map

from roadcraft.core.arrays import to_arrays
from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive
from roadcraft.scenario_io.nuplan import NuplanSource, write_drive, write_maps


class World(NamedTuple):
    """A written log and map, and what they were written from."""

    drive: Drive
    map: MapData
    logs: Path
    maps: Path

    @property
    def log(self) -> Path:
        return self.logs / f"{self.drive.name}.db"

    @property
    def package(self) -> Path:
        return self.maps / self.map.name / self.map.version / "map.gpkg"

    def source(self) -> NuplanSource:
        return NuplanSource(self.logs, self.maps)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("nuplan")
    drive, map_data = make_drive(0), make_map()
    write_drive(drive, map_data, root / "mini" / f"{drive.name}.db")
    write_maps([map_data], root / "maps")
    return World(drive, map_data, root / "mini", root / "maps")


@pytest.fixture
def world(pristine: World, tmp_path: Path) -> World:
    """A copy for each test, to be spoilt at will."""
    shutil.copytree(pristine.logs.parent, tmp_path, dirs_exist_ok=True)
    return pristine._replace(logs=tmp_path / "mini", maps=tmp_path / "maps")


@pytest.fixture(scope="session")
def new_drive() -> Callable[..., Drive]:
    return make_drive


@pytest.fixture(scope="session")
def new_map() -> Callable[[], MapData]:
    return make_map


def _assert_same(a: Any, b: Any, within: float = 0.0) -> None:
    left, left_meta = to_arrays(a)
    right, right_meta = to_arrays(b)
    assert left_meta == right_meta
    assert left.keys() == right.keys()
    for key, values in left.items():
        other = right[key]
        assert (values.dtype, values.shape) == (other.dtype, other.shape), key
        if within and key.endswith("points"):
            np.testing.assert_allclose(values, other, rtol=0, atol=within, err_msg=key)
        else:
            assert values.tobytes() == other.tobytes(), key


@pytest.fixture(scope="session")
def assert_same() -> Callable[..., None]:
    """``assert_same(a, b, within=0.0)``: equal to the last bit; coordinates of maps within ``within`` metres."""
    return _assert_same
