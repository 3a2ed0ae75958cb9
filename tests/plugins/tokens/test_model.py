"""The model of motion tokens: the contract, its preparation, training and samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from tiny_tokens import SMALL, batch_of, network, prepared

from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.testing import ModelConformance
from roadcraft.planners.learned.checkpoint import load_checkpoint
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.plugins.training.run.fit import train


class TestTokens(ModelConformance):
    meta_training = "its targets are read in tokens by compiled code, and only the moments that count are answered"
    name = "tokens"
    params: ClassVar[dict[str, Any]] = {
        "closed_loop_fraction": 0.0
    }  # a batch's loss falls when the next step asks the same


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
