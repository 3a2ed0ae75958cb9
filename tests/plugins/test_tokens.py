"""The model of motion tokens: its vocabulary, what it is taught, how it drives itself and others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from roadcraft.core.driving.geometry.boxes import box_corners
from roadcraft.core.errors import DataError
from roadcraft.core.factory import create
from roadcraft.core.hookspecs import PluginRef
from roadcraft.core.random import scenario_key, step_keys
from roadcraft.core.scenario import ObjectFrames, Scenario, Tracks
from roadcraft.core.testing import ModelConformance
from roadcraft.core.testing.agents import AgentsConformance
from roadcraft.core.testing.network import made_up_features
from roadcraft.core.testing.world import made_up_scenario, observe
from roadcraft.core.vehicle import load_vehicle
from roadcraft.planners.learned.checkpoint import build_network, load_checkpoint, save_checkpoint
from roadcraft.plugins.tokens.actors import ego_center, ego_rear, goals_of
from roadcraft.plugins.tokens.agents.policy import TokenAgents
from roadcraft.plugins.tokens.geometry import as_pose, as_real, compose, corner_distance, relative
from roadcraft.plugins.tokens.network import entropy
from roadcraft.plugins.tokens.network.relation import Relation
from roadcraft.plugins.tokens.network.scene_attention import SceneContext, StaticMemory
from roadcraft.plugins.tokens.sampling.choice import blended, drawn
from roadcraft.plugins.tokens.sampling.rng import uniform
from roadcraft.plugins.tokens.sampling.smooth import Smoother
from roadcraft.plugins.tokens.targets import catk_rollout, teacher_forced
from roadcraft.plugins.tokens.vocabulary import BOXES, POSES, draw, k_disk, labels, made_up, match, roll
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.plugins.training.run.fit import train

ENCODER = {"name": "vector_transformer", "params": {"dim": 32, "layers": 1}}
SMALL: dict[str, Any] = {
    "layers": 1,
    "vehicle_tokens": 128,
    "pedestrian_tokens": 32,
    "bicycle_tokens": 32,
    "samples": 3,
    "top_k": 8,
}
BOX = np.array([[4.8, 2.0]], np.float32)


class TestTokens(ModelConformance):
    meta_training = "its targets are read in tokens by compiled code, and only the moments that count are answered"
    name = "tokens"
    params: ClassVar[dict[str, Any]] = {
        "closed_loop_fraction": 0.0
    }  # a batch's loss falls when the next step asks the same


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


# ---- geometry, chance, smoothing ------------------------------------------------------------------------------------


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


# ---- the vocabulary -------------------------------------------------------------------------------------------------


def test_a_vocabulary_covers_its_motions_and_stands_still_first() -> None:
    rng = np.random.default_rng(0)
    seen = motions(rng, 3000)
    words, radius = draw(seen, 0, 100, 0.05, rng)
    assert len(words) <= 100
    assert radius > 0.05, "a hundred tokens cannot cover all that at 5 cm"
    np.testing.assert_array_equal(words[0, :, :2], 0.0)
    gap = [min(slow_corner_distance(m[-1], w[-1], *BOXES[0]) for w in words) for m in seen[:200]]
    assert max(gap) <= radius + 1e-6
    between = [slow_corner_distance(a[-1], b[-1], *BOXES[0]) for i, a in enumerate(words[:40]) for b in words[:i]]
    assert min(between) > radius - 1e-6, "tokens are farther apart than the radius"


def test_a_large_vocabulary_needs_no_larger_radius() -> None:
    words, radius = draw(motions(np.random.default_rng(0), 60), 0, 2048, 0.05, np.random.default_rng(0))
    assert radius == 0.05
    assert len(words) <= 61


def test_faults_of_the_log_are_not_learned() -> None:
    seen = motions(np.random.default_rng(0), 50)
    seen[0, -1, 0], seen[1, -1, 2:], seen[2] = 300.0, (-1.0, 0.0), np.nan
    words, _ = draw(seen, 0, 64, 0.05, np.random.default_rng(0))
    assert np.isfinite(words).all()
    assert words[:, -1, 0].max() < 30.0
    assert words[:, -1, 2].min() > 0.0


def test_k_disk_says_when_it_runs_out() -> None:
    end = np.ascontiguousarray(motions(np.random.default_rng(0), 500)[:, -1])
    assert k_disk(end, 0.01, 4.8, 2.0, 20)[-1] == -1


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_the_made_up_vocabulary(kind: int) -> None:
    words = made_up(kind, 90)
    assert words.shape == (90, POSES, 4)
    np.testing.assert_allclose(np.hypot(words[..., 2], words[..., 3]), 1.0, atol=1e-6)
    assert not words[0, :, :2].any()
    assert len(np.unique(words[:, -1].round(5), axis=0)) == 90


def test_matching_is_by_the_nearest_corners() -> None:
    rng = np.random.default_rng(2)
    words = np.concatenate([made_up(0, 80), made_up(1, 30), made_up(2, 20)])
    end, bounds = np.ascontiguousarray(words[:, -1]), np.array([[0, 80], [80, 110], [110, 130]])
    here, kind = poses(rng, 40), rng.integers(0, 3, 40)
    goal = compose(here, as_pose(torch.from_numpy(motions(rng, 40)[:, -1])))
    size = np.array([BOXES[k] for k in kind], np.float32)
    got = match(as_real(here).numpy(), as_real(goal).numpy(), size, kind, end, bounds)
    for i in range(40):
        low, high = bounds[kind[i]]
        reached = as_real(compose(here[i].expand(high - low, 2), as_pose(torch.from_numpy(end[low:high])))).numpy()
        far = [slow_corner_distance(r, as_real(goal[i]).numpy(), *size[i].astype(float)) for r in reached]
        assert far[got[i] - low] <= min(far) + 1e-5


@pytest.mark.parametrize(("kind", "count", "spread"), [(0, 300, 0.3), (1, 30, 0.1), (2, 20, 0.2)])
def test_labels_are_shared_among_near_tokens(kind: int, count: int, spread: float) -> None:
    rng = np.random.default_rng(4)
    end = np.ascontiguousarray(made_up(kind, count)[:, -1])
    here = poses(rng, 20)
    goal = compose(here, as_pose(torch.from_numpy(motions(rng, 20)[:, -1])))
    size = np.array([BOXES[kind]] * 20, np.float32)
    args = as_real(here).numpy(), as_real(goal).numpy(), size
    got, nearest = labels(*args, end, spread), match(*args, np.zeros(20, np.int64), end, np.array([[0, count]]))
    np.testing.assert_allclose(got.sum(1), 1.0, atol=1e-5)
    assert (got > 1e-3).sum(1).max() > 3
    for i in range(20):
        reached = as_real(compose(here[i].expand(count, 2), as_pose(torch.from_numpy(end)))).numpy()
        far = np.array([slow_corner_distance(r, as_real(goal[i]).numpy(), *size[i].astype(float)) for r in reached])
        want = np.exp(-(far**2 - far.min() ** 2) / (2.0 * spread**2))
        np.testing.assert_allclose(got[i], want / want.sum(), atol=3e-3)
        assert got[i].argmax() == nearest[i]


def test_rolling_does_not_add_up_errors() -> None:
    rng = np.random.default_rng(3)
    words, radius = draw(motions(rng, 5000), 0, 512, 0.05, rng)
    way = [as_pose(torch.tensor([3.0, -2.0, 1.0, 0.0]))]
    for step in motions(rng, 40):
        way.append(compose(way[-1], as_pose(torch.from_numpy(step[-1]))))
    goal, valid = as_real(torch.stack(way)[None]).numpy(), np.ones((1, 41), np.bool_)
    token, pose = roll(
        goal, valid, BOX, np.zeros(1, np.int64), np.ascontiguousarray(words[:, -1]), np.array([[0, len(words)]] * 3)
    )
    gap = corner_distance(
        as_pose(torch.from_numpy(pose)), as_pose(torch.from_numpy(goal)), torch.from_numpy(BOX)[:, None]
    )
    assert gap.max() < 3.0 * radius
    rebuilt = way[0][None]
    for t in range(40):
        rebuilt = compose(rebuilt, as_pose(torch.from_numpy(words[token[:, t], -1])))
    np.testing.assert_allclose(as_real(rebuilt), pose[:, -1], atol=1e-3)


def test_a_gap_in_a_trajectory_is_jumped() -> None:
    goal = np.zeros((1, 6, 4), np.float32)
    goal[..., 0], goal[..., 2] = 2.0 * np.arange(6), 1.0
    valid = np.array([[True, True, False, True, True, True]])
    end = np.ascontiguousarray(made_up(0, 80)[:, -1])
    token, pose = roll(goal, valid, BOX, np.zeros(1, np.int64), end, np.array([[0, 80]] * 3))
    assert token[0, 1] == token[0, 2] == 0
    np.testing.assert_array_equal(pose[0, 3], goal[0, 3])
    assert token[0, 3] > 0


# ---- choices --------------------------------------------------------------------------------------------------------


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


# ---- what is taught -------------------------------------------------------------------------------------------------


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


def test_preparing_draws_from_the_batches_and_keeps_made_up_classes() -> None:
    net, batch = prepared()
    model, plain = net.model, network().model
    first, last = model.bounds[1]
    assert torch.equal(model.vocabulary[:128].isfinite(), torch.ones_like(model.vocabulary[:128], dtype=torch.bool))
    assert 2 <= model.used[:128].sum() < 128
    assert model.radius[0] > 0
    no_bicycles = {**batch, "agent_kind": torch.zeros_like(batch["agent_kind"])}
    other = network().model
    other.prepare([no_bicycles] * 3)
    assert torch.equal(other.vocabulary[first:last], plain.vocabulary[first:last])
    assert other.used[first:last].all()


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


def test_a_future_goes_on_after_what_was_taught() -> None:
    """The number of half seconds that are rolled out is no part of the weights, and the first ones do not depend on
    it."""
    torch.manual_seed(0)
    short, long = (network(training_tokens=4, future_tokens=n) for n in (4, 16))
    long.model.load_state_dict(short.model.state_dict())
    long.encoder.load_state_dict(short.encoder.state_dict())
    batch, keys = batch_of(long), np.array([5, 6, 7], np.uint64)
    with torch.inference_mode():
        a, b = (n.model.eval().sample(n.encoder.eval().encode(batch)[0], batch, keys) for n in (short, long))
    assert (a.ego.shape[2], b.ego.shape[2]) == (20, 80)
    torch.testing.assert_close(a.agents[:, :, 0], b.agents[:, :, 0, :20], atol=1e-4, rtol=0)
    assert b.ego.isfinite().all()


def test_the_future_is_not_seen() -> None:
    net, batch = prepared(layers=2)
    scene = net.model.scene(net.encoder.encode(batch)[0], batch, 5)
    token_targets = teacher_forced(net.model, scene, goals_of(scene.actors, batch, POSES))
    changed = replace(token_targets, pose=token_targets.pose.clone())
    changed.pose[:, :, 9:, 0] += 3.0 + 1.0j
    a, b = net.model.token_losses(scene, token_targets), net.model.token_losses(scene, changed)
    torch.testing.assert_close(a[:, :, :9], b[:, :, :9], atol=1e-5, rtol=0)
    assert (a[:, :, 9:] - b[:, :, 9:]).abs().max() > 1e-3


def test_it_learns_a_handful_by_heart() -> None:
    net, batch = prepared(label_smoothing=0.0, closed_loop_fraction=0.2)
    optimizer = torch.optim.AdamW([*net.encoder.parameters(), *net.model.parameters()], lr=5e-3)
    net.model.train()
    for _ in range(100):
        terms = net.losses(batch)[0].terms
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
    net.model.eval()
    net.encoder.eval()
    with torch.no_grad():
        (terms, _), prediction, _ = net.losses(batch, training=False)
    assert terms["ego"] < 0.5, terms
    assert terms["agent"] < 0.5, terms
    off = (prediction.ego[:, 0, :30, :2] - batch["ego_future"][:, :30, :2]).norm(dim=-1)
    assert off.mean() < 0.6, off.mean()


@pytest.mark.parametrize("with_targets", [True, False])
def test_all_parts_learn(with_targets: bool) -> None:
    """Also in evaluation mode, in which a handful of samples is overfitted, and where the targets come with the loss
    only."""
    net, batch = prepared()
    net.model.eval()
    terms = net.losses(batch, training=with_targets)[0].terms
    torch.stack(list(terms.values())).sum().backward()
    for part in (net.encoder, net.model):
        idle = {name for name, p in part.named_parameters() if p.grad is None}
        assert not idle, idle


def test_gradients_are_finite_where_nobody_is() -> None:
    net, batch = prepared(closed_loop_fraction=0.5)
    batch["agent_valid"][1] = False
    batch["agent_future_valid"][2, :, 7:30] = False
    batch["ego_future_valid"][2] = False
    batch["agent_future"][~batch["agent_future_valid"]] = 0.0
    net.model.train()
    for _ in range(4):
        terms = net.losses(batch)[0].terms
        torch.stack(list(terms.values())).sum().backward()
    for part in (net.encoder, net.model):
        for name, p in part.named_parameters():
            assert p.grad is None or torch.isfinite(p.grad).all(), name


# ---- kernels --------------------------------------------------------------------------------------------------------


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


# ---- driving --------------------------------------------------------------------------------------------------------


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


def test_who_is_not_there_changes_nothing() -> None:
    """What lies in unused rows must not matter, neither in driving nor in training."""
    net, batch = prepared(layers=2)
    net.model.eval()
    net.encoder.eval()
    absent = ~batch["agent_valid"][..., -1]
    assert absent.any()
    soiled = {k: v.clone() for k, v in batch.items()}
    soiled["agent"][absent], soiled["agent_size"][absent], soiled["agent_future"][absent] = 3.0, 9.0, 5.0
    soiled["lane"][~batch["lane_mask"]] = 7.0
    answers = []
    for b in (batch, soiled):
        with torch.no_grad():
            (terms, _), prediction, _ = net.losses(b, training=False)
        answers.append((prediction.ego, prediction.agents[~absent], terms["ego"], terms["agent"]))
    for x, y in zip(*answers, strict=True):
        torch.testing.assert_close(x, y, atol=1e-3, rtol=1e-4)


def test_kinds_without_a_class_are_driven_as_vehicles() -> None:
    net, batch = prepared()
    net.model.eval()
    net.encoder.eval()
    unknown, vehicle = dict(batch), dict(batch)
    encoding, _ = net.encoder.encode(batch)
    unknown["agent_kind"], vehicle["agent_kind"] = (
        torch.full_like(batch["agent_kind"], 6),
        torch.zeros_like(batch["agent_kind"]),
    )
    keys = np.zeros(3, np.uint64)
    assert torch.equal(
        net.model.sample(encoding, unknown, keys).agents, net.model.sample(encoding, vehicle, keys).agents
    )


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net, _ = prepared()
    folder = tmp_path_factory.mktemp("tokens") / "best"
    config = {"encoder": ENCODER, "model": {"name": "tokens", "params": SMALL}}
    save_checkpoint(folder, net, config, {}, "")
    return folder


class TestTokenAgents(AgentsConformance):
    name = "tokens"

    @pytest.fixture(autouse=True)
    def _with_checkpoint(self, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(type(self), "params", {"checkpoint": str(checkpoint), "micro_batch": 2})


def test_a_checkpoint_brings_its_vocabulary(checkpoint: Path) -> None:
    net, _ = prepared()
    again, _ = load_checkpoint(checkpoint)
    assert torch.equal(again.model.vocabulary, net.model.vocabulary)
    short, _ = load_checkpoint(checkpoint, {"future_tokens": 8, "samples": 1})
    assert (short.features.future_steps, short.model.config.samples) == (40, 1)
    with pytest.raises(DataError, match="layout"):
        load_checkpoint(checkpoint, {"reference_points": 60})
    assert torch.equal(again.model.used, net.model.used)


def test_another_model_cannot_drive_agents(tmp_path: Path) -> None:
    other = build_network(ENCODER, {"name": "multimodal"})
    save_checkpoint(tmp_path / "best", other, {"encoder": ENCODER, "model": {"name": "multimodal"}}, {}, "")
    with pytest.raises(DataError, match="not tokens"):
        create("agents", "tokens", {"checkpoint": str(tmp_path / "best")})


@pytest.mark.parametrize("params", [{"driven": ["lorry"]}, {"temperature": 0.0}, {"top_k": 0}, {"radius_m": -1.0}])
def test_bad_settings_of_the_agents(params: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=next(iter(params))):
        create("agents", "tokens", params)


def drive(agents: TokenAgents, scenarios: list[Scenario], steps: int = 12) -> list[Any]:
    """Objects of every iteration; ego drives as logged."""
    keys = np.array([scenario_key(0, s.token) for s in scenarios], np.uint64)
    state, objects = agents.start(scenarios, load_vehicle(), keys)
    frames = [objects]
    for i in range(steps):
        state, objects = agents.step(scenarios, observe(scenarios, i), state, step_keys(keys, i))
        frames.append(objects)
    return frames


def world(count: int) -> list[Scenario]:
    return [made_up_scenario(f"{i + 1:016x}", speed_mps=3.0 + i % 7, lane=i % 2) for i in range(count)]


def test_batches_change_nothing(checkpoint: Path) -> None:
    agents = create("agents", "tokens", {"checkpoint": str(checkpoint), "micro_batch": 4})
    scenarios = world(16)
    one = [drive(agents, [s], 7) for s in scenarios]
    for size in (7, 16):
        for first in range(0, 16, size):
            group = scenarios[first : first + size]
            for i, frame in enumerate(drive(agents, group, 7)):
                for b in range(len(group)):
                    np.testing.assert_array_equal(frame.box[frame.rows(b)], one[first + b][i].box)


def test_a_state_is_not_changed_by_a_step(checkpoint: Path) -> None:
    agents = create("agents", "tokens", {"checkpoint": str(checkpoint)})
    scenarios, keys = world(2), np.array([1, 2], np.uint64)
    state, _ = agents.start(scenarios, load_vehicle(), keys)
    answers = [agents.step(scenarios, observe(scenarios, 0), state, keys)[1].box for _ in range(2)]
    np.testing.assert_array_equal(*answers)


def test_motions_join_and_agree_with_the_velocities(checkpoint: Path) -> None:
    agents = create("agents", "tokens", {"checkpoint": str(checkpoint), "top_k": 1})
    scenario = world(1)[0]
    frames = drive(agents, [scenario], 25)
    path, speed = np.stack([f.box[0] for f in frames]), np.stack([f.velocity[0] for f in frames])
    np.testing.assert_array_equal(
        path[0], scenario.drive.objects.box[scenario.drive.objects.rows(int(scenario.frames[0]))][0]
    )
    np.testing.assert_allclose(np.diff(path[:, :2], axis=0), 0.1 * speed[1:], atol=1e-6)
    assert np.abs(np.diff(path[:, :2], axis=0)).max() < 3.0
    logged = np.stack(
        [scenario.drive.objects.box[scenario.drive.objects.rows(int(f))][0] for f in scenario.frames[:26]]
    )
    assert np.abs(path - logged).max() > 0.1, "it is the network that drives"


def test_static_and_replayed_kinds_follow_the_log(checkpoint: Path) -> None:
    agents = create("agents", "tokens", {"checkpoint": str(checkpoint), "driven": ["vehicle"]})
    scenario = world(1)[0]
    frames = drive(agents, [scenario], 10)
    for i, frame in enumerate(frames):
        logged = scenario.drive.objects.box[scenario.drive.objects.rows(int(scenario.frames[i]))]
        for track in (2, 3, 4, 5):
            np.testing.assert_array_equal(frame.box[frame.id == track][0], logged[track - 1])


def with_objects(scenario: Scenario, tracks: Tracks, box: np.ndarray, velocity: np.ndarray) -> Scenario:
    """The scenario with other objects: box (frames, n, 5), velocity (frames, n, 2)."""
    count, n = box.shape[:2]
    objects = ObjectFrames(
        np.arange(count + 1, dtype=np.int64) * n,
        np.tile(np.arange(n, dtype=np.int64), count),
        box.reshape(-1, 5),
        velocity.reshape(-1, 2),
    )
    return replace(scenario, drive=replace(scenario.drive, tracks=tracks, objects=objects))


def tracks_of(n: int, vehicle: list[int] | None = None, unit: list[int] | None = None) -> Tracks:
    return Tracks(
        np.arange(1, n + 1, dtype=np.uint64),
        np.zeros(n, np.uint8),
        np.arange(n, dtype=np.int64) if vehicle is None else np.array(vehicle, np.int64),
        np.zeros(n, np.uint8) if unit is None else np.array(unit, np.uint8),
        np.full(n, 1.6),
    )


def test_more_agents_than_the_network_holds(checkpoint: Path) -> None:
    """The nearest are driven, the others follow the log; whoever leaves the log goes with it."""
    agents = create("agents", "tokens", {"checkpoint": str(checkpoint), "top_k": 1})
    scenario = world(1)[0]
    count, n = len(scenario.drive.time_us), 30
    t = (np.arange(count) - scenario.first) * 0.05
    box = np.zeros((count, n, 5))
    box[..., 0] = scenario.drive.ego[0, 0] + 12.0 + 6.0 * np.arange(n) + 4.3 * t[:, None]
    box[..., 1], box[..., 3:] = scenario.drive.ego[0, 1], (4.5, 1.9)
    velocity = np.zeros((count, n, 2))
    velocity[..., 0] = 4.3
    crowd = with_objects(scenario, tracks_of(n), box, velocity)
    frame = drive(agents, [crowd], 5)[-1]
    logged = box[int(scenario.frames[5])]
    off = np.abs(frame.box - logged[np.searchsorted(np.arange(1, n + 1), frame.id)]).max(1)
    assert (off[:8] > 0).all()
    np.testing.assert_array_equal(off[20:], 0.0)
    assert len(frame.id) == n


def test_nobody_there(checkpoint: Path) -> None:
    agents = create("agents", "tokens", {"checkpoint": str(checkpoint)})
    scenario = world(1)[0]
    count = len(scenario.drive.time_us)
    empty = with_objects(scenario, tracks_of(0), np.zeros((count, 0, 5)), np.zeros((count, 0, 2)))
    assert all(len(f.id) == 0 for f in drive(agents, [empty], 6))


def test_a_trailer_hangs_on_its_tractor(checkpoint: Path) -> None:
    agents = create("agents", "tokens", {"checkpoint": str(checkpoint)})
    scenario = world(1)[0]
    count = len(scenario.drive.time_us)
    x = scenario.drive.ego[:, 0] + 30.0
    box = np.zeros((count, 2, 5))
    box[:, 0], box[:, 1] = np.array([0, 0, 0, 6.0, 2.5]), np.array([0, 0, 0, 13.0, 2.5])
    box[:, 0, 0], box[:, 1, 0], box[..., 1] = x, x - 9.0, scenario.drive.ego[0, 1]
    velocity = np.zeros((count, 2, 2))
    velocity[..., 0] = scenario.drive.ego[0, 3]
    truck = with_objects(scenario, tracks_of(2, [0, 0], [0, 1]), box, velocity)
    for frame in drive(agents, [truck], 30):
        tractor, trailer = frame.box
        front = trailer[:2] + 6.5 * np.array([np.cos(trailer[2]), np.sin(trailer[2])])
        hitch = tractor[:2] - 2.5 * np.array([np.cos(tractor[2]), np.sin(tractor[2])])
        np.testing.assert_allclose(front, hitch, atol=1e-6)
        assert abs(trailer[2] - tractor[2]) < 1.2
        assert frame.vehicle[0] == frame.vehicle[1]


# ---- through the training room --------------------------------------------------------------------------------------


def test_eight_samples_are_overfitted(recipe: TrainConfig, made_up_source: Any) -> None:
    ours = replace(
        recipe, model=PluginRef("tokens", {**SMALL, "closed_loop_fraction": 0.0}), overfit=8, learning_rate=5e-3
    )
    done = train(replace(ours, steps=100, validate_every=100), source=made_up_source, progress=False)
    held = done.metrics["validation"]
    assert held["ego"] < 1.0, held
    assert held["agent"] < 1.0, held
    assert held["ade_m"] < 1.0, held


def test_training_prepares_once_and_goes_on_from_there(
    recipe: TrainConfig, made_up_source: Any, tmp_path: Path
) -> None:
    ours = replace(
        recipe,
        model=PluginRef("tokens", {**SMALL, "vocabulary_batches": 2, "closed_loop_fraction": 0.5}),
        ema_decay=0.9,
    )
    whole = train(replace(ours, out=str(tmp_path / "whole")), source=made_up_source, progress=False)
    parts = replace(ours, out=str(tmp_path / "parts"))
    train(parts, source=made_up_source, stop_at=3, progress=False)
    done = train(parts, source=made_up_source, resume=tmp_path / "parts", progress=False)
    a, b = (load_checkpoint(f)[0] for f in (whole.last, done.last))
    assert all(torch.equal(v, b.state()[k]) for k, v in a.state().items())
    assert not torch.equal(a.model.vocabulary, network().model.vocabulary), "the vocabulary comes from the data"
    assert a.model.radius[0] >= 0.05
