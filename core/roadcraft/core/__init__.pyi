"""Public names of ``roadcraft.core``, each with the module that it is loaded from on first use."""

from roadcraft.core._version import __version__ as __version__
from roadcraft.core.arrays import (
    F64 as F64,
    I64 as I64,
    Polygons as Polygons,
    Polylines as Polylines,
    Ragged as Ragged,
    from_arrays as from_arrays,
    read_only as read_only,
    to_arrays as to_arrays,
)
from roadcraft.core.config.factory import create as create
from roadcraft.core.config.load import load_config as load_config, path_field as path_field, to_yaml as to_yaml
from roadcraft.core.config.renamed import RenamedWarning as RenamedWarning
from roadcraft.core.config.rules import OneOf as OneOf, Range as Range, Unit as Unit, check as check
from roadcraft.core.data.frame_rows import FrameRows as FrameRows
from roadcraft.core.data.instructions import Instructions as Instructions
from roadcraft.core.data.layers import Grid as Grid, LayerKind as LayerKind, RasterLayers as RasterLayers
from roadcraft.core.data.map import (
    AreaKind as AreaKind,
    Areas as Areas,
    LaneKind as LaneKind,
    Lanes as Lanes,
    LineKind as LineKind,
    Lines as Lines,
    MapData as MapData,
    RoadBlocks as RoadBlocks,
)
from roadcraft.core.data.places import PlaceKind as PlaceKind, Places as Places, RoadPlace as RoadPlace
from roadcraft.core.data.plan import Forecast as Forecast, Plan as Plan
from roadcraft.core.data.rollout import (
    Lights as Lights,
    Objects as Objects,
    ObservationBatch as ObservationBatch,
    PlanLog as PlanLog,
    Rollout as Rollout,
)
from roadcraft.core.data.scenario import (
    EGO_SIZE as EGO_SIZE,
    Drive as Drive,
    Ego as Ego,
    LightFrames as LightFrames,
    LightState as LightState,
    ObjectFrames as ObjectFrames,
    ObjectKind as ObjectKind,
    Scenario as Scenario,
    ScenarioRow as ScenarioRow,
    Scenes as Scenes,
    Tracks as Tracks,
)
from roadcraft.core.driving.features.columns import (
    AgentColumn as AgentColumn,
    AgentFutureColumn as AgentFutureColumn,
    EgoColumn as EgoColumn,
    EgoFutureColumn as EgoFutureColumn,
    EgoLoadColumn as EgoLoadColumn,
    EgoUnitColumn as EgoUnitColumn,
    FeatureColumn as FeatureColumn,
    FrenetColumn as FrenetColumn,
    GoalColumn as GoalColumn,
    LaneColumn as LaneColumn,
    LaneInfoColumn as LaneInfoColumn,
    PointColumn as PointColumn,
    PoseColumn as PoseColumn,
    ReferenceColumn as ReferenceColumn,
    ReferenceInfoColumn as ReferenceInfoColumn,
    SizeColumn as SizeColumn,
    StaticColumn as StaticColumn,
    TargetSpeedColumn as TargetSpeedColumn,
    VehicleColumn as VehicleColumn,
)
from roadcraft.core.driving.features.group import (
    FeatureGroup as FeatureGroup,
    Features as Features,
    FeatureTensor as FeatureTensor,
    Mirror as Mirror,
)
from roadcraft.core.driving.features.listing import feature_rows as feature_rows
from roadcraft.core.driving.features.raster import RasterChannel as RasterChannel
from roadcraft.core.driving.features.scene import SceneArrays as SceneArrays
from roadcraft.core.driving.multi_agent.collisions import CrowdChecks as CrowdChecks
from roadcraft.core.driving.multi_agent.crowd import (
    Crowd as Crowd,
    CrowdMaps as CrowdMaps,
    CrowdState as CrowdState,
    crowd_maps as crowd_maps,
)
from roadcraft.core.driving.multi_agent.following import RowPlaces as RowPlaces
from roadcraft.core.driving.multi_agent.logged import CrowdLog as CrowdLog, crowd_log as crowd_log
from roadcraft.core.driving.multi_agent.observation import (
    LinePointColumn as LinePointColumn,
    NearColumn as NearColumn,
    OwnColumn as OwnColumn,
    observation_columns as observation_columns,
)
from roadcraft.core.driving.multi_agent.rows import CrowdRows as CrowdRows, UnitRows as UnitRows, unit_rows as unit_rows
from roadcraft.core.driving.road import road_under as road_under
from roadcraft.core.driving.route_places import (
    PlacesAhead as PlacesAhead,
    VehicleWeights as VehicleWeights,
    bridge_verdict as bridge_verdict,
    closed_lanes as closed_lanes,
    closed_places as closed_places,
    least_clearance as least_clearance,
    places_along as places_along,
    truck_speed_limits as truck_speed_limits,
    weights_of as weights_of,
)
from roadcraft.core.errors import (
    ConfigError as ConfigError,
    DataError as DataError,
    PluginError as PluginError,
    RoadcraftError as RoadcraftError,
    ScenarioError as ScenarioError,
)
from roadcraft.core.interfaces import (
    AgentPolicy as AgentPolicy,
    BehaviorModel as BehaviorModel,
    Metric as Metric,
    MetricContext as MetricContext,
    Planner as Planner,
    Prepared as Prepared,
    Recipe as Recipe,
    ScenarioSource as ScenarioSource,
    SceneEncoder as SceneEncoder,
    SinglePlanner as SinglePlanner,
    Tracker as Tracker,
    VehicleModel as VehicleModel,
    load_planner as load_planner,
    stack_plans as stack_plans,
)
from roadcraft.core.kernels.cache import use_kernel_cache as use_kernel_cache
from roadcraft.core.plugins.hookspecs import (
    API_VERSION as API_VERSION,
    KINDS as KINDS,
    CommandSpec as CommandSpec,
    MetricRef as MetricRef,
    PluginRef as PluginRef,
    PluginSpec as PluginSpec,
    hookimpl as hookimpl,
    plugin_field as plugin_field,
)
from roadcraft.core.plugins.registry import PluginWarning as PluginWarning, Registry as Registry
from roadcraft.core.random import scenario_key as scenario_key, step_keys as step_keys
from roadcraft.core.types import (
    TARGETS as TARGETS,
    Event as Event,
    FeatureSpec as FeatureSpec,
    Keys as Keys,
    Losses as Losses,
    MetricResult as MetricResult,
    PlannerNeeds as PlannerNeeds,
    Prediction as Prediction,
    SceneEncoding as SceneEncoding,
    Series as Series,
    TokenKind as TokenKind,
)
from roadcraft.core.vehicles.geometry import (
    AxleLoads as AxleLoads,
    SweptPath as SweptPath,
    TurningCircle as TurningCircle,
    static_loads as static_loads,
    swept_path as swept_path,
    turning_circle as turning_circle,
    unit_poses as unit_poses,
)
from roadcraft.core.vehicles.state import RoadState as RoadState, VehicleState as VehicleState
from roadcraft.core.vehicles.vehicle import (
    Brakes as Brakes,
    Powertrain as Powertrain,
    RigidUnit as RigidUnit,
    UnitLoad as UnitLoad,
    Vehicle as Vehicle,
    VehicleLoad as VehicleLoad,
    load_vehicle as load_vehicle,
    vehicle_names as vehicle_names,
)
