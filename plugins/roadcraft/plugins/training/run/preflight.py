"""What would stop a training run, found before anything is written (``roadcraft train`` and ``roadcraft config
check``)."""

from __future__ import annotations

import os
from pathlib import Path

from roadcraft.core.config.preflight import Faults
from roadcraft.core.errors import ConfigError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.scenario_io.open import open_source

STARTS = ("start.checkpoint", "start.encoder")


def preflight(config: TrainConfig, resume: Path | None = None, source: ScenarioSource | None = None) -> ScenarioSource:
    """Paths, plugins' own checks, the run's folder and data. Returns the data; raises ConfigError or DataError that
    name every mistake. resume: a run that goes on, which no longer reads what it was started from."""
    faults = Faults()
    faults.of_parts(config, skip=("data",) if resume is None else ("data", *STARTS))
    if resume is None:
        with faults.of("out"):
            _check_out(Path(config.out))
        with faults.of("start"):
            _check_start(config.start.source)
    devices = int(os.environ.get("WORLD_SIZE") or max(config.devices, 1) * config.nodes)  # as torchrun says
    parts = config.accumulate * devices
    with faults.of("batch"):
        if config.batch % parts:
            raise ConfigError(
                f"{config.batch} cannot be cut into {parts} equal parts (accumulate={config.accumulate} on {devices} "
                "devices); "
                f"nearest: {max(round(config.batch / parts), 1) * parts}"
            )
    with faults.of("data"):
        if source is None:
            if not config.data:
                raise ConfigError("not given; data=STORE names the store to train on")
            source = open_source(config.data, config.format)
    faults.end()
    assert source is not None
    return source


def _check_out(out: Path) -> None:
    if not str(out) or out.is_file():
        raise ConfigError(f"{out} is a file; name a new folder with out=")
    if (out / "store.json").is_file():
        raise ConfigError(f"{out} is a store; name a new folder with out=")
    if (out / "last").exists():
        raise ConfigError(f"{out} already holds a run; choose another out=, or go on with it: --resume {out}")


def _check_start(start: str) -> None:
    from roadcraft.planners.learned.checkpoint import read_config

    if start and Path(start).exists():
        read_config(start)


def check(config: TrainConfig) -> None:
    """``preflight``, and the network, its recipe and the samples are built, the weights to start from included."""
    from roadcraft.core.config.load import to_tree
    from roadcraft.planners.learned.network import build_network
    from roadcraft.plugins.training.data.data import DataModule
    from roadcraft.plugins.training.run.choice import started_part, with_choice
    from roadcraft.plugins.training.run.module import TrainModule
    from roadcraft.plugins.training.run.resolve import load_start, with_rate

    source = preflight(config)
    config = with_choice(config)
    network = build_network(to_tree(config.encoder), to_tree(config.model))
    config = with_rate(config, network.model)
    data = DataModule(config, source, network.features)
    if config.start.parts:
        load_start(*started_part(network, config))
    TrainModule(network, config, config.steps).configure_optimizers()
    print(f"{len(data.samples)} samples to train on, {len(data.held)} held out")
