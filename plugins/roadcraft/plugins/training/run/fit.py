"""``train``: from a configuration and a store to a checkpoint."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from roadcraft.core.config.load import to_tree
from roadcraft.core.errors import DataError, DiskError
from roadcraft.core.interfaces import Prepared, ScenarioSource
from roadcraft.planners.learned.checkpoint import read_metrics
from roadcraft.planners.learned.checkpoint_writing import settle_folder
from roadcraft.planners.learned.network import Network, build_network
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.plugins.training.data.data import DataModule, DriveModule
from roadcraft.plugins.training.run.checkpointing import CheckpointCallback
from roadcraft.plugins.training.run.choice import started_part, with_choice
from roadcraft.plugins.training.run.distributed import strategy_settings
from roadcraft.plugins.training.run.divergence import Diverged
from roadcraft.plugins.training.run.module import TrainModule
from roadcraft.plugins.training.run.preflight import preflight
from roadcraft.plugins.training.run.progress import ProgressBar
from roadcraft.plugins.training.run.reinforcement import Collapsed, ReinforcementModule
from roadcraft.plugins.training.run.resolve import check_same, load_start, with_rate
from roadcraft.plugins.training.stopping import Stopped, StopRequest


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

    resume: a run's folder to go on with; its recipe must be the same (``recipe.MAY_CHANGE`` says what may differ). The
    weights are then those of a run that was never interrupted, bit for bit; on another number of devices or with other
    accumulation, up to rounding as long as devices x accumulate is the same. stop_at: stop at that step, as if
    interrupted (0: run to the end). source: instead of ``config.data``.

    SIGINT and SIGTERM end it after the step at hand, with ``last`` written: Stopped, a KeyboardInterrupt, says so.
    Raises Diverged where the loss, a held-out error or a weight is not finite, before that is stored; Collapsed where a
    policy that learns by driving no longer tries anything; DiskError,
    ConfigError, DataError, PluginError.
    """
    out, request = resume or Path(config.out), StopRequest()
    checkpoints = None
    try:
        with request.listening():
            checkpoints = _prepared(config, out, resume, stop_at, source, request)
            with request.waiting(patient=True):
                _fit(checkpoints, progress)
            if checkpoints.module.stopping:  # as the processes agreed
                raise Stopped(checkpoints.module.stopping)
    except Stopped as e:
        raise Stopped(e.number, _stop_message(e.number, out, checkpoints)) from None
    except Diverged as e:
        sample = f", the first is {checkpoints.data.sample(e.step - 1, *e.sample)}" if checkpoints and e.sample else ""
        raise Diverged(e.step, e.what + sample, f"{e.remedy}; {kept(out)}") from e
    except Collapsed as e:
        raise Collapsed(f"{e}; {kept(out)}") from e
    except DiskError as e:
        raise DiskError(e.what, where=e.where, remedy=f"{_after_full_disk(out, e)}; {kept(out)}") from e
    return Trained(out / "best", out / "last", read_metrics(out / "best"))


def _prepared(
    config: TrainConfig, out: Path, resume: Path | None, stop_at: int, source: ScenarioSource | None, stop: StopRequest
) -> CheckpointCallback:
    """Network, data and what goes with them, as far as a run that goes on had got."""
    settle_folder(out / "last")
    settle_folder(out / "best")
    source, config = preflight(config, resume, source), with_choice(config)
    if resume is not None:
        check_same(config, resume)
    pl.seed_everything(config.seed, verbose=False)
    if config.threads:
        torch.set_num_threads(config.threads)
    network = build_network(to_tree(config.encoder), to_tree(config.model))
    config = with_rate(config, network.model, resume)
    data = (DataModule if config.method == "imitation" else DriveModule)(config, source, network.features, stop)
    if resume is None and config.start.parts:
        load_start(*started_part(network, config))
    if resume is None and "model" not in config.start.parts and isinstance(network.model, Prepared):
        network.model.prepare(network.for_model(batch) for batch in data.first_batches())
    checkpoints = CheckpointCallback(config, out, _module(network, config, stop_at or config.steps, stop, data), data)
    if resume is not None:
        checkpoints.restore()
    return checkpoints


def _module(network: Network, config: TrainConfig, stop_at: int, stop: StopRequest, data: DataModule) -> TrainModule:
    """What trains by the configuration's method."""
    if config.method == "imitation":
        return TrainModule(network, config, stop_at, stop)
    return ReinforcementModule(network, config, stop_at, stop, data.source, data.train_logs)


def _fit(checkpoints: CheckpointCallback, progress: bool) -> None:
    config = checkpoints.config
    with _quiet():
        trainer = pl.Trainer(
            accelerator="auto" if config.method == "imitation" else "cpu",  # the simulator's side
            **strategy_settings(config),
            precision=config.precision,
            max_steps=-1,
            max_epochs=1,
            accumulate_grad_batches=config.accumulate,
            logger=False,
            callbacks=[*checkpoints.callbacks.values(), checkpoints, *([ProgressBar()] if progress else [])],
            enable_progress_bar=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(checkpoints.module, datamodule=checkpoints.data)


# ---- a run that ends before its time -------------------------------------------------------------------------------


def kept(out: Path) -> str:
    """What a run's folder holds, in words."""
    found = []
    for name in ("last", "best"):
        try:
            found.append(f"{out / name} holds step {read_metrics(out / name)['step']}")
        except (DataError, KeyError):
            continue
    return ", ".join(found) or f"nothing was stored in {out} before"


def _stop_message(number: int, out: Path, checkpoints: CheckpointCallback | None) -> str:
    name = signal.Signals(number).name
    if checkpoints is None or checkpoints.saved != checkpoints.module.done:
        return f"stopped by {name} before the first step; {kept(out)}; run the same command again"
    best = "" if (out / "best").is_dir() else f"; {out / 'best'} is written at the first validation"
    return (
        f"stopped by {name} at step {checkpoints.module.done}; {kept(out)}{best}; "
        f"go on with: roadcraft train --resume {out}"
    )


def _after_full_disk(out: Path, e: DiskError) -> str:
    go_on = f"roadcraft train --resume {out}" if (out / "last").is_dir() else "the same command"
    return (
        f"free some space and go on with: {go_on}"
        if "full" in e.what
        else f"make {out} writable and go on with: {go_on}"
    )


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
