"""What a network reads of a scene: feature groups by name, each with its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from roadcraft.core.driving.features.settings import (
    AgentSettings,
    ConditionSettings,
    MapSettings,
    RasterSettings,
    ReferenceLineSettings,
    SceneSettings,
    StaticSettings,
    TargetSettings,
)
from roadcraft.core.errors import PluginError

if TYPE_CHECKING:
    from roadcraft.core.driving.features.group import FeatureGroup, FeatureTensor, TensorGroup

OURS: dict[str, type] = {
    "scene": SceneSettings,
    "agents": AgentSettings,
    "static": StaticSettings,
    "map": MapSettings,
    "reference_lines": ReferenceLineSettings,
    "raster": RasterSettings,
    "conditions": ConditionSettings,
    "targets": TargetSettings,
}
KEYWORDS: dict[str, tuple[str, str]] = {
    "agents": ("agents", "count"),
    "past_steps": ("scene", "past_steps"),
    "past_interval_s": ("scene", "past_interval_s"),
    "static": ("static", "count"),
    "lanes": ("map", "lanes"),
    "lane_points": ("map", "points"),
    "route_lanes": ("map", "route_lanes"),
    "crosswalks": ("map", "crosswalks"),
    "reference_lines": ("reference_lines", "count"),
    "reference_points": ("reference_lines", "points"),
    "reference_interval_m": ("reference_lines", "interval_m"),
    "radius_m": ("scene", "radius_m"),
    "future_steps": ("targets", "steps"),
    "future_interval_s": ("targets", "interval_s"),
    "future_agents": ("targets", "agents"),
    "lane_links": ("map", "links"),
    "raster_cells": ("raster", "cells"),
    "raster_cell_m": ("raster", "cell_m"),
    "instruction_words": ("conditions", "words"),
}
"""Short names of settings of our own groups: keywords and attributes of ``FeatureSpec``. The list is closed: a new
group's settings are named by its group."""


