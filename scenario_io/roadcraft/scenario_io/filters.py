"""Selects scenarios with the semantics of nuPlan's ScenarioFilter, and says which window of the log each one covers.

Source: reference nuplan-devkit e924167, scenario_builder (order of the filters, equal spacing, what is dropped first)
and nuplan_scenario_mapping (windows). nuPlan's quirks are kept: a frame with several tags counts under the
alphabetically last of those that the type filter lets pass, and ``timestamp_threshold_s`` compares anchors of one type
across all logs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np

from roadcraft.core.config.yaml_text import read_yaml, resolved
from roadcraft.core.data.scenario import Ego, Scenario, ScenarioRow
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io.filter_config import DEFAULT_TYPE, FIELDS, ScenarioFilter

_HERE = Path(__file__).parent


class Selected(NamedTuple):
    """A chosen scenario."""

    row: ScenarioRow
    """Its index row."""
    type: str
    """The scenario type under which it counts."""
    window_us: tuple[int, int]
    """First and last time of the window, both included, in microseconds of log time."""


@dataclass(frozen=True)
class TypeWindows:
    """Durations and offsets (s) of mapped types and of all others; durations of types that last to the end of a log,
    by how their names begin."""

    types: tuple[str, ...]
    mapped: tuple[float, float]
    default: tuple[float, float]
    long: dict[str, float]


@lru_cache(maxsize=1)
def type_windows() -> TypeWindows:
    """nuPlan's 73 mapped scenario types and the windows, from ``scenario_types.yaml``."""
    data = resolved(read_yaml(_HERE / "scenario_types.yaml"))
    mapped, default = data["mapped"], data["default"]
    return TypeWindows(
        tuple(data["types"]),
        (mapped["duration_s"], mapped["offset_s"]),
        (default["duration_s"], default["offset_s"]),
        dict(data["long"]),
    )


def window_of(row: ScenarioRow, type: str) -> tuple[int, int]:
    """The inclusive window of a scenario: the source's own if it fixes one, else by type (15 s from -3 s if mapped, 20
    s from 0 otherwise; freight worlds last to the end of the log)."""
    if row.first_us is not None and row.last_us is not None:
        return row.first_us, row.last_us
    windows = type_windows()
    duration, offset = windows.mapped if type in windows.types else windows.default
    duration = next((s for name, s in windows.long.items() if type.startswith(name)), duration)
    first = int(row.anchor_us + offset * 1e6)
    return first, int(first + duration * 1e6)


def preset_names() -> list[str]:
    """Names of the presets that a filter can name, sorted."""
    return sorted(p.stem for p in (_HERE / "presets").glob("*.yaml"))


def resolve(filter: ScenarioFilter) -> ScenarioFilter:
    """The filter with its preset's values in the fields that were left None. Raises ConfigError for an unknown
    preset."""
    if filter.preset is None:
        return filter
    path = _HERE / "presets" / f"{filter.preset}.yaml"
    if not path.is_file() or "/" in filter.preset:
        near = get_close_matches(filter.preset, preset_names(), 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"no preset {filter.preset!r}; {hint}known: {', '.join(preset_names())}")
    values: dict[str, Any] = {k: v for k, v in (resolved(read_yaml(path)) or {}).items() if k in FIELDS}
    if values.get("scenario_types") == "mapped":
        values["scenario_types"] = type_windows().types
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return replace(filter, preset=None, **{k: v for k, v in values.items() if getattr(filter, k) is None})


def select(
    rows: Iterable[ScenarioRow], filter: ScenarioFilter | None = None, source: ScenarioSource | None = None
) -> list[Selected]:
    """The scenarios of ``rows`` that pass, ordered by token (or shuffled by seed).

    ``source`` is asked for the drives when the filter looks at what the ego does, at frames' tokens, or at the route
    (``filter.needs_logs``). Raises ConfigError (unknown preset, such a filter without source) or DataError (a token
    file that cannot be read).
    """
    f = resolve(filter or ScenarioFilter())
    if f.needs_logs and source is None:
        raise ConfigError(
            "this filter looks at the drives themselves: give select(..., source=) the source of the rows"
        )
    rng = Random(f.seed)
    groups = _extract(rows, f)
    if f.num_scenarios_per_type is not None:
        n = f.num_scenarios_per_type
        groups = {t: _thin(g, n, rng if f.shuffle and n < len(g) else None) for t, g in groups.items()}
    if f.limit_total_scenarios is not None:
        groups = _limit(groups, f.limit_total_scenarios, rng if f.shuffle else None)
    if f.timestamp_threshold_s is not None:
        groups = {t: _spaced(g, f.timestamp_threshold_s) for t, g in groups.items()}
    chosen = sorted((s for g in groups.values() for s in g), key=lambda s: s.row.token)
    for keep in _log_filters(f):
        assert source is not None
        chosen = [s for s in chosen if keep(source.scenario(s.row, s.type, s.window_us))]
    if f.sample is not None:
        kept = {s.row.token for s in sorted(chosen, key=lambda s: _draw(s.row.token))[: f.sample]}
        chosen = [s for s in chosen if s.row.token in kept]
    if f.shuffle:
        rng.shuffle(chosen)
    return chosen


