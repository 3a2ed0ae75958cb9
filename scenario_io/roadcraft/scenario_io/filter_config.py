"""Which scenarios to take: the fields of nuPlan's ScenarioFilter as a light config dataclass (standard library only)."""

from __future__ import annotations

from dataclasses import dataclass, fields

from roadcraft.core.config import path_field

DEFAULT_TYPE = "unknown"  # type of a frame without (surviving) tags, as nuPlan names it


@dataclass(frozen=True)
class ScenarioFilter:
    """Every field that is None lets everything pass; a preset fills the fields that were left None (reference: nuplan-devkit e924167, ScenarioFilter).

    preset: name of a file of ``presets/`` (all, challenge, mapped, val14);
    scenario_types, scenario_tokens, log_names, map_names, splits: what to keep; tokens_file: tokens one per line, a JSON list, or a YAML file with a
    list ``scenario_tokens``;
    num_scenarios_per_type: equally spaced (or random with ``shuffle``); limit_total_scenarios: a count >= 1 or a fraction < 1, dropping
    type 'unknown' first; timestamp_threshold_s: between anchors of one type; remove_invalid_goals: without a mission goal;
    ego_displacement_minimum_m: driven in the window; ego_start_speed_threshold / ego_stop_speed_threshold (m/s): the ego rises above / falls to it;
    speed_noise_tolerance (m/s, 0.1): smaller changes do not count; token_set_path and fraction_in_token_set_threshold: share of a
    scenario's frames whose tokens are listed in that JSON file; ego_route_radius (m): a lane of the route must be that near; sample: that many of what
    all else leaves, chosen by a hash of the token, so that a smaller sample is part of a larger one; shuffle, seed: order.
    """

    preset: str | None = None
    scenario_types: tuple[str, ...] | None = None
    scenario_tokens: tuple[str, ...] | None = None
    tokens_file: str | None = path_field(None)
    log_names: tuple[str, ...] | None = None
    map_names: tuple[str, ...] | None = None
    splits: tuple[str, ...] | None = None
    num_scenarios_per_type: int | None = None
    limit_total_scenarios: float | None = None
    timestamp_threshold_s: float | None = None
    remove_invalid_goals: bool | None = None
    ego_displacement_minimum_m: float | None = None
    ego_start_speed_threshold: float | None = None
    ego_stop_speed_threshold: float | None = None
    speed_noise_tolerance: float | None = None
    token_set_path: str | None = path_field(None)
    fraction_in_token_set_threshold: float | None = None
    ego_route_radius: float | None = None
    sample: int | None = None
    shuffle: bool | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = [
            text
            for bad, text in (
                (_below(self.num_scenarios_per_type, 1), "num_scenarios_per_type must be at least 1"),
                (_below(self.sample, 1), "sample must be at least 1"),
                (
                    self.limit_total_scenarios is not None and self.limit_total_scenarios <= 0,
                    "limit_total_scenarios must be a count >= 1 or a fraction in (0, 1)",
                ),
                (
                    self.limit_total_scenarios is not None
                    and self.limit_total_scenarios > 1
                    and self.limit_total_scenarios != int(self.limit_total_scenarios),
                    "limit_total_scenarios above 1 must be a whole number",
                ),
                (_below(self.timestamp_threshold_s, 0), "timestamp_threshold_s must not be negative"),
                (
                    self.fraction_in_token_set_threshold is not None
                    and not 0 <= self.fraction_in_token_set_threshold <= 1,
                    "fraction_in_token_set_threshold must lie in [0, 1]",
                ),
            )
            if bad
        ]
        if wrong:
            raise ValueError("; ".join(wrong))

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


def _below(value: float | None, bound: float) -> bool:
    return value is not None and value < bound
