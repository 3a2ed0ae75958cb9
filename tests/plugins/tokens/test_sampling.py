"""How motion tokens are drawn, blended and smoothed."""

from __future__ import annotations

import numpy as np
import torch
from tiny_tokens import prepared

from roadcraft.plugins.tokens.sampling.choice import blended, drawn
from roadcraft.plugins.tokens.sampling.rng import uniform
from roadcraft.plugins.tokens.sampling.smooth import Smoother
from roadcraft.plugins.tokens.vocabulary import POSES


def test_chance_depends_on_its_key_alone() -> None:
    keys = np.array([3, 2**63 + 5, 11], np.uint64)
    numbers = uniform(keys, (40, 50))
    np.testing.assert_array_equal(uniform(keys[1:2], (40, 50))[0], numbers[1])
    assert numbers.min() >= 0.0
    assert numbers.max() < 1.0
    assert abs(float(numbers.mean()) - 0.5) < 0.02
    assert abs(float(np.mean((numbers[0] - 0.5) * (numbers[1] - 0.5)))) < 0.005, "keys are independent"


def test_smoothing_keeps_a_smooth_way_and_starts_with_the_present_motion() -> None:
    smoother = Smoother(80, 0.35).double()
    t = 0.1 * torch.arange(1, 81).double()
    way = 6.0 * t + 0.5 * 0.4 * t**2
    zero, one = torch.zeros_like(way), torch.ones_like(way)
    straight = torch.stack([way, zero, one, zero], -1)[None, None]
    kept = smoother(straight, torch.tensor([6.0]).double(), torch.tensor([0.4]).double())[0, 0]
    torch.testing.assert_close(kept[:, 0], way, atol=1e-3, rtol=0)
    torch.testing.assert_close(kept[:, 4], 6.0 + 0.4 * (t - 0.05), atol=1e-2, rtol=0)
    rough = straight + 0.1 * torch.randn(
        straight.shape, generator=torch.Generator().manual_seed(0)
    ).double() * torch.tensor([1, 1, 0, 0])
    calm = smoother(rough, torch.tensor([6.0]).double(), torch.tensor([0.4]).double())[0, 0]
    jerk = (calm[:, 4].diff(n=2) / 0.01).abs()
    assert jerk.max() < 4.0 < (rough[0, 0, :, 0].diff(n=3) / 1e-3).abs().max()
    torch.testing.assert_close(calm[:, 2:4].norm(dim=-1), one, atol=1e-5, rtol=0)
    still = smoother(
        torch.zeros_like(straight) + torch.tensor([0, 0, 1, 0]), torch.zeros(1).double(), torch.zeros(1).double()
    )
    assert still[..., :2].abs().max() == 0.0
    assert still[..., 2].min() == 1.0


def test_draws_follow_the_probabilities() -> None:
    top = torch.log(torch.tensor([0.6, 0.3, 0.1])).expand(1, 4000, 3)
    uniforms = torch.from_numpy(uniform(np.array([1], np.uint64), (4000,)))
    motion = torch.arange(3).view(1, 1, 3, 1, 1).expand(1, 4000, 3, POSES, 2).to(torch.complex64)
    moved, pick = drawn(top, motion, uniforms, 1.0)
    np.testing.assert_allclose(np.bincount(pick.flatten()) / 4000, [0.6, 0.3, 0.1], atol=0.03)
    torch.testing.assert_close(moved[..., 0, 0].real, pick[..., 0].float())
    assert (drawn(top, motion, uniforms, 0.05)[1] == 0).all(), "a cold draw takes the likeliest"


def test_blending_lies_between_neighbours_and_leaves_out_the_far() -> None:
    motion = torch.ones(1, 1, 3, POSES, 2, dtype=torch.complex64)
    motion[..., 0] = torch.tensor([1.0, 1.2 + 0.2j, 9.0])[:, None]
    motion[0, 0, 1, :, 1] = 1j
    moved, _ = blended(torch.tensor([[[0.0, 0.0, -0.1]]]), motion, 0.5)
    torch.testing.assert_close(moved[0, 0, :, 0], torch.full((POSES,), 1.1 + 0.1j))
    torch.testing.assert_close(moved[0, 0, :, 1], torch.full((POSES,), (1 + 1j) / 2**0.5))


def test_samples_depend_on_keys_only() -> None:
    net, batch = prepared()
    keys = np.array([5, 6, 7], np.uint64)
    net.model.eval()
    net.encoder.eval()
    with torch.inference_mode():
        encoding, _ = net.encoder.encode(batch)
        torch.manual_seed(1)
        a = net.model.sample(encoding, batch, keys)
        torch.manual_seed(2)
        b = net.model.sample(encoding, batch, keys)
        c = net.model.sample(encoding, batch, keys + np.uint64(1))
    assert torch.equal(a.ego, b.ego)
    assert torch.equal(a.agents, b.agents)
    assert torch.equal(a.ego[:, 0], c.ego[:, 0]), "the first future is without chance"
    assert (a.ego[:, 1:] - c.ego[:, 1:]).abs().max() > 0.1
    assert a.agents.shape == (3, net.features.agents, 3, 80, 4)
