"""Settings of reinforcement learning. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from roadcraft.core.config.rules import Range, check
from roadcraft.core.plugins.hookspecs import PluginRef, plugin_field
from roadcraft.validation import RewardName, RewardWeights


@dataclass(frozen=True)
class PolicyGradientConfig:
    """How a policy learns from what it drove (method ppo and vdgrpo)."""

    group_size: Annotated[int, Range(">= 2")] = 4
    """Drives through each scene of a roll-out, which vdgrpo compares with each other."""
    agents: PluginRef = plugin_field("agents", "idm")
    """Drives the other road users: log, idm, or any other registered policy."""
    reward: RewardName = "score"
    """What a decision earns, as of the environment: score, graded, carl, gigaflow or pufferdrive."""
    weights: RewardWeights = field(default_factory=RewardWeights)
    """Coefficients of rewards carl, gigaflow and pufferdrive."""
    scene_floor: Annotated[float, Range("> 0")] = 0.2
    """Weight with which a scene is drawn beside what it lacks to a score of 1; larger values draw more evenly."""
    epochs: Annotated[int, Range(">= 1")] = 2
    """How often the decisions of a roll-out are trained on."""
    minibatch: Annotated[int, Range(">= 1")] = 512
    """Samples per optimizer step."""
    micro_batch: Annotated[int, Range(">= 1")] = 128
    """Samples that go through the network at once; the result is the same, smaller ones stay in the cache of a CPU."""
    discount: Annotated[float, Range("(0, 1]")] = 1.0
    """Factor by which a reward counts less per decision that it lies ahead: 0.9 blames a collision on the choices of
    the last five seconds, not on all of the drive's."""
    gae_lambda: Annotated[float, Range("[0, 1]")] = 0.95
    """Factor lambda of the advantage estimate of ppo: 0 looks one decision ahead and trusts the value, 1 sums all
    rewards."""
    clip_range: Annotated[float, Range("> 0")] = 0.2
    """Relative change of an action's probability beyond which a sample no longer pushes it."""
    entropy_coef: Annotated[float, Range(">= 0")] = 0.01
    """Coefficient of the bonus for undecided policies; larger values explore more."""
    value_coef: Annotated[float, Range(">= 0")] = 0.5
    """Coefficient of the value loss of ppo."""
    advantage_scale: Annotated[float, Range("> 0")] = 0.1
    """Difference of score that counts as an advantage of 1 in vdgrpo."""
    kl_coef: Annotated[float, Range(">= 0")] = 0.1
    """Coefficient of the divergence from the policy begun with (0: none)."""
    normalize_advantage: bool = True
    """Whether ppo brings the advantages of a minibatch to mean 0 and deviation 1."""
    max_kl: Annotated[float, Range(">= 0")] = 0.03
    """Approximate divergence from the policy that drove, in nats, after which the other minibatches of a roll-out are
    left out (0: never)."""
    advantage_filter: Annotated[float, Range("[0, 1)")] = 0.01
    """Share of the largest advantage of late below which a sample is left out (0: none is)."""
    min_entropy: Annotated[float, Range("[0, 1)")] = 0.3
    """Share of the entropy of the first roll-out below which the run stops, since a policy that has collapsed no longer
    learns (0: never)."""

    def __post_init__(self) -> None:
        check(self)
