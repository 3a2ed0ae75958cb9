"""What we write opens in nuplan-devkit itself, and means the same there. Runs where ``nuplan`` can be imported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from roadcraft.core.data.map import AreaKind, LaneKind
from roadcraft.core.data.scenario import LightState, ObjectKind, Scenario

pytest.importorskip("nuplan.planning.scenario_builder", reason="nuplan-devkit is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def theirs(world: Any) -> dict[str, Any]:
    """The devkit's scenarios of the written log, by token."""
    from nuplan.planning.scenario_builder.nuplan_db.nuplan_scenario_builder import NuPlanScenarioBuilder
    from nuplan.planning.scenario_builder.scenario_filter import ScenarioFilter
    from nuplan.planning.utils.multithreading.worker_sequential import Sequential

    maps = str(world.maps)
    builder = NuPlanScenarioBuilder(str(world.logs), maps, maps, [str(world.log)], "nuplan-maps-v1.0", verbose=False)
    everything = ScenarioFilter(
        scenario_types=None, scenario_tokens=None, log_names=None, map_names=None, num_scenarios_per_type=None,
        limit_total_scenarios=None, timestamp_threshold_s=None, ego_displacement_minimum_m=None, expand_scenarios=False,
        remove_invalid_goals=False, shuffle=False,
    )  # fmt: skip
    return {s.token: s for s in builder.get_scenarios(everything, Sequential())}


def ours(world: Any, token: str, duration_s: float) -> Scenario:
    source = world.source()
    (row,) = [r for r in source.rows(world.drive.name) if r.token == token]
    return source.scenario(row, "unknown", (row.anchor_us, row.anchor_us + round(duration_s * 1e6)))


def test_scenarios_are_the_same(world: Any, theirs: dict[str, Any]) -> None:
    rows = world.source().rows(world.drive.name)
    assert set(theirs) == {r.token for r in rows}
    for row in rows[::29]:
        scenario = theirs[row.token]
        assert scenario.scenario_type == (max(row.tags) if row.tags else "unknown")
        assert scenario.log_name == row.log
        s = ours(world, row.token, 1.0)
        assert [int(b) for b in scenario.get_route_roadblock_ids()] == s.route.tolist()
        goal = scenario.get_mission_goal()
        assert s.goal is not None
        np.testing.assert_allclose([goal.x, goal.y, goal.heading], s.goal, rtol=0, atol=1e-15)
        assert np.asarray(scenario.get_lidar_to_ego_transform()).shape == (4, 4)
        ego = scenario.get_ego_state_at_iteration(0)
        assert ego.time_us == s.time_us[0]
        axle, motion = ego.rear_axle, ego.dynamic_car_state
        velocity, acceleration = motion.rear_axle_velocity_2d, motion.rear_axle_acceleration_2d
        got = [axle.x, axle.y, axle.heading, velocity.x, velocity.y, acceleration.x, acceleration.y]
        np.testing.assert_allclose(got, s.expert[0, :7], rtol=0, atol=1e-15)
        d, at = s.drive, s.first
        lights = scenario.get_traffic_light_status_at_iteration(0)
        rows_at = d.lights.rows(at)
        pairs = zip(d.lights.lane[rows_at].tolist(), d.lights.state[rows_at].tolist(), strict=True)
        assert [(int(t.lane_connector_id), t.status.name) for t in lights] == [
            (lane, LightState(k).name) for lane, k in pairs
        ]
        objects = scenario.get_tracked_objects_at_iteration(0).tracked_objects.tracked_objects
        track = d.objects.track[d.objects.rows(at)]
        assert [int(o.track_token, 16) for o in objects] == d.tracks.id[track].tolist()
        assert [o.tracked_object_type.name for o in objects] == [ObjectKind(k).name for k in d.tracks.kind[track]]
        boxes = [(o.center.x, o.center.y, o.center.heading, o.box.length, o.box.width) for o in objects]
        assert boxes == [tuple(b) for b in d.objects.box[d.objects.rows(at)].tolist()]


