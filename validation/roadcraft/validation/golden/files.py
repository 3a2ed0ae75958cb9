"""Golden drives: what the reference simulator answered, as files ``<challenge>.<run>.<token>.json.gz`` (format 1), read
into rollouts."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from roadcraft.core.arrays import offsets_of
from roadcraft.core.data.rollout import PlanLog, Rollout
from roadcraft.core.data.scenario import LightFrames, LightState, ObjectFrames, ObjectKind, Scenario, Tracks
from roadcraft.core.data.windows import cut
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io import window_of

FIELDS: Mapping[str, type | tuple[type, ...]] = MappingProxyType(
    {
        **dict.fromkeys(("run", "challenge", "log", "token", "scenario_type"), str),
        **dict.fromkeys(("planner", "object_types", "metrics"), dict),
        **dict.fromkeys(
            ("ego", "expert", "objects", "plans", "traffic_lights", "route_roadblock_ids", "run_scores"), list
        ),
        "iterations": int,
        "score": (int, float, type(None)),
    }
)


@dataclass(frozen=True)
class GoldenDrive:
    """One golden drive; ``data`` is the file's content."""

    path: Path
    data: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.data['challenge']}.{self.data['run']}.{self.data['token']}"

    @property
    def run(self) -> str:
        return f"{self.data['challenge']}.{self.data['run']}"

    @cached_property
    def kinds(self) -> dict[str, ObjectKind]:
        return {token: ObjectKind[kind.upper()] for token, kind in self.data["object_types"].items()}

    def scenario(self, source: ScenarioSource) -> Scenario:
        """The scenario as ``source`` reads it. Raises DataError where the log lacks its frame."""
        d = self.data
        row = next((r for r in source.rows(d["log"]) if r.token == d["token"]), None)
        if row is None:
            raise DataError(
                f"no scenario {d['token']}", where=f"log {d['log']}", remedy="are these the drive's own logs?"
            )
        window = window_of(row, d["scenario_type"])
        return cut(source.drive(d["log"]), source.map(d["log"]), row, d["scenario_type"], window)

    def rollout(self, scenario: Scenario) -> Rollout:
        """The drive as the simulator would have recorded it: its own ego, objects, lights and plans."""
        d, base = self.data, scenario.drive
        ego = np.array(d["ego"], np.float64)
        tracks, objects = self.objects()
        n = len(ego)
        frames = scenario.frames[:n]
        drive = replace(
            base,
            source="simulation",
            interval_us=base.interval_us * scenario.stride,
            time_us=ego[:, 0].astype(np.int64),
            token=base.token[frames],
            ego=np.ascontiguousarray(ego[:, 1:11]),
            joints=np.zeros((n, 0)),
            tracks=tracks,
            objects=objects,
            lights=lights_of(d["traffic_lights"], n),
            tag_frame=np.zeros(0, np.int64),
            tag_type=np.zeros(0, np.int64),
        )
        return Rollout(scenario, drive, _plans(d["plans"]), (), np.zeros((0, n)), load_vehicle(base.vehicle))

    def objects(self) -> tuple[Tracks, ObjectFrames]:
        """Everybody seen, and who was where in each step."""
        steps: Sequence[Sequence[Any]] = self.data["objects"]
        tokens = list(dict.fromkeys(o[0] for step in steps for o in step))
        row = {token: i for i, token in enumerate(tokens)}
        flat = [o for step in steps for o in step]
        values = np.array([o[1:] for o in flat], np.float64).reshape(len(flat), 7)
        tracks = Tracks(
            np.array([int(t, 16) for t in tokens], np.uint64),
            np.array([self.kinds[t] for t in tokens], np.uint8),
            np.arange(len(tokens), dtype=np.int64),
            np.zeros(len(tokens), np.uint8),
            np.zeros(len(tokens)),
        )
        frames = ObjectFrames(
            offsets_of([len(step) for step in steps]),
            np.array([row[o[0]] for o in flat], np.int64),
            np.ascontiguousarray(values[:, :5]),
            np.nan_to_num(values[:, 5:]),
        )
        return tracks, frames


def read_golden(path: Path) -> GoldenDrive:
    """One golden drive. Raises DataError where the file is not one, is cut short, or lacks fields."""
    try:
        data = json.loads(gzip.decompress(path.read_bytes()))
    except (OSError, ValueError, EOFError, zlib.error) as e:
        raise DataError(f"not a golden drive: {e}", where=str(path)) from e
    if not isinstance(data, dict) or data.get("format") != 1:
        raise DataError("not a golden drive of format 1", where=str(path))
    lacking = [key for key in FIELDS if key not in data]
    if lacking:
        raise DataError(f"the drive lacks {', '.join(lacking)}", where=str(path))
    wrong = [key for key, kind in FIELDS.items() if not isinstance(data[key], kind)]
    if wrong:
        raise DataError(f"of the wrong kind: {', '.join(wrong)}", where=str(path))
    if not 1 <= len(data["ego"]) == len(data["objects"]):
        raise DataError(f"{len(data['ego'])} ego states, objects of {len(data['objects'])} steps", where=str(path))
    return GoldenDrive(path, data)


def golden_files(folder: Path) -> list[Path]:
    """The golden drives of a set (its folder, or the ``drives`` folder in it), sorted. Raises DataError where there are
    none."""
    inner = folder / "drives" if (folder / "drives").is_dir() else folder
    files = sorted(inner.glob("*.json.gz"))
    if not files:
        raise DataError("no golden drives", where=str(inner), remedy="a folder with <challenge>.<run>.<token>.json.gz")
    return files


def lights_of(changes: Sequence[Any], n: int) -> LightFrames:
    """The lights of ``n`` steps by the steps at which they change."""
    held: list[tuple[int, int]] = []
    rows: list[list[tuple[int, int]]] = []
    todo = dict(changes)
    for step in range(n):
        if step in todo:
            held = [(int(lane), int(LightState[state])) for lane, state in todo[step]]
        rows.append(held)
    flat = [light for row in rows for light in row]
    return LightFrames(
        offsets_of([len(row) for row in rows]),
        np.array([lane for lane, _ in flat], np.int64),
        np.array([state for _, state in flat], np.uint8),
    )


def _plans(plans: Sequence[Any]) -> PlanLog:
    poses = [np.array(p, np.float64).reshape(-1, 5) for _, p in plans]
    flat = np.concatenate(poses) if poses else np.zeros((0, 5))
    return PlanLog(
        np.array([step for step, _ in plans], np.int64),
        offsets_of([len(p) for p in poses]),
        flat[:, 0].astype(np.int64),
        np.ascontiguousarray(flat[:, 1:]),
    )
