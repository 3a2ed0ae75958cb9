"""Settings of ``roadcraft train``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from roadcraft.core.config.load import path_field
from roadcraft.core.config.rules import Range, check
from roadcraft.core.plugins.hookspecs import PluginRef, plugin_field
from roadcraft.plugins.training.policy_config import PolicyGradientConfig


@dataclass(frozen=True)
class AugmentConfig:
    """What is done to samples at random.

    Perturb and recover: the ego is moved off its logged state, and its target leads back onto the logged path by a
    quintic spline. A displacement that touches another object is not made.
    """

    perturbation: Annotated[float, Range("[0, 1]")] = 0.5
    """Probability with which the ego is moved off its logged state."""
    x_m: Annotated[float, Range(">= 0")] = 1.0
    """Largest displacement forward and back (uniform, in the ego frame)."""
    y_m: Annotated[float, Range(">= 0")] = 0.75
    """Largest displacement to either side."""
    heading_rad: Annotated[float, Range(">= 0")] = 0.2
    """Largest change of heading, either way."""
    lateral_mps: Annotated[float, Range(">= 0")] = 0.0
    """Largest speed across its lane that a change of heading gives the ego, at its changed speed (0: no limit): at 25
    m/s a truck that heads 0.2 rad aside cannot come back without rolling over, and should not learn to try."""
    speed_mps: Annotated[float, Range(">= 0")] = 1.5
    """Largest change of speed, either way."""
    min_speed_mps: Annotated[float, Range(">= 0")] = 2.0
    """Speed below which only x and speed are changed, since a standing car cannot move sideways."""
    recovery_s: Annotated[float, Range("> 0")] = 2.0
    """Time within which the target leads back onto the logged path; a longer one recovers more gently."""
    late_start: Annotated[float, Range("[0, 1]")] = 0.5
    """Probability with which a sample shortly after a start is seen from where the ego stood."""
    late_start_s: Annotated[float, Range(">= 0")] = 3.0
    """Time after a start up to which late_start applies."""
    mirror: Annotated[float, Range("[0, 1]")] = 0.0
    """Probability with which the world is reflected left to right; traffic then keeps to the other side of the road."""
    agent_dropout: Annotated[float, Range("[0, 1]")] = 0.0
    """Probability with which each agent is taken away that stays farther than agent_dropout_distance_m from the ego's
    path."""
    agent_dropout_distance_m: Annotated[float, Range(">= 0")] = 20.0
    """Distance from the ego's path within which agent_dropout takes no agent away."""
    conditions: bool = True
    """Whether a network that reads commands is told, in a share of the samples, what the log's driver went on to do,
    as command, goal, speed or style, or is given another target that obeys a command. What a log itself says the
    driver was told is always told."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class BalanceConfig:
    """How often each sample is trained on; by default all equally often."""

    pattern: Annotated[float, Range("[0, 1]")] = 0.0
    """How far rare patterns of trajectory (turns, braking, setting off) are brought up to the commonest one: 0 not at
    all, 1 entirely (at most 20 times as often)."""
    curriculum: Annotated[float, Range("[0, 1]")] = 0.0
    """Share of the balancing that is reached only in the course of the run, in proportion to its steps."""
    tags: dict[str, float] = field(default_factory=dict)
    """Factors for samples near a scenario of the index that bears the tag, such as {near_multiple_vehicles: 2.0}."""
    scenarios: str = path_field()
    """Parquet file with the columns token and weight: factors by scenario."""

    def __post_init__(self) -> None:
        check(self, ("tags", all(v >= 0.0 for v in self.tags.values()), "must be factors of at least 0"))


@dataclass(frozen=True)
class SelectConfig:
    """Which weights become ``best``. Open-loop errors and closed-loop scores often disagree; only ``closed_loop``
    drives, and what was learned by driving (method ppo or vdgrpo) is chosen by it or the newest."""

    by: Literal["near_ade_m", "last", "closed_loop"] = "near_ade_m"
    """near_ade_m: least displacement error over the first 3 s of held-out logs; last: the newest weights; closed_loop:
    best score of driving held-out scenarios."""
    scenarios: Annotated[int, Range(">= 1")] = 16
    """Scenarios that closed_loop drives, others following the log; with method ppo or vdgrpo once more among
    policy.agents."""
    every: Annotated[int, Range(">= 1")] = 4
    """Validations after each of which closed_loop drives (and at the end)."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class StartConfig:
    """Weights of another run to begin with, to fine-tune them."""

    checkpoint: str = path_field()
    """Checkpoint folder whose encoder and model are begun with (start=CHECKPOINT for short); on the command line both
    are taken as they are there."""
    encoder: str = path_field()
    """Checkpoint folder whose encoder alone is begun with, beside any model; on the command line it is taken as it is
    there."""

    def __post_init__(self) -> None:
        rule = "has no meaning beside checkpoint (leave one of the two out)"
        check(self, ("encoder", not (self.checkpoint and self.encoder), rule))

    @property
    def source(self) -> str:
        """The checkpoint folder, if one is named."""
        return self.checkpoint or self.encoder

    @property
    def parts(self) -> tuple[str, ...]:
        """What is taken from it."""
        return ("encoder", "model") if self.checkpoint else ("encoder",) if self.encoder else ()


