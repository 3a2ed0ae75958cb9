"""``train``: from a configuration and a store to a checkpoint."""

from __future__ import annotations

import json
import logging
import platform
import subprocess
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger

from roadcraft.core import __version__
from roadcraft.core.config import build_params, load_config, to_tree
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.interfaces import Prepared, ScenarioSource
from roadcraft.core.registry import registry
from roadcraft.planners.checkpoint import WEIGHTS, build_network, load_weights, read_config, save_checkpoint
from roadcraft.plugins.training.card import write_card
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.plugins.training.module import TrainModule
from roadcraft.plugins.training.progress import ProgressBar
from roadcraft.plugins.training.resume import load_counters, load_state, save_state
from roadcraft.plugins.training.samples import BatchOrder, SampleBuilder, SampleSet, chunks, split_logs
from roadcraft.plugins.training.stream import Batches, TrainStream, to_torch
from roadcraft.scenario_io.open import open_source

MAY_CHANGE = (
    "steps",
    "minutes",
    "patience",
    "threads",
    "drives",
    "validate_every",
    "validation_batches",
    "out",
    "data",
    "format",
)
BEST_BY = "near_ade_m"
GROUP = 64  # logs that are shuffled together


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

    resume: a run's folder to go on with; its recipe must be the same (steps, minutes and what does not touch the weights may differ). stop_at: stop at that
    step, as if interrupted (0: run to the end). source: instead of ``config.data``. Raises ConfigError, DataError, PluginError.
    """
    out = resume or Path(config.out)
    if resume is not None:
        _same_recipe(config, resume)
    elif (out / "last").exists():
        raise ConfigError(f"{out} already holds a run; choose another out=, or go on with it: --resume {out}")
    pl.seed_everything(config.seed, verbose=False)
    if config.threads:
        torch.set_num_threads(config.threads)
    network = build_network(to_tree(config.encoder), to_tree(config.model))
    source = source or open_source(config.data, config.format)
    data = _Data(config, source, SampleBuilder(source, network.features, config.drives))
    if resume is None and isinstance(network.model, Prepared):
        with closing(iter(data.stream(0))) as batches:
            network.model.prepare(batches)
    module = TrainModule(network, config, stop_at or config.steps)
    run = _Run(config, out, module, data)
    if resume is not None:
        run.restore()
    with _quiet():
        trainer = pl.Trainer(
            accelerator="auto",
            devices=1,
            precision=config.precision,
            max_steps=-1,
            max_epochs=1,
            gradient_clip_val=config.clip,
            logger=TensorBoardLogger(out, name="", version="tensorboard"),
            callbacks=[run, *([ProgressBar()] if progress else [])],
            enable_progress_bar=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(module, data.stream(module.done))
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


class _Data:
    """What a run trains and validates on."""

    def __init__(self, config: TrainConfig, source: ScenarioSource, builder: SampleBuilder) -> None:
        self.config, self.builder = config, builder
        logs = source.logs()
        train_logs, held = split_logs(logs, config.validation, config.seed)
        self.samples = builder.find(train_logs, config.every_s, config.min_future_s)
        self.held = builder.find(held, config.every_s, config.min_future_s)
        for name, part in (("training", self.samples), ("validation", self.held)):
            if len(part) == 0:
                raise DataError(
                    f"no {name} samples: every log is shorter than min_future_s = {config.min_future_s} s",
                    where=config.data,
                    remedy="choose a smaller min_future_s",
                )
        self.few: list[dict[str, torch.Tensor]] = []
        if config.overfit:
            rows = next(chunks(len(self.samples), config.overfit, 1))
            self.few = [to_torch(builder.batch(self.samples, rows, None, [config.seed]))]
            self.validation = Batches(self.few)
        else:
            self.validation = Batches(list(self._held(self.held)))
        self.about = self._about(train_logs, held)

    def _held(self, held: SampleSet) -> Any:
        for rows in chunks(len(held), self.config.batch, self.config.validation_batches):
            yield to_torch(self.builder.batch(held, rows, None, [self.config.seed]))

    def stream(self, start: int) -> TrainStream | Batches:
        """Training batches from a step on."""
        if self.few:
            return Batches(self.few, repeat=True)
        order = BatchOrder(self.samples, self.config.batch, self.config.seed, GROUP)
        return TrainStream(self.builder, order, self.config.augment, self.config.seed, start)

    def _about(self, train_logs: Sequence[str], held: Sequence[str]) -> dict[str, Any]:
        drives = [self.builder.scenes(log)[0].drive for log in (*train_logs, *held)]
        digest = blake2b("\n".join(f"{d.name}:{len(d)}:{d.token[0]}" for d in drives).encode(), digest_size=16)
        return {
            "path": self.config.data,
            "train_logs": len(train_logs),
            "validation_logs": len(held),
            "samples": len(self.samples),
            "sources": sorted({d.source for d in drives}),
            "licences": sorted({d.licence for d in drives}),
            "maps": sorted({d.map_name for d in drives}),
            "hash": digest.hexdigest(),
        }


class _Run(pl.Callback):
    """Validates, stores and stops a run."""

    def __init__(self, config: TrainConfig, out: Path, module: TrainModule, data: _Data) -> None:
        self.config, self.out, self.module, self.data = config, out, module, data
        self.best, self.stale, self.validated = float("inf"), 0, -1

    def restore(self) -> None:
        """Weights and counters of the last checkpoint; the optimiser follows when there is one."""
        last = self.out / "last"
        counters = load_counters(last)
        load_weights(self.module.network, last / WEIGHTS)
        self.module.done, self.module.spent = int(counters["step"]), float(counters["seconds"])
        self.best, self.stale = float(counters["best"]), int(counters["stale"])
        if counters["data"] != self.data.about["hash"]:
            raise DataError(
                "the data is not what this run was trained on",
                where=self.config.data,
                remedy=f"data={read_config(last)['data']['path']}",
            )
        if self.module.done >= self.module.stop_at:
            raise ConfigError(f"{self.out} has {self.module.done} steps already; go on with steps=MORE")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.module.done:
            self.module.average = load_state(self.out / "last", trainer.optimizers[0])

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        m = self.module
        m.advance()
        if m.done % 50 == 0 or m.done == 1:
            self._log(
                {f"train/{k}": float(v) for k, v in m.latest.items()}
                | {"rate": m.rate(), "samples_per_s": self._pace(m)}
            )
        if m.done % self.config.validate_every == 0:
            self._validate(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.validated != self.module.done:
            self._validate(trainer)

    def _validate(self, trainer: pl.Trainer) -> None:
        m = self.module
        m.scores = m.validate(self.data.validation)
        self.validated = m.done
        self._log({f"validation/{k}": v for k, v in m.scores.items()})
        better = m.scores[BEST_BY] < self.best
        self.best, self.stale = (m.scores[BEST_BY], 0) if better else (self.best, self.stale + 1)
        config, metrics = self._config(), self._metrics()
        text = write_card(config, metrics)
        if better:
            save_checkpoint(self.out / "best", m.network, config, metrics, text, m.average)
        counters = {
            "step": m.done,
            "seconds": m.elapsed,
            "best": self.best,
            "stale": self.stale,
            "data": self.data.about["hash"],
        }
        save_checkpoint(
            self.out / "last",
            m.network,
            config,
            metrics,
            text,
            extra=lambda f: save_state(f, trainer.optimizers[0], m.average, counters),
        )
        if self.config.patience and self.stale >= self.config.patience:
            trainer.should_stop = True

    def _pace(self, m: TrainModule) -> float:
        return m.done * self.config.batch / max(m.elapsed, 1e-6)

    def _log(self, values: dict[str, float]) -> None:
        if self.module.logger is not None:
            self.module.logger.log_metrics(values, step=self.module.done)

    def _config(self) -> dict[str, Any]:
        tree = to_tree(self.config)
        return {
            "encoder": _resolved("encoder", tree.pop("encoder")),
            "model": _resolved("model", tree.pop("model")),
            "data": self.data.about,
            "training": tree,
            "versions": {
                "roadcraft": __version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
                **_plugins(self.config),
            },
        }

    def _metrics(self) -> dict[str, Any]:
        m = self.module
        return {
            "step": m.done,
            "samples_seen": m.done * self.config.batch,
            "minutes": m.elapsed / 60.0,
            "samples_per_s": self._pace(m),
            "parameters": sum(p.numel() for p in m.parts.parameters()),
            "validation": m.scores,
            "git": _git(),
            "data": self.data.about["hash"],
        }


def _resolved(kind: str, ref: dict[str, Any]) -> dict[str, Any]:
    """A plugin reference with every param spelt out, so that a checkpoint outlives a change of defaults."""
    return {"name": ref["name"], "params": to_tree(build_params(registry(), kind, ref["name"], ref["params"]))}


def _plugins(config: TrainConfig) -> dict[str, str]:
    found = (registry().find("encoder", config.encoder.name), registry().find("model", config.model.name))
    return {p.provider: p.version for p in found}


def _git() -> str:
    """Commit of the working tree this package lies in, or empty."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def run_config(words: Sequence[str], resume: Path | None = None, overfit: int = 0) -> TrainConfig:
    """The configuration of ``roadcraft train``: from files and ``key=value`` words, over the recipe of a run that is resumed."""
    if resume is None:
        config = load_config(TrainConfig, words).config
        return replace(config, overfit=overfit) if overfit else config
    tree = read_config(resume / "last")
    stored = {"encoder": tree["encoder"], "model": tree["model"], **tree["training"]}
    return load_config(TrainConfig, [*_as_words(stored), *words]).config


def _as_words(tree: dict[str, Any], prefix: str = "") -> list[str]:
    words: list[str] = []
    for k, v in tree.items():
        if isinstance(v, dict) and v and k != "params":
            words += _as_words(v, f"{prefix}{k}.")
        elif v is not None:
            words.append(f"{prefix}{k}={json.dumps(v)}")
    return words


def _same_recipe(config: TrainConfig, resume: Path) -> None:
    tree = read_config(resume / "last")
    old = {"encoder": tree["encoder"], "model": tree["model"], **tree["training"]}
    plain = to_tree(config)
    new = json.loads(json.dumps({**plain, **{k: _resolved(k, plain[k]) for k in ("encoder", "model")}}))
    differ = [k for k in new if k not in MAY_CHANGE and old.get(k) != new[k]]
    if differ:
        raise ConfigError(f"{resume} was trained with another {', '.join(differ)}; a resumed run keeps its recipe")
