"""Describes what a store (or any source) holds: in numbers, scenario by scenario, or one scenario, drive or map in
detail."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from roadcraft.core.data.map import AreaKind, LaneKind, LineKind, MapData
from roadcraft.core.data.places import PlaceKind
from roadcraft.core.data.scenario import Ego, LightState, ObjectKind, Scenario, ScenarioRow
from roadcraft.core.errors import DataError
from roadcraft.scenario_io.filter_config import DEFAULT_TYPE, ScenarioFilter
from roadcraft.scenario_io.filter_survey import missing_names
from roadcraft.scenario_io.filters import Selected, find, select
from roadcraft.scenario_io.store.index import VERSION, pc, to_rows
from roadcraft.scenario_io.store.store import Store

PREFIX = 6  # digits of a map hash that suffice to name it


def describe_store(
    path: str | Path,
    token: str | None = None,
    filter: ScenarioFilter | None = None,
    *,
    logs: bool = False,
    limit: int = 20,
    verify: bool = False,
) -> dict[str, Any]:
    """What a store holds, as JSON-able data with a key ``kind`` ('store', 'scenario', 'drive' or 'map').

    token: of a scenario, the key of a drive, or (the beginning of) a map's hash: describe that one. filter: count and
    list only what passes it; logs: list the drives as well; limit: scenarios and drives listed (0: all); verify:
    compare every file with its checksum. Raises DataError for a path that is no store or a name that it does not hold.
    """
    store = Store(path)
    if token is not None:
        return _named(store, token)
    if filter is not None and (missing := missing_names(store, filter)):
        raise DataError("; ".join(map(str, missing)), where=str(path))
    out = _totals(store)
    chosen = find(store, filter) if filter is not None else None
    if chosen is not None:
        out["filtered"] = {"scenarios": len(chosen), "types": _counts(s.type for s in chosen)}
        listed = [_line(s) for s in chosen[: limit or None]]
    else:
        listed = [_line(s) for s in select(_first_rows(store, limit))]
    out["listed"] = listed
    if logs:
        out["logs"] = [_log_line(store, k) for k in store.logs()[: limit or None]]
    if verify:
        out["faults"] = store.verify()
    return out


def _first_rows(store: Store, limit: int) -> list[ScenarioRow]:
    """Tagged scenarios, or any where none is tagged."""
    table = store.index.table
    tagged = table.filter(pc.greater(pc.list_value_length(table.column("tags")), 0))
    table = tagged if len(tagged) else table
    return to_rows(table.slice(0, limit or len(table)))


def _totals(store: Store) -> dict[str, Any]:
    index, drives = store.index, store.index.drives.values()
    seconds = sum(d.last_us - d.first_us for d in drives) * 1e-6
    return {
        "kind": "store",
        "path": str(store.path),
        "version": VERSION,
        "drives": len(index.drives),
        "frames": sum(d.frames for d in drives),
        "hours": round(seconds / 3600, 3),
        "scenarios": len(store),
        "types": _type_counts(store),
        "maps": _counts(f"{d.map_name} ({d.map[:12]})" for d in drives),
        "splits": dict(
            sorted(
                (v["values"] or "(none)", v["counts"]) for v in index.table.column("split").value_counts().to_pylist()
            )
        ),
        "sources": _counts(d.source for d in drives),
        "licences": _counts(d.licence for d in drives),
        "bytes": sum(p.stat().st_size for f in ("drives", "maps", "index") for p in (store.path / f).glob("*.*")),
    }


def _type_counts(store: Store) -> dict[str, int]:
    counts = Counter(max(tags) if tags else DEFAULT_TYPE for tags in store.index.table.column("tags").to_pylist())
    return dict(sorted(counts.items()))


def _counts(values: Any) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _line(s: Selected) -> dict[str, Any]:
    r = s.row
    seconds = round((s.window_us[1] - s.window_us[0]) * 1e-6, 2)
    return {
        "token": r.token, "type": s.type, "seconds": seconds, "split": r.split, "map": r.map_name, "log": r.log,
        "tags": list(r.tags)
    }  # fmt: skip


def _log_line(store: Store, key: str) -> dict[str, Any]:
    d = store.entry(key)
    return {
        "log": key, "frames": d.frames, "seconds": round((d.last_us - d.first_us) * 1e-6, 2), "scenarios": d.rows,
        "map": d.map_name, "source": d.source
    }  # fmt: skip


def _named(store: Store, token: str) -> dict[str, Any]:
    if token in store.index.drives:
        return _describe_drive(store, token)
    maps = (
        sorted({d.map for d in store.index.drives.values() if d.map.startswith(token)}) if len(token) >= PREFIX else []
    )
    try:
        return describe_scenario(store.get(token), store.row(token).log)
    except DataError:
        if len(maps) == 1:
            return describe_map(store.map_by_hash(maps[0]))
        if maps or token not in {d.name for d in store.index.drives.values()}:
            raise
    named = [k for k, d in store.index.drives.items() if d.name == token]
    return _describe_drive(store, named[0])


def describe_scenario(s: Scenario, log: str = "") -> dict[str, Any]:
    """One scenario in numbers: window, ego, who is around, lights, route."""
    ego, d = s.expert, s.drive
    start = s.drive.objects.rows(s.first)
    kinds = Counter(ObjectKind(int(k)).name.lower() for k in d.tracks.kind[d.objects.track[start]])
    lights = Counter(LightState(int(x)).name.lower() for x in d.lights.state[d.lights.rows(s.first)])
    speed = np.hypot(ego[:, Ego.VX], ego[:, Ego.VY])
    return {
        "kind": "scenario",
        "token": s.token,
        "type": s.type,
        "tags": list(s.tags),
        "log": log or s.log,
        "split": s.split,
        "source": d.source,
        "licence": d.licence,
        "map": s.map.name,
        "map_hash": s.map.content_hash,
        "vehicle": d.vehicle,
        "start_us": int(s.time_us[0]),
        "seconds": round(float(s.time_us[-1] - s.time_us[0]) * 1e-6, 3),
        "iterations": len(s),
        "interval_s": round(s.interval_s, 6),
        "frames": [s.first, s.last],
        "start": [round(float(v), 3) for v in ego[0, :3]],
        "driven_m": round(float(np.linalg.norm(np.diff(ego[:, :2], axis=0), axis=1).sum()), 2),
        "speed_mps": {
            "start": round(float(speed[0]), 2),
            "max": round(float(speed.max()), 2),
            "end": round(float(speed[-1]), 2),
        },
        "objects_at_start": dict(sorted(kinds.items())),
        "lights_at_start": dict(sorted(lights.items())),
        "route_blocks": [int(r) for r in s.route],
        "goal": None if s.goal is None else [round(float(v), 2) for v in s.goal],
    }


def _describe_drive(store: Store, key: str) -> dict[str, Any]:
    d, entry = store.drive(key), store.entry(key)
    rows = store.rows(key)
    return {
        "kind": "drive",
        "log": key,
        "name": d.name,
        "source": d.source,
        "licence": d.licence,
        "vehicle": d.vehicle,
        **({"load": d.load} if d.load else {}),
        "map": d.map_name,
        "map_hash": entry.map,
        "frames": len(d),
        "seconds": round(float(d.time_us[-1] - d.time_us[0]) * 1e-6, 3),
        "interval_us": d.interval_us,
        "driven_m": round(float(np.linalg.norm(np.diff(d.ego[:, :2], axis=0), axis=1).sum()), 2),
        "tracks": _counts(ObjectKind(int(k)).name.lower() for k in d.tracks.kind),
        "objects_per_frame": round(len(d.objects.track) / max(len(d), 1), 2),
        "scenes": list(d.scenes.names),
        "tags": _counts(d.tag_names[int(t)] for t in d.tag_type),
        "scenarios": len(rows),
        "shard": entry.shard,
        "extra": {k: [str(a.dtype), *a.shape] for k, a in store.extra(key).items()},
        "meta": store.meta(key),
    }


def describe_map(m: MapData) -> dict[str, Any]:
    """One map in numbers."""
    lengths = [
        float(np.linalg.norm(np.diff(m.lanes.centerlines[i], axis=0), axis=1).sum()) for i in range(len(m.lanes))
    ]
    return {
        "kind": "map",
        "name": m.name,
        "version": m.version,
        "hash": m.content_hash,
        "source": m.source,
        "licence": m.licence,
        "epsg": m.epsg,
        "lanes": int((m.lanes.kind == LaneKind.LANE).sum()),
        "connectors": int((m.lanes.kind == LaneKind.CONNECTOR).sum()),
        "with_lights": int(m.lanes.has_light.sum()),
        "lane_km": round(sum(lengths) / 1000, 3),
        "road_blocks": len(m.blocks),
        "areas": _counts(AreaKind(int(k)).name.lower() for k in m.areas.kind),
        "lines": _counts(LineKind(int(k)).name.lower() for k in m.lines.kind),
        "places": _counts(PlaceKind(int(k)).name.lower() for k in m.places.kind),
    }


def print_description(d: dict[str, Any]) -> None:
    """Print what :func:`describe_store` returned, for people."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    facts = Table(show_header=False, box=None, pad_edge=False)
    for key, value in d.items():
        if key not in ("kind", "listed", "logs", "filtered", "faults"):
            facts.add_row(f"[dim]{key}[/]", _text(value))
    console.print(facts)
    if "filtered" in d:
        console.print(f"\n{d['filtered']['scenarios']} scenarios pass the filter: {_text(d['filtered']['types'])}")
    for title in ("listed", "logs"):
        if d.get(title):
            table = Table(box=None, pad_edge=False, header_style="dim")
            columns = [c for c in d[title][0] if c != "tags"]  # they are in --json, and with the scenario itself
            for column in columns:
                table.add_column(column, overflow="fold", no_wrap=column in ("token", "seconds"))
            for line in d[title]:
                table.add_row(*(_text(line[c]) for c in columns))
            console.print("", table)
    if "faults" in d:
        console.print("\n" + ("\n".join(d["faults"]) if d["faults"] else "every file is as it was written"))


def _text(value: Any) -> str:
    from rich.markup import escape

    if isinstance(value, dict):
        return escape(", ".join(f"{k} {_text(v)}" for k, v in value.items())) or "-"
    if isinstance(value, list):
        return escape(" ".join(map(str, value))) or "-"
    return escape(str(value))


__all__ = ["describe_map", "describe_scenario", "describe_store", "print_description"]
