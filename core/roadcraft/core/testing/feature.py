"""Conformance of feature groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from roadcraft.core.arrays import Polygons, Polylines
from roadcraft.core.data.map import MapData
from roadcraft.core.data.places import PlaceKind, Places, RoadPlace
from roadcraft.core.data.scenario import EGO_SIZE, Drive, Ego, Scenario
from roadcraft.core.driving.features.build import build_features, layout_hash
from roadcraft.core.driving.features.group import FeatureGroup, Features
from roadcraft.core.driving.features.mirror import check_mirror, mirror
from roadcraft.core.driving.features.scene import LogScenes, scenes_of
from roadcraft.core.driving.features.spec import FeatureSpec
from roadcraft.core.testing.world import made_up_scenario, observe
from roadcraft.core.vehicles.vehicle import load_vehicle

PLACES = Places.build(
    [
        RoadPlace(PlaceKind.BANK, 0, (1.0, 9.0), 0.04, -0.02),
        RoadPlace(PlaceKind.CLEARANCE, 1, (5.0, 8.0), 3.9),
        RoadPlace(PlaceKind.SHOULDER, 0, (0.0, 20.0), 3.0, -1.0),
        RoadPlace(PlaceKind.WIND, 1, (2.0, 7.0), 12.0, 0.5),
    ]
)
AT = 30  # iteration at which the scenes are looked at
MIRRORED = (Ego.Y, Ego.HEADING, Ego.VY, Ego.AY, Ego.STEERING, Ego.YAW_RATE, Ego.YAW_ACCEL)  # of the ego's state


def mirrored_world(drive: Drive, world: MapData) -> tuple[Drive, MapData]:
    """The same drive and map with y turned to -y: the slow, obvious twin of a mirror rule."""
    across = np.array([1.0, -1.0])

    def lines(p: Polylines) -> Polylines:
        return replace(p, points=p.points * across)

    def polygons(p: Polygons) -> Polygons:
        return Polygons.build([[ring * across for ring in p[i]] for i in range(len(p))])

    lanes, scenes = world.lanes, drive.scenes
    rightmost = np.full(len(world.blocks) + 1, -1)
    np.maximum.at(rightmost, lanes.block, lanes.lane_index)  # lanes of no block fall into the last place
    ordered = lanes.lane_index >= 0
    flipped = replace(
        lanes,
        centerlines=lines(lanes.centerlines),
        left=lines(lanes.right),
        right=lines(lanes.left),
        left_line=lanes.right_line,
        right_line=lanes.left_line,
        lane_index=np.where(ordered, rightmost[lanes.block] - lanes.lane_index, lanes.lane_index),
        polygons=polygons(lanes.polygons),
    )
    areas = replace(world.areas, polygons=polygons(world.areas.polygons))
    box = drive.objects.box * np.array([1.0, -1.0, -1.0, 1.0, 1.0])
    objects = replace(drive.objects, box=box, velocity=drive.objects.velocity * across)
    there = replace(scenes, goal=scenes.goal * np.array([1.0, -1.0, -1.0]))
    sign = np.where(np.isin(np.arange(EGO_SIZE), MIRRORED), -1.0, 1.0)
    turned = replace(drive, ego=drive.ego * sign, objects=objects, scenes=there)
    return turned, replace(world, lanes=flipped, areas=areas, places=_mirrored_places(world.places, polygons))


def _mirrored_places(p: Places, polygons: Callable[[Polygons], Polygons]) -> Places:
    bank, turns = p.kind == PlaceKind.BANK, np.isin(p.kind, (PlaceKind.CURB, PlaceKind.SHOULDER, PlaceKind.WIND))
    return replace(
        p,
        value=np.where(bank, -p.value, p.value),
        second=np.where(bank | turns, -p.second, p.second),
        pose=p.pose * np.array([1.0, -1.0, -1.0]),
        polygons=polygons(p.polygons),
    )


class FeatureConformance:
    """Subclass it, set ``name`` (and ``params``): tensors have the shapes and types that the group declares and are
    finite; the same scene gives the same bits, alone, among others, and from the log; mirrored twice they are
    themselves, and mirrored once those of the mirrored world; the layout's hash changes with the version."""

    name: ClassVar[str]
    """Name of the plugin under test."""
    params: ClassVar[dict[str, Any]] = {}
    """Its settings."""
    tolerance: ClassVar[float] = 1e-3
    """Largest difference between the features of a mirrored world and mirrored features."""

    @pytest.fixture
    def spec(self) -> FeatureSpec:
        """A small spec that holds the group."""
        return FeatureSpec(
            {self.name: self.params}, agents=4, static=2, lanes=8, lane_points=6, crosswalks=1, reference_points=20
        )

    @pytest.fixture
    def scenarios(self) -> list[Scenario]:
        """Three made-up scenarios, with places on their map."""
        found = [made_up_scenario(f"{i + 1:016x}", speed_mps=4.0 + 2 * i, lane=i % 2) for i in range(3)]
        return [replace(s, map=replace(s.map, places=PLACES)) for s in found]

    def own(self, spec: FeatureSpec, features: Features) -> Features:
        """The group's tensors among all features."""
        found = {k: v for k, v in features.items() if spec.tensors[k][0] == self.name}
        assert found, f"the group {self.name} has no tensors with params {self.params}"
        return found

    def test_tensors_are_as_declared(self, spec: FeatureSpec, scenarios: list[Scenario]) -> None:
        features = self.own(spec, build_features(spec, scenes_of(observe(scenarios, AT), spec)))
        assert isinstance(spec.providers[self.name], FeatureGroup), "a group is a FeatureGroup"
        for tensor, array in features.items():
            shape, dtype = spec.arrays[tensor]
            assert (array.shape, array.dtype) == ((len(scenarios), *shape), dtype), (
                f"write replaced {tensor}; it fills it"
            )
            if array.dtype.kind == "f":
                assert np.isfinite(array).all(), f"{tensor} is finite"
            assert spec.tensors[tensor][1].meaning, f"{tensor} says what it holds"
        assert any(array.any() for array in features.values()), "write leaves everything 0 in the made-up scenes"

    def test_scenes_do_not_mix(self, spec: FeatureSpec, scenarios: list[Scenario]) -> None:
        together = build_features(spec, scenes_of(observe(scenarios, AT), spec))
        for b, scenario in enumerate(scenarios):
            alone = self.own(spec, build_features(spec, scenes_of(observe([scenario], AT), spec)))
            for tensor, array in alone.items():
                np.testing.assert_array_equal(
                    array[0], together[tensor][b], err_msg=f"{tensor} depends on its neighbors"
                )

    def test_log_and_observation_give_the_same(self, spec: FeatureSpec, scenarios: list[Scenario]) -> None:
        seen = self.own(spec, build_features(spec, scenes_of(observe(scenarios, AT), spec)))
        logged = build_features(spec, [self.logged(s, spec) for s in scenarios])
        for tensor, array in seen.items():
            np.testing.assert_array_equal(
                array, logged[tensor], err_msg=f"{tensor} differs between training and driving"
            )

    def logged(
        self, scenario: Scenario, spec: FeatureSpec, drive: Drive | None = None, world: MapData | None = None
    ) -> Any:
        """The scene of a scenario at AT, as training sees it."""
        own = scenario.drive
        return LogScenes(drive or own, world or scenario.map, load_vehicle(own.vehicle), spec).at(
            int(scenario.frames[AT])
        )

    def test_mirror(self, spec: FeatureSpec, scenarios: list[Scenario]) -> None:
        check_mirror(spec)
        rows = np.arange(len(scenarios))
        plain = self.own(spec, build_features(spec, [self.logged(s, spec) for s in scenarios]))
        flipped = {k: v.copy() for k, v in plain.items()}
        mirror(spec, flipped, rows)
        turned = [mirrored_world(s.drive, s.map) for s in scenarios]
        there = build_features(spec, [self.logged(s, spec, *t) for s, t in zip(scenarios, turned, strict=True)])
        for tensor, array in flipped.items():
            close = {"rtol": 0, "atol": self.tolerance} if array.dtype.kind == "f" else {"rtol": 0, "atol": 0}
            what = f"{tensor} mirrored is not that of the mirrored world: see its rule"
            np.testing.assert_allclose(
                array.astype(np.float64), there[tensor].astype(np.float64), err_msg=what, **close
            )
        mirror(spec, flipped, rows)
        for tensor, array in flipped.items():
            np.testing.assert_array_equal(array, plain[tensor], err_msg=f"{tensor} mirrored twice is another")

    def test_hash_changes_with_the_version(self, spec: FeatureSpec, monkeypatch: pytest.MonkeyPatch) -> None:
        before, group = layout_hash(spec), type(spec.providers[self.name])
        monkeypatch.setattr(group, "version", group.version + 1)
        assert layout_hash(spec) != before, "a checkpoint trained with another version would not be noticed"
