"""Validates, stores and stops a run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from roadcraft.core.errors import ConfigError, DataError
from roadcraft.planners.checkpoint import WEIGHTS, load_weights, read_config, save_checkpoint
from roadcraft.plugins.training.card import write_card
from roadcraft.plugins.training.closed_loop import HeldOutDrives
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.plugins.training.data import DataModule
from roadcraft.plugins.training.module import TrainModule
from roadcraft.plugins.training.recipe import described, git_commit, plugin_hashes, versions
from roadcraft.plugins.training.resume import gather_state, load_counters, load_state, save_state
from roadcraft.plugins.training.sharding import agreed, whole
from roadcraft.plugins.training.usage import Mark, mark, usage

LOG_EVERY = 50  # steps


class Keeper(pl.Callback):
    """Writes ``best`` and ``last``, each whole or not at all. In a run of several processes all of them validate and gather; the first one writes."""

    def __init__(self, config: TrainConfig, out: Path, module: TrainModule, data: DataModule) -> None:
        self.config, self.out, self.module, self.data = config, out, module, data
        self.best, self.stale, self.validated, self.rounds = float("inf"), 0, -1, 0
        self.saved, self.saved_s = -1, 0.0
        self.drives: HeldOutDrives | None = None
        if config.select.by == "closed_loop":
            self.drives = HeldOutDrives.choose(data.source, data.held_logs, config.select.scenarios)
        self.begun: Mark | None = None
        self.logged: Mark | None = None
        self.provenance = {"git": git_commit(), "plugins": plugin_hashes(config), "data": data.about["hash"]}

    # ---- going on -------------------------------------------------------------------------------------------------------------------------------

    def restore(self) -> None:
        """Weights and counters of the last checkpoint; the optimiser follows when there is one."""
        last = self.out / "last"
        counters = load_counters(last)
        load_weights(self.module.network, last / WEIGHTS)
        self.module.done, self.module.spent = int(counters["step"]), float(counters["seconds"])
        self.module.scores = dict(counters["scores"])
        self.best, self.stale, self.rounds = float(counters["best"]), int(counters["stale"]), int(counters["rounds"])
        if counters["data"] != self.data.about["hash"]:
            raise DataError(
                "the data is not what this run was trained on",
                where=self.config.data,
                remedy=f"data={read_config(last)['data']['path']}",
            )
        if self.module.done >= self.module.stop_at:
            raise ConfigError(f"{self.out} has {self.module.done} steps already; go on with steps=MORE")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        m = self.module
        if m.done:
            m.average = load_state(self.out / "last", trainer.optimizers[0], m.network.state())
        self.saved, self.saved_s = m.done, m.spent
        self.begun = self.logged = self._mark()  # what was waited for the first batch is not of this clock

    # ---- on the way -----------------------------------------------------------------------------------------------------------------------------

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        m, c = self.module, self.config
        if (batch_idx + 1) % c.accumulate:
            return
        m.advance()
        if m.done % LOG_EVERY == 0 or m.done == 1:
            self._log_progress()
        if m.done % c.validate_every == 0:
            self._validate(trainer)
        elif (c.save_every and m.done - self.saved >= c.save_every) or (
            c.save_minutes and m.clock - self.saved_s >= 60.0 * c.save_minutes
        ):
            self._save_last(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.validated != self.module.done:
            self._validate(trainer, final=True)
        trainer.strategy.barrier()

    def _log_progress(self) -> None:
        m, now = self.module, self._mark()
        assert self.logged is not None
        norm = whole({"": m.norm})[""]
        self._log({f"train/{k}": float(v) for k, v in m.latest.items()} | {"rate": m.rate(), "gradient": float(norm)})
        if now.steps > self.logged.steps:
            self._log({f"usage/{k}": v for k, v in usage(self.logged, now, self.data.order.batch).items()})
        self.logged = now

    def _validate(self, trainer: pl.Trainer, final: bool = False) -> None:
        m, c = self.module, self.config
        m.scores = m.validate(self.data.validation())
        self.validated = m.done
        final = final or trainer.should_stop
        due = self.drives is None or final or self.rounds % c.select.every == c.select.every - 1
        self.rounds += 1
        if due:
            self._choose(trainer)
        self._log({f"validation/{k}": v for k, v in m.scores.items()})
        self._save_last(trainer)
        if c.patience and self.stale >= c.patience:
            trainer.should_stop = True

    def _choose(self, trainer: pl.Trainer) -> None:
        """Make these weights ``best`` if they are."""
        m = self.module
        weights = whole(m.average or m.network.state())
        if self.drives is not None:
            found = 0.0
            if trainer.is_global_zero:
                self._save("candidate", weights)
                found = self.drives.score(self.out / "candidate")
                shutil.rmtree(self.out / "candidate")
            m.scores["closed_loop"] = agreed(found, m.device)
        value = {
            "near_ade_m": m.scores["near_ade_m"],
            "last": -float(m.done),
            "closed_loop": -m.scores.get("closed_loop", 0.0),
        }[self.config.select.by]
        better = value < self.best
        self.best, self.stale = (value, 0) if better else (self.best, self.stale + 1)
        if better and trainer.is_global_zero:
            self._save("best", weights)

    def _save_last(self, trainer: pl.Trainer) -> None:
        m = self.module
        weights, state = whole(m.network.state()), gather_state(trainer.optimizers[0], m.average)
        self.saved, self.saved_s = m.done, m.clock
        if trainer.is_global_zero:
            counters = {
                "step": m.done, "seconds": m.elapsed, "best": self.best, "stale": self.stale, "rounds": self.rounds, "scores": m.scores,
                "data": self.data.about["hash"],
            }  # fmt: skip
            self._save("last", weights, lambda folder: save_state(folder, state, counters))

    def _save(self, name: str, weights: dict[str, Any], extra: Any = None) -> None:
        tree = described(self.config)
        config = {
            "encoder": tree.pop("encoder"),
            "model": tree.pop("model"),
            "data": self.data.about,
            "training": tree,
            "versions": versions(self.config),
        }
        metrics = self._metrics()
        text = write_card(config, metrics)
        save_checkpoint(self.out / name, self.module.network, config, metrics, text, weights, extra)

    # ---- figures --------------------------------------------------------------------------------------------------------------------------------

    def _mark(self) -> Mark:
        return mark(self.module.done, self.data.stream.waited if self.data.stream is not None else 0.0)

    def _log(self, values: dict[str, float]) -> None:
        if self.module.logger is not None:
            self.module.logger.log_metrics(values, step=self.module.done)

    def _metrics(self) -> dict[str, Any]:
        """step, samples_seen, minutes and samples_per_s are those of all sittings, usage of this one."""
        m, now = self.module, self._mark()
        assert self.begun is not None
        return {
            "step": m.done,
            "samples_seen": m.done * self.data.order.batch,
            "minutes": m.elapsed / 60.0,
            "samples_per_s": m.done * self.data.order.batch / max(m.elapsed, 1e-6),
            "parameters": sum(p.numel() for p in m.parts.parameters()),
            "devices": self.data.world,
            "validation": m.scores,
            "usage": usage(self.begun, now, self.data.order.batch),
            **self.provenance,
        }
