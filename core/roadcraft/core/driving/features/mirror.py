"""The world reflected left to right: what becomes of every feature and target array (``features``) when y turns to -y in the ego frame.

One table says it, array by array. An array that is not in it is refused, so that whoever adds one to the features has to say here what a mirror does to it.
Two things do not lie in the geometry: traffic keeps to the other side of the road afterwards, and the words of a command may name a side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from roadcraft.core.arrays import I64
from roadcraft.core.driving.features.build import Features
from roadcraft.core.driving.features.reference_lines import HEADING_SIN, LATERAL, SIN, Y
from roadcraft.core.errors import PluginError


@dataclass(frozen=True)
class Mirrored:
    """negate: columns of the last axis that change sign; swap: pairs of columns that change places (before that); lines: axis 1 holds reference lines, of
    which left and right change places; words: holds ids of words; picture: channels, rows, columns, the columns from left to right, and in ``negate`` the
    channels that hold signed codes (128 is 0)."""

    negate: tuple[int, ...] = ()
    swap: tuple[tuple[int, int], ...] = ()
    lines: bool = False
    words: bool = False
    picture: bool = False


_SAME = Mirrored()
_EDGES = Mirrored(negate=(1, 3, 5), swap=((2, 4), (3, 5)))  # centre, left edge, right edge
_POSE = Mirrored(negate=(1, 3))  # x, y, cos, sin, ...
MIRROR: dict[str, Mirrored] = {
    "ego": Mirrored(negate=(1, 3, 4, 5)),
    "vehicle": _SAME,
    "agent": Mirrored(negate=(1, 3, 5)),
    "agent_valid": _SAME,
    "agent_size": _SAME,
    "agent_kind": _SAME,
    "agent_id": _SAME,
    "static": _POSE,
    "static_kind": _SAME,
    "static_mask": _SAME,
    "lane": _EDGES,
    "lane_info": _SAME,
    "lane_light": _SAME,
    "lane_mask": _SAME,
    "lane_id": _SAME,
    "lane_next": _SAME,
    "lane_side": Mirrored(swap=((0, 1),)),  # left, right neighbour
    "lane_pose": Mirrored(negate=(1, 2)),  # x, y, heading
    "lane_shape": _EDGES,
    "route_lane": _EDGES,
    "route_lane_mask": _SAME,
    "crosswalk": Mirrored(negate=(1,)),
    "crosswalk_mask": _SAME,
    "crosswalk_id": _SAME,
    "crosswalk_pose": Mirrored(negate=(1, 2)),
    "crosswalk_shape": Mirrored(negate=(1,)),
    "reference": Mirrored(negate=(Y, SIN), lines=True),
    "reference_mask": Mirrored(lines=True),
    "reference_valid": Mirrored(lines=True),
    "reference_info": Mirrored(negate=(LATERAL, HEADING_SIN), lines=True),
    "reference_agent": Mirrored(negate=(1, 3), lines=True),  # arc length, offset, their rates, extents
    "reference_static": Mirrored(negate=(1, 3), lines=True),
    "raster": Mirrored(negate=(5, 15), picture=True),  # RasterChannel.LANE_SIN, VELOCITY_Y
    "instruction": Mirrored(words=True),
    "goal": _POSE,
    "goal_valid": _SAME,
    "target_speed": _SAME,
    "target_speed_valid": _SAME,
    "style": _SAME,
    # targets
    "ego_future": _POSE,
    "ego_future_valid": _SAME,
    "agent_future": _POSE,
    "agent_future_valid": _SAME,
}


def mirror(arrays: Features, rows: I64, words: Callable[[I64], I64] | None = None) -> None:
    """Mirror the given rows of a batch, in place.

    words: turns the word ids (B, W) of commands into those of the mirrored ones ("left" into "right"); whoever defines the vocabulary supplies it.
    Raises PluginError for an array that ``MIRROR`` does not know, for commands without ``words``, and for two reference lines, which have a left
    neighbour but no right one.
    """
    _check(arrays, words)
    for name, array in arrays.items():
        rule = MIRROR[name]
        if rule is not _SAME and array.size:
            part = _reflected(array[rows], rule)
            array[rows] = words(part) if rule.words and words is not None else part


def _check(arrays: Features, words: Callable[[I64], I64] | None) -> None:
    unknown = sorted(arrays.keys() - MIRROR.keys())
    if unknown:
        raise PluginError(
            f"no rule says how to mirror {', '.join(unknown)}: add it to MIRROR in core/driving/features/mirror.py"
        )
    if words is None and any(MIRROR[name].words for name in arrays):
        raise PluginError("commands cannot be mirrored without a function that mirrors their words")
    if any(MIRROR[name].lines and array.shape[1] == 2 for name, array in arrays.items()):
        raise PluginError("two reference lines cannot be mirrored: ask for 1 or 3 (own lane, left, right)")


def _reflected(part: NDArray[Any], rule: Mirrored) -> NDArray[Any]:
    """A copy of some rows, mirrored; it is changed in place."""
    if rule.picture:
        part = part[..., ::-1].copy()
        for channel in rule.negate:
            part[:, channel] = 0 - part[:, channel]  # of unsigned bytes: 256 - code
        return part
    if rule.lines and part.shape[1] > 1:
        part[:, [1, 2]] = part[:, [2, 1]]
    for a, b in rule.swap:
        part[..., [a, b]] = part[..., [b, a]]
    for column in rule.negate:
        part[..., column] *= -1  # not np.negative(..., out=): numpy 2.4.6 gets rows of four float32 wrong in place
    return part
