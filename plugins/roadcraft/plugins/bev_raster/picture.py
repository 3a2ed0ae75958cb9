"""The feature ``raster`` as a picture for the eye."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.driving.features.raster import RasterChannel

# later ones lie above earlier ones
COLORS = (
    (RasterChannel.DRIVABLE, (225, 225, 225)),
    (RasterChannel.ROUTE, (185, 210, 240)),
    (RasterChannel.STOP, (240, 215, 215)),
    (RasterChannel.CROSSWALK, (245, 225, 150)),
    (RasterChannel.LANE_EDGE, (150, 150, 150)),
    (RasterChannel.LANE, (120, 160, 210)),
    (RasterChannel.LIGHT_STOP, (230, 60, 50)),
    (RasterChannel.LIGHT_GO, (60, 180, 80)),
    (RasterChannel.STATIC, (110, 70, 40)),
    (RasterChannel.BICYCLE, (170, 60, 170)),
    (RasterChannel.PEDESTRIAN, (220, 110, 20)),
    (RasterChannel.VEHICLE, (20, 50, 110)),
)


def draw_raster(raster: NDArray[np.uint8]) -> NDArray[Any]:
    """An image (W, W, 3) uint8 of one scene's raster (C, W, W): forward is up. History is pale, the present dark; the
    ego's rear axle is a black dot.

    ``PIL.Image.fromarray(draw_raster(features["raster"][0])).save("scene.png")``
    """
    cells = raster.shape[-1]
    out = np.full((cells, cells, 3), 250.0)
    for channel, color in COLORS:
        share = raster[channel][..., None] / 255.0
        out = out * (1.0 - share) + np.array(color, np.float64) * share
    row, column = cells - cells // 4, cells // 2
    out[row - 1 : row + 1, column - 1 : column + 1] = 0.0
    return out.round().astype(np.uint8)
