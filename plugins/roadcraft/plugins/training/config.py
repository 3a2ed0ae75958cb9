"""Settings of ``roadcraft train``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from roadcraft.core.config import path_field
from roadcraft.core.hookspecs import PluginRef, plugin_field
from roadcraft.core.rules import check


@dataclass(frozen=True)
class AugmentConfig:
    """What is done to samples at random.

    Perturb and recover: with ``probability`` the ego is moved off its logged state, and its target leads back onto the logged path within recovery_s by a
    quintic spline. x_m, y_m, heading_rad, speed_mps: largest displacement (uniform, both ways, in the ego frame); min_speed_mps: below it only x and
    speed are changed, since a standing car cannot move sideways. A displacement that touches another object is not made.
    late_start: probability with which a sample that is no more than late_s after a start is seen from where the ego stood (``late_start``).
    mirror: probability with which the world is reflected left to right (``core.driving.mirror``); traffic then keeps to the other side of the road.
    drop_agents: probability with which each agent is taken away that stays further than keep_m from the ego's path (``thinning``).
    """

    probability: float = 0.5
    x_m: float = 1.0
    y_m: float = 0.75
    heading_rad: float = 0.2
    speed_mps: float = 1.5
    min_speed_mps: float = 2.0
    recovery_s: float = 2.0
    late_start: float = 0.5
    late_s: float = 3.0
    mirror: float = 0.0
    drop_agents: float = 0.0
    keep_m: float = 20.0

    def __post_init__(self) -> None:
        check(
            self,
            {
                "[0, 1]": "probability late_start mirror drop_agents",
                "> 0": "recovery_s",
                ">= 0": "x_m y_m heading_rad speed_mps min_speed_mps keep_m late_s",
            },
        )


@dataclass(frozen=True)
class BalanceConfig:
    """How often each sample is trained on; by default all equally often.

    pattern: how far rare patterns of trajectory (turns, braking, setting off) are brought up to the commonest one: 0 not at all, 1 entirely (at most 20
    times as often); curriculum: share of that which is reached only in the course of the run, in proportion to its steps;
    tags: factors for samples near a scenario of the index that bears the tag, such as {near_multiple_vehicles: 2.0};
    scenarios: Parquet file with the columns ``token`` and ``weight``: the same by scenario.
    """

    pattern: float = 0.0
    curriculum: float = 0.0
    tags: dict[str, float] = field(default_factory=dict)
    scenarios: str = path_field()

    def __post_init__(self) -> None:
        check(
            self,
            {"[0, 1]": "pattern curriculum"},
            ("tags", all(v >= 0.0 for v in self.tags.values()), "must be factors of at least 0"),
        )


@dataclass(frozen=True)
class SelectConfig:
    """Which weights become ``best``. by: ``near_ade_m`` (the displacement error over the first 3 s of held-out logs), ``last`` (the newest: with averaged
    weights and a learning rate that has run out they are rarely beaten), or ``closed_loop`` (the score of driving held-out scenarios, others
    following the log). Open-loop errors and closed-loop scores often disagree; only the last one drives.

    scenarios, every: of ``closed_loop``: how many are driven, at every how many validations (and at the end).
    """

    by: Literal["near_ade_m", "last", "closed_loop"] = "near_ade_m"
    scenarios: int = 16
    every: int = 4

    def __post_init__(self) -> None:
        check(self, {">= 1": "scenarios every"})


@dataclass(frozen=True)
class TrainConfig:
    """encoder, model: plugins by name. data: a store, or raw logs (format where it cannot be told). out: folder of the run. start: a checkpoint folder whose
    weights are begun with, to fine-tune them; on the command line its encoder and model are taken as well (whatever does not change the weights may differ).

    steps: optimiser steps; minutes: stop after so long instead, the learning rate following the clock (0: no limit; such a run cannot be repeated
    exactly); batch: samples per step, over all devices; accumulate: parts into which a device's share is cut to fit its memory;
    learning_rate: the peak, after warmup (share of the run), then a cosine to a hundredth of it (none given: the model's own where its class has an attribute
    ``learning_rate``, else 2e-3; with start a tenth of that); weight_decay;
    clip: largest gradient norm; ema: decay of the averaged weights that are validated and stored (0: none); precision; compile: the network, by
    torch.compile.
    every_s: time between the frames of a log that become samples; min_future_s: frames with a shorter logged future are left out;
    validation: share of the logs that is held out; validation_batches: at most so many; validate_every: steps (0: 500, and at least five
    times in a run); patience: validations without an
    improvement after which training stops (0: never); save_every: steps, and save_minutes: after which ``last`` is written at the latest (0: at
    validations only); seed.
    overfit: train on so many samples only, without augmentation and dropout.

    Where it runs, none of which changes what is learned but for rounding: devices per node (0: all there are) and nodes, both as torchrun says under
    torchrun; strategy: ``ddp`` copies the network to every device, ``fsdp`` (FSDP2) shares it out, ``auto`` is ddp for more than one device;
    workers: threads that build batches (0: one per core and at most 4, shared among the processes of a node); threads: of torch (0: all cores; small
    networks train fastest on one); drives: logs held in memory at a time.
    """

    encoder: PluginRef = plugin_field("encoder", "vector_transformer")
    model: PluginRef = plugin_field("model", "multimodal")
    data: str = path_field()
    format: str | None = None
    out: str = path_field("runs/train", written=True)
    start: str = path_field()
    steps: int = 20_000
    minutes: float = 0.0
    batch: int = 64
    accumulate: int = 1
    learning_rate: float | None = None
    warmup: float = 0.05
    weight_decay: float = 0.05
    clip: float = 1.0
    ema: float = 0.0
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    compile: bool = False
    every_s: float = 0.25
    min_future_s: float = 3.0
    validation: float = 0.1
    validation_batches: int = 16
    validate_every: int = 0
    patience: int = 0
    save_every: int = 0
    save_minutes: float = 10.0
    seed: int = 0
    overfit: int = 0
    devices: int = 1
    nodes: int = 1
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    workers: int = 1
    threads: int = 1
    drives: int = 512
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    balance: BalanceConfig = field(default_factory=BalanceConfig)
    select: SelectConfig = field(default_factory=SelectConfig)

    def __post_init__(self) -> None:
        check(
            self,
            {
                ">= 1": "steps batch accumulate drives validation_batches nodes",
                ">= 0": "minutes patience threads workers devices overfit weight_decay save_every save_minutes validate_every min_future_s",
                "> 0": "learning_rate clip every_s",
                "[0, 1)": "warmup ema",
                "(0, 1)": "validation",
                "[0, 4294967295]": "seed",
            },
        )
