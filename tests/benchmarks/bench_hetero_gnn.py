"""The encoder ``hetero_gnn`` along logged drives, with and without its cache, and how fast it learns beside
``vector_transformer``; one thread."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from roadcraft.core.config.factory import create
from roadcraft.core.driving.features.build import build_features
from roadcraft.core.driving.features.scene import LogScenes
from roadcraft.core.types import FeatureSpec
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.planners.learned.network import build_network
from roadcraft.plugins.hetero_gnn import map_part
from roadcraft.scenario_io.synthetic.synthesize import synthesize

STEPS = 100  # of 0.1 s
LARGE = {
    "dim": 128,
    "edge_dim": 64,
    "map_layers": 3,
    "layers": 3,
    "heads": 8,
    "feed_forward": 4,
    "agents": 32,
    "static": 8,
    "lanes": 70,
    "lane_points": 20,
    "crosswalks": 8,
    "radius_m": 100.0,
    "agent_lanes": 16,
    "agent_agents": 16,
}
Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def drives() -> list[tuple[Any, Any]]:
    return list(synthesize(5, 8, ("car_following", "cut_in"), locations=2))


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def steps_of(drives: list[tuple[Any, Any]], spec: FeatureSpec, batch: int) -> list[Tensors]:
    """Features of ``batch`` scenes along ``STEPS`` steps."""
    logs = [LogScenes(drive, traffic, load_vehicle(), spec) for drive, traffic in drives]
    starts = [60 + 7 * b for b in range(batch)]
    out = []
    for k in range(STEPS):
        scenes = [
            logs[b % len(logs)].at(min(start + 2 * k, len(logs[b % len(logs)].drive) - 1))
            for b, start in enumerate(starts)
        ]
        out.append({k: torch.from_numpy(v) for k, v in build_features(spec, scenes).items()})
    return out


@pytest.mark.parametrize(("size", "batch"), [("default", 1), ("default", 32), ("large", 1)])
@pytest.mark.parametrize("cached", [False, True])
def test_encode_along_drives(
    benchmark: Any, drives: list[tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch, size: str, batch: int, cached: bool
) -> None:
    """Without the cache the map's part of all scenes is computed at once, as an encoder that keeps nothing would."""
    if not cached:
        monkeypatch.setattr(map_part, "ROWS", batch)
    torch.manual_seed(0)
    encoder = create("encoder", "hetero_gnn", LARGE if size == "large" else {}).eval()
    steps = steps_of(drives, encoder.features(), batch)
    hits: list[float] = []

    def drive() -> None:
        cache: Tensors | None = None
        with torch.inference_mode():
            for features in steps:
                known = cache
                _, cache = encoder.encode(features, known if cached else None)
                if known is not None:
                    hits.append(float((known["ids"] == cache["ids"]).all(1).float().mean()))

    benchmark.pedantic(
        drive, rounds=3 if size == "default" else 1, iterations=1, warmup_rounds=1 if size == "default" else 0
    )
    benchmark.extra_info["ms_per_step"] = 1e3 * benchmark.stats.stats.min / STEPS
    benchmark.extra_info["same_lanes_as_before"] = float(np.mean(hits))


@pytest.mark.parametrize("encoder", ["vector_transformer", "hetero_gnn"])
def test_train(benchmark: Any, drives: list[tuple[Any, Any]], encoder: str) -> None:
    """Samples per second: forward, loss, backward and an optimizer's step, batches of 64, features ready."""
    torch.manual_seed(0)
    network = build_network({"name": encoder}, {"name": "multimodal"})
    batch = steps_of(drives, network.features, 64)[0]
    spec = network.features
    batch["ego_future"] = torch.zeros(64, spec.future_steps, 5)
    batch["ego_future_valid"] = torch.ones(64, spec.future_steps, dtype=torch.bool)
    batch["agent_future"] = torch.zeros(64, spec.future_agents, spec.future_steps, 4)
    batch["agent_future_valid"] = torch.ones(64, spec.future_agents, spec.future_steps, dtype=torch.bool)
    weights = [*network.encoder.parameters(), *network.model.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=1e-3)

    def step() -> None:
        terms = network.losses(batch)[0].terms
        optimizer.zero_grad()
        torch.autograd.backward(torch.stack(list(terms.values())).sum())
        optimizer.step()

    benchmark.pedantic(step, rounds=10, iterations=1, warmup_rounds=2)
    benchmark.extra_info["samples_per_s"] = 64 / benchmark.stats.stats.min
    benchmark.extra_info["parameters"] = sum(w.numel() for w in weights)
