"""Small drives and maps for readers, writers and stores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import random_logs

from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive, ScenarioRow


@pytest.fixture(scope="session")
def make_drive() -> Callable[..., Drive]:
    """``make_drive(seed, frames=40, name="log_<seed>")``"""

    def make(seed: int, frames: int = 40, name: str = "") -> Drive:
        drive = random_logs.make_drive(seed, frames, name or f"log_{seed}")
        return replace(drive, tag_frame=np.array([10, 20]), tag_type=np.array([0, 1]), tag_names=("a", "b"))

    return make


@pytest.fixture(scope="session")
def make_map() -> Callable[[int], MapData]:
    return random_logs.make_map


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., list[ScenarioRow]]:
    """``make_rows(drive, key=None)``: two scenarios, types 'a' and 'b'."""
    return random_logs.make_rows
