"""The small core of roadcraft: domain types, interfaces, the plugin system and configuration.

Importing this package loads the standard library only; every name below is loaded on first use (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadcraft.core._version import __version__
from roadcraft.core.lazy import lazy
from roadcraft.core.renamed import find_moved_modules

_EXPORTS = {
    "roadcraft.core.errors": ["RoadcraftError", "ConfigError", "DataError", "PluginError"],
    "roadcraft.core.arrays": ["Polygons", "Polylines", "Ragged", "from_arrays", "to_arrays"],
    "roadcraft.core.layers": ["Grid", "LayerKind", "RasterLayers"],
    "roadcraft.core.map": ["AreaKind", "Areas", "LaneKind", "Lanes", "LineKind", "Lines", "MapData", "RoadBlocks"],
    "roadcraft.core.scenario": [
        "Drive", "Ego", "EGO_SIZE", "LightFrames", "LightState", "ObjectFrames", "ObjectKind", "Scenario", "Scenes", "Tracks",
    ],
    "roadcraft.core.rollout": ["Forecast", "Lights", "Objects", "ObservationBatch", "Plan", "Rollout"],
    "roadcraft.core.vehicle": ["RigidUnit", "Vehicle", "load_vehicle", "vehicle_names"],
    "roadcraft.core.interfaces": [
        "AgentPolicy", "BehaviorModel", "Metric", "MetricContext", "Planner", "ScenarioSource", "SceneEncoder", "SinglePlanner", "Tracker", "VehicleModel",
        "load_planner", "stack_plans",
    ],
    "roadcraft.core.types": [
        "Event", "FeatureSpec", "Keys", "MetricResult", "PlannerNeeds", "Prediction", "ScenarioRow", "SceneEncoding", "Series", "TokenKind",
    ],
    "roadcraft.core.config": ["load_config", "path_field", "to_yaml"],
    "roadcraft.core.rules": ["OneOf", "Range", "Unit", "check"],
    "roadcraft.core.hookspecs": ["API_VERSION", "CommandSpec", "PluginRef", "PluginSpec", "hookimpl", "plugin_field"],
    "roadcraft.core.registry": ["Registry", "create"],
}  # fmt: skip
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = ["__version__", *_HOME]

if TYPE_CHECKING:
    from roadcraft.core.arrays import Polygons, Polylines, Ragged, from_arrays, to_arrays
    from roadcraft.core.config import load_config, path_field, to_yaml
    from roadcraft.core.errors import ConfigError, DataError, PluginError, RoadcraftError
    from roadcraft.core.hookspecs import API_VERSION, CommandSpec, PluginRef, PluginSpec, hookimpl, plugin_field
    from roadcraft.core.interfaces import (
        AgentPolicy,
        BehaviorModel,
        Metric,
        MetricContext,
        Planner,
        ScenarioSource,
        SceneEncoder,
        SinglePlanner,
        Tracker,
        VehicleModel,
        load_planner,
        stack_plans,
    )
    from roadcraft.core.layers import Grid, LayerKind, RasterLayers
    from roadcraft.core.map import AreaKind, Areas, LaneKind, Lanes, LineKind, Lines, MapData, RoadBlocks
    from roadcraft.core.registry import Registry, create
    from roadcraft.core.rollout import Forecast, Lights, Objects, ObservationBatch, Plan, Rollout
    from roadcraft.core.rules import OneOf, Range, Unit, check
    from roadcraft.core.scenario import (
        EGO_SIZE,
        Drive,
        Ego,
        LightFrames,
        LightState,
        ObjectFrames,
        ObjectKind,
        Scenario,
        Scenes,
        Tracks,
    )
    from roadcraft.core.types import (
        Event,
        FeatureSpec,
        Keys,
        MetricResult,
        PlannerNeeds,
        Prediction,
        ScenarioRow,
        SceneEncoding,
        Series,
        TokenKind,
    )
    from roadcraft.core.vehicle import RigidUnit, Vehicle, load_vehicle, vehicle_names

__getattr__, __dir__ = lazy(__name__, _HOME)
find_moved_modules()
