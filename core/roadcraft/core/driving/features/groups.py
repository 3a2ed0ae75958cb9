"""Our own feature groups. They are registered like anybody's (``core.plugin``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.features.columns import (
    AgentColumn,
    AgentFutureColumn,
    EgoColumn,
    EgoFutureColumn,
    EgoLoadColumn,
    EgoUnitColumn,
    FrenetColumn,
    GoalColumn,
    LaneColumn,
    LaneInfoColumn,
    PlaceColumn,
    PointColumn,
    PoseColumn,
    ReferenceColumn,
    ReferenceInfoColumn,
    SizeColumn,
    StaticColumn,
    TargetSpeedColumn,
    VehicleColumn,
)
from roadcraft.core.driving.features.conditions import mirrored_words, vocabulary_hash, write_conditions
from roadcraft.core.driving.features.ego_units import load_row, unit_rows
from roadcraft.core.driving.features.group import (
    FeatureGroup,
    Features,
    FeatureTensor,
    Mirror,
    TensorGroup,
)
from roadcraft.core.driving.features.kernels import (
    MapTensors,
    near_lanes,
    write_agents,
    write_line_objects,
    write_map,
    write_static,
)
from roadcraft.core.driving.features.lane_graph import lane_graph, write_frames, write_lane_graph
from roadcraft.core.driving.features.map_tensors import feature_map
from roadcraft.core.driving.features.raster import CHANNELS, SIGNED_ACROSS, write_raster
from roadcraft.core.driving.features.reference_lines import write_references
from roadcraft.core.driving.features.road_places import near_places
from roadcraft.core.driving.features.scene import SceneArrays
from roadcraft.core.driving.features.spec import FeatureSpec

_SAME = Mirror()
_VECTORS = Mirror(negate=(1, 3, 5))  # x, y, cos, sin, vx, vy
_POSES = Mirror(negate=(1, 3))  # x, y, cos, sin, ...
_MAP_POSES = Mirror(negate=(1, 2))  # x, y, heading
_EDGES = Mirror(negate=(1, 3, 5), swap=((2, 4), (3, 5)))  # center, left edge, right edge
_KINDS = "ObjectKind of each"
_NOWHERE = np.zeros(0, np.int64)


class _OurGroup:
    """What is common to our groups: ``schema_hash`` holds their settings, and said nothing of versions when all were
    1."""

    version = 1

    def fingerprint(self, name: str) -> str:
        return "" if self.version == 1 else f";{name} {self.version}"


class SceneGroup(_OurGroup, FeatureGroup):
    """Of the ego the present state only: a history of its own motion tempts an imitator to repeat it (PlanTF, Cheng et
    al. 2023)."""

    capacities = ("past_steps",)
    latest = ("past_steps",)

    def tensors(self) -> Mapping[str, FeatureTensor]:
        mirror = Mirror(negate=(EgoColumn.VY, EgoColumn.AY, EgoColumn.STEERING, EgoColumn.YAW_RATE))
        return {
            "ego": FeatureTensor("the ego's present state", (), EgoColumn, mirror=mirror),
            "vehicle": FeatureTensor("the ego vehicle's size", (), VehicleColumn, frame="", mirror=_SAME),
        }

    def write(self, scene: SceneArrays, out: Features, b: int, spec: FeatureSpec) -> None:
        ego = out["ego"]
        ego[b, : EgoColumn.STOPPED_TIME_S] = scene.ego[Ego.VX : Ego.YAW_RATE + 1]
        ego[b, EgoColumn.STOPPED_TIME_S] = scene.stopped_time_s
        out["vehicle"][b] = scene.vehicle


class AgentGroup(_OurGroup, FeatureGroup):
    """Nearest moving objects first."""

    capacities = ("count",)

    _names = ("agent", "agent_valid", "agent_size", "agent_kind", "agent_id")

    def tensors(self) -> Mapping[str, FeatureTensor]:
        a, h = "agents.count", "scene.past_steps"
        return {
            "agent": FeatureTensor("nearest moving objects, oldest frame first", (a, h), AgentColumn, mirror=_VECTORS),
            "agent_valid": FeatureTensor(
                "whether it was seen in that frame; [..., -1] says whether the row is used",
                (a, h),
                None,
                "bool",
                "",
                _SAME,
            ),
            "agent_size": FeatureTensor("size", (a,), SizeColumn, frame="", mirror=_SAME),
            "agent_kind": FeatureTensor(_KINDS, (a,), None, "int64", "", _SAME),
            "agent_id": FeatureTensor("track id, 0 where unused", (a,), None, "int64", "", _SAME),
        }

    def write(self, scene: SceneArrays, out: Features, b: int, spec: FeatureSpec) -> None:
        tensors, objects = (out[k] for k in self._names), (scene.key, scene.kind, scene.box, scene.velocity)
        write_agents(b, *tensors, scene.ego, *objects, scene.frames, spec.radius_m)


class StaticGroup(_OurGroup, FeatureGroup):
    """Nearest static objects first."""

    capacities = ("count",)

    _names = ("static", "static_kind", "static_mask")

    def tensors(self) -> Mapping[str, FeatureTensor]:
        s = "static.count"
        return {
            "static": FeatureTensor("nearest static objects", (s,), StaticColumn, mirror=_POSES),
            "static_kind": FeatureTensor(_KINDS, (s,), None, "int64", "", _SAME),
            "static_mask": FeatureTensor("whether the row is used", (s,), None, "bool", "", _SAME),
        }

    def write(self, scene: SceneArrays, out: Features, b: int, spec: FeatureSpec) -> None:
        tensors = (out[k] for k in self._names)
        write_static(b, *tensors, scene.ego, scene.kind, scene.box, scene.frames, spec.radius_m)


class MapGroup(_OurGroup, FeatureGroup):
    """Nearest pieces of lanes and crosswalks first; with ``links`` also the graph of the pieces.

    Ids and poses of the graph are the map's, the same in every frame, and poses are float64, for differences between
    them: what is computed from these tensors alone does not depend on where the ego is, to the last bit."""

    capacities = ("lanes", "route_lanes", "crosswalks", "links")

    def tensors(self) -> Mapping[str, FeatureTensor]:
        n, p, m, c = "map.lanes", "map.points", "map.route_lanes", "map.crosswalks"
        outline = Mirror(negate=(1,))
        found = {
            "lane": FeatureTensor("nearest pieces of lanes and connectors", (n, p), LaneColumn, mirror=_EDGES),
            "lane_info": FeatureTensor("what holds for the piece", (n,), LaneInfoColumn, frame="", mirror=_SAME),
            "lane_light": FeatureTensor("LightState, 4 where there is no light", (n,), None, "int64", "", _SAME),
            "lane_mask": FeatureTensor("whether the row is used", (n,), None, "bool", "", _SAME),
            "route_lane": FeatureTensor("nearest pieces on the route", (m, p), LaneColumn, mirror=_EDGES),
            "route_lane_mask": FeatureTensor("whether the row is used", (m,), None, "bool", "", _SAME),
            "crosswalk": FeatureTensor("outlines of the nearest crosswalks", (c, p), PointColumn, mirror=outline),
            "crosswalk_mask": FeatureTensor("whether the row is used", (c,), None, "bool", "", _SAME),
        }
        if not self.config.links:
            return found
        after = "rows of lane that follow: the next piece, or the first ones of the successors; -1 where none in view"
        sides = "rows of lane to the left and to the right in the same road block, -1 where none in view"
        long = "center and direction of the long axis"
        own = "crosswalk in the frame of crosswalk_pose"
        return found | {
            "lane_id": FeatureTensor("the map's piece plus one, 0 where unused", (n,), None, "int64", "", _SAME),
            "lane_next": FeatureTensor(after, (n, "map.links"), None, "int64", "", _SAME, rows_of=n),
            "lane_side": FeatureTensor(sides, (n, 2), None, "int64", "", Mirror(swap=((0, 1),)), rows_of=n),
            "lane_pose": FeatureTensor("pose at the middle point", (n,), PoseColumn, "float64", "map", _MAP_POSES),
            "lane_shape": FeatureTensor(
                "the piece in the frame of lane_pose", (n, p), LaneColumn, "float32", "lane_pose", _EDGES
            ),
            "crosswalk_id": FeatureTensor(
                "the map's crosswalk plus one, 0 where unused", (c,), None, "int64", "", _SAME
            ),
            "crosswalk_pose": FeatureTensor(long, (c,), PoseColumn, "float64", "map", _MAP_POSES),
            "crosswalk_shape": FeatureTensor(own, (c, p), PointColumn, "float32", "crosswalk_pose", outline),
        }

    def write(self, scene: SceneArrays, out: Features, b: int, spec: FeatureSpec) -> None:
        fm, tensors = feature_map(scene.map, self.config.points), (out[k] for k in MapTensors._fields)
        pieces, where = (*fm.pieces[:-1], *fm.pieces.cells), (scene.ego, spec.radius_m)
        lanes, crosswalks = write_map(b, *tensors, *where, *pieces, fm.crosswalks, *scene.lights, scene.route_rows)
        if not self.config.links:
            return
        graph = lane_graph(scene.map, self.config.points)
        after = graph.following
        ids, following, side = out["lane_id"], out["lane_next"], out["lane_side"]
        write_lane_graph(b, ids, following, side, lanes, after.values, after.offsets, graph.side)
        write_frames(b, out["lane_pose"], out["lane_shape"], lanes, graph.pose, graph.shape)
        out["crosswalk_id"][b, : len(crosswalks)] = crosswalks + 1
        out["crosswalk_id"][b, len(crosswalks) :] = 0
        poses, shapes = graph.crosswalk_pose, graph.crosswalk_shape
        write_frames(b, out["crosswalk_pose"], out["crosswalk_shape"], crosswalks, poses, shapes)


class ReferenceLineGroup(_OurGroup, FeatureGroup):
    """Lines ahead of the ego: its own lane, the one to the left, the one to the right (``reference_lines``), and the
    objects beside them."""

    capacities = ("count", "points")
    needs = ("agents", "static")

    _names = (
        "reference",
        "reference_mask",
        "reference_valid",
        "reference_info",
        "reference_agent",
        "reference_static",
    )

    def tensors(self) -> Mapping[str, FeatureTensor]:
        r, p, a, s = "reference_lines.count", "reference_lines.points", "agents.count", "static.count"
        info, lines = ReferenceInfoColumn, Mirror(lines=True)
        points = Mirror(negate=(ReferenceColumn.Y, ReferenceColumn.SIN), lines=True)
        ahead = Mirror(negate=(info.LATERAL, info.HEADING_SIN), lines=True)
        of_objects = Mirror(negate=(FrenetColumn.OFFSET, FrenetColumn.OFFSET_RATE), lines=True)
        return {
            "reference": FeatureTensor("points of the lines", (r, p), ReferenceColumn, mirror=points),
            "reference_mask": FeatureTensor("whether the point lies on the map", (r, p), None, "bool", "", lines),
            "reference_valid": FeatureTensor(
                "whether there is such a line; line 0 always", (r,), None, "bool", "", lines
            ),
            "reference_info": FeatureTensor(
                "the ego on the line, and what lies ahead", (r,), info, frame="line", mirror=ahead
            ),
            "reference_agent": FeatureTensor(
                "agents beside each line", (r, a), FrenetColumn, frame="line", mirror=of_objects
            ),
            "reference_static": FeatureTensor(
                "static objects likewise", (r, s), FrenetColumn, frame="line", mirror=of_objects
            ),
        }

    def write(self, scene: SceneArrays, out: Features, b: int, spec: FeatureSpec) -> None:
        fm, ego = feature_map(scene.map, spec.lane_points), scene.ego
        line, mask, valid, info, agents, static = (out[k] for k in self._names)
        given = (b, line, mask, valid, info, ego, self.config.interval_m, *fm.lanes, *scene.lights, scene.route_rows)
        if not write_references(*given, _NOWHERE):
            write_references(*given, near_lanes(ego[Ego.X], ego[Ego.Y], fm.pieces))
        objects = (out[k] for k in ("agent", "agent_valid", "agent_size", "static", "static_mask"))
        write_line_objects(b, agents, static, line, valid, *objects)


class RasterGroup(_OurGroup, FeatureGroup):
    """A bird's-eye picture; its channels and codes are those of ``RasterChannel``."""

    def tensors(self) -> Mapping[str, FeatureTensor]:
        shape, n = (CHANNELS, "raster.cells", "raster.cells"), self.config.cells
        meaning = "channels of RasterChannel; row 0 lies furthest ahead, column 0 furthest to the left"
        return {"raster": FeatureTensor(meaning, shape, None, "uint8", "ego", mirrored_picture)} if n else {}

    @classmethod
    def merge(cls, a: Any, b: Any) -> Any:
        return super().merge(a, b) if a.cells and b.cells else a if a.cells else b

    def write(self, scene: SceneArrays, out: Features, b: int, spec: FeatureSpec) -> None:
        write_raster(scene, feature_map(scene.map, spec.lane_points), self.config.cell_m, out["raster"], b)


