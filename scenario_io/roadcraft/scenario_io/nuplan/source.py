"""nuPlan logs and maps as a source of scenarios."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import ClassVar

from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive, Scenario, ScenarioRow
from roadcraft.core.data.windows import cut
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.scenario_io.faults import gaps_of, without_gaps
from roadcraft.scenario_io.nuplan.config import MAP_VERSION, NuplanConfig
from roadcraft.scenario_io.nuplan.log_reader import LogReader
from roadcraft.scenario_io.nuplan.map_reader import read_map

MAPS_VARIABLE = "NUPLAN_MAPS_ROOT"
_DEPTH = 3  # folders below data_root that may hold logs
_OPEN = 8  # logs kept open


class NuplanSource(ScenarioSource):
    """The logs under ``data_root``, driven on the maps under ``maps_root``; a log's key is its file name without
    ``.db``.

    Every frame of a log's valid scenes is a scenario row, tagged or not, as in the reference. Maps are loaded once per
    location and source. Raises DataError that names file, table (or layer) and token, and what would be right.
    """

    name: ClassVar[str] = "nuplan"
    """Name of the source plugin."""

    def __init__(self, config: NuplanConfig | str | Path, maps_root: str | Path | None = None) -> None:
        if not isinstance(config, NuplanConfig):
            config = NuplanConfig(str(config), None if maps_root is None else str(maps_root))
        self.config = config
        """The settings."""
        self.data_root = Path(config.data_root).expanduser()
        """Folder of the logs."""
        self.maps_root = _maps_root(self.data_root, config.maps_root)
        """Folder of the maps."""
        self._files = _find_logs(self.data_root, config.splits)
        self._maps: dict[str, MapData] = {}
        self._mended: dict[str, list[DataError]] = {}
        self._open: OrderedDict[str, LogReader] = OrderedDict()
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[NuplanSource], tuple[NuplanConfig]]:
        # Workers open their own files.
        return NuplanSource, (self.config,)

    def logs(self) -> list[str]:
        return sorted(self._files)

    def split(self, log: str) -> str:
        """Name of the folder that holds the log."""
        return self._file(log).absolute().parent.name

    def rows(self, log: str) -> list[ScenarioRow]:
        """The scenarios of a log, by anchor time, but for those that ``left_out`` names. A log that can give none is a
        DataError (fewer than 5 scenes, no scene with a route)."""
        return self._rows(log)[0]

    def _rows(self, log: str) -> tuple[list[ScenarioRow], list[DataError]]:
        reader, split = self._reader(log), self.split(log)
        extra, map_name = reader.extra, reader.map_name
        (time_us, xy), interval_us, where = reader.poses, reader.interval_us, str(reader.path)
        rows = [
            ScenarioRow(
                token=f.token,
                tags=f.tags,
                log=log,
                split=split,
                map_name=map_name,
                source=extra["source"],
                licence=extra["licence"],
                anchor_us=f.time_us,
                interval_us=interval_us,
                stride=reader.stride,
                has_goal=f.scene.goal is not None,
            )
            for f in reader.frame_rows()
        ]
        return without_gaps(rows, time_us, interval_us, gaps_of(time_us, xy, interval_us, where), where)

    def left_out(self, log: str) -> list[DataError]:
        """Why scenes of a log are missing from its rows (no route), scenarios (a gap in the log), and frames and boxes
        from the drive read last."""
        reader = self._reader(log)
        return [*reader.without_route, *reader.repairs, *self._rows(log)[1]]

    def warnings(self, log: str) -> list[DataError]:
        """What was mended in the log's map."""
        return list(self._mended.get(self._reader(log).map_name, ()))

    def drive(self, log: str) -> Drive:
        return self._reader(log).drive()

    def map(self, log: str) -> MapData:
        return self.location(self._reader(log).map_name)

    def location(self, name: str) -> MapData:
        """The map of a location."""
        with self._lock:
            if name not in self._maps:
                self._maps[name] = read_map(self.maps_root, name, self._mended.setdefault(name, []))
            return self._maps[name]

    def scenario(self, row: ScenarioRow, type: str, window_us: tuple[int, int]) -> Scenario:
        """One scenario, of whose log only the window is read, with ``past_s`` before and ``future_s`` after it.

        Equal to what ``cut`` takes from the whole drive, but for the frames outside. Raises DataError where the window
        is too short or the tagged frame has no route.
        """
        reader = self._reader(row.log)
        first, last = window_us[0] - round(self.config.past_s * 1e6), window_us[1] + round(self.config.future_s * 1e6)
        scenario = cut(reader.drive((first, last)), self.map(row.log), row, type, window_us)
        self._require_route(scenario, reader.path)
        return scenario

    def _require_route(self, s: Scenario, path: Path) -> None:
        where = f"{path}: table scene, scenario {s.token}"
        if not len(s.route):
            raise DataError(
                "no route: roadblock_ids is empty", where=where, remedy="ids of road blocks, separated by blanks"
            )
        if (s.map.block_rows(s.route) < 0).all():
            remedy = f"the map of {s.map.name} lacks it: is it the map version of the log?"
            raise DataError(f"route names road block {int(s.route[0])}", where=where, remedy=remedy)

    def _file(self, log: str) -> Path:
        if log not in self._files:
            raise DataError(
                f"no log {log!r}", where=str(self.data_root), remedy="logs are named by their files without .db"
            )
        return self._files[log]

    def _reader(self, log: str) -> LogReader:
        with self._lock:
            if log in self._open:
                self._open.move_to_end(log)
            else:
                self._open[log] = LogReader(self._file(log), self.config.license)
                if len(self._open) > _OPEN:
                    # Closed when nobody uses it any more: another thread may be reading.
                    self._open.popitem(last=False)
            return self._open[log]


def _find_logs(root: Path, splits: tuple[str, ...]) -> dict[str, Path]:
    """Log files by name: the file itself, or those up to three folders below."""
    if root.is_file():
        return {root.name.removesuffix(".db"): root}
    if not root.is_dir():
        raise DataError("no such file or folder", where=str(root), remedy="data_root is a .db log or a folder of them")
    found: dict[str, Path] = {}
    for depth in range(_DEPTH + 1):
        for path in sorted(root.glob("*/" * depth + "*.db")):
            if splits and path.parent.name not in splits:
                continue
            name = path.name.removesuffix(".db")
            if name in found:
                if path.resolve() == found[name].resolve():  # reached again by a link
                    continue
                both = f"{found[name].parent} and {path.parent}"
                raise DataError(f"log {name} lies in {both}", where=str(root), remedy="choose one with splits=[...]")
            found[name] = path
    if not found:
        raise DataError("no logs (*.db) here", where=str(root), remedy="data_root is a .db log or a folder of them")
    return found


def _maps_root(data_root: Path, given: str | None) -> Path:
    """The maps folder: the given one, else the first that lists maps in, beside or above the logs, else that of the
    environment (as nuplan-devkit)."""
    if given is not None:
        return Path(given).expanduser()
    above = [data_root, *list(data_root.absolute().parents)[:3]]
    candidates = [folder / name for folder in above for name in ("", "maps")]
    elsewhere = Path(os.environ.get(MAPS_VARIABLE) or data_root / "maps").expanduser()
    return next((c for c in candidates if (c / f"{MAP_VERSION}.json").is_file()), elsewhere)