def _draw(token: str) -> bytes:
    """Where a scenario stands in an order that looks random and is the same in any data, so that smaller samples are
    parts of larger ones."""
    return blake2b(token.encode(), digest_size=8).digest()


def find(source: ScenarioSource, filter: ScenarioFilter | None = None) -> list[Selected]:
    """``select`` over a whole source; a store narrows the rows down in its index first."""
    f = resolve(filter or ScenarioFilter())
    f = replace(f, scenario_tokens=listed_tokens(f), tokens_file=None)
    candidates: Callable[[ScenarioFilter], Iterable[ScenarioRow]] | None = getattr(source, "candidates", None)
    return select(candidates(f) if candidates else source.iter_rows(), f, source)


def type_of(tags: Iterable[str], types: frozenset[str] | None) -> str | None:
    """The type a frame with these tags counts under, or None if the type filter drops it."""
    left = [t for t in tags if types is None or t in types]
    return max(left) if left else (DEFAULT_TYPE if types is None else None)


def _extract(rows: Iterable[ScenarioRow], f: ScenarioFilter) -> dict[str, list[Selected]]:
    types, maps, splits, logs = (
        None if v is None else frozenset(v) for v in (f.scenario_types, f.map_names, f.splits, f.log_names)
    )
    wanted = listed_tokens(f)
    tokens = None if wanted is None else frozenset(wanted)
    groups: dict[str, list[Selected]] = {}
    for row in rows:
        if (
            (tokens is not None and row.token not in tokens)
            or (logs is not None and row.log not in logs)
            or (maps is not None and row.map_name not in maps)
            or (splits is not None and row.split not in splits)
            or (f.remove_invalid_goals and not row.has_goal)
        ):
            continue
        type = type_of(row.tags, types)
        if type is not None:
            groups.setdefault(type, []).append(Selected(row, type, window_of(row, type)))
    return groups


def listed_tokens(f: ScenarioFilter) -> tuple[str, ...] | None:
    """Tokens that the filter names, in itself and in its file (of both, those in both); None where it names none."""
    if f.tokens_file is None:
        return f.scenario_tokens
    listed = read_tokens(Path(f.tokens_file))
    return listed if f.scenario_tokens is None else tuple(t for t in listed if t in set(f.scenario_tokens))


def read_tokens(path: Path) -> tuple[str, ...]:
    """Tokens of a text file (one per line, # starts a comment), a JSON list, or a YAML file with a list
    ``scenario_tokens``."""
    if path.suffix in (".yaml", ".yml", ".json"):
        data = read_yaml(path)
    else:
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as e:
            raise DataError(f"the token list cannot be read: {e}", where=str(path)) from e
        return tuple(t for line in lines if (t := line.split("#")[0].strip()))
    if isinstance(data, dict):
        data = data.get("scenario_tokens")
    if not isinstance(data, list) or not all(isinstance(t, str) for t in data):
        raise DataError(
            "no list of tokens", where=str(path), remedy="a list of texts, or a key scenario_tokens with one"
        )
    return tuple(map(str, data))


