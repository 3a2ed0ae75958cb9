"""The ego's units as features: of trucks and cars, mirrored, and apart from the specs that do not ask for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roadcraft.core import load_vehicle
from roadcraft.core.driving.features.build import build_features, layout_hash
from roadcraft.core.driving.features.columns import EgoLoadColumn, EgoUnitColumn
from roadcraft.core.driving.features.mirror import mirror
from roadcraft.core.driving.features.scene import LogScenes, scenes_of
from roadcraft.core.driving.features.spec import FeatureSpec
from roadcraft.core.driving.motion.chain import chain_of, unit_boxes
from roadcraft.core.errors import ConfigError
from roadcraft.core.testing.world import made_up_scenario, observe
from roadcraft.core.vehicles.vehicle import Vehicle

SPEC = FeatureSpec({"ego_units": {}}, agents=1, static=1, lanes=2, lane_points=4, crosswalks=1, reference_points=4)
NEGATED = [EgoUnitColumn.Y, EgoUnitColumn.SIN, EgoUnitColumn.JOINT]


def features(vehicle: Vehicle, joints, spec: FeatureSpec = SPEC, heading: float = 0.0):
    """Features of one made-up scene in which the ego looks along ``heading``."""
    obs = observe([made_up_scenario()], 20, vehicle=vehicle)
    past = obs.ego_past.copy()
    past[..., 2] += heading
    obs = replace(obs, joints=np.array([joints], float).reshape(1, -1), ego_past=past)
    return build_features(spec, scenes_of(obs, spec))


@pytest.mark.parametrize(("name", "load"), [("us_sleeper_53", "loaded"), ("us_twins_28", "empty"), ("pacifica", "")])
def test_rows_are_the_vehicle_s_units_wherever_the_ego_looks(name: str, load: str) -> None:
    vehicle = load_vehicle(name, load=load)
    joints = np.random.default_rng(3).uniform(-0.8, 0.8, vehicle.joints)
    for heading in (0.0, 2.0):
        out = features(vehicle, joints, heading=heading)
        rows, n = out["ego_unit"][0], len(vehicle.units)
        assert out["ego_unit_mask"][0].tolist() == [True] * n + [False] * (4 - n)
        assert not rows[n:].any()
        boxes = unit_boxes(np.zeros((1, 10)), joints[None], chain_of(vehicle))[0]
        np.testing.assert_allclose(rows[:n, :2], boxes[:, :2], rtol=1e-6)
        turned = np.arctan2(rows[:n, EgoUnitColumn.SIN], rows[:n, EgoUnitColumn.COS])
        np.testing.assert_allclose(turned, np.concatenate([[0.0], np.cumsum(joints)]), atol=1e-6)
        np.testing.assert_allclose(rows[1:n, EgoUnitColumn.JOINT], joints, rtol=1e-6)
        assert rows[:n, EgoUnitColumn.LENGTH].tolist() == np.float32([u.length_m for u in vehicle.units]).tolist()
        want = [m.mass_kg / 1000.0 for m in vehicle.masses] or [0.0]
        np.testing.assert_allclose(rows[:n, EgoUnitColumn.MASS], want, rtol=1e-6)
        assert out["ego_load_mask"][0] == bool(vehicle.loads)


def test_the_load_is_told() -> None:
    empty, loaded = (features(load_vehicle("us_sleeper_53", load=k), [0.0])["ego_load"][0] for k in ("empty", "loaded"))
    vehicle = load_vehicle("us_sleeper_53", load="loaded")
    mass = sum(m.mass_kg for m in vehicle.masses)
    assert vehicle.powertrain is not None
    assert empty[EgoLoadColumn.LOAD] == 0.0
    assert 0.0 < loaded[EgoLoadColumn.LOAD] <= 1.0
    assert loaded[EgoLoadColumn.MASS] == pytest.approx(mass / 1000.0)
    assert loaded[EgoLoadColumn.POWER_PER_MASS] == pytest.approx(vehicle.powertrain.power_W / mass)
    assert loaded[EgoLoadColumn.BRAKE] == pytest.approx(vehicle.loads["loaded"].brake_mps2)
    assert loaded[EgoLoadColumn.LAUNCH] < empty[EgoLoadColumn.LAUNCH]


def test_mirrored_rows_are_those_of_the_mirrored_joints() -> None:
    vehicle, joints = load_vehicle("us_twins_28"), np.array([0.3, -0.2, 0.1])
    here, there = features(vehicle, joints), features(vehicle, -joints)
    unchanged = here["ego_unit"].copy()
    mirror(SPEC, here, np.array([0]))
    np.testing.assert_allclose(here["ego_unit"], there["ego_unit"], atol=1e-6)
    assert (here["ego_unit"][..., NEGATED] == -unchanged[..., NEGATED]).all()
    np.testing.assert_array_equal(here["ego_load"], there["ego_load"])


def test_units_of_unknown_joints_are_masked() -> None:
    scenario, vehicle = made_up_scenario(), load_vehicle("us_sleeper_53")
    assert features(vehicle, [])["ego_unit_mask"][0].tolist() == [True, False, False, False]
    logged = replace(scenario, drive=replace(scenario.drive, joints=np.full((len(scenario.drive), 1), 0.2)))
    for s, known in ((scenario, 1), (logged, 2)):
        scene = LogScenes(s.drive, s.map, vehicle, SPEC).at(80)
        out = build_features(SPEC, [scene])
        assert out["ego_unit_mask"].sum() == known
    assert out["ego_unit"][0, 1, EgoUnitColumn.JOINT] == np.float32(0.2)
    unknown = build_features(SPEC, [replace(scene, ego_vehicle=None)])
    assert not unknown["ego_unit_mask"].any()


def test_a_smaller_capacity_holds_the_first_units_and_none_is_refused() -> None:
    vehicle, joints = load_vehicle("us_twins_28"), [0.3, -0.2, 0.1]
    two = features(vehicle, joints, SPEC.with_groups(ego_units={"count": 2}))
    np.testing.assert_array_equal(two["ego_unit"], features(vehicle, joints)["ego_unit"][:, :2])
    with pytest.raises((ConfigError, ValueError), match="count"):
        FeatureSpec({"ego_units": {"count": 0}})


def test_specs_that_do_not_ask_for_units_are_as_before() -> None:
    """As of version 0.1: stored checkpoints open."""
    plain = FeatureSpec()
    assert "ego_units" not in plain.groups
    assert layout_hash(plain) == layout_hash(FeatureSpec()) != layout_hash(plain.with_groups(ego_units={}))
    assert layout_hash(plain.with_groups(ego_units={"count": 2})) != layout_hash(plain.with_groups(ego_units={}))
