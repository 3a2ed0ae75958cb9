"""Settings of the behavior model ``multimodal``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range
from roadcraft.plugins.common.line_model_config import LineModelConfig


@dataclass(frozen=True)
class MultimodalConfig(LineModelConfig):
    """Speed profiles along reference lines.

    The defaults are small, as the encoder's are. For a large data set: modes 4, layers 2, heads 8, feed_forward 4,
    dropout 0.1.
    """

    modes: Annotated[int, Range(">= 1")] = 3
    """Trajectories per reference line."""
    layers: Annotated[int, Range(">= 1")] = 1
    """Layers of the decoder."""
    future_agents: Annotated[int, Range(">= 0")] = 10
    """Nearest agents whose future is predicted."""
    regression_weight: Annotated[float, Range(">= 0")] = 1.0
    """Loss weight of the best mode's error of position, heading and speed."""
    classification_weight: Annotated[float, Range(">= 0")] = 0.5
    """Loss weight of the choice of line and mode."""
    agent_weight: Annotated[float, Range(">= 0")] = 0.3
    """Loss weight of the agents' error of position."""