@dataclass(frozen=True, init=False)
class FeatureSpec:
    """The feature groups that a network reads and their settings: fixed capacities, never the batch's maximum, so that
    a result cannot depend on its neighbors.

    ::

        FeatureSpec(agents=16, lanes=24)                              # settings of our own groups by short names
        FeatureSpec({"ego_history": {"steps": 10}}, agents=16)        # with a group of a third party
        replace(spec, agents=20)                                      # dataclasses.replace
        spec.with_groups(ego_history={"steps": 10}).groups["ego_history"]

    Our own groups are always there, with the defaults of their settings where nothing is said; ``roadcraft features``
    lists all groups, their tensors and columns, ``roadcraft plugins feature NAME`` the settings of one.

    Args:
        groups: settings by the group's name: an instance of the group's config dataclass, or a mapping that is
            checked against it.
        capacities: settings of our own groups by their short names (``KEYWORDS``); they go before ``groups``.

    Raises:
        TypeError: an unknown short name.
        ConfigError: settings out of their range; PluginError: a group that is not installed.
    """

    groups: dict[str, Any]
    """Settings by group; not to be changed."""

    if TYPE_CHECKING:  # set by __init__, so that reading one in a network costs nothing
        agents: int
        """Setting ``count`` of the group ``agents``."""
        past_steps: int
        """Setting ``past_steps`` of the group ``scene``."""
        past_interval_s: float
        """Setting ``past_interval_s`` of the group ``scene``."""
        static: int
        """Setting ``count`` of the group ``static``."""
        lanes: int
        """Setting ``lanes`` of the group ``map``."""
        lane_points: int
        """Setting ``points`` of the group ``map``."""
        route_lanes: int
        """Setting ``route_lanes`` of the group ``map``."""
        crosswalks: int
        """Setting ``crosswalks`` of the group ``map``."""
        reference_lines: int
        """Setting ``count`` of the group ``reference_lines``."""
        reference_points: int
        """Setting ``points`` of the group ``reference_lines``."""
        reference_interval_m: float
        """Setting ``interval_m`` of the group ``reference_lines``."""
        radius_m: float
        """Setting ``radius_m`` of the group ``scene``."""
        future_steps: int
        """Setting ``steps`` of the group ``targets``."""
        future_interval_s: float
        """Setting ``interval_s`` of the group ``targets``."""
        future_agents: int
        """Setting ``agents`` of the group ``targets``."""
        lane_links: int
        """Setting ``links`` of the group ``map``."""
        raster_cells: int
        """Setting ``cells`` of the group ``raster``."""
        raster_cell_m: float
        """Setting ``cell_m`` of the group ``raster``."""
        instruction_words: int
        """Setting ``words`` of the group ``conditions``."""

    def __init__(self, groups: Mapping[str, Any] | None = None, **capacities: Any) -> None:
        given: dict[str, dict[str, Any]] = {}
        for keyword, value in capacities.items():
            if keyword not in KEYWORDS:
                near = get_close_matches(keyword, KEYWORDS, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise TypeError(f"FeatureSpec has no setting {keyword!r}{hint}; settings: {', '.join(KEYWORDS)}")
            group, name = KEYWORDS[keyword]
            given.setdefault(group, {})[name] = value
        named = {**dict.fromkeys(OURS), **(groups or {})}
        own = vars(self)
        own["groups"] = {name: _settings(name, value, given.get(name, {})) for name, value in named.items()}
        own.update({k: getattr(self.groups[group], name) for k, (group, name) in KEYWORDS.items()})

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(_hashable(self.tree()))

    def with_groups(self, **groups: Any) -> FeatureSpec:
        """This spec with further groups, or other settings of some."""
        return FeatureSpec({**self.groups, **groups})

    def size(self, setting: str) -> int:
        """A setting by its full name, such as ``agents.count``. Raises PluginError where the spec has no such group or
        the group no such setting."""
        group, _, name = setting.partition(".")
        found = getattr(self.groups.get(group), name, None)
        if not isinstance(found, int):
            raise PluginError(
                f"{setting!r} names no size of a group that is asked for; groups: {', '.join(self.groups)}"
            )
        return found

    @cached_property
    def providers(self) -> dict[str, TensorGroup]:
        """The groups that have tensors by name, each after those it needs. Raises PluginError where one is not
        installed, or two share a tensor's name."""
        from roadcraft.core.driving.features.group import ordered

        return ordered(self.groups)

    @cached_property
    def tensors(self) -> dict[str, tuple[str, FeatureTensor]]:
        """All tensors by name, targets included, each with the name of its group."""
        return {name: (group, t) for group, made in self.providers.items() for name, t in made.tensors().items()}

    @cached_property
    def arrays(self) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Shape for one scene and type of all tensors, by name."""
        return {
            name: (tuple(a if isinstance(a, int) else self.size(a) for a in tensor.shape), np.dtype(tensor.dtype))
            for name, (_, tensor) in self.tensors.items()
        }

    @cached_property
    def writers(self) -> tuple[FeatureGroup, ...]:
        """The groups that are written of a scene; the others hold targets."""
        return tuple(self._writers.values())

    @cached_property
    def _writers(self) -> dict[str, FeatureGroup]:
        """The same by name."""
        from roadcraft.core.driving.features.group import FeatureGroup

        return {name: group for name, group in self.providers.items() if isinstance(group, FeatureGroup)}

    @cached_property
    def _third_party(self) -> frozenset[str]:
        """Those that are not our own."""
        from roadcraft.core.plugins.registry import registry

        return frozenset(name for name in self._writers if not registry().find("feature", name).ours)

    @cached_property
    def written(self) -> frozenset[str]:
        """The tensors that they write."""
        return frozenset(name for group in self.writers for name in group.tensors())

    def tree(self) -> dict[str, dict[str, Any]]:
        """Settings by group as plain values, as a checkpoint keeps them."""
        return {name: asdict(settings) for name, settings in self.groups.items()}

    def schema_hash(self) -> str:
        """Identifies the settings of our own groups; part of ``layout_hash``, in the words of version 0.1 so that its
        checkpoints are recognized."""
        said = sorted((k, getattr(self, k)) for k in KEYWORDS)
        return blake2b(repr(said).encode(), digest_size=8).hexdigest()


def _settings(name: str, value: Any, over: Mapping[str, Any]) -> Any:
    """Settings of one group from an instance, a mapping or None, with some replaced."""
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **over) if over else value
    if name in OURS:
        return OURS[name](**{**dict(value or {}), **over})
    from roadcraft.core.config.plugins import build_params
    from roadcraft.core.plugins.registry import registry

    return build_params(registry(), "feature", name, value or {})


def _hashable(value: Any) -> Any:
    """Equal for equal values."""
    if isinstance(value, Mapping):
        return frozenset((k, _hashable(v)) for k, v in value.items())
    return tuple(map(_hashable, value)) if isinstance(value, (list, tuple)) else value


def flat_settings(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by full name (``agents.count``) from what a checkpoint keeps: groups, or the short names of version
    0.1."""
    out = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            out.update({f"{key}.{name}": v for name, v in value.items()})
        else:
            out[".".join(KEYWORDS.get(key, (key,)))] = value
    return out
