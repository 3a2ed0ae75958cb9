"""Validates, stores and stops a run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from roadcraft.core.errors import ConfigError, DataError, PluginError
from roadcraft.core.optimizer_groups import groups_to_text
from roadcraft.planners.learned.checkpoint import check_features, load_weights, read_config
from roadcraft.planners.learned.checkpoint_writing import save_checkpoint
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.plugins.training.data.data import DataModule
from roadcraft.plugins.training.run.card import write_card
from roadcraft.plugins.training.run.closed_loop import LOG, HeldOutDrives
from roadcraft.plugins.training.run.distributed import broadcast_rank0, full_state_dict
from roadcraft.plugins.training.run.divergence import check_scores, check_weights
from roadcraft.plugins.training.run.events import EventLog
from roadcraft.plugins.training.run.module import DIAGNOSTICS, TrainModule
from roadcraft.plugins.training.run.resolve import code_digests, described, git_commit, versions
from roadcraft.plugins.training.run.resume import gather_state, load_counters, load_state, save_state
from roadcraft.plugins.training.run.usage import UsageSnapshot, take_snapshot, usage
from roadcraft.plugins.training.stopping import Stopped

LOG_STEPS, LOG_SHARE = 50, 0.01  # steps between two entries in the log, and share of the run, whichever is less
VALIDATE_STEPS, VALIDATE_SHARE = 500, 0.2  # likewise between two validations, unless validate_every says otherwise


class CheckpointCallback(pl.Callback):
    """Writes ``best`` and ``last``, each whole or not at all. In a run of several processes all of them validate and
    gather; the first one writes."""

    def __init__(self, config: TrainConfig, out: Path, module: TrainModule, data: DataModule) -> None:
        self.config, self.out, self.module, self.data = config, out, module, data
        self.best, self.stale, self.validated, self.rounds = float("inf"), 0, -1, 0
        self.validated_at = 0.0  # progress at the last validation
        self.saved, self.saved_s = -1, 0.0
        self.callbacks: dict[str, pl.Callback] = {}
        for callback in module.recipe.callbacks():
            if callback.state_key in self.callbacks:
                raise PluginError(
                    f"recipe {config.recipe.name} has two callbacks with the state_key {callback.state_key!r}: only "
                    "one could be stored; give each a state_key of its own"
                )
            self.callbacks[callback.state_key] = callback
        self.drives: HeldOutDrives | None = None
        if config.select.by == "closed_loop":
            agents = (LOG,) if config.method == "imitation" else (LOG, config.policy.agents)
            self.drives = HeldOutDrives.choose(data.source, data.held_logs, config.select.scenarios, agents)
        self.begun: UsageSnapshot | None = None
        self.logged: UsageSnapshot | None = None
        self.logged_at = 0.0
        self.events = EventLog(out / "tensorboard")
        self.provenance = {"git": git_commit(), "data": data.about["hash"]}
        features = module.network.features
        self.about = {
            "data": data.about,
            "versions": versions(config, features),
            "code": code_digests(config, features),
        }

    # ---- going on --------------------------------------------------------------------

    def restore(self) -> None:
        """Weights and counters of the last checkpoint; the optimizer follows when there is one."""
        last = self.out / "last"
        counters, tree = load_counters(last), read_config(last)
        load_weights(self.module.network, last, tree)
        check_features(self.module.network.features, tree, last)
        self.module.done, self.module.spent = int(counters["step"]), float(counters["seconds"])
        self.module.scores = dict(counters["scores"])
        self.module.set_extra_state(counters.get("module", {}))
        for key, state in counters["callbacks"].items():
            if key not in self.callbacks:
                raise PluginError(
                    f"{last} holds the state of a callback {key!r}, which recipe {self.config.recipe.name} lacks: "
                    "a resumed run keeps its callbacks"
                )
            self.callbacks[key].load_state_dict(state)
        self.stale, self.rounds = int(counters["stale"]), int(counters["rounds"])
        self.validated = int(counters.get("validated", self.module.done))
        if counters["best"] is not None and (self.out / "best").is_dir():
            self.best = float(counters["best"])
        if counters["data"] != self.data.about["hash"]:
            raise DataError(
                "the data is not what this run was trained on",
                where=self.config.data,
                remedy=f"data={tree['data']['path']}",
            )
        if self.module.done >= self.module.stop_at and self.validated == self.module.done:
            raise ConfigError(f"{self.out} has {self.module.done} steps already; go on with steps=MORE")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        m = self.module
        if m.done:
            m.average = load_state(self.out / "last", trainer.optimizers[0], m.network.state())
        m.clock = m.spent
        self.saved, self.saved_s = m.done, m.spent
        self.validated_at = self.logged_at = m.progress
        self.begun = self.logged = self._snapshot()  # what was waited for the first batch is not of this clock
        if m.done and m.done < m.stop_at and m.done != self.validated and self._validation_is_due():
            self._validate(trainer)  # the one during which the run was stopped

    # ---- on the way ------------------------------------------------------------------

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        m, c = self.module, self.config
        if (batch_idx + 1) % c.accumulate:
            return
        m.advance()
        assert self.logged is not None
        if m.done == 1 or m.done - self.logged.steps >= LOG_STEPS or m.progress - self.logged_at >= LOG_SHARE:
            self._log_progress(trainer)
        if m.stopping:
            return
        if self._validation_is_due():
            self._validate(trainer)
        elif (c.save_every and m.done - self.saved >= c.save_every) or (
            c.save_minutes and m.clock - self.saved_s >= 60.0 * c.save_minutes
        ):
            self._save_last(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self._stopping() and self.validated != self.module.done:
            self._validate(trainer, final=True)
        if self._stopping() and (self.saved != self.module.done or not self.module.done):
            self._save_last(trainer)
        self.events.close()
        trainer.strategy.barrier()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self.events.close()

    def _stopping(self) -> int:
        """The signal that ends the run: also one that came before the first step, if this process is alone."""
        return self.module.stopping or (self.data.stop.signal if self.data.world == 1 else 0)

    def _validation_is_due(self) -> bool:
        m, c = self.module, self.config
        if c.validate_every:
            return m.done % c.validate_every == 0
        every = max(min(VALIDATE_STEPS, round(VALIDATE_SHARE * c.steps)), 1)
        return m.done % every == 0 or bool(c.minutes and m.progress - self.validated_at >= VALIDATE_SHARE)

    def _log_progress(self, trainer: pl.Trainer) -> None:
        m, now = self.module, self._snapshot()
        assert self.logged is not None
        norm = full_state_dict({"": m.norm})[""]
        values = {f"train/{k}": float(v) for k, v in m.latest.terms.items()}
        values |= {f"train/{DIAGNOSTICS}{k}": float(v) for k, v in m.latest.diagnostics.items()}
        values |= {"rate": trainer.optimizers[0].param_groups[0]["lr"], "gradient": float(norm)}
        if now.steps > self.logged.steps:
            values |= {f"usage/{k}": v for k, v in usage(self.logged, now, self.data.order.batch).items()}
        self._log(trainer, values)
        self.logged, self.logged_at = now, m.progress

    def _validate(self, trainer: pl.Trainer, final: bool = False) -> None:
        """Validate, choose and store. A process that is told to stop meanwhile stores what was reached; the validation
        is then made up for when the run goes on."""
        m, c = self.module, self.config
        weights = full_state_dict(m.average or m.network.state())
        check_weights(weights, m.done, m.finite.remedy)
        final = final or trainer.should_stop
        due = self.drives is None or final or self.rounds % c.select.every == c.select.every - 1
        try:
            with self.data.stop.waiting(patient=trainer.world_size > 1):
                scores = m.validate(self.data.validation())
                check_scores(scores, m.done, m.finite.remedy)
                if due and self.drives is not None:
                    scores["closed_loop"] = self._drive(trainer, weights, scores)
        except Stopped as e:
            m.stopping, trainer.should_stop = e.number, True
            self._save_last(trainer)
            return
        m.scores, self.validated, self.validated_at = scores, m.done, m.progress
        self.rounds += 1
        if due:
            self._choose(trainer, weights)
        self._log(trainer, {f"validation/{k}": v for k, v in m.scores.items()})
        self._save_last(trainer)
        if c.patience and self.stale >= c.patience:
            trainer.should_stop = True

    def _drive(self, trainer: pl.Trainer, weights: dict[str, Any], scores: dict[str, float]) -> float:
        """The closed-loop score of these weights."""
        assert self.drives is not None
        found = 0.0
        if trainer.is_global_zero:
            try:
                self._save("candidate", weights, scores)
                found = self.drives.score(self.out / "candidate")
            finally:
                shutil.rmtree(self.out / "candidate", ignore_errors=True)
        return broadcast_rank0(found, self.module.device)

    def _choose(self, trainer: pl.Trainer, weights: dict[str, Any]) -> None:
        """Make these weights ``best`` if they are."""
        m = self.module
        value = {
            "near_ade_m": m.scores["near_ade_m"],
            "last": -float(m.done),
            "closed_loop": -m.scores.get("closed_loop", 0.0),
        }[self.config.select.by]
        better = value < self.best
        self.best, self.stale = (value, 0) if better else (self.best, self.stale + 1)
        if better and trainer.is_global_zero:
            self._save("best", weights, m.scores)

    def _save_last(self, trainer: pl.Trainer) -> None:
        m = self.module
        weights, state = full_state_dict(m.network.state()), gather_state(trainer.optimizers[0], m.average)
        groups = groups_to_text(trainer.optimizers[0])
        check_weights(weights, m.done, m.finite.remedy)
        self.saved, self.saved_s = m.done, m.clock
        if trainer.is_global_zero:
            counters = {
                "step": m.done, "seconds": m.elapsed, "best": self.best, "stale": self.stale, "rounds": self.rounds,
                "scores": m.scores, "groups": groups,
                "validated": self.validated, "data": self.data.about["hash"],
                "module": m.extra_state(),
                "callbacks": {k: s for k, c in self.callbacks.items() if (s := c.state_dict())},
            }  # fmt: skip
            self._save("last", weights, m.scores, lambda folder: save_state(folder, state, counters))

    def _save(self, name: str, weights: dict[str, Any], scores: dict[str, float], extra: Any = None) -> None:
        tree = described(self.config)
        config = {"encoder": tree.pop("encoder"), "model": tree.pop("model"), "training": tree, **self.about}
        metrics = {**self._metrics(), "validation": scores}
        text = write_card(config, metrics)
        with self.data.stop.waiting(patient=True):
            save_checkpoint(self.out / name, self.module.network, config, metrics, text, weights, extra)

    # ---- figures ---------------------------------------------------------------------

    def _snapshot(self) -> UsageSnapshot:
        return take_snapshot(self.module.done, self.data.stream.waited if self.data.stream is not None else 0.0)

    def _log(self, trainer: pl.Trainer, values: dict[str, float]) -> None:
        if trainer.is_global_zero:
            self.events.scalars(values, self.module.done)

    def _metrics(self) -> dict[str, Any]:
        """step, samples_seen, minutes and samples_per_s are those of all sittings, usage of this one."""
        m, now = self.module, self._snapshot()
        assert self.begun is not None
        return {
            "step": m.done,
            "samples_seen": m.done * self.data.order.batch,
            "minutes": m.elapsed / 60.0,
            "samples_per_s": m.done * self.data.order.batch / max(m.elapsed, 1e-6),
            "parameters": sum(p.numel() for p in m.parts.parameters()),
            "devices": self.data.world,
            "usage": usage(self.begun, now, self.data.order.batch),
            **self.provenance,
        }
