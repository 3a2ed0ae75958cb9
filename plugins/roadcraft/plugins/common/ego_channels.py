"""The ego's state channels that an encoder may read, for configs (no torch)."""

from __future__ import annotations

EGO_CHANNELS = ("vx", "vy", "ax", "ay", "steering", "yaw_rate", "stood")


def check_ego_channels(read: tuple[str, ...], kept: tuple[str, ...], dropout: float) -> None:
    """Raises ValueError where the settings of ``EgoStates`` make no sense."""
    unknown = (set(read) | set(kept)) - set(EGO_CHANNELS)
    if unknown:
        raise ValueError(f"unknown ego channels {sorted(unknown)}; known: {', '.join(EGO_CHANNELS)}")
    if not read:
        raise ValueError("ego_channels needs at least one")
    if not 0.0 <= dropout < 1.0:
        raise ValueError("state_dropout must be in [0, 1)")
