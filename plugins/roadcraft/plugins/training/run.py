"""``train``: from a configuration and a store to a checkpoint."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger

from roadcraft.core.config import to_tree
from roadcraft.core.errors import ConfigError
from roadcraft.core.interfaces import Prepared, ScenarioSource
from roadcraft.planners.checkpoint import WEIGHTS, build_network, load_weights, read_config, settle_folder
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.plugins.training.data import DataModule
from roadcraft.plugins.training.keeper import Keeper
from roadcraft.plugins.training.module import TrainModule
from roadcraft.plugins.training.progress import ProgressBar
from roadcraft.plugins.training.recipe import check_same
from roadcraft.plugins.training.sharding import places
from roadcraft.scenario_io.open import open_source


@dataclass(frozen=True)
class Trained:
    """A finished run: best and last checkpoint folders, and the metrics of the best."""

    best: Path
    last: Path
    metrics: dict[str, Any]


def train(
    config: TrainConfig,
    *,
    resume: Path | None = None,
    stop_at: int = 0,
    source: ScenarioSource | None = None,
    progress: bool = True,
) -> Trained:
    """Train as ``config`` says into ``config.out``: ``best`` and ``last`` checkpoints and TensorBoard logs.

    resume: a run's folder to go on with; its recipe must be the same (``recipe.MAY_CHANGE`` says what may differ). The weights are then those of a run that
    was never interrupted, bit for bit; on another number of devices or with other accumulation, up to rounding as long as devices x accumulate is the same.
    stop_at: stop at that step, as if interrupted (0: run to the end). source: instead of ``config.data``. Raises ConfigError, DataError, PluginError.
    """
    out = resume or Path(config.out)
    settle_folder(out / "last")
    settle_folder(out / "best")
    if resume is not None:
        check_same(config, resume)
    elif (out / "last").exists():
        raise ConfigError(f"{out} already holds a run; choose another out=, or go on with it: --resume {out}")
    pl.seed_everything(config.seed, verbose=False)
    if config.threads:
        torch.set_num_threads(config.threads)
    network = build_network(to_tree(config.encoder), to_tree(config.model))
    data = DataModule(config, source or open_source(config.data, config.format), network.features)
    if resume is None and config.start:
        read_config(config.start)
        load_weights(network, Path(config.start) / WEIGHTS)
    elif resume is None and isinstance(network.model, Prepared):
        network.model.prepare(data.first_batches())
    module = TrainModule(network, config, stop_at or config.steps)
    keeper = Keeper(config, out, module, data)
    if resume is not None:
        keeper.restore()
    with _quiet():
        trainer = pl.Trainer(
            accelerator="auto",
            **places(config),
            precision=config.precision,
            max_steps=-1,
            max_epochs=1,
            accumulate_grad_batches=config.accumulate,
            logger=TensorBoardLogger(out, name="", version="tensorboard"),
            callbacks=[keeper, *([ProgressBar()] if progress else [])],
            enable_progress_bar=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(module, datamodule=data)
    return Trained(out / "best", out / "last", json.loads((out / "best" / "metrics.json").read_text()))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's advice on workers, loggers and services that this data path does not use."""
    chatty = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = chatty.level
    chatty.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        chatty.setLevel(level)
