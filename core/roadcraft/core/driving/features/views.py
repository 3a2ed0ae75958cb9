"""What an encoder or a model sees of features that were built for both: arrays of the capacities that it asked for itself.

Rows stand nearest first and lines in a fixed order, so the first ones are those it would have got alone; of a history the last frames are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roadcraft.core.types import FeatureSpec

_LATEST = "past_steps"  # the one capacity that is cut from the front
_LINKS = ("lane_next", "lane_side")  # hold rows of lanes
_AGENT, _STATIC, _LANE = ("agents",), ("static",), ("lanes",)
_ROUTE, _WALK, _LINE, _FUTURE = ("route_lanes",), ("crosswalks",), ("reference_lines",), ("future_agents",)
AXES: dict[str, tuple[str, ...]] = {
    "agent": ("agents", _LATEST), "agent_valid": ("agents", _LATEST), "agent_size": _AGENT, "agent_kind": _AGENT, "agent_id": _AGENT,
    "static": _STATIC, "static_kind": _STATIC, "static_mask": _STATIC,
    "lane": _LANE, "lane_info": _LANE, "lane_light": _LANE, "lane_mask": _LANE, "lane_id": _LANE, "lane_next": ("lanes", "lane_links"),
    "lane_side": _LANE, "lane_pose": _LANE, "lane_shape": _LANE, "route_lane": _ROUTE, "route_lane_mask": _ROUTE,
    "crosswalk": _WALK, "crosswalk_mask": _WALK, "crosswalk_id": _WALK, "crosswalk_pose": _WALK, "crosswalk_shape": _WALK,
    "reference": ("reference_lines", "reference_points"), "reference_mask": ("reference_lines", "reference_points"),
    "reference_valid": _LINE, "reference_info": _LINE, "reference_agent": ("reference_lines", "agents"),
    "reference_static": ("reference_lines", "static"), "instruction": ("instruction_words",),
    "agent_future": _FUTURE, "agent_future_valid": _FUTURE,
}  # fmt: skip


class FeatureView:
    """Cuts tensors that were built for ``merged`` down to ``own``; called with a batch it answers a batch."""

    def __init__(self, own: FeatureSpec, merged: FeatureSpec) -> None:
        self.lanes = own.lanes if own.lanes < merged.lanes else None
        self.cuts: dict[str, tuple[slice, ...]] = {}
        for name, axes in AXES.items():
            sizes = [(getattr(own, a), getattr(merged, a), a) for a in axes]
            if any(mine < whole for mine, whole, _ in sizes):
                cuts = (slice(whole - mine, whole) if a == _LATEST else slice(0, mine) for mine, whole, a in sizes)
                self.cuts[name] = (slice(None), *cuts)

    def __call__(self, features: Mapping[str, Any]) -> Mapping[str, Any]:
        cut = {k: features[k][place].contiguous() for k, place in self.cuts.items() if k in features}
        if self.lanes is not None:
            cut |= {k: cut[k].masked_fill(cut[k] >= self.lanes, -1) for k in _LINKS if k in cut}
        return {**features, **cut} if cut else features