@dataclass(frozen=True)
class TrainConfig:
    """A training run. Where it runs (devices, nodes, strategy, workers, threads, cached_drives) changes nothing of what
    is learned but for rounding."""

    method: Literal["imitation", "ppo", "vdgrpo"] = "imitation"
    """imitation learns from logs; ppo and vdgrpo learn by driving in the simulator, for policy.reward, which of
    the trajectories of a trained network (start.checkpoint) to drive, or how much slower."""
    encoder: PluginRef = plugin_field("encoder", "vector_transformer")
    """Turns features into scene tokens."""
    model: PluginRef = plugin_field("model", "multimodal")
    """Turns scene tokens into behavior."""
    data: str = path_field()
    """A store, or raw logs."""
    format: str | None = None
    """Source plugin that reads raw logs, where the files do not tell."""
    out: str = path_field("runs/train", written=True)
    """Folder of the run."""
    recipe: PluginRef = plugin_field("recipe", "adamw_cosine")
    """Optimizer, schedule, further augmentation and loss terms, callbacks."""
    start: StartConfig = field(default_factory=StartConfig)
    """Weights of another run to begin with."""
    freeze: tuple[str, ...] = ()
    """What is not trained: encoder, model, or beginnings of parameters' names (encoder.layers.0). It gets no gradient
    and stays in evaluation mode."""
    steps: Annotated[int, Range(">= 1")] = 20_000
    """Optimizer steps; with method ppo or vdgrpo roll-outs."""
    minutes: Annotated[float, Range(">= 0")] = 0.0
    """Time after which training stops instead, the learning rate following the clock (0: no limit); such a run cannot
    be repeated exactly."""
    batch: Annotated[int, Range(">= 1")] = 64
    """Samples per step, over all devices; with method ppo or vdgrpo drives per roll-out, policy.group_size of
    each scene."""
    accumulate: Annotated[int, Range(">= 1")] = 1
    """Parts into which a device's share of a batch is cut; more need less memory and more time."""
    learning_rate: Annotated[float | None, Range("> 0")] = None
    """Peak learning rate, after warmup (null: the model's own, else 2e-3; with start.checkpoint a tenth of that; with
    method ppo or vdgrpo 1e-3); the recipe shapes it."""
    warmup_fraction: Annotated[float, Range("[0, 1)")] = 0.05
    """Share of the run in which the learning rate rises to its peak."""
    weight_decay: Annotated[float, Range(">= 0")] = 0.05
    """Weight decay of the optimizer; larger values regularize more."""
    max_gradient_norm: Annotated[float, Range("> 0")] = 1.0
    """Largest norm of the gradient; longer ones are scaled down to it."""
    ema_decay: Annotated[float, Range("[0, 1)")] = 0.0
    """Decay of the averaged weights that are validated and stored (0: none); larger values average over more steps."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """Number format: float32, or bfloat16 where it is safe, which is faster on a GPU."""
    compile: bool = False
    """Whether torch.compile compiles the network."""
    sample_interval_s: Annotated[float, Range("> 0")] = 0.25
    """Time between the frames of a log that become samples; smaller values give more, more alike samples."""
    min_future_s: Annotated[float, Range(">= 0")] = 3.0
    """Frames with a shorter logged future are left out."""
    validation_fraction: Annotated[float, Range("(0, 1)")] = 0.1
    """Share of the logs that is held out."""
    validation_batches: Annotated[int, Range(">= 1")] = 16
    """Batches of held-out logs per validation, at most."""
    validate_every: Annotated[int, Range(">= 0")] = 0
    """Steps between validations (0: 500, and at least five times in a run)."""
    patience: Annotated[int, Range(">= 0")] = 0
    """Validations without an improvement after which training stops (0: never)."""
    save_every: Annotated[int, Range(">= 0")] = 0
    """Steps after which the checkpoint last is written at the latest (0: at validations)."""
    save_minutes: Annotated[float, Range(">= 0")] = 10.0
    """Time after which the checkpoint last is written at the latest (0: at validations)."""
    seed: Annotated[int, Range("[0, 4294967295]")] = 0
    """Seed of every random draw."""
    overfit: Annotated[int, Range(">= 0")] = 0
    """Train on so many samples only, without augmentation and dropout, to see that a network can learn (0: on all)."""
    devices: Annotated[int, Range(">= 0")] = 1
    """Devices per node (0: all there are); under torchrun what torchrun says."""
    nodes: Annotated[int, Range(">= 1")] = 1
    """Nodes; under torchrun what torchrun says."""
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    """ddp copies the network to every device, fsdp (FSDP2) shares it out, auto is ddp for more than one device."""
    workers: Annotated[int, Range(">= 0")] = 1
    """Threads that build batches (0: one per core and at most 4, shared among the processes of a node)."""
    threads: Annotated[int, Range(">= 0")] = 1
    """Threads of torch (0: all cores); small networks train fastest on one."""
    cached_drives: Annotated[int, Range(">= 1")] = 512
    """Logs held in memory at a time; more mix samples better and need more memory."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """What is done to samples at random."""
    balance: BalanceConfig = field(default_factory=BalanceConfig)
    """How often each sample is trained on."""
    select: SelectConfig = field(default_factory=SelectConfig)
    """Which weights become best."""
    policy: PolicyGradientConfig = field(default_factory=PolicyGradientConfig)
    """How method ppo and vdgrpo learn from what was driven."""

    def __post_init__(self) -> None:
        driven, learns = f"method={self.method}", self.method != "imitation"
        alone = ("devices", "nodes", "accumulate")
        check(
            self,
            (
                "start",
                not learns or bool(self.start.checkpoint),
                f"must name what {driven} begins with: start=RUN/best, trained by imitation",
            ),
            (
                "batch",
                not learns or self.batch % self.policy.group_size == 0,
                "must be a multiple of policy.group_size",
            ),
            *((k, not learns or getattr(self, k) == 1, f"must be 1 with {driven}") for k in alone),
            ("overfit", not (learns and self.overfit), f"has no meaning with {driven}"),
            ("ema_decay", not (learns and self.ema_decay), f"must be 0 with {driven}"),
        )
