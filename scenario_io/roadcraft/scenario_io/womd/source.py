"""Waymo Motion as a ScenarioSource: each scenario is a drive of its own with a map of its own."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive, Scenario, ScenarioRow
from roadcraft.core.data.windows import cut
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.scenario_io.faults import gaps_of, mended, without_gaps
from roadcraft.scenario_io.lane_graph.route import route_of
from roadcraft.scenario_io.womd.config import LICENCE, WomdConfig
from roadcraft.scenario_io.womd.features import features_of
from roadcraft.scenario_io.womd.lane_map import map_of
from roadcraft.scenario_io.womd.protos import parse, scenario_class
from roadcraft.scenario_io.womd.tfrecord import Record, checksum, crc_error, read, scan
from roadcraft.scenario_io.womd.tracks import HEADING, INTERVAL_US, X, Y, drive_of, sdc_row, states_of

_RECENT = 4  # scenarios kept: drive, map and rows of one are asked for one after the other


class WomdSource(ScenarioSource):
    """Scenarios of TFRecord files. A log is one record; its key is ``<file>#<number>``, its scenario's token the file's
    scenario id.

    The window is fixed by the file: from the current step (1 s in) to the last, 10 Hz. Raises DataError when a package
    or the files are missing.
    """

    name: ClassVar[str] = "womd"

    def __init__(self, config: WomdConfig) -> None:
        self._config = config
        root = Path(config.path)
        if not root.exists():
            raise DataError("there is no such file or folder", where=config.path)
        checksum()
        scenario_class()
        self._root = root if root.is_dir() else root.parent
        self._files = sorted(p for p in root.rglob("*.tfrecord*") if p.is_file()) if root.is_dir() else [root]
        if not self._files:
            raise DataError("no TFRecord files (*.tfrecord*) are found here", where=config.path)
        self._records: dict[str, tuple[Path, Record]] | None = None
        self._load = lru_cache(maxsize=_RECENT)(self._read)

    def logs(self) -> list[str]:
        return sorted(self._index())

    def rows(self, log: str) -> list[ScenarioRow]:
        return self._rows(log)[0]

    def left_out(self, log: str) -> list[DataError]:
        """Boxes without a possible size, and why there is no scenario to drive: a test set's history without a future,
        or a gap."""
        return [*self._load(log)[2], *self._rows(log)[1]]

    def _rows(self, log: str) -> tuple[list[ScenarioRow], list[DataError]]:
        drive = self._load(log)[0]
        where = f"{self._index()[log][0]}: scenario {drive.name}"
        if not len(drive.tag_frame):
            return [], [DataError("the current step has no possible ego pose", where=where)]
        anchor, last = int(drive.tag_frame[0]), len(drive) - 1
        if last - anchor < 2:
            seconds = (int(drive.time_us[-1]) - int(drive.time_us[0])) * 1e-6
            what = (
                f"too short to drive: {seconds:.1f} s long, {(last - anchor) * 0.1:.1f} s of it after the current step"
            )
            return [], [DataError(what, where=where, remedy="9.1 s are needed; a test split has no future")]
        rows = [
            ScenarioRow(
                token=drive.name,
                tags=tuple(sorted(drive.tag_names)),
                log=log,
                split=self._split(log),
                map_name=drive.map_name,
                source="womd",
                licence=LICENCE,
                anchor_us=int(drive.time_us[anchor]),
                interval_us=INTERVAL_US,
                stride=1,
                has_goal=True,
                first_us=int(drive.time_us[anchor]),
                last_us=int(drive.time_us[last]),
            )
        ]
        gaps = gaps_of(drive.time_us, drive.ego[:, :2], drive.interval_us, where)
        return without_gaps(rows, drive.time_us, drive.interval_us, gaps, where)

    def drive(self, log: str) -> Drive:
        return self._load(log)[0]

    def map(self, log: str) -> MapData:
        return self._load(log)[1]

    def scenario(self, row: ScenarioRow, type: str, window_us: tuple[int, int]) -> Scenario:
        return cut(*self._load(row.log)[:2], row, type, window_us)

    def release(self) -> None:
        self._load.cache_clear()

    def _split(self, log: str) -> str:
        return self._config.split or self._index()[log][0].parent.name

    def _index(self) -> dict[str, tuple[Path, Record]]:
        if self._records is None:
            self._records = {
                f"{path.relative_to(self._root)}#{i:05d}": (path, record)
                for path in self._files
                for i, record in enumerate(scan(path))
            }
        return self._records

    def _read(self, log: str) -> tuple[Drive, MapData, list[DataError]]:
        if log not in self._index():
            raise DataError(f"no record {log!r}", where=str(self._root))
        path, record = self._index()[log]
        message = self._message(path, record)
        where = f"{path}: scenario {message.scenario_id}"
        if not message.scenario_id:
            raise DataError(
                "the record is not a Waymo Motion scenario: it has no scenario id",
                where=f"{path}: byte {record.offset}",
            )
        if not 0 <= message.current_time_index < len(message.timestamps_seconds):
            raise DataError(f"current_time_index {message.current_time_index} is not a step", where=where)
        states = states_of(message, where)
        sdc = states[sdc_row(message, states, where)]
        map_data = map_of(features_of(message, where), self._config, f"womd_{message.scenario_id}")
        route = route_of(map_data, sdc[message.current_time_index :, [X, Y, HEADING]], self._config.route_ahead_m)
        drive, repairs = mended(drive_of(message, states, self._config, where, route), where)
        return drive, map_data, repairs

    @staticmethod
    def _message(path: Path, record: Record) -> Any:
        payload, sound = read(path, record)
        try:
            message = parse(payload)
        except ValueError as e:
            if not sound:
                raise crc_error(path, record, "") from e
            raise DataError(str(e), where=f"{path}: byte {record.offset}") from e
        if not sound:
            raise crc_error(path, record, message.scenario_id if message.scenario_id.isalnum() else "")
        return message