def test_map_objects_are_the_same(world: Any, theirs: dict[str, Any]) -> None:
    from nuplan.common.actor_state.state_representation import Point2D
    from nuplan.common.maps.maps_datatypes import SemanticMapLayer

    api, m = next(iter(theirs.values())).map_api, world.source().map(world.drive.name)
    center = Point2D(*m.lanes.centerlines.points.mean(axis=0))
    kinds = {LaneKind.LANE: SemanticMapLayer.LANE, LaneKind.CONNECTOR: SemanticMapLayer.LANE_CONNECTOR}
    near = api.get_proximal_map_objects(center, 1000.0, [*kinds.values(), SemanticMapLayer.STOP_LINE])
    for kind, layer in kinds.items():
        assert [int(o.id) for o in near[layer]] == m.lanes.id[m.lanes.kind == kind].tolist()
        for lane, row in zip(near[layer], np.flatnonzero(m.lanes.kind == kind), strict=True):
            assert [int(e.id) for e in lane.outgoing_edges] == m.lanes.id[m.lanes.successors[row]].tolist()
            assert [int(e.id) for e in lane.incoming_edges] == m.lanes.id[m.lanes.predecessors[row]].tolist()
            assert int(lane.get_roadblock_id()) == m.blocks.id[m.lanes.block[row]]
            assert int(lane.parent.id) == m.blocks.id[m.lanes.block[row]]
            limit = float(m.lanes.speed_limit_mps[row]) if m.lanes.has_speed_limit[row] else None
            assert lane.speed_limit_mps == limit
            line = [(p.x, p.y) for p in lane.baseline_path.discrete_path]
            np.testing.assert_allclose(line, m.lanes.centerlines[row], rtol=0, atol=1e-8)
            np.testing.assert_allclose(lane.left_boundary.linestring.coords, m.lanes.left[row], rtol=0, atol=1e-8)
            np.testing.assert_allclose(lane.right_boundary.linestring.coords, m.lanes.right[row], rtol=0, atol=1e-8)
            np.testing.assert_allclose(lane.polygon.exterior.coords, m.lanes.polygons[row][0], rtol=0, atol=1e-8)
            if kind == LaneKind.CONNECTOR:
                assert lane.has_traffic_lights() == m.lanes.has_light[row]
                assert [int(s.id) for s in lane.stop_lines] == m.areas.id[m.lanes.stops[row]].tolist()
            else:
                assert lane.index == m.lanes.lane_index[row]
    stops = m.areas.of(AreaKind.STOP)
    assert [int(s.id) for s in near[SemanticMapLayer.STOP_LINE]] == m.areas.id[stops].tolist()
    assert [int(s.stop_line_type) for s in near[SemanticMapLayer.STOP_LINE]] == m.areas.subtype[stops].tolist()
    for row in range(len(m.blocks)):
        layer = (
            SemanticMapLayer.ROADBLOCK if m.blocks.kind[row] == LaneKind.LANE else SemanticMapLayer.ROADBLOCK_CONNECTOR
        )
        block = api.get_map_object(str(m.blocks.id[row]), layer)
        assert [int(e.id) for e in block.interior_edges] == m.lanes.id[m.blocks.lanes[row]].tolist()
        assert [int(e.id) for e in block.outgoing_edges] == m.blocks.id[m.blocks.successors[row]].tolist()
        assert [int(e.id) for e in block.incoming_edges] == m.blocks.id[m.blocks.predecessors[row]].tolist()
    _, inside = api.get_distance_to_nearest_map_object(center, SemanticMapLayer.DRIVABLE_AREA)
    far = Point2D(center.x, center.y + 100.0)
    _, outside = api.get_distance_to_nearest_map_object(far, SemanticMapLayer.DRIVABLE_AREA)
    assert inside == 0.0
    top = m.areas.polygons.points[:, 1].max()
    assert outside == pytest.approx(far.y - top, abs=1e-6)
