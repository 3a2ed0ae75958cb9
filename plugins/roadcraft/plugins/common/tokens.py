"""Codes of ``SceneEncoding.kind``, by which a model knows what a token stands for."""

from __future__ import annotations

from enum import IntEnum


class TokenKind(IntEnum):
    """Tokens of kind AGENT stand together and in the order of the feature ``agent``; an encoder without such tokens offers none."""

    EGO = 0
    AGENT = 1
    STATIC = 2
    LANE = 3
    CROSSWALK = 4
    GRID = 5
