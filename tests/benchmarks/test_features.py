"""The data path: features of a driven scene, and training samples with targets and augmentation."""

from __future__ import annotations

from typing import Any

import numpy as np

from roadcraft.core.driving.features import build_features, scenes_of
from roadcraft.core.interfaces import FeatureSpec
from roadcraft.plugins.training.config import AugmentConfig
from roadcraft.plugins.training.samples import SampleBuilder


class _Source:
    def __init__(self, world: Any) -> None:
        self._map = world.make_map()
        self._drives = {f"tiny-{k}": world.make_drive(self._map, k) for k in range(6)}

    def logs(self) -> list[str]:
        return list(self._drives)

    def drive(self, log: str) -> Any:
        return self._drives[log]

    def map(self, log: str) -> Any:
        return self._map


def test_features_of_an_observation(benchmark: Any, tiny_world: Any) -> None:
    world = tiny_world.make_map()
    obs = tiny_world.observe([tiny_world.make_drive(world, 0)], world, [100])
    spec = FeatureSpec()
    benchmark(lambda: build_features(spec, scenes_of(obs, spec)))


def test_64_training_samples(benchmark: Any, tiny_world: Any) -> None:
    builder = SampleBuilder(_Source(tiny_world), FeatureSpec())  # type: ignore[arg-type]
    samples = builder.find([f"tiny-{k}" for k in range(6)], 0.25, 3.0)
    rows = np.random.default_rng(0).integers(0, len(samples), 64)
    builder.batch(samples, rows, AugmentConfig(), [0])
    benchmark(lambda: builder.batch(samples, rows, AugmentConfig(), [0]))
    benchmark.extra_info["samples_per_s"] = 64 / benchmark.stats.stats.mean
