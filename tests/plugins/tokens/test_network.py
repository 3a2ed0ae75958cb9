"""The network of the model of motion tokens: its kernels, and that a moment sees no later one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_tokens import poses, prepared

from roadcraft.plugins.tokens.actors import goals_of
from roadcraft.plugins.tokens.geometry import relative
from roadcraft.plugins.tokens.network import entropy
from roadcraft.plugins.tokens.network.relation import Relation
from roadcraft.plugins.tokens.network.scene_attention import SceneContext, StaticMemory
from roadcraft.plugins.tokens.targets import teacher_forced
from roadcraft.plugins.tokens.vocabulary import POSES


def test_a_step_after_the_other_is_all_at_once() -> None:
    """The decoder gives the same for a moment alone, with the past kept, as for all moments together."""
    net, batch = prepared(layers=2)
    net.model.eval()
    with torch.no_grad():
        scene = net.model.scene(net.encoder.encode(batch)[0], batch, 5)
        token_targets = teacher_forced(net.model, scene, goals_of(scene.actors, batch, POSES))
        together, steps = [], []
        hook = net.model.output.register_forward_hook(lambda _m, _i, out: together.append(out))
        net.model.token_losses(scene, token_targets)
        hook.remove()

        def follow(logits: torch.Tensor, pose: torch.Tensor, step: int) -> torch.Tensor:
            steps.append(logits)
            moved = relative(token_targets.pose[:, :, step], token_targets.pose[:, :, step + 1])
            return moved[:, :, None].expand(-1, -1, POSES, -1)

        net.model.roll(scene, 16, 1, follow)
    asked = token_targets.counts
    at_once = (
        together[0] @ net.model.words().T + net.model.word_bias + scene.hidden[:, :, None].expand(-1, -1, 16, -1)[asked]
    )
    torch.testing.assert_close(torch.stack(steps, 2)[asked], at_once, atol=1e-3, rtol=1e-4)


def test_the_future_is_not_seen() -> None:
    net, batch = prepared(layers=2)
    scene = net.model.scene(net.encoder.encode(batch)[0], batch, 5)
    token_targets = teacher_forced(net.model, scene, goals_of(scene.actors, batch, POSES))
    changed = replace(token_targets, pose=token_targets.pose.clone())
    changed.pose[:, :, 9:, 0] += 3.0 + 1.0j
    a, b = net.model.token_losses(scene, token_targets), net.model.token_losses(scene, changed)
    torch.testing.assert_close(a[:, :, :9], b[:, :, :9], atol=1e-5, rtol=0)
    assert (a[:, :, 9:] - b[:, :, 9:]).abs().max() > 1e-3


@pytest.mark.parametrize(("heads", "channels", "relation", "rows"), [(4, 64, 16, 3), (1, 6, 5, 1), (2, 20, 3, 4)])
def test_looking_around_is_what_torch_makes_of_it(heads: int, channels: int, relation: int, rows: int) -> None:
    """The kernel and its backward pass against torch and autograd; scenes without tokens and moments without anybody
    among them."""
    torch.manual_seed(0)
    rng = np.random.default_rng(1)
    scenes, actors, tokens = 4, 5, 7
    moments = scenes * rows
    mask = torch.rand(scenes, tokens) < 0.6
    mask[0], alive = False, torch.rand(moments, actors) < 0.6
    alive[-1], alive[0, 0] = False, True
    module = Relation(relation)
    values = [
        torch.randn(moments, actors, 3 * channels),
        torch.randn(scenes, tokens, 2 * channels),
        torch.randn(heads, relation),
    ]
    still, pose = poses(rng, scenes, tokens, reach=40.0), poses(rng, moments, actors, reach=40.0)
    slope = torch.randn(moments, actors, channels + heads * relation)
    found = []
    for slowly in (False, True):
        own, scene, weigh = (v.clone().requires_grad_() for v in values)
        module.zero_grad()
        context = SceneContext(module, StaticMemory([scene], still, mask), pose, alive)
        out = context.attend_in_torch(own, scene, weigh) if slowly else context.attend(own, 0, weigh)
        out.backward(slope)
        found.append([out.detach(), *(x.grad for x in (own, scene, weigh, *module.parameters()))])
    assert not found[0][0][~alive].any()
    for got, want in zip(*found, strict=True):
        torch.testing.assert_close(got, want, atol=2e-4, rtol=1e-4)
    with torch.no_grad():
        unasked = context.attend(own, 0, weigh)
    assert not unasked.requires_grad
    torch.testing.assert_close(unasked, found[1][0], atol=1e-5, rtol=1e-4)


def test_cross_entropy_in_parts_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    share = torch.rand(23, 11).softmax(-1)
    values, slope = (torch.randn(23, 6), torch.randn(11, 6), torch.randn(11)), torch.randn(23)
    found = []
    for cached in (1, 50, 10**6, 0):
        monkeypatch.setattr(entropy, "CACHED", cached)
        answer, words, offset = (v.clone().requires_grad_() for v in values)
        if cached:
            out = entropy.cross_entropy(answer, words, offset, share)
        else:
            out = torch.nn.functional.cross_entropy(answer @ words.T + offset, share, reduction="none")
        out.backward(slope)
        found.append([out.detach(), answer.grad, words.grad, offset.grad])
    for parts in found[:-1]:
        for got, want in zip(parts, found[-1], strict=True):
            torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)
