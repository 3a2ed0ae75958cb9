"""Cuts the window of a scenario out of a drive, and puts one drive's frames into another order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from roadcraft.core.arrays import I64, Ragged
from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive, LightFrames, ObjectFrames, Scenario, ScenarioRow, Scenes
from roadcraft.core.errors import DataError

GAP_US = 500_000  # between two iterations: no simulation step is that long


def cut(drive: Drive, map_data: MapData, row: ScenarioRow, type: str, window_us: tuple[int, int]) -> Scenario:
    """The scenario of ``row``: every ``row.stride``-th frame whose time lies in the inclusive window
    (reference/nuplan.md, section c).

    Raises DataError when the drive does not hold at least three iterations of the window, or a gap lies between two of
    them.
    """
    inside = np.flatnonzero((drive.time_us >= window_us[0]) & (drive.time_us <= window_us[1]))
    count = (len(inside) + row.stride - 1) // row.stride
    if count < 3:
        raise DataError(
            f"the log is too short: {count} iterations in the window",
            where=f"{drive.name}: scenario {row.token}",
            remedy="at least 3 are needed",
        )
    first = int(inside[0])
    steps = np.diff(drive.time_us[inside[:: row.stride]])
    if steps.max() > max(GAP_US, 2.5 * row.stride * row.interval_us):
        raise DataError(
            f"the log has a gap of {steps.max() * 1e-6:.2f} s in the window",
            where=f"{drive.name}: scenario {row.token}",
            remedy="ingest the log again, which leaves scenarios across gaps out",
        )
    return Scenario(
        row.token, type, row.tags, row.split, drive, map_data, first, first + (count - 1) * row.stride, row.stride
    )


def window(drive: Drive, first: int, last: int) -> Drive:
    """Frames first .. last (inclusive) of a drive as a drive of their own. Tracks keep their rows; scenes and tags are
    shifted."""
    o, li = drive.objects.offsets[first : last + 2], drive.lights.offsets[first : last + 2]
    rows = slice(o[0], o[-1])
    objects = ObjectFrames(o - o[0], drive.objects.track[rows], drive.objects.box[rows], drive.objects.velocity[rows])
    lights = LightFrames(li - li[0], drive.lights.lane[li[0] : li[-1]], drive.lights.state[li[0] : li[-1]])
    tagged = (drive.tag_frame >= first) & (drive.tag_frame <= last)
    return replace(
        drive,
        time_us=drive.time_us[first : last + 1],
        token=drive.token[first : last + 1],
        ego=drive.ego[first : last + 1],
        joints=drive.joints[first : last + 1],
        objects=objects,
        lights=lights,
        scenes=_shift(drive.scenes, first, last),
        tag_frame=drive.tag_frame[tagged] - first,
        tag_type=drive.tag_type[tagged],
        layers=drive.layers.shifted(first),
    )


def _shift(scenes: Scenes, first: int, last: int) -> Scenes:
    ends = np.append(scenes.first[1:], np.iinfo(np.int64).max)
    keep = np.flatnonzero((scenes.first <= last) & (ends > first)).astype(np.int64)
    return select_scenes(scenes, keep, np.maximum(scenes.first[keep] - first, 0))


def select_scenes(scenes: Scenes, keep: I64, first: I64) -> Scenes:
    """The given scenes with new first frames."""
    route = Ragged.build([scenes.route[int(i)] for i in keep])
    return Scenes(first, route, scenes.goal[keep], scenes.has_goal[keep], tuple(scenes.names[int(i)] for i in keep))
