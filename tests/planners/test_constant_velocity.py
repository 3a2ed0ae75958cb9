"""constant_velocity against a slow twin that thinks state by state."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import pytest

from roadcraft.core.arrays import Ragged, offsets_of
from roadcraft.core.data.map import MapData
from roadcraft.core.data.rollout import Lights, Objects, ObservationBatch
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.planners.basic_configs import ConstantVelocityConfig
from roadcraft.planners.constant_velocity import ConstantVelocity


def observation(ego: np.ndarray) -> ObservationBatch:
    n = len(ego)
    none = offsets_of([0] * n)
    u8, i64 = np.zeros(0, np.uint8), np.zeros(0, np.int64)
    return ObservationBatch(
        token=tuple(f"{i:016x}" for i in range(n)),
        iteration=np.zeros(n, np.int64),
        time_us=np.arange(n, dtype=np.int64) * 1000,
        interval_s=np.full(n, 0.1),
        ego_past=ego[:, None],
        ego_past_us=np.zeros((n, 1), np.int64),
        ego_past_valid=np.ones((n, 1), bool),
        joints=np.zeros((n, 0)),
        objects=Objects(none, np.zeros(0, np.uint64), u8, i64, u8, np.zeros((0, 5)), np.zeros((0, 2))),
        lights=Lights(none, i64, u8),
        maps=(cast(MapData, None),) * n,
        route=Ragged.build([[]] * n),
        goal=np.zeros((n, 3)),
        has_goal=np.zeros(n, bool),
        vehicle=load_vehicle("pacifica"),
    )


def twin(ego: np.ndarray, c: ConstantVelocityConfig, wheel_base: float) -> list[tuple[float, ...]]:
    x, y, h, v, vy = ego[:5]
    a, out = c.acceleration_mps2, [(*ego[:5], c.acceleration_mps2)]
    for _ in range(round(c.horizon_s / c.interval_s)):
        if math.hypot(v, vy) > c.max_speed_mps:
            a = c.max_speed_mps - math.hypot(v, vy)
        x, y, h = (
            x + v * math.cos(h) * c.interval_s,
            y + v * math.sin(h) * c.interval_s,
            h + v * math.tan(c.steering_rad) / wheel_base * c.interval_s,
        )
        h = math.remainder(h, 2 * math.pi)
        v, vy = v + a * c.interval_s, 0.0
        out.append((x, y, h, v, vy, a))
    return out


@pytest.mark.parametrize(
    "config",
    [
        ConstantVelocityConfig(),
        ConstantVelocityConfig(4.0, 0.1, 1.0, 12.0, 0.1),
        ConstantVelocityConfig(2.0, 0.5, -3.0, 8.0, -0.4),
    ],
)
def test_equals_its_slow_twin(config: ConstantVelocityConfig) -> None:
    rng = np.random.default_rng(3)
    ego = np.zeros((12, 10))
    ego[:, :2] = rng.uniform(-5e5, 5e5, (12, 2))
    ego[:, 2], ego[:, 3], ego[:, 4] = rng.uniform(-3.1, 3.1, 12), rng.uniform(0, 15, 12), rng.normal(0, 0.1, 12)
    obs = observation(ego)
    plan, state = ConstantVelocity(config).plan(obs, [None] * 12, np.zeros(12, np.uint64))
    for b in range(12):
        want = np.array(twin(ego[b], config, obs.vehicle.body.wheel_base_m))
        got = plan.states[b, 0, :, :6]
        np.testing.assert_allclose(np.sin(got[:, 2] - want[:, 2]), 0.0, atol=1e-12)
        np.testing.assert_allclose(np.delete(got, 2, 1), np.delete(want, 2, 1), rtol=1e-12, atol=1e-9)
    assert state == [None] * 12
    assert (np.diff(plan.time_us, axis=1) == round(config.interval_s * 1e6)).all()
    assert (plan.time_us[:, 0] == obs.time_us).all()


def test_does_not_depend_on_the_batch() -> None:
    rng = np.random.default_rng(4)
    ego = rng.normal(0, 5, (7, 10))
    planner, obs = ConstantVelocity(ConstantVelocityConfig()), observation(ego)
    whole, _ = planner.plan(obs, [None] * 7, np.zeros(7, np.uint64))
    for b in range(7):
        alone, _ = planner.plan(obs.select([b]), [None], np.zeros(1, np.uint64))
        assert (alone.states[0] == whole.states[b]).all()


def test_a_wrong_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="interval_s"):
        ConstantVelocityConfig(interval_s=0.0)
