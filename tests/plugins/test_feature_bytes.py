"""Features and targets are what they were when ``recorded_features.npz`` was made: to the last
bit on the same kind of processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import binding

from roadcraft.core.driving.features.build import build_features
from roadcraft.core.driving.features.conditions import Conditions
from roadcraft.core.driving.features.scene import scenes_of
from roadcraft.core.types import FeatureSpec
from roadcraft.plugins.training.augment.augment import random_numbers
from roadcraft.plugins.training.config import AugmentConfig
from roadcraft.plugins.training.data.samples import SampleBuilder, find_samples, log_facts

RECORDED = Path(__file__).parent / "recorded_features.npz"
SPEC = FeatureSpec(
    agents=4, past_steps=5, past_interval_s=0.2, static=2, lanes=10, lane_points=6, route_lanes=3, crosswalks=1,
    reference_points=20, radius_m=60.0,
    future_steps=20, future_agents=3, lane_links=2, raster_cells=24, raster_cell_m=2.0, instruction_words=6,
)  # fmt: skip
PLAIN = FeatureSpec()


def made(tiny_world: Any, source: Any) -> dict[str, np.ndarray]:
    """Arrays by all ways in: observations, with conditions and without, and training samples, as they are and
    augmented."""
    world, drives = source.map("tiny-0"), [source.drive(log) for log in source.logs()[:3]]
    obs = tiny_world.observe(drives, world, [50, 90, 200])
    samples = find_samples(source.logs(), [log_facts(source, log) for log in source.logs()], 0.5, 2.0)
    rows, augment = np.arange(0, len(samples), 6), AugmentConfig(perturbation=0.7, mirror=0.5, late_start=0.5)
    builder = SampleBuilder(source, SPEC)
    told = Conditions("turn left at the junction", None, 7.0, "calm")
    ways = {
        "seen": build_features(SPEC, scenes_of(obs, SPEC, told)),
        "plain": {
            k: v for k, v in build_features(PLAIN, scenes_of(obs, PLAIN)).items() if k.startswith(("ego", "reference_"))
        },
        "logged": builder.batch(samples, rows[:3]),
        "augmented": builder.batch(samples, rows, augment, random_numbers(1, 0, len(rows))),
    }
    return {f"{way}/{k}": v for way, arrays in ways.items() for k, v in arrays.items()}


def test_features_are_what_they_were(tiny_world: Any, made_up_source: Any) -> None:
    now, kept = made(tiny_world, made_up_source), np.load(RECORDED, allow_pickle=False)
    assert {*now, "processor"} == {*kept.files}
    same = str(kept["processor"]) == binding.get_host_cpu_name()
    for name, array in now.items():
        assert (array.shape, array.dtype) == (kept[name].shape, kept[name].dtype), name
        if same:
            assert array.tobytes() == kept[name].tobytes(), name
        elif array.dtype != np.uint8:  # a picture's cell may go either way
            np.testing.assert_allclose(array, kept[name], rtol=1e-5, atol=1e-4, err_msg=name)
