"""The channels of the feature ``ego`` and what settings may say of them. Standard library only: settings are read before torch is."""

from __future__ import annotations

from collections.abc import Sequence

EGO_CHANNELS = ("vx", "vy", "ax", "ay", "steering", "yaw_rate")


def check_ego_channels(channels: Sequence[str], kept: Sequence[str], dropout: float) -> None:
    """Raises ValueError where ``EgoStates`` cannot be built like this."""
    unknown = (set(channels) | set(kept)) - set(EGO_CHANNELS)
    if unknown:
        raise ValueError(f"unknown ego channels {sorted(unknown)}; known: {', '.join(EGO_CHANNELS)}")
    if not channels:
        raise ValueError("ego_channels needs at least one")
    if not 0.0 <= dropout < 1.0:
        raise ValueError("state_dropout must be in [0, 1)")
