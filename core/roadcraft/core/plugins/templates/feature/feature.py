"""The feature group `__NAME__`: the nearest object ahead, as an example. An encoder or model reads it
once its features() asks for it:

    FeatureSpec({"__NAME__": {"corridor_m": 1.5}}, agents=16, ...)

gives features["__NAME__"] (B, 3) and features["__NAME___valid"] (B,).
"""

from collections.abc import Mapping

import numpy as np

from roadcraft.core import (
    Ego,
    FeatureColumn,
    FeatureGroup,
    Features,
    FeatureSpec,
    FeatureTensor,
    Mirror,
    SceneArrays,
)


class __CLASS__Column(FeatureColumn):
    GAP = "distance to its center along the ego's x axis", "m"
    OFFSET = "offset of its center, left positive", "m"
    CLOSING = "speed at which the ego comes nearer", "m/s"


class __CLASS__(FeatureGroup):
    version = 1  # raise it when the meaning of a tensor changes; checkpoints of another version are refused

    def tensors(self) -> Mapping[str, FeatureTensor]:
        # columns that change sign where left and right are exchanged
        mirror = Mirror(negate=(__CLASS__Column.OFFSET,))
        return {
            "__NAME__": FeatureTensor(
                "the nearest object ahead", (), __CLASS__Column, mirror=mirror
            ),
            "__NAME___valid": FeatureTensor("whether there is one", (), None, "bool", "", Mirror()),
        }

    def write(self, scene: SceneArrays, out: Features, b: int, spec: FeatureSpec) -> None:
        # rows of the present frame; scene also holds earlier frames, the ego's past, lights, route, goal, map
        first, last = scene.frames[-1]
        c, s = np.cos(scene.ego[Ego.HEADING]), np.sin(scene.ego[Ego.HEADING])
        dx, dy = (scene.box[first:last, :2] - scene.ego[:2]).T
        along, across = c * dx + s * dy, c * dy - s * dx
        ahead = np.flatnonzero((along > 0) & (np.abs(across) < self.config.corridor_m))
        if len(ahead) == 0:
            return
        nearest = ahead[along[ahead].argmin()]
        speed = scene.velocity[first + nearest] @ (c, s)
        out["__NAME__"][b] = along[nearest], across[nearest], scene.ego[Ego.VX] - speed
        out["__NAME___valid"][b] = True
