"""What this package provides. Imports nothing heavy: the strings are loaded when a plugin is chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from roadcraft.core import PluginSpec, Range, hookimpl


@dataclass(frozen=True)
class EgoHistoryConfig:
    """How much of the ego's own past is read."""

    steps: Annotated[int, Range(">= 1")] = 10
    """Last frames of the history, the present one included; as many as the scene's past_steps at most are known."""


@dataclass(frozen=True)
class VectorHistoryConfig:
    """roadcraft's vector_transformer, whose ego token also holds the ego's history."""

    encoder: dict[str, Any] = field(default_factory=dict)
    """Settings of the vector_transformer."""
    steps: Annotated[int, Range(">= 1")] = 10
    """Frames of the ego's history."""
    history_dropout: Annotated[float, Range("[0, 1)")] = 0.75
    """Probability that the history is hidden in training; larger values look around more."""


@hookimpl
def roadcraft_plugins() -> list[PluginSpec]:
    home = "roadcraft_history"
    return [
        PluginSpec(
            "feature",
            "ego_history",
            "Where the ego came from and where its mission ends",
            f"{home}.plugin:EgoHistoryConfig",
            f"{home}.feature:EgoHistory",
        ),
        PluginSpec(
            "encoder",
            "vector_history",
            "vector_transformer that remembers where the ego came from",
            f"{home}.plugin:VectorHistoryConfig",
            f"{home}.encoder:VectorHistory",
        ),
    ]