def mirrored_picture(part: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rasters (n, channels, rows, columns) of the mirrored scenes."""
    part = part[..., ::-1].copy()
    for channel in SIGNED_ACROSS:
        part[:, channel] = 0 - part[:, channel]  # of unsigned bytes: 256 - code, so that 128 stays 128
    return part


class ConditionGroup(_OurGroup, FeatureGroup):
    """What the network is told beside the scene (``conditions``)."""

    capacities = ("words",)

    def tensors(self) -> Mapping[str, FeatureTensor]:
        if not self.config.words:
            return {}
        words = "word ids of a text command, 0 where there is none"
        return {
            "instruction": FeatureTensor(words, ("conditions.words",), None, "int64", "", mirrored_words),
            "goal": FeatureTensor("the goal", (), GoalColumn, mirror=_POSES),
            "goal_valid": FeatureTensor("whether there is a goal", (), None, "bool", "", _SAME),
            "target_speed": FeatureTensor("the speed asked for", (), TargetSpeedColumn, frame="", mirror=_SAME),
            "target_speed_valid": FeatureTensor("whether one is asked for", (), None, "bool", "", _SAME),
            "style": FeatureTensor("place in STYLES", (), None, "int64", "", _SAME),
        }

    def fingerprint(self, name: str) -> str:
        return vocabulary_hash() + super().fingerprint(name)

    def write(self, scene: SceneArrays, out: Features, b: int, spec: FeatureSpec) -> None:
        write_conditions(scene.conditions, scene.ego, out, b)


class EgoUnitGroup(FeatureGroup):
    """The ego as several rigid bodies. A spec holds it only where it asks for it, so that checkpoints from before know
    nothing of it."""

    capacities = ("count",)

    def tensors(self) -> Mapping[str, FeatureTensor]:
        u, unit = "ego_units.count", EgoUnitColumn
        rows = "units of the ego, the towing one first"
        known = "whether there is such a unit and its place is known"
        mirror = Mirror(negate=(unit.Y, unit.SIN, unit.JOINT))
        return {
            "ego_unit": FeatureTensor(rows, (u,), unit, mirror=mirror),
            "ego_unit_mask": FeatureTensor(known, (u,), None, "bool", "", _SAME),
            "ego_load": FeatureTensor("what the load leaves the ego", (), EgoLoadColumn, frame="", mirror=_SAME),
            "ego_load_mask": FeatureTensor("whether masses are known", (), None, "bool", "", _SAME),
        }

    def write(self, scene: SceneArrays, out: Features, b: int, spec: FeatureSpec) -> None:
        if scene.ego_vehicle is None:
            return
        rows, load = unit_rows(scene.ego_vehicle, scene.joints)[: self.config.count], load_row(scene.ego_vehicle)
        out["ego_unit"][b, : len(rows)], out["ego_unit_mask"][b, : len(rows)] = rows, True
        if load is not None:
            out["ego_load"][b], out["ego_load_mask"][b] = load, True


class PlaceGroup(FeatureGroup):
    """Places of the map, the nearest of each kind first. A spec holds it only where it asks for it."""

    version = 3
    capacities = ("count",)

    def tensors(self) -> Mapping[str, FeatureTensor]:
        p, column = "places.count", PlaceColumn
        mirror = Mirror(negate=(column.Y, column.SIN, column.ACROSS, column.ACROSS_END))
        return {
            "place": FeatureTensor("places of the map, the nearest of each kind first", (p,), column, mirror=mirror),
            "place_kind": FeatureTensor("PlaceKind of each", (p,), None, "int64", "", _SAME),
            "place_mask": FeatureTensor("whether the row is used", (p,), None, "bool", "", _SAME),
        }

    def write(self, scene: SceneArrays, out: Features, b: int, spec: FeatureSpec) -> None:
        rows, kind = near_places(scene.map, scene.ego_vehicle, scene.ego, self.config.count, spec.radius_m)
        out["place"][b, : len(rows)], out["place_kind"][b, : len(rows)] = rows, kind
        out["place_mask"][b, : len(rows)] = True


class TargetGroup(_OurGroup, TensorGroup):
    """What training compares with. A network that drives never sees them."""

    capacities = ("agents",)

    def tensors(self) -> Mapping[str, FeatureTensor]:
        t, a = "targets.steps", "targets.agents"
        return {
            "ego_future": FeatureTensor("where the log's ego went", (t,), EgoFutureColumn, mirror=_POSES),
            "ego_future_valid": FeatureTensor("whether it is logged", (t,), None, "bool", "", _SAME),
            "agent_future": FeatureTensor("where the nearest agents went", (a, t), AgentFutureColumn, mirror=_POSES),
            "agent_future_valid": FeatureTensor("whether it is logged", (a, t), None, "bool", "", _SAME),
        }

    @classmethod
    def merge(cls, a: Any, b: Any) -> Any:
        """How far the future reaches, which only models foretell, is the model's."""
        return super().merge(type(a)(b.steps, a.interval_s, a.agents), b)
