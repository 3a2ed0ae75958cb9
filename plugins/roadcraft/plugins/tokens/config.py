"""Settings of the behaviour model ``tokens``."""

from __future__ import annotations

from dataclasses import dataclass

from roadcraft.core.rules import check


@dataclass(frozen=True)
class TokensConfig:
    """The defaults are small. For a large data set: layers 6, heads 8, feed_forward 4, relation 64, dropout 0.1, 2048 tokens of each class,
    vocabulary_batches 512, with an encoder of dim 128; train with closed_loop 0,
    then a second run with closed_loop 1, a tenth of the learning rate and ``start`` at the first.

    vehicle_tokens, pedestrian_tokens, bicycle_tokens: sizes of the vocabulary; tolerance_m: mean corner distance that a token covers, enlarged until the
    vocabulary covers what it was built from; vocabulary_batches: training batches it is built from.
    layers, heads, feed_forward, dropout: of the decoder; relation: channels that say where one thing lies as seen from another; past_tokens: of an
    agent's history, 0.5 s each; future_tokens: rolled out, 0.5 s each; taught_tokens: of them that training asks for: whoever goes on longer remembers no more
    than that, and may be asked for any number. lines, line_points, line_interval_m: reference lines of the features, which the ego alone sees.
    label_spread: the token that was next and those near it share the label, by a normal distribution of so many radii of the vocabulary (0: it alone);
    closed_loop: share of the batches that are rolled out in training, executing among the ``closest_of`` likeliest tokens the one
    closest to what happened (CAT-K, Zhang et al. 2024); ego, agent: weights of the loss terms.
    samples: futures that are rolled out, the first without chance: each time the likeliest token, blended with likely ones within blend_m of it;
    the others draw from the top_k likeliest, at a temperature; score_s: the ego's first seconds, whose likelihood is the score of a future; smooth_s: swings of
    the ego's plan that are faster than this are smoothed away.
    """

    vehicle_tokens: int = 512
    pedestrian_tokens: int = 64
    bicycle_tokens: int = 64
    tolerance_m: float = 0.05
    vocabulary_batches: int = 24
    layers: int = 2
    heads: int = 4
    feed_forward: int = 2
    dropout: float = 0.0
    relation: int = 16
    past_tokens: int = 4
    future_tokens: int = 16
    taught_tokens: int = 8
    lines: int = 3
    line_points: int = 80
    line_interval_m: float = 2.0
    label_spread: float = 1.0
    closed_loop: float = 0.2
    closest_of: int = 16
    ego: float = 1.0
    agent: float = 1.0
    samples: int = 4
    temperature: float = 1.0
    top_k: int = 16
    blend_m: float = 0.5
    score_s: float = 3.0
    smooth_s: float = 0.35

    def __post_init__(self) -> None:
        counts = "layers heads relation past_tokens future_tokens taught_tokens lines vocabulary_batches closest_of samples top_k"
        check(
            self,
            {
                ">= 16": "vehicle_tokens pedestrian_tokens bicycle_tokens",
                ">= 1": counts,
                "> 0": "tolerance_m temperature blend_m score_s smooth_s line_interval_m",
                "[0, 1]": "closed_loop",
                ">= 0": "label_spread",
                ">= 4": "line_points",
            },
            (
                "taught_tokens",
                self.taught_tokens <= self.future_tokens,
                f"must be at most future_tokens = {self.future_tokens}",
            ),
        )

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Tokens of each class: vehicles, pedestrians, bicycles."""
        return self.vehicle_tokens, self.pedestrian_tokens, self.bicycle_tokens
