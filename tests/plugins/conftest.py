"""A source of made-up drives, and sizes at which a network trains in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from roadcraft.core.data.scenario import ScenarioRow
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.plugins.training.config import TrainConfig

ENCODER = {
    "dim": 32,
    "layers": 1,
    "heads": 4,
    "feed_forward": 2,
    "agents": 6,
    "static": 3,
    "lanes": 12,
    "lane_points": 10,
    "crosswalks": 2,
}
MODEL = {"modes": 2, "layers": 1, "heads": 4, "feed_forward": 2, "reference_points": 40}


class MadeUpSource:
    """Drives through the made-up junction, as a source of logs."""

    def __init__(self, world: Any, count: int) -> None:
        self._map = world.make_map()
        self._drives = {f"tiny-{k}": world.make_drive(self._map, k) for k in range(count)}

    def logs(self) -> list[str]:
        return list(self._drives)

    def drive(self, log: str) -> Any:
        return self._drives[log]

    def map(self, log: str) -> Any:
        return self._map

    def rows(self, log: str) -> list[ScenarioRow]:
        """A scenario every two seconds, of a type by turns."""
        drive = self._drives[log]
        return [
            ScenarioRow(
                token=f"{int(drive.token[f]):016x}", tags=(("stationary",), ("traversing_crosswalk",))[k % 2], log=log,
                split="all",
                map_name="tiny", source="made-up", licence="CC0", anchor_us=int(drive.time_us[f]),
                interval_us=drive.interval_us, stride=2,
                has_goal=False, first_us=int(drive.time_us[f]), last_us=int(drive.time_us[f]) + 4_000_000,
            )
            for k, f in enumerate(range(40, 180, 40))
        ]  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """As in training and driving: torch splits sums otherwise on a busy machine than on a free one."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def made_up_source(tiny_world: Any) -> MadeUpSource:
    return MadeUpSource(tiny_world, 6)


@pytest.fixture(scope="session")
def made_up_store(made_up_source: MadeUpSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same drives in a store."""
    from roadcraft.scenario_io import StoreWriter

    path = tmp_path_factory.mktemp("stores") / "tiny"
    with StoreWriter(path) as out:
        for log in made_up_source.logs():
            out.add(log, made_up_source.drive(log), made_up_source.map(log), made_up_source.rows(log))
    return path


@pytest.fixture
def recipe(tmp_path: Path) -> TrainConfig:
    """A run of seconds."""
    return TrainConfig(
        encoder=PluginRef("vector_transformer", ENCODER),
        model=PluginRef("multimodal", MODEL),
        out=str(tmp_path / "run"),
        steps=12,
        batch=8,
        validate_every=4,
        validation_batches=2,
        threads=1,
    )


@pytest.fixture(scope="session")
def trained(made_up_source: MadeUpSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a few steps."""
    from roadcraft.plugins.training.run.fit import train

    config = TrainConfig(
        encoder=PluginRef("vector_transformer", ENCODER),
        model=PluginRef("multimodal", MODEL),
        out=str(tmp_path_factory.mktemp("runs") / "trained"),
        steps=6,
        batch=8,
        validate_every=6,
        validation_batches=2,
        threads=1,
    )
    return train(config, source=made_up_source, progress=False).best
