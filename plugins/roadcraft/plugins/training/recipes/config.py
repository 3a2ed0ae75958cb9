"""Settings of the recipe ``adamw_cosine``."""

from __future__ import annotations

from dataclasses import dataclass, field

from roadcraft.core.config.rules import check


@dataclass(frozen=True)
class AdamWCosineConfig:
    """AdamW with a linear warm-up and a cosine. Rate, warm-up and weight decay are settings of the run."""

    rates: dict[str, float] = field(default_factory=dict)
    """Factors of the learning rate by part of the network or beginning of a parameter's name, such as {encoder: 0.1};
    the longest that fits holds."""

    def __post_init__(self) -> None:
        check(self, ("rates", all(v > 0.0 for v in self.rates.values()), "must be factors above 0"))
