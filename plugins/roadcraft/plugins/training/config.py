"""Settings of ``roadcraft train``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from roadcraft.core.hookspecs import PluginRef, plugin_field


@dataclass(frozen=True)
class AugmentConfig:
    """The ego is moved off its logged state, and its target leads back onto the logged path within recovery_s by a quintic spline.

    probability; x_m, y_m, heading_rad, speed_mps: largest displacement (uniform, both ways, in the ego frame); min_speed_mps: below it only x and speed
    are changed, since a standing car cannot move sideways; recovery_s. A displacement that touches another object is not made.
    """

    probability: float = 0.5
    x_m: float = 1.0
    y_m: float = 0.75
    heading_rad: float = 0.2
    speed_mps: float = 1.5
    min_speed_mps: float = 2.0
    recovery_s: float = 2.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError("probability must be in [0, 1]")
        if self.recovery_s <= 0.0:
            raise ValueError("recovery_s must be positive")


@dataclass(frozen=True)
class TrainConfig:
    """encoder, model: plugins by name. data: a store, or raw logs (format where it cannot be told). out: folder of the run.

    steps: optimiser steps; minutes: stop after so long instead, the learning rate following the clock (0: no limit; such a run cannot be repeated
    exactly); batch: samples per step; learning_rate: the peak, after warmup (share of the run), then a cosine to a hundredth of it; weight_decay;
    clip: largest gradient norm; ema: decay of the averaged weights that are validated and stored (0: none); precision.
    every_s: time between the frames of a log that become samples; min_future_s: frames with a shorter logged future are left out;
    validation: share of the logs that is held out; validation_batches: at most so many; validate_every: steps; patience: validations without an
    improvement of near_ade_m after which training stops (0: never); seed; threads: of torch (0: all cores; small networks train fastest on one); drives: logs held in memory at a time; overfit: train
    on so many samples only, without augmentation and dropout.
    """

    encoder: PluginRef = plugin_field("encoder", "vector_transformer")
    model: PluginRef = plugin_field("model", "multimodal")
    data: str = field(default="", metadata={"path": True})
    format: str | None = None
    out: str = field(default="runs/train", metadata={"path": True})
    steps: int = 20_000
    minutes: float = 0.0
    batch: int = 64
    learning_rate: float = 2e-3
    warmup: float = 0.05
    weight_decay: float = 0.05
    clip: float = 1.0
    ema: float = 0.0
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    every_s: float = 0.25
    min_future_s: float = 3.0
    validation: float = 0.1
    validation_batches: int = 16
    validate_every: int = 500
    patience: int = 0
    seed: int = 0
    threads: int = 1
    drives: int = 512
    overfit: int = 0
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "validate_every", "drives", "validation_batches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("minutes", "patience", "threads", "overfit", "weight_decay"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        if not self.learning_rate > 0.0 or not self.clip > 0.0 or not self.every_s > 0.0:
            raise ValueError("learning_rate, clip and every_s must be positive")
        if not 0.0 <= self.warmup < 1.0 or not 0.0 <= self.ema < 1.0 or not 0.0 < self.validation < 1.0:
            raise ValueError("warmup and ema must be in [0, 1), validation in (0, 1)")
