"""The small core of roadcraft: domain types, interfaces, the plugin system and configuration.

Importing this package loads the standard library only; every name below is loaded on first use (PEP 562).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from roadcraft.core._version import __version__

_EXPORTS = {
    "roadcraft.core.errors": ["RoadcraftError", "ConfigError", "DataError", "PluginError"],
    "roadcraft.core.arrays": ["Polygons", "Polylines", "Ragged", "from_arrays", "to_arrays"],
    "roadcraft.core.layers": ["Grid", "LayerKind", "RasterLayers"],
    "roadcraft.core.map": ["AreaKind", "Areas", "LaneKind", "Lanes", "LineKind", "Lines", "MapData", "RoadBlocks"],
    "roadcraft.core.scenario": [
        "Drive", "Ego", "EGO_SIZE", "LightFrames", "LightState", "ObjectFrames", "ObjectKind", "Scenario", "Scenes", "Tracks",
    ],
    "roadcraft.core.rollout": ["ObservationBatch", "Plan", "Rollout"],
    "roadcraft.core.vehicle": ["RigidUnit", "Vehicle", "load_vehicle", "vehicle_names"],
    "roadcraft.core.interfaces": [
        "AgentPolicy", "BehaviorModel", "FeatureSpec", "Metric", "MetricResult", "Planner", "PlannerNeeds", "Prediction",
        "ScenarioSource", "SceneEncoder", "SceneEncoding", "SinglePlanner", "Tracker", "VehicleModel",
    ],
    "roadcraft.core.hookspecs": ["API_VERSION", "CommandSpec", "PluginSpec", "hookimpl"],
    "roadcraft.core.registry": ["Registry", "create"],
}  # fmt: skip
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = ["__version__", *_HOME]

if TYPE_CHECKING:
    from roadcraft.core.arrays import Polygons, Polylines, Ragged, from_arrays, to_arrays
    from roadcraft.core.errors import ConfigError, DataError, PluginError, RoadcraftError
    from roadcraft.core.hookspecs import API_VERSION, CommandSpec, PluginSpec, hookimpl
    from roadcraft.core.interfaces import (
        AgentPolicy,
        BehaviorModel,
        FeatureSpec,
        Metric,
        MetricResult,
        Planner,
        PlannerNeeds,
        Prediction,
        ScenarioSource,
        SceneEncoder,
        SceneEncoding,
        SinglePlanner,
        Tracker,
        VehicleModel,
    )
    from roadcraft.core.layers import Grid, LayerKind, RasterLayers
    from roadcraft.core.map import AreaKind, Areas, LaneKind, Lanes, LineKind, Lines, MapData, RoadBlocks
    from roadcraft.core.registry import Registry, create
    from roadcraft.core.rollout import ObservationBatch, Plan, Rollout
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
    from roadcraft.core.vehicle import RigidUnit, Vehicle, load_vehicle, vehicle_names


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'roadcraft.core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
