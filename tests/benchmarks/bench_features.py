"""The data path: features of a driven scene, and training samples with targets and augmentation: 32 agents, 70 lanes of
20 points, targets of 8 s.

The floor for training is 1,500 samples per second on two cores: the network must never wait for its data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from roadcraft.core.driving.features.build import build_features
from roadcraft.core.driving.features.scene import scenes_of
from roadcraft.core.types import FeatureSpec
from roadcraft.plugins.training.augment.augment import random_numbers
from roadcraft.plugins.training.config import AugmentConfig
from roadcraft.plugins.training.data.samples import SampleBuilder, find_samples, log_facts
from roadcraft.plugins.training.data.stream import Stream

FLOOR = 1500
BATCH, BATCHES = 64, 24


class _Source:
    def __init__(self, traffic: Any) -> None:
        self._map = traffic.make_map()
        self._drives = {f"tiny-{k}": traffic.make_drive(self._map, k) for k in range(6)}

    def logs(self) -> list[str]:
        return list(self._drives)

    def drive(self, log: str) -> Any:
        return self._drives[log]

    def map(self, log: str) -> Any:
        return self._map


def test_features_of_an_observation(benchmark: Any, tiny_world: Any) -> None:
    traffic = tiny_world.make_map()
    obs = tiny_world.observe([tiny_world.make_drive(traffic, 0)], traffic, [100])
    spec = FeatureSpec()
    benchmark(lambda: build_features(spec, scenes_of(obs, spec)))


@pytest.mark.parametrize(
    "augment", [AugmentConfig(), AugmentConfig(mirror=0.5, agent_dropout=0.2)], ids=["perturbed", "all"]
)
@pytest.mark.parametrize("workers", [1, 2])
def test_training_samples(benchmark: Any, tiny_world: Any, workers: int, augment: AugmentConfig) -> None:
    source: Any = _Source(tiny_world)
    builder = SampleBuilder(source, FeatureSpec())
    samples = find_samples(source.logs(), [log_facts(source, log) for log in source.logs()], 0.25, 3.0)
    rows = np.random.default_rng(0).integers(0, len(samples), (BATCHES, BATCH))

    def build(k: int) -> dict[str, Any]:
        return builder.batch(samples, rows[k], augment, random_numbers(0, k, BATCH))

    def read() -> None:
        for _ in Stream(build, range(BATCHES), workers):
            pass

    build(0)
    benchmark(read)
    pace = BATCH * BATCHES / benchmark.stats.stats.mean
    benchmark.extra_info["samples_per_s"] = round(pace)
    benchmark.extra_info["share_of_floor"] = round(pace / FLOOR, 2)
