"""The one Lightning module that trains every encoder with every model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from roadcraft.core.config.factory import create
from roadcraft.core.errors import PluginError
from roadcraft.core.interfaces import Recipe
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.plugins.registry import registry
from roadcraft.core.types import Losses
from roadcraft.planners.learned.network import Network
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.plugins.training.run.distributed import all_reduce_max, all_reduce_sum, broadcast_rank0, shard
from roadcraft.plugins.training.run.divergence import Diverged, FiniteCheck
from roadcraft.plugins.training.run.parameters import Frozen
from roadcraft.plugins.training.stopping import StopRequest

NEAR_S = 3.0  # what a closed loop drives of a plan before many newer ones have replaced it
DIAGNOSTICS = "diagnostics/"  # before the names of what is logged and not summed
TICK = 10  # steps between two looks at the clock where processes have to agree on it


class TrainModule(pl.LightningModule):
    """Minimizes the sum of the loss terms of model and recipe. ``done`` counts optimizer steps over all sittings of a
    run, ``spent`` the seconds.

    Targets given to ``BehaviorModel.loss`` are the batch itself: the features, and ego_future, agent_future with their
    masks (``samples``). Before each part of a batch the random state is set from (seed, step, part), so that dropout
    and noise are the same wherever the part is trained and whenever a run goes on.
    """

    def __init__(self, network: Network, config: TrainConfig, stop_at: int, stop: StopRequest | None = None) -> None:
        super().__init__()
        self.network, self.config, self.stop = network, config, stop or StopRequest()
        assert config.learning_rate is not None  # ``resolve.with_rate``
        self.peak = config.learning_rate
        self.finite, self.stopping = FiniteCheck(self.peak, config.max_gradient_norm), 0
        self.parts = nn.ModuleDict({"encoder": network.encoder, "model": network.model})
        self.recipe, self.frozen = recipe_of(config), Frozen(self.parts, config.freeze)
        self.done, self.spent, self.clock, self.stop_at = 0, 0.0, 0.0, stop_at
        self.average: dict[str, Tensor] | None = None
        self.latest = Losses({})
        self.norm = torch.zeros(())  # of the gradient, before it was cut
        self.scores: dict[str, float] = {}
        self.compute: Callable[[dict[str, Tensor], bool], tuple[Losses, Any]] = self.losses
        self._begun = 0.0

    def configure_model(self) -> None:
        if isinstance(self.trainer.strategy, ModelParallelStrategy):
            assert self.device_mesh is not None
            shard(self.network, self.device_mesh["data_parallel"])
        if self.config.compile:
            self.compute = torch.compile(self.losses)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        trained = {k: p for k, p in self.parts.named_parameters() if p.requires_grad}
        groups = self.recipe.groups(trained)
        if not any(group["params"] for group in groups):
            raise PluginError(
                f"{registry().find('recipe', self.config.recipe.name)}: groups() gives no parameters to train, of "
                f"{len(trained)} that are not frozen"
            )
        optimizer = self.recipe.optimizer(groups)
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        return optimizer

    def extra_state(self) -> dict[str, Any]:
        """What else a run that goes on needs, to be written as JSON."""
        return {}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take up ``extra_state``."""

    # ---- the clock -------------------------------------------------------------------

    def on_train_start(self) -> None:
        self._begun = time.monotonic()
        self.clock = self.spent
        self.frozen.train(
            not self.config.overfit
        )  # dropout would keep a handful of samples from being learned by heart

    @property
    def elapsed(self) -> float:
        """Seconds of training over all sittings, of this process."""
        return self.spent + (time.monotonic() - self._begun if self._begun else 0.0)

    def tick(self) -> None:
        """Look at the clock, at the signals and, where that is not done at every step, for what is not finite: all
        processes decide by the same ``clock`` and by the same ``stopping``, the signal that ends the run. Raises
        Diverged."""
        if self.trainer.world_size == 1:
            self.clock = self.elapsed
        if self.done % TICK:
            return
        fault, wrong = self.finite.found(self.done), 0.0
        if self.trainer.world_size > 1:
            self.clock = broadcast_rank0(self.elapsed, self.device)
            stopping, wrong = all_reduce_max([float(self.stop.signal), float(fault is not None)], self.device)
            self.stopping = int(stopping)
        if fault is not None or wrong:
            raise fault or Diverged(self.done, "another process found a value that is not finite", self.finite.remedy)

    @property
    def progress(self) -> float:
        """Share of the run that is done: by steps, or by the clock where that is further."""
        limit = self.config.minutes * 60.0
        return max(self.done / self.config.steps, self.clock / limit if limit else 0.0)

    def factor(self) -> float:
        """What the peak rates are multiplied by now."""
        return self.recipe.schedule(self.done, self.config.steps, self.progress)

    # ---- a step ----------------------------------------------------------------------

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        part = batch_idx % self.config.accumulate
        if part == 0:
            self.tick()
            factor = self.factor()
            for group in self.trainer.optimizers[0].param_groups:
                group["lr"] = group["initial_lr"] * factor
        set_random("train", self.config.seed, self.done, part * self.trainer.world_size + self.global_rank)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        batch = self.recipe.augment(batch)
        with self.network.explained():
            found, _ = self.compute(batch, True)
        self.latest = Losses(*({k: v.detach() for k, v in some.items()} for some in found))
        self.finite.check_loss(found.terms, batch, self.done + 1, batch_idx % self.config.accumulate)
        return torch.stack(list(found.terms.values())).sum()

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """Cut the gradient's norm; Lightning's own way of doing so refuses the fused optimizer in mixed precision."""
        self.norm = nn.utils.clip_grad_norm_(self.parts.parameters(), self.config.max_gradient_norm)
        if isinstance(self.norm, DTensor):
            return
        wrong = self.finite.check_gradient(self.norm, self.done + 1)
        if self.finite.trouble and (wrong or self.trainer.world_size == 1):
            raise self.finite.trouble

    def losses(self, batch: dict[str, Tensor], training: bool) -> tuple[Losses, Any]:
        """Loss terms and diagnostics of model and recipe, and the prediction of a batch."""
        own, prediction, encoding = self.network.losses(batch, training)
        more = Losses.of(self.recipe.losses(prediction, batch, encoding))
        _check_numbers(own, "model", self.config.model.name)
        _check_numbers(more, "recipe", self.config.recipe.name)
        if both := {*own.terms, *own.diagnostics} & {*more.terms, *more.diagnostics}:
            raise PluginError(f"recipe {self.config.recipe.name} and the model both call a loss {', '.join(both)}")
        return Losses({**own.terms, **more.terms}, {**own.diagnostics, **more.diagnostics}), prediction

    def advance(self) -> None:
        """Count a finished step. Called by the run, since Lightning calls callbacks before the module's own hook."""
        self.done += 1
        if self.config.ema_decay:
            self._average()
        if self.trainer.world_size == 1:
            self.stopping = self.stop.signal
        if self.stopping or self.done >= self.stop_at or self.progress >= 1.0:
            self.trainer.should_stop = True

    @torch.no_grad()
    def _average(self) -> None:
        now = {k: v.detach() for k, v in self.network.state().items()}
        if self.average is None:
            self.average = {k: v.clone() for k, v in now.items()}
        decay = min(self.config.ema_decay, (1.0 + self.done) / (10.0 + self.done))
        for k, v in now.items():
            self.average[k].lerp_(v, 1.0 - decay) if v.is_floating_point() else self.average[k].copy_(v)

    # ---- validation ------------------------------------------------------------------

    @torch.no_grad()
    def validate(self, parts: Iterable[tuple[int, int, dict[str, Tensor]]]) -> dict[str, float]:
        """Mean loss terms and displacement errors (``errors``) over the held-out samples of all processes, by the
        averaged weights where there are some. ``parts``: index, how many samples count, batch."""
        training = self.parts.training
        self.parts.eval()
        kept = self._swap(self.average)
        sums: dict[str, float] = {"count": 0.0}
        try:
            for index, size, batch in parts:
                set_random("validate", self.config.seed, 0, index)
                batch = {k: v.to(self.device, non_blocking=True) for k, v in batch.items()}
                found, prediction = self.losses(batch, False)
                loss = torch.stack(list(found.terms.values())).sum()
                values = {**found.terms, "loss": loss, **displacement_errors(prediction, batch)}
                values |= {f"{DIAGNOSTICS}{k}": v for k, v in found.diagnostics.items()}
                sums["count"] += size
                for k, v in values.items():
                    sums[k] = sums.get(k, 0.0) + float(v) * size
        finally:
            self._swap(kept)
            self.frozen.train(training)
        sums = all_reduce_sum(sums, self.device)
        count = sums.pop("count")
        return {k: v / max(count, 1.0) for k, v in sums.items()}

    def _swap(self, state: dict[str, Tensor] | None) -> dict[str, Tensor] | None:
        """Put other weights in place and give back those that were there."""
        if state is None:
            return None
        now = self.network.state()
        kept = {k: v.detach().clone() for k, v in now.items()}
        for k, v in now.items():
            v.copy_(state[k])
        return kept


