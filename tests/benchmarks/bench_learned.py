"""Latency of the planner ``learned`` at the default and at the large size, for one vehicle and for 64 scenarios at
once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from roadcraft.core.interfaces import load_planner
from roadcraft.planners.learned.checkpoint_writing import save_checkpoint
from roadcraft.planners.learned.network import build_network

LARGE = {
    "dim": 128,
    "layers": 4,
    "heads": 8,
    "feed_forward": 4,
    "agents": 32,
    "static": 8,
    "lanes": 70,
    "lane_points": 20,
    "crosswalks": 8,
}
SIZES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "default": ({}, {}),
    "large": (LARGE, {"modes": 4, "layers": 2, "heads": 8, "feed_forward": 4}),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("count", "micro_batch"), [(1, 1), (1, 32), (64, 32)])
def test_plan(benchmark: Any, tiny_world: Any, tmp_path: Path, size: str, count: int, micro_batch: int) -> None:
    torch.manual_seed(0)
    encoder, model = (
        {"name": n, "params": p} for n, p in zip(("vector_transformer", "multimodal"), SIZES[size], strict=True)
    )
    save_checkpoint(tmp_path / "best", build_network(encoder, model), {"encoder": encoder, "model": model}, {}, "")
    planner = load_planner(tmp_path / "best", micro_batch=micro_batch)
    traffic = tiny_world.make_map()
    drives = [tiny_world.make_drive(traffic, k) for k in range(3)]
    obs = tiny_world.observe([drives[i % 3] for i in range(count)], traffic, [40 + 3 * (i % 60) for i in range(count)])
    keys = np.zeros(count, np.uint64)
    planner.plan(obs, [None] * count, keys)
    benchmark.pedantic(lambda: planner.plan(obs, [None] * count, keys), rounds=5, iterations=1)
    benchmark.extra_info["ms_per_scenario"] = 1e3 * benchmark.stats.stats.mean / count
