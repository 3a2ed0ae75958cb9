"""What the model of motion tokens is taught."""

from __future__ import annotations

import torch
from tiny_tokens import prepared

from roadcraft.plugins.tokens.actors import goals_of
from roadcraft.plugins.tokens.targets import catk_rollout, teacher_forced
from roadcraft.plugins.tokens.vocabulary import POSES


def test_closest_of_all_is_what_happened() -> None:
    """Executing the closest of the whole vocabulary is the rolling match itself."""
    net, batch = prepared()
    with torch.no_grad():
        scene = net.model.scene(net.encoder.encode(batch)[0], batch, 5)
        goals = goals_of(scene.actors, batch, POSES)
        taught = teacher_forced(net.model, scene, goals)
        closed = catk_rollout(net.model, scene, goals, 10**6)
        poor = catk_rollout(net.model, scene, goals, 1)
    assert torch.equal(taught.counts, closed.counts)
    assert taught.counts.any(2).sum() >= 9
    assert torch.equal(taught.token[taught.counts], closed.token[taught.counts])
    torch.testing.assert_close(
        taught.pose[:, :, 1:][taught.counts], closed.pose[:, :, 1:][taught.counts], atol=1e-4, rtol=0
    )
    off = [(x.pose - goals.pose)[:, :, 1:, 0].abs()[taught.counts].mean() for x in (taught, poor)]
    assert off[0] < 0.1 < off[1], "an untrained network left to its likeliest token goes astray"
