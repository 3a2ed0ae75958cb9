"""The scenarios of a suite, in the order in which they are driven, and what identifies the list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from typing import Any

from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.interfaces import ScenarioRow, ScenarioSource
from roadcraft.scenario_io.filter_config import ScenarioFilter
from roadcraft.scenario_io.filters import Selected, find
from roadcraft.scenario_io.open import open_source
from roadcraft.validation.config import SuiteConfig


@dataclass(frozen=True)
class Item:
    """One scenario of a suite, told well enough to open it again: its index row, the type it counts under, its window in microseconds."""

    row: ScenarioRow
    type: str
    window_us: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        return {
            "row": {**asdict(self.row), "tags": list(self.row.tags)},
            "type": self.type,
            "window_us": list(self.window_us),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Item:
        row = data["row"]
        return cls(
            ScenarioRow(**{**row, "tags": tuple(row["tags"])}),
            data["type"],
            (data["window_us"][0], data["window_us"][1]),
        )


def open_data(suite: SuiteConfig) -> ScenarioSource:
    """The suite's source of scenarios. Raises ConfigError where none is named, DataError where it cannot be used."""
    if not suite.data:
        raise ConfigError(
            "suite.data is missing: say data=STORE, a folder made by `roadcraft ingest` (or a folder of logs)"
        )
    return open_source(suite.data, suite.format or None)


def select_items(suite: SuiteConfig, source: ScenarioSource, token: str = "") -> list[Item]:
    """The suite's scenarios by map, log and time; one alone where ``token`` names it. Raises DataError when none is left."""
    chosen: Sequence[Selected] = find(source, suite.filter)
    if token:
        chosen = [s for s in chosen if s.row.token == token] or find(source, ScenarioFilter(scenario_tokens=(token,)))
    if not chosen:
        raise DataError(
            f"no scenario {token!r}" if token else "the filter lets no scenario pass",
            where=suite.data,
            remedy="`roadcraft show` lists a store's scenarios; suite.filter says which to take",
        )
    items = [Item(s.row, s.type, (int(s.window_us[0]), int(s.window_us[1]))) for s in chosen]
    return sorted(items, key=lambda i: (i.row.map_name, i.row.log, i.row.anchor_us, i.row.token))


def scenario_list_hash(items: Sequence[Item]) -> str:
    """16 hex digits over log, token, type and window of every scenario, whatever their order."""
    lines = sorted(f"{i.row.log}|{i.row.token}|{i.type}|{i.window_us[0]}|{i.window_us[1]}" for i in items)
    return blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


def with_token(suite: SuiteConfig, token: str) -> SuiteConfig:
    """The suite cut down to one scenario."""
    return replace(suite, filter=ScenarioFilter(scenario_tokens=(token,)))
