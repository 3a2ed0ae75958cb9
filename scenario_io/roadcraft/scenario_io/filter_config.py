"""Which scenarios to take: the fields of nuPlan's ScenarioFilter as a light config dataclass (standard library
only)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

from roadcraft.core.config.load import path_field
from roadcraft.core.config.rules import Range, Suggestions, Unit, check

DEFAULT_TYPE = "unknown"  # type of a frame without (surviving) tags, as nuPlan names it


@dataclass(frozen=True)
class ScenarioFilter:
    """Every field that is None lets everything pass; a preset fills the fields that were left None (reference:
    nuplan-devkit e924167, ScenarioFilter)."""

    preset: Annotated[str | None, Suggestions("roadcraft.scenario_io.filters:preset_names")] = None
    """Name of a filter that comes with roadcraft (all, challenge, mapped, val14)."""
    scenario_types: tuple[str, ...] | None = None
    """Scenario types that are kept."""
    scenario_tokens: tuple[str, ...] | None = None
    """Tokens of the scenarios that are kept."""
    tokens_file: str | None = path_field(None)
    """File of tokens that are kept: one per line, a JSON list, or a YAML file with a list scenario_tokens."""
    log_names: tuple[str, ...] | None = None
    """Logs that are kept."""
    map_names: tuple[str, ...] | None = None
    """Maps that are kept."""
    splits: tuple[str, ...] | None = None
    """Splits that are kept."""
    num_scenarios_per_type: Annotated[int | None, Range(">= 1")] = None
    """Scenarios kept of each type, equally spaced, or random with shuffle."""
    limit_total_scenarios: Annotated[float | None, Range("> 0")] = None
    """Scenarios kept in all: a count, or below 1 a share; type 'unknown' is dropped first."""
    timestamp_threshold_s: Annotated[float | None, Range(">= 0")] = None
    """Least time between the anchors of two scenarios of one type."""
    remove_invalid_goals: bool | None = None
    """Whether scenarios without a mission goal are dropped."""
    ego_displacement_minimum_m: Annotated[float | None, Range(">= 0")] = None
    """Least distance that the ego drives in the scenario's window."""
    ego_start_speed_threshold: Annotated[float | None, Range(">= 0"), Unit("m/s")] = None
    """Keeps scenarios in which the ego's speed rises above this from at or below it."""
    ego_stop_speed_threshold: Annotated[float | None, Range(">= 0"), Unit("m/s")] = None
    """Keeps scenarios in which the ego's speed falls to this or below."""
    speed_noise_tolerance: Annotated[float | None, Range(">= 0"), Unit("m/s")] = None
    """Change of speed that does not count as rising above or falling to a threshold (null: 0.1)."""
    token_set_path: str | None = path_field(None)
    """JSON file of frame tokens; works together with fraction_in_token_set_threshold."""
    fraction_in_token_set_threshold: Annotated[float | None, Range("[0, 1]")] = None
    """Keeps scenarios of whose frames more than this share is listed in token_set_path (1: exactly the listed ones)."""
    ego_route_radius: Annotated[float | None, Range(">= 0"), Unit("m")] = None
    """A lane of the route must lie within this distance of the ego."""
    sample: Annotated[int | None, Range(">= 1")] = None
    """Scenarios kept of those that pass all else, chosen by a hash of the token: a smaller sample is part of a larger
    one."""
    shuffle: bool | None = None
    """Whether the order, and what num_scenarios_per_type and limit_total_scenarios keep, are random."""
    seed: int = 0
    """Seed of shuffle."""

    def __post_init__(self) -> None:
        limit = self.limit_total_scenarios
        whole = limit is None or limit <= 1 or limit == int(limit)
        check(self, ("limit_total_scenarios", whole, "must be a whole number, or a fraction of at most 1"))

    @property
    def needs_logs(self) -> bool:
        """Whether the filter looks at the drives themselves, not only at the index."""
        names = (
            "ego_displacement_minimum_m",
            "ego_start_speed_threshold",
            "ego_stop_speed_threshold",
            "ego_route_radius",
        )
        by_tokens = self.token_set_path is not None and self.fraction_in_token_set_threshold is not None
        return by_tokens or any(getattr(self, n) is not None for n in names)


FIELDS = tuple(f.name for f in fields(ScenarioFilter))
