"""Poses of the model of motion tokens, against angles and corners."""

from __future__ import annotations

import numpy as np
import torch
from tiny_tokens import poses, slow_corner_distance

from roadcraft.plugins.tokens.actors import ego_center, ego_rear
from roadcraft.plugins.tokens.geometry import as_pose, as_real, compose, corner_distance, relative


def test_poses_are_put_together_and_taken_apart() -> None:
    rng = np.random.default_rng(0)
    a, b = poses(rng, 7, 3), poses(rng, 7, 3)
    torch.testing.assert_close(relative(a, compose(a, b)), b, atol=1e-5, rtol=0)
    x, y, c, s = as_real(a).unbind(-1)
    u, v, _, _ = as_real(b).unbind(-1)
    want = torch.stack([x + c * u - s * v, y + s * u + c * v], -1)
    torch.testing.assert_close(as_real(compose(a, b))[..., :2], want, atol=1e-5, rtol=0)
    torch.testing.assert_close(as_pose(as_real(a)), a, atol=0, rtol=0)
    vehicle = torch.tensor([[1.5, 5.0, 2.0, 3.0]]).expand(7, 4)
    torch.testing.assert_close(ego_rear(ego_center(a, vehicle), vehicle), a, atol=1e-5, rtol=0)


def test_corners_are_those_of_the_boxes() -> None:
    rng = np.random.default_rng(1)
    a, b = poses(rng, 20, reach=1.0), poses(rng, 20, reach=1.0)
    got = corner_distance(a, b, torch.tensor([4.8, 2.0]).expand(20, 2))
    want = [
        slow_corner_distance(x, y, 4.8, 2.0)
        for x, y in zip(as_real(a).double().numpy(), as_real(b).double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(got, want, atol=1e-5)
