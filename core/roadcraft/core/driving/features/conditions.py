"""Conditions: what a network is told beside the scene: a text command, a goal, a target speed, a style of driving.

A command is read word by word against a fixed vocabulary; that several wordings mean one maneuver is learned
(``PHRASES`` are what training speaks). Nothing here decides how a command is carried out: a network may refuse what the
scene forbids."""

from __future__ import annotations

import re
import unicodedata
import warnings
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.frames import pose_in_frame

UNKNOWN = 1  # id of a word outside the vocabulary; 0 stands for no word

# The words by id, from 2 on. Only ever append: an id means the same word in every checkpoint.
_WORDS = """
a accelerate ahead and are at be behind brake bus by car carefully change come continue cross crossing curb
decelerate do down drive driver ease exit faster first follow for forward from front gently go halt hold in
increase intersection into junction keep kerb lane lanes leader left light lights lorry make merge more move
next not now of off on onto over park pedestrian pick please proceed pull reduce remain road roundabout shoulder
side slow slower slowly speed speeding stay steady stop straight switch take that the then this through to
traffic truck turn up van vehicle wait way with you your right here overtake lead leading current same
"""
VOCABULARY = tuple(_WORDS.split())
_ID = {word: i + 2 for i, word in enumerate(VOCABULARY)}
WORDS = len(VOCABULARY) + 2  # ids there are
STYLES = ("none", "calm", "normal", "assertive")


class Maneuver(IntEnum):
    """What a command asks for. The values are bits of a set (``1 << maneuver``)."""

    CHANGE_LEFT = 0
    CHANGE_RIGHT = 1
    TURN_LEFT = 2
    TURN_RIGHT = 3
    GO_STRAIGHT = 4
    STOP = 5
    PULL_OVER = 6
    FOLLOW = 7
    FOLLOW_TRUCK = 8
    KEEP_LANE = 9
    SLOW_DOWN = 10
    SPEED_UP = 11


def _sides(side: str, *phrases: str) -> tuple[str, ...]:
    return tuple(p.format(side=side) for p in phrases)


_CHANGE = (
    "change to the {side} lane", "change lanes to the {side}", "move to the {side} lane", "merge {side}",
    "take the {side} lane",
    "go to the lane on the {side}", "switch to the {side} lane", "lane change {side}", "move over to the {side}",
)  # fmt: skip
_TURN = (
    "turn {side}", "turn {side} at the junction", "turn {side} at the intersection", "make a {side} turn",
    "take the next {side}",
    "go {side} at the crossing", "turn {side} at the lights", "{side} turn ahead",
)  # fmt: skip
_FOLLOW = (
    "follow the {who}", "follow the {who} ahead", "follow the {who} in front", "stay behind the {who}",
    "keep behind the {who} ahead", "follow that {who}",
)  # fmt: skip
PHRASES: dict[Maneuver, tuple[str, ...]] = {
    Maneuver.CHANGE_LEFT: _sides("left", *_CHANGE),
    Maneuver.CHANGE_RIGHT: _sides("right", *_CHANGE),
    Maneuver.TURN_LEFT: _sides("left", *_TURN),
    Maneuver.TURN_RIGHT: _sides("right", *_TURN),
    Maneuver.GO_STRAIGHT: (
        "go straight on", "go straight", "continue straight ahead", "drive straight through the junction",
        "straight on at the intersection",
        "cross the junction", "proceed straight ahead",
    ),
    Maneuver.STOP: (
        "stop", "stop now", "come to a stop", "halt", "please stop", "stop the car", "stop here", "brake to a stop",
        "wait here", "come to a halt",
    ),
    Maneuver.PULL_OVER: (
        "pull over", "pull over to the right", "stop at the side of the road", "park at the curb",
        "stop on the shoulder", "pull to the side",
        "park by the kerb",
    ),
    Maneuver.FOLLOW: tuple(p.format(who=who) for who in ("car", "vehicle", "leader") for p in _FOLLOW),
    Maneuver.FOLLOW_TRUCK: tuple(p.format(who=who) for who in ("truck", "lorry") for p in _FOLLOW),
    Maneuver.KEEP_LANE: (
        "keep lane", "stay in this lane", "keep your lane", "stay in the lane", "hold the lane", "do not change lanes",
        "remain in your lane",
    ),
    Maneuver.SLOW_DOWN: ("slow down", "drive slower", "reduce speed", "go slower", "ease off", "decelerate",
    "brake gently", "drive more slowly"),
    Maneuver.SPEED_UP: ("speed up", "drive faster", "accelerate", "go faster", "pick up speed", "increase your speed"),
}  # fmt: skip


