"""Raster layers of drives in the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roadcraft.core.arrays import to_arrays
from roadcraft.core.data.layers import NO_LAYERS, Grid, RasterLayers
from roadcraft.core.data.scenario import Drive
from roadcraft.core.data.windows import window
from roadcraft.core.errors import DataError
from roadcraft.scenario_io.store.shard import ShardMember, load_drive, save_drive, write_shard
from roadcraft.scenario_io.store.store import Store
from roadcraft.scenario_io.store.writer import StoreWriter


def layers(seed: int) -> RasterLayers:
    rng = np.random.default_rng(seed)
    friction = rng.random((7, 5), np.float32)
    friction[2, 3] = np.nan
    seen = [Grid(rng.random((3, 4), np.float32), 0.5, (float(f), 2.0, 0.1 * f), f) for f in (0, 10, 25)]
    return RasterLayers.build({"friction": Grid(friction, 1.5, (-3.25, 4.0, 0.2)), "occupancy": seen})


def same(a: RasterLayers, b: RasterLayers) -> None:
    x, y = to_arrays(a)[0], to_arrays(b)[0]
    assert x.keys() == y.keys()
    for key in x:
        assert (x[key].dtype, x[key].shape, x[key].tobytes()) == (y[key].dtype, y[key].shape, y[key].tobytes()), key


def test_round_trip_beside_drives_without(tmp_path: Path, make_drive: Callable[..., Drive], make_map: Any) -> None:
    with StoreWriter(tmp_path / "s") as out:
        for seed in range(3):
            drive = make_drive(seed)
            out.add(drive.name, drive if seed == 1 else replace(drive, layers=layers(seed)), make_map(0))
    store = Store(tmp_path / "s")
    same(store.drive("log_0").layers, layers(0))
    same(store.drive("log_2").layers, layers(2))
    assert store.drive("log_1").layers is NO_LAYERS


def test_a_drive_without_layers_is_stored_as_it_always_was(tmp_path: Path, make_drive: Callable[..., Drive]) -> None:
    save_drive(tmp_path / "d.safetensors", make_drive(4))
    assert b"layers" not in (tmp_path / "d.safetensors").read_bytes()
    assert load_drive(tmp_path / "d.safetensors")[0].layers is NO_LAYERS


def test_a_window_keeps_what_is_known_at_each_of_its_frames(make_drive: Callable[..., Drive]) -> None:
    drive = replace(make_drive(0), layers=layers(0))
    part = window(drive, 8, 30)
    for frame in (8, 9, 10, 24, 25, 30):
        a, b = drive.layers.at(frame), part.layers.at(frame - 8)
        assert [a[i].pose for i in range(len(a))] == [b[i].pose for i in range(len(b))]


def test_damaged_layers_are_told_with_their_file(tmp_path: Path, make_drive: Callable[..., Drive]) -> None:
    drive = replace(make_drive(0), layers=layers(0))
    cut = replace(drive, layers=layers(0))
    object.__setattr__(cut.layers, "values", cut.layers.values[:-1])  # as no constructor would let it be
    write_shard(tmp_path / "d.safetensors", [ShardMember("log", cut)])
    with pytest.raises(DataError, match=r"d\.safetensors: log_?\d*: raster layers: .*more than there are values"):
        load_drive(tmp_path / "d.safetensors")
