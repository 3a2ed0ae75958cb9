"""Settings of the behavior model ``tokens``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range, check
from roadcraft.plugins.common.attention_config import AttentionConfig


@dataclass(frozen=True)
class TokensConfig(AttentionConfig):
    """Motion tokens of all road users.

    The defaults are small. For a large data set: layers 6, heads 8, feed_forward 4, relation_dim 64, dropout 0.1, 2048
    tokens of each class, vocabulary_batches 512, with an encoder of dim 128; train with closed_loop_fraction 0, then a
    second run with closed_loop_fraction 1, a tenth of the learning rate and ``start`` at the first.
    """

    vehicle_tokens: Annotated[int, Range(">= 16")] = 512
    """Motion tokens of vehicles."""
    pedestrian_tokens: Annotated[int, Range(">= 16")] = 64
    """Motion tokens of pedestrians."""
    bicycle_tokens: Annotated[int, Range(">= 16")] = 64
    """Motion tokens of bicycles."""
    tolerance_m: Annotated[float, Range("> 0")] = 0.05
    """Mean corner distance that a token covers, enlarged until the vocabulary covers what it was built from."""
    vocabulary_batches: Annotated[int, Range(">= 1")] = 24
    """Training batches that the vocabulary is built from."""
    layers: Annotated[int, Range(">= 1")] = 2
    """Layers of the decoder."""
    relation_dim: Annotated[int, Range(">= 1")] = 16
    """Channels that say where one thing lies as seen from another."""
    past_tokens: Annotated[int, Range(">= 1")] = 4
    """Tokens of an agent's history, 0.5 s each."""
    future_tokens: Annotated[int, Range(">= 1")] = 16
    """Tokens that are rolled out, 0.5 s each."""
    training_tokens: Annotated[int, Range(">= 1")] = 8
    """Future tokens that the loss covers, and the most that a longer rollout remembers; at most future_tokens."""
    reference_lines: Annotated[int, Range(">= 1")] = 3
    """Reference lines along the route that the ego alone reads, at most."""
    reference_points: Annotated[int, Range(">= 4")] = 80
    """Points of each reference line."""
    reference_interval_m: Annotated[float, Range("> 0")] = 2.0
    """Distance between the points of a reference line."""
    label_smoothing: Annotated[float, Range(">= 0")] = 1.0
    """The next token shares its label with tokens near it, by a normal distribution of so many radii of the vocabulary
    (0: no sharing)."""
    closed_loop_fraction: Annotated[float, Range("[0, 1]")] = 0.2
    """Share of the training batches that are rolled out with the model's own tokens (CAT-K, Zhang et al. 2024)."""
    cat_k: Annotated[int, Range(">= 1")] = 16
    """Likeliest tokens among which such a rollout executes the one closest to the log."""
    ego_weight: Annotated[float, Range(">= 0")] = 1.0
    """Loss weight of the ego's tokens."""
    agent_weight: Annotated[float, Range(">= 0")] = 1.0
    """Loss weight of the agents' tokens."""
    samples: Annotated[int, Range(">= 1")] = 4
    """Futures that are rolled out: the first takes the likeliest token each time, the others draw."""
    temperature: Annotated[float, Range("> 0")] = 1.0
    """Temperature of the draws; larger values give more diverse futures."""
    top_k: Annotated[int, Range(">= 1")] = 16
    """Likeliest tokens among which the others draw."""
    blend_radius_m: Annotated[float, Range("> 0")] = 0.5
    """The first future blends the likeliest token with likely ones within this distance."""
    score_horizon_s: Annotated[float, Range("> 0")] = 3.0
    """First part of the ego's future whose likelihood is the score of the future."""
    smoothing_s: Annotated[float, Range("> 0")] = 0.35
    """Swings of the ego's plan that are faster than this are smoothed away."""

    def __post_init__(self) -> None:
        fits = self.training_tokens <= self.future_tokens
        check(self, ("training_tokens", fits, f"must be at most future_tokens = {self.future_tokens}"))

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Tokens of each class: vehicles, pedestrians, bicycles."""
        return self.vehicle_tokens, self.pedestrian_tokens, self.bicycle_tokens