@dataclass(frozen=True)
class Conditions:
    """What one scene's network is told. instruction: a text command, or empty; goal: x, y, heading in the global frame,
    or None; target_speed_mps: or None; style: one of ``STYLES``."""

    instruction: str = ""
    goal: tuple[float, float, float] | None = None
    target_speed_mps: float | None = None
    style: str = "none"

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ValueError(f"style must be one of {', '.join(STYLES)}")
        if self.target_speed_mps is not None and not self.target_speed_mps >= 0.0:
            raise ValueError("target_speed_mps must not be negative")

    def merged_with(self, other: Conditions) -> Conditions:
        """These conditions, except where ``other`` says something."""
        said = {k: v for k, v in vars(other).items() if v not in ("", "none", None)}
        return replace(self, **said)


def vocabulary_hash() -> str:
    """Identifies vocabulary and styles."""
    return blake2b(" ".join((*VOCABULARY, *STYLES)).encode(), digest_size=8).hexdigest()


def words_of(text: str) -> list[str]:
    """The words of a command: lower case, without accents and punctuation, ``don't`` spelt out."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower().replace("don't", "do not")
    return re.findall(r"[a-z]+", plain.replace("'", ""))


def word_ids(text: str) -> list[int]:
    """Ids of all words of a command, ``UNKNOWN`` where the vocabulary lacks one."""
    return [_ID.get(word, UNKNOWN) for word in words_of(text)]


def mirrored_words(ids: I64) -> I64:
    """Word ids of any shape as the same command is given in a mirrored world: left and right change places."""
    left, right = _ID["left"], _ID["right"]
    return np.where(ids == left, right, np.where(ids == right, left, ids))


@lru_cache(maxsize=4096)
def read_instruction(text: str, capacity: int) -> tuple[int, ...]:
    """The ids (capacity,) of a command, filled up with 0. Words outside the vocabulary and words beyond the capacity
    are named in a warning, once."""
    words, ids = words_of(text), word_ids(text)
    unknown = sorted({w for w, i in zip(words, ids, strict=True) if i == UNKNOWN})
    known = "; ".join(phrases[0] for phrases in PHRASES.values())
    if unknown:
        warnings.warn(
            f"command {text!r}: not in the vocabulary: {', '.join(unknown)}. Commands are worded like: "
            f"{known}", stacklevel=2
        )  # fmt: skip
    if len(ids) > capacity:
        warnings.warn(f"command {text!r}: only its first {capacity} words are read", stacklevel=2)
    return tuple((ids + [0] * capacity)[:capacity])


def write_conditions(conditions: Conditions, ego: F64, out: dict[str, Any], b: int) -> None:
    """Fill row ``b`` of the condition arrays. ego (10,): the frame in which the goal is told."""
    c = conditions
    ids: I64 = np.array(read_instruction(c.instruction, out["instruction"].shape[1]), np.int64)
    out["instruction"][b] = ids
    out["goal_valid"][b] = c.goal is not None
    out["goal"][b] = 0.0 if c.goal is None else _in_frame(c.goal, ego)
    out["target_speed_valid"][b] = c.target_speed_mps is not None
    out["target_speed"][b] = c.target_speed_mps or 0.0
    out["style"][b] = STYLES.index(c.style)


def _in_frame(goal: tuple[float, float, float], ego: F64) -> F64:
    c, s = np.cos(ego[2]), np.sin(ego[2])
    return np.array(pose_in_frame(*goal, ego, c, s))