def _thin(group: list[Any], n: int, rng: Random | None) -> list[Any]:
    if rng is not None:
        return rng.sample(group, n)
    return group[:: max(len(group) // n, 1)][:n]


def _limit(groups: dict[str, list[Selected]], limit: float, rng: Random | None) -> dict[str, list[Selected]]:
    total = sum(map(len, groups.values()))
    required = math.ceil(limit * total) if limit < 1 else int(limit)
    if total == 0 or (limit >= 1 and required >= total):
        return groups
    unknown = groups.get(DEFAULT_TYPE, [])
    surplus = total - required
    if surplus < len(unknown):
        return {**groups, DEFAULT_TYPE: _thin(unknown, len(unknown) - surplus, rng)}
    rest = sorted((s for t, g in groups.items() if t != DEFAULT_TYPE for s in g), key=lambda s: s.row.token)
    out: dict[str, list[Selected]] = {}
    for s in _thin(rest, min(required, len(rest)), rng) if rest else []:
        out.setdefault(s.type, []).append(s)
    return out


def _spaced(group: list[Selected], threshold_s: float) -> list[Selected]:
    out: list[Selected] = []
    bound = -math.inf
    for s in sorted(group, key=lambda s: s.row.anchor_us):
        if s.row.anchor_us * 1e-6 >= bound:
            out.append(s)
            bound = s.row.anchor_us * 1e-6 + threshold_s
    return out


def _log_filters(f: ScenarioFilter) -> list[Callable[[Scenario], bool]]:
    """What looks at the drive itself, in nuPlan's order."""
    out: list[Callable[[Scenario], bool]] = []
    noise = 0.1 if f.speed_noise_tolerance is None else f.speed_noise_tolerance
    if (least := f.ego_displacement_minimum_m) is not None:
        out.append(lambda s: displacement_m(s) >= least)
    if (start := f.ego_start_speed_threshold) is not None:
        out.append(lambda s: speed_edges(_speeds(s), start, noise)[0])
    if (stop := f.ego_stop_speed_threshold) is not None:
        out.append(lambda s: speed_edges(_speeds(s), stop, noise)[1])
    if f.token_set_path is not None and (share := f.fraction_in_token_set_threshold) is not None:
        listed = _token_set(Path(f.token_set_path))
        out.append(lambda s: _in_set(s, listed, share))
    if (radius := f.ego_route_radius) is not None:
        out.append(lambda s: near_route(s, radius))
    return out


def _speeds(s: Scenario) -> np.ndarray:
    return np.hypot(s.expert[:, Ego.VX], s.expert[:, Ego.VY])


def displacement_m(s: Scenario) -> float:
    """Length of the path of the ego's box center over the iterations, m."""
    ego = s.expert
    offset = load_vehicle(s.drive.vehicle).body.axle_to_center_m
    center = ego[:, :2] + offset * np.stack([np.cos(ego[:, Ego.HEADING]), np.sin(ego[:, Ego.HEADING])], 1)
    return float(np.linalg.norm(np.diff(center, axis=0), axis=1).sum())


def speed_edges(speed: np.ndarray, threshold: float, noise: float) -> tuple[bool, bool]:
    """Whether the speeds (N,) m/s rise above the threshold, and whether they fall to it, by more than ``noise``
    each."""
    rises = falls = False
    high = low = float(speed[0])
    for v in map(float, speed[1:]):
        if v > high:
            high = v
            if high > threshold >= low and high - low > noise:
                rises, low = True, high
        if v < low:
            low = v
            if high > threshold >= low and high - low > noise:
                falls, high = True, low
    return rises, falls


def _token_set(path: Path) -> frozenset[str]:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as e:
        raise DataError(f"the token set cannot be read: {e}", where=str(path), remedy="a JSON list of texts") from e
    if not isinstance(data, list) or not all(isinstance(t, str) for t in data):
        raise DataError("not a list of tokens", where=str(path), remedy="a JSON list of texts")
    return frozenset(data)


def _in_set(s: Scenario, listed: frozenset[str], threshold: float) -> bool:
    tokens = {f"{int(t):016x}" for t in s.drive.token[s.frames]}
    if threshold == 1:
        return tokens == listed
    return len(tokens & listed) / len(tokens) > threshold


def near_route(s: Scenario, radius_m: float) -> bool:
    """Whether a center line of the route's lanes comes within the radius of the ego's first pose."""
    blocks = s.map.block_rows(s.route)
    lanes = {int(r) for b in blocks if b >= 0 for r in s.map.blocks.lanes[int(b)]}
    at = s.expert[0, :2]
    return any(
        len(line := s.map.lanes.centerlines[r]) and np.linalg.norm(line - at, axis=1).min() <= radius_m for r in lanes
    )
