"""The scenarios of a suite, in the order in which they are driven, and what identifies the list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any

from roadcraft.core.data.scenario import ScenarioRow
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.scenario_io.filter_config import ScenarioFilter
from roadcraft.scenario_io.filter_survey import names_of, why_none
from roadcraft.scenario_io.filters import Selected, find
from roadcraft.scenario_io.open import open_source
from roadcraft.validation.config import SuiteConfig


@dataclass(frozen=True)
class SuiteScenario:
    """One scenario of a suite, told well enough to open it again: its index row, the type it counts under, its window
    in microseconds."""

    row: ScenarioRow
    type: str
    window_us: tuple[int, int]

    @property
    def interval_s(self) -> float:
        """Time between iterations."""
        return self.row.interval_us * self.row.stride * 1e-6

    def to_json(self) -> dict[str, Any]:
        return {
            "row": {**asdict(self.row), "tags": list(self.row.tags)},
            "type": self.type,
            "window_us": list(self.window_us),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SuiteScenario:
        row = data["row"]
        return cls(
            ScenarioRow(**{**row, "tags": tuple(row["tags"])}),
            data["type"],
            (data["window_us"][0], data["window_us"][1]),
        )


@dataclass(frozen=True)
class LeftOut:
    """Scenarios that are not driven. key: the setting for which; names: their tokens; said: which and why."""

    key: str
    names: tuple[str, ...]
    said: str

    def __str__(self) -> str:
        return self.said


def open_data(suite: SuiteConfig) -> ScenarioSource:
    """The suite's source of scenarios. Raises ConfigError where none is named, DataError where it cannot be used."""
    if not suite.data:
        raise ConfigError(
            "suite.data is missing: say data=STORE, a folder made by `roadcraft ingest` (or a folder of logs)"
        )
    return open_source(suite.data, suite.format or None, **({"maps_root": suite.maps} if suite.maps else {}))


def select_items(suite: SuiteConfig, source: ScenarioSource, token: str = "") -> list[SuiteScenario]:
    """The suite's scenarios by map, log and time; one alone where ``token`` (or the beginning of one) names it.

    Raises DataError when none is left, with what takes the last away, or where one token stands for two scenarios.
    """
    if token:
        chosen: Sequence[Selected] = [_one(suite, source, token)]
    else:
        chosen = find(source, suite.filter)
    if not chosen:
        raise DataError(
            f"the filter lets no scenario pass: {why_none(source, suite.filter)}",
            where=suite.data,
            remedy="`roadcraft show` lists a store's scenarios; suite.filter says which to take",
        )
    items = [SuiteScenario(s.row, s.type, (int(s.window_us[0]), int(s.window_us[1]))) for s in chosen]
    _refuse_twins(items, suite.data)
    return sorted(items, key=lambda i: (i.row.map_name, i.row.log, i.row.anchor_us, i.row.token))


def _one(suite: SuiteConfig, source: ScenarioSource, token: str) -> Selected:
    """The scenario of a token, as the suite's filter sees it where that lets it pass."""
    known = names_of(source, "scenario_tokens")
    fitting = [token] if token in known else sorted(t for t in known if t.startswith(token))
    if len(fitting) != 1:
        some = ", ".join(fitting[:3]) + (", ..." if len(fitting) > 3 else "")
        what = f"{token!r} begins {len(fitting)} tokens ({some})" if fitting else f"no scenario {token!r}"
        raise DataError(what, where=suite.data, remedy=f"`roadcraft show {suite.data}` lists them")
    passed = [s for s in find(source, suite.filter) if s.row.token == fitting[0]]
    return (passed or find(source, ScenarioFilter(scenario_tokens=(fitting[0],))))[0]


def _refuse_twins(items: Sequence[SuiteScenario], data: str) -> None:
    """Results are kept by token: of two scenarios with one token, the second would take the first one's place."""
    seen: dict[str, SuiteScenario] = {}
    for item in items:
        other = seen.setdefault(item.row.token, item)
        if other is not item:
            raise DataError(
                f"token {item.row.token} stands for two scenarios, in logs {other.row.log} and {item.row.log}",
                where=data,
                remedy="leave one of the logs out: suite.filter.log_names",
            )


def scenario_list_hash(items: Sequence[SuiteScenario]) -> str:
    """16 hex digits over log, token, type and window of every scenario, whatever their order."""
    lines = sorted(f"{i.row.log}|{i.row.token}|{i.type}|{i.window_us[0]}|{i.window_us[1]}" for i in items)
    return blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()
