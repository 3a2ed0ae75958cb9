"""The feature group ``ego_history``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from roadcraft.core import Ego, FeatureColumn, FeatureGroup, Features, FeatureSpec, FeatureTensor, Mirror, SceneArrays


class HistoryColumn(FeatureColumn):
    """The ego's rear axle in an earlier frame."""

    X = "forward", "m"
    Y = "to the left", "m"
    COS = "cosine of its heading"
    SIN = "sine of its heading"
    SPEED = "speed forward", "m/s"


class MissionColumn(FeatureColumn):
    """The goal of the mission."""

    X = "forward", "m"
    Y = "to the left", "m"
    ROUTE_M = "length of the road blocks of the route that the map knows", "m"


class EgoHistory(FeatureGroup):
    """States of the last frames, oldest first, and the mission's goal; in the ego frame."""

    version = 1
    capacities = ("steps",)
    latest = ("steps",)

    def tensors(self) -> Mapping[str, FeatureTensor]:
        h = "ego_history.steps"
        return {
            "ego_history": FeatureTensor(
                "the ego in the last frames, oldest first",
                (h,),
                HistoryColumn,
                mirror=Mirror(negate=(HistoryColumn.Y, HistoryColumn.SIN)),
            ),
            "ego_history_valid": FeatureTensor("whether it is known", (h,), None, "bool", "", Mirror()),
            "mission": FeatureTensor(
                "the goal and the way to it", (), MissionColumn, mirror=Mirror(negate=(MissionColumn.Y,))
            ),
            "mission_valid": FeatureTensor("whether there is a goal", (), None, "bool", "", Mirror()),
        }

    def write(self, scene: SceneArrays, out: Features, b: int, spec: FeatureSpec) -> None:
        states, known = scene.ego_past
        count = min(self.config.steps, len(states))
        states, known = states[-count:], known[-count:]
        x, y, heading = scene.ego[:3]
        c, s = np.cos(heading), np.sin(heading)
        dx, dy, turn = states[:, Ego.X] - x, states[:, Ego.Y] - y, states[:, Ego.HEADING] - heading
        rows = [c * dx + s * dy, c * dy - s * dx, np.cos(turn), np.sin(turn), states[:, Ego.VX]]
        out["ego_history"][b, -count:] = np.stack(rows, 1) * known[:, None]
        out["ego_history_valid"][b, -count:] = known
        if scene.goal is not None:
            dx, dy = scene.goal[:2] - scene.ego[:2]
            out["mission"][b] = c * dx + s * dy, c * dy - s * dx, self._route_m(scene)
            out["mission_valid"][b] = True

    def _route_m(self, scene: SceneArrays) -> float:
        """Length of the first lane of each road block of the route."""
        lanes, total = scene.map.lanes, 0.0
        for block in scene.map.block_rows(scene.route):
            if block >= 0 and len(row := scene.map.blocks.lanes[int(block)]):
                total += float(np.hypot(*np.diff(lanes.centerlines[int(row[0])], axis=0).T).sum())
        return total
