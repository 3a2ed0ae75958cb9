"""Argoverse 2 as a ScenarioSource: each log is one drive with one scenario, and has a map of its own."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive, ScenarioRow
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.scenario_io.argoverse2 import motion, sensor
from roadcraft.scenario_io.argoverse2.config import LICENCE, Argoverse2Config
from roadcraft.scenario_io.argoverse2.drives import INTERVAL_US
from roadcraft.scenario_io.argoverse2.lane_map import map_of
from roadcraft.scenario_io.faults import gaps_of, mended, without_gaps

SENSOR, MOTION = sensor.POSES, "scenario_*.parquet"
_RECENT = 4  # logs kept: drive, map and rows of one are asked for one after the other
_LEAST = 3  # frames of a scenario


def _logs_below(root: Path) -> Iterator[Path]:
    """The files that logs are found by; what lies below a log, such as its images, is not looked through."""
    for folder, inner, files in os.walk(root):
        found = [SENSOR] if SENSOR in files else fnmatch.filter(files, MOTION)
        yield from (Path(folder, name) for name in found)
        if found:
            inner.clear()


class Argoverse2Source(ScenarioSource):
    """Logs of the sensor data set (folders with city_SE3_egovehicle.feather) and scenarios of the motion forecasting
    data set (scenario_*.parquet). A log's key is its folder below the path that was given.

    A scenario begins 0.5 s (sensor) or 1 s (motion) after its log, and ends with it. Raises DataError when nothing is
    found.
    """

    name: ClassVar[str] = "argoverse2"

    def __init__(self, config: Argoverse2Config) -> None:
        self._config = config
        root = Path(config.path)
        if not root.exists():
            raise DataError("there is no such file or folder", where=config.path)
        found = [root] if root.is_file() else list(_logs_below(root))
        if not found:
            raise DataError(f"no {SENSOR} and no {MOTION} are found here", where=config.path)
        base = root.parent if root.is_file() else root
        self._paths: dict[str, Path] = {}
        for path in found:
            place = path.parent.relative_to(base).as_posix()
            key = path.parent.resolve().name if place == "." else place
            if key in self._paths:
                raise DataError("the folder holds two logs", where=str(path.parent), remedy="one folder for each")
            self._paths[key] = path
        self._load = lru_cache(maxsize=_RECENT)(self._read)

    def logs(self) -> list[str]:
        return sorted(self._paths)

    def rows(self, log: str) -> list[ScenarioRow]:
        return self._rows(log)[0]

    def left_out(self, log: str) -> list[DataError]:
        return [*self._load(log)[2], *self._rows(log)[1]]

    def warnings(self, log: str) -> list[DataError]:
        return self._load(log)[3]

    def drive(self, log: str) -> Drive:
        return self._load(log)[0]

    def map(self, log: str) -> MapData:
        return self._load(log)[1]

    def release(self) -> None:
        self._load.cache_clear()

    def _rows(self, log: str) -> tuple[list[ScenarioRow], list[DataError]]:
        drive, path = self._load(log)[0], self._paths[log]
        where = f"{path}: log {drive.name}"
        if not len(drive.tag_frame):
            return [], [DataError("the frame at which the scenario begins has no possible pose", where=where)]
        anchor, last = int(drive.tag_frame[0]), len(drive) - 1
        if last - anchor < _LEAST - 1:
            what = f"too short to drive: {len(drive)} frames"
            return [], [DataError(what, where=where, remedy="a test split holds no future")]
        row = ScenarioRow(
            token=f"{int(drive.token[anchor]):016x}",
            tags=tuple(sorted(drive.tag_names)),
            log=log,
            split=self._config.split or path.parent.resolve().parent.name,
            map_name=drive.map_name,
            source=drive.source,
            licence=LICENCE,
            anchor_us=int(drive.time_us[anchor]),
            interval_us=INTERVAL_US,
            stride=1,
            has_goal=True,
            first_us=int(drive.time_us[anchor]),
            last_us=int(drive.time_us[last]),
        )
        gaps = gaps_of(drive.time_us, drive.ego[:, :2], drive.interval_us, where)
        return without_gaps([row], drive.time_us, drive.interval_us, gaps, where)

    def _read(self, log: str) -> tuple[Drive, MapData, list[DataError], list[DataError]]:
        if log not in self._paths:
            raise DataError(f"no log {log!r}", where=self._config.path)
        path = self._paths[log]
        name = path.parent.resolve().name
        maps = sorted([*path.parent.glob("log_map_archive_*.json"), *path.parent.glob("map/log_map_archive_*.json")])
        if not maps:
            remedy = "copy log_map_archive_*.json beside the log"
            raise DataError("the log has no map", where=str(path.parent), remedy=remedy)
        is_sensor = path.name == SENSOR
        map_data = map_of(maps[0], f"av2_{name}", sensor.NAME if is_sensor else motion.NAME)
        if is_sensor:
            if not (path.parent / sensor.ANNOTATIONS).exists():
                remedy = "test splits have none and cannot be driven among others"
                raise DataError(f"the log has no {sensor.ANNOTATIONS}", where=str(path.parent), remedy=remedy)
            drive, notes = sensor.read_sensor(path.parent, self._config, map_data)
        else:
            drive, notes = motion.read_motion(path, self._config, map_data)
        drive, repairs = mended(drive, str(path))
        return drive, map_data, repairs, notes
