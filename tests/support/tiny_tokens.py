"""Poses, motions, and a network of motion tokens small enough that it runs and learns in a test."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from roadcraft.core.driving.geometry.boxes import box_corners
from roadcraft.core.testing.network import made_up_features
from roadcraft.planners.learned.network import build_network
from roadcraft.plugins.tokens.geometry import as_pose
from roadcraft.plugins.tokens.vocabulary import POSES

ENCODER = {"name": "vector_transformer", "params": {"dim": 32, "layers": 1}}
SMALL: dict[str, Any] = {
    "layers": 1,
    "vehicle_tokens": 128,
    "pedestrian_tokens": 32,
    "bicycle_tokens": 32,
    "samples": 3,
    "top_k": 8,
}


def poses(rng: np.random.Generator, *shape: int, reach: float = 5.0) -> torch.Tensor:
    angle = torch.tensor(rng.uniform(-np.pi, np.pi, shape), dtype=torch.float32)
    place = torch.tensor(rng.uniform(-reach, reach, (*shape, 2)), dtype=torch.float32)
    return as_pose(torch.cat([place, angle.cos()[..., None], angle.sin()[..., None]], -1))


def motions(rng: np.random.Generator, count: int) -> np.ndarray:
    """Half seconds of cars: any speed up to 15 m/s, turning a little."""
    t = 0.1 * np.arange(1, POSES + 1)[None]
    speed, turn = rng.uniform(0.0, 15.0, (count, 1)), rng.uniform(-0.3, 0.3, (count, 1))
    angle = turn * t
    return np.stack(
        [speed * t * np.cos(angle / 2), speed * t * np.sin(angle / 2), np.cos(angle), np.sin(angle)], -1
    ).astype(np.float32)


def slow_corner_distance(a: np.ndarray, b: np.ndarray, length: float, width: float) -> float:
    boxes = [box_corners(p[0], p[1], np.arctan2(p[3], p[2]), length, width) for p in (a, b)]
    return float(np.linalg.norm(boxes[0] - boxes[1], axis=1).mean())


def network(**params: Any) -> Any:
    torch.manual_seed(0)
    return build_network(ENCODER, {"name": "tokens", "params": {**SMALL, **params}})


def batch_of(net: Any, count: int = 3) -> dict[str, torch.Tensor]:
    """Made-up scenes in which all go straight on, each at its own speed."""
    f = made_up_features(net.features, count)
    t = 0.1 * torch.arange(1, 81)
    f["ego_future"] = torch.zeros(count, 80, 5)
    f["ego_future"][..., 0], f["ego_future"][..., 2] = f["ego"][:, :1] * t, 1.0
    f["ego_future_valid"] = torch.ones(count, 80, dtype=torch.bool)
    now = f["agent"][:, :, -1, None]
    future = now[..., :4].repeat(1, 1, 80, 1)
    future[..., :2] += now[..., 4:] * t[:, None]
    f["agent_future"], f["agent_future_valid"] = future, f["agent_valid"][:, :, -1:].repeat(1, 1, 80)
    return f


def prepared(**params: Any) -> tuple[Any, dict[str, torch.Tensor]]:
    net = network(**params)
    batch = batch_of(net)
    net.model.prepare([batch])
    return net, batch