def _check_numbers(found: Losses, kind: str, name: str) -> None:
    """Raises PluginError where what a loss gives is no map of names to tensors of one number."""
    for part, values in zip(found._fields, found, strict=True):
        if not isinstance(values, Mapping):
            what = f"the {part} of its loss are a {type(values).__name__}, not a map of names to tensors of one number"
            raise PluginError(f"{registry().find(kind, name)}: {what}")
        for term, value in values.items():
            if not isinstance(value, Tensor) or value.dim():
                got = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
                what = f"{term!r} among the {part} of its loss is {got}"
                raise PluginError(
                    f"{registry().find(kind, name)}: {what}; it must be a tensor of one number, such as a mean"
                )


def recipe_of(config: TrainConfig) -> Recipe:
    """The run's recipe. Raises PluginError and ConfigError."""
    ref: PluginRef = config.recipe
    made: Recipe = create("recipe", ref.name, ref.params, settings=config)
    return made


def set_random(*what: str | int) -> None:
    """Make torch's random state a function of what is about to happen."""
    torch.manual_seed(int.from_bytes(blake2b(repr(what).encode(), digest_size=7).digest(), "little"))


def displacement_errors(prediction: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Displacement errors in meters, means over the batch; poses beyond the log's end do not count: ade_m, fde_m of the
    likeliest trajectory, near_ade_m of its first NEAR_S seconds, min_ade_m of the best of all;
    constant_velocity_near_ade_m: near_ade_m of driving straight on at the present speed."""
    valid = batch["ego_future_valid"]
    gap = (prediction.ego[..., :2] - batch["ego_future"][:, None, :, :2]).norm(dim=-1) * valid[:, None]
    ade = gap.sum(-1) / valid.sum(-1, keepdim=True).clamp_min(1)
    last = (valid.sum(-1) - 1).clamp_min(0)
    rows = torch.arange(len(valid), device=valid.device)
    best = prediction.logits.argmax(-1)
    near = valid & (prediction.time_s <= NEAR_S + 1e-6)
    real = prediction.logits > torch.finfo(prediction.logits.dtype).min
    straight = torch.stack([batch["ego"][:, :1] * prediction.time_s, torch.zeros_like(near, dtype=gap.dtype)], -1)
    steady = (straight - batch["ego_future"][..., :2]).norm(dim=-1)
    return {
        "ade_m": ade[rows, best].mean(),
        "fde_m": gap[rows, best, last].mean(),
        "near_ade_m": (gap[rows, best] * near).sum(-1).div(near.sum(-1).clamp_min(1)).mean(),
        "constant_velocity_near_ade_m": (steady * near).sum(-1).div(near.sum(-1).clamp_min(1)).mean(),
        "min_ade_m": ade.masked_fill(~real, torch.inf).amin(-1).mean(),
    }
