"""Conformance of behavior models (needs torch)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from roadcraft.core.config.factory import create
from roadcraft.core.interfaces import accepts
from roadcraft.core.testing.network import (
    TERMS_SEED,
    all_on,
    check_gradients,
    check_reload,
    empty_road,
    made_up_features,
    needs_gpu,
    rows_of,
)
from roadcraft.core.types import TARGETS, FeatureSpec, Losses, Prediction, SceneEncoding


def check_prediction(prediction: Any, spec: FeatureSpec, count: int) -> None:
    """A prediction keeps the contract of ``Prediction``."""
    import torch

    assert isinstance(prediction, Prediction), "forward and sample give a Prediction"
    b, k, t, s = prediction.ego.shape
    assert b == count, "ego (B, K, T, S)"
    assert s >= 4, "the columns of ego are x, y, cos, sin, then speed"
    assert t == spec.future_steps, f"T is future_steps = {spec.future_steps}, not {t}"
    assert prediction.logits.shape == (b, k), "logits (B, K)"
    assert torch.isfinite(prediction.ego).all(), "trajectories are finite"
    assert torch.isfinite(prediction.logits).all(), "logits are finite; one that is out of question is finfo.min"
    real = (prediction.logits > torch.finfo(prediction.logits.dtype).min)[..., None]
    assert real.any(1).all(), "every scene has a candidate"
    off = (prediction.ego[..., 2:4].norm(dim=-1) - 1.0).abs() * real
    assert float(off.max()) < 1e-2, "cos and sin are a unit vector"
    assert prediction.time_s.shape == (t,), "time_s (T,)"
    wanted = spec.future_interval_s * torch.arange(1, t + 1)
    assert float((prediction.time_s - wanted).abs().max()) < 1e-3, "time_s rises by future_interval_s from now"
    if prediction.agents is not None:
        predicted = tuple(prediction.agents.shape[:4])
        allowed = {(b, spec.future_agents, ways, t) for ways in (1, k)}
        assert predicted in allowed, "agents (B, future_agents, K', T, S), K' = K or 1"
        assert torch.isfinite(prediction.agents).all(), "futures of agents are finite"
    for name, extra in prediction.extras.items():
        assert extra.shape[:2] in ((b, k), (b, 1)), f"extras[{name!r}] (B, K or 1, ...)"
        assert torch.isfinite(extra).all(), f"extras[{name!r}] is finite"


class ModelConformance:
    """Subclass it, set ``name`` (and ``encoder``, the one it is tried with, and ``other_encoder``): shapes, unit
    headings, times, finiteness (of logits, loss and gradients, with nobody around, without a target), extras,
    independence of the batch, other capacities, a reload, the device of the features (``meta``, and a GPU where there
    is one), bfloat16; training lowers the loss."""

    name: ClassVar[str]
    """Name of the plugin under test."""
    params: ClassVar[dict[str, Any]] = {}
    """Its settings."""
    encoder: ClassVar[str] = "vector_transformer"
    """Encoder beside which the model is tested."""
    other_encoder: ClassVar[str] = "bev_raster"
    """Another encoder beside which it has to work."""
    meta: ClassVar[str] = ""
    """Why the model cannot run on torch's meta device, where it cannot; '' where it can."""
    meta_training: ClassVar[str] = ""
    """The same for a training step."""

    @pytest.fixture
    def pair(self) -> tuple[Any, Any]:
        """An encoder and the model under test."""
        return self.make()

    def make(self, encoder: str = "", seed: int = TERMS_SEED, **capacities: int) -> tuple[Any, Any]:
        """A fresh encoder and model; capacities: by which more the model is told than the encoder has."""
        import torch

        torch.manual_seed(seed)
        before = create("encoder", encoder or self.encoder)
        offered = before.features()
        offered = replace(offered, **{k: getattr(offered, k) + more for k, more in capacities.items()})
        made = create("model", self.name, self.params, dim=before.dim, features=offered)
        assert isinstance(made, torch.nn.Module), f"a model is a torch.nn.Module, not a {type(made).__name__}"
        return before, made

    def scenes(self, pair: tuple[Any, Any], count: int = 3) -> dict[str, Any]:
        """Features that serve both."""
        from roadcraft.core.driving.features.build import merge_specs

        encoder, model = pair
        return made_up_features(merge_specs(encoder.features(), model.features()), count)

    def views(self, pair: tuple[Any, Any], features: Mapping[str, Any]) -> tuple[SceneEncoding, Mapping[str, Any]]:
        """What the encoder makes of a batch, and what the model sees of it."""
        from roadcraft.core.driving.features.build import merge_specs
        from roadcraft.core.driving.features.views import FeatureView

        encoder, model = pair
        merged = merge_specs(encoder.features(), model.features())
        encoding, _ = encoder.encode(FeatureView(encoder.features(), merged)(features), None)
        return encoding, FeatureView(model.features(), merged)(features)

    def sample(self, pair: tuple[Any, Any], features: Mapping[str, Any], keys: list[int]) -> Any:
        """A sample in evaluation mode."""
        import torch

        for part in pair:
            part.eval()
        with torch.no_grad():
            encoding, seen = self.views(pair, features)
            return pair[1].sample(encoding, seen, np.array(keys, np.uint64))

    def targets(self, model: Any, features: Mapping[str, Any], known: int = -1) -> dict[str, Any]:
        """The features, and straight on at 5 m/s for the ego, who is seen for ``known`` poses (-1: all)."""
        import torch

        spec, count = model.features(), len(features["ego"])
        t = torch.arange(1, spec.future_steps + 1) * spec.future_interval_s
        ego = torch.zeros(count, spec.future_steps, 5)
        ego[..., 0], ego[..., 2], ego[..., 4] = 5.0 * t, 1.0, 5.0
        seen = torch.ones(count, spec.future_steps, dtype=torch.bool)
        seen[:, known if known >= 0 else spec.future_steps :] = False
        return {
            **features,
            "ego_future": ego,
            "ego_future_valid": seen,
            "agent_future": torch.zeros(count, spec.future_agents, spec.future_steps, 4),
            "agent_future_valid": torch.zeros(count, spec.future_agents, spec.future_steps, dtype=torch.bool),
        }

    def losses(self, model: Any, encoding: SceneEncoding, targets: Mapping[str, Any]) -> tuple[Losses, Any]:
        """What training asks for: ``forward`` without the future among the features, then ``loss``; and the
        prediction."""
        known = {k: v for k, v in targets.items() if k not in TARGETS}
        forced = {"targets": targets} if accepts(model.forward, "targets") else {}
        encoded = {"encoding": encoding} if accepts(model.loss, "encoding") else {}
        prediction = model(encoding, known, **forced)
        return Losses.of(model.loss(prediction, targets, **encoded)), prediction

    def loss(self, pair: tuple[Any, Any], targets: Mapping[str, Any]) -> Any:
        """The sum that training lowers."""
        import torch

        torch.manual_seed(TERMS_SEED)
        modes = [m.training for m in pair[1].modules()]
        encoding, seen = self.views(pair, targets)
        (terms, diagnostics), _ = self.losses(pair[1], encoding, seen)
        assert terms, "loss gives at least one named term"
        for name, term in terms.items():
            assert term.dim() == 0, f"the loss term {name} is one number"
            assert bool(term.isfinite()), f"the loss term {name} is {float(term.detach())}"
        assert not terms.keys() & diagnostics.keys(), "a number is summed or only logged, not both"
        for name, value in diagnostics.items():
            assert value.dim() == 0, f"the diagnostic {name} is one number"
        assert modes == [m.training for m in pair[1].modules()], "forward and loss leave training and evaluation mode"
        return torch.stack(list(terms.values())).sum()

    def test_prediction_keeps_the_contract(self, pair: tuple[Any, Any]) -> None:
        import torch

        features = self.scenes(pair)
        sampled = self.sample(pair, features, [0, 1, 2])
        check_prediction(sampled, pair[1].features(), 3)
        with torch.no_grad():
            check_prediction(pair[1](*self.views(pair, features)), pair[1].features(), 3)
        again = self.sample(pair, features, [0, 1, 2])
        torch.testing.assert_close(sampled.ego, again.ego, rtol=0, atol=0, msg="equal keys give equal samples")

    def test_an_empty_road_is_driven(self, pair: tuple[Any, Any]) -> None:
        features = empty_road(self.scenes(pair))
        check_prediction(self.sample(pair, features, [0, 1, 2]), pair[1].features(), 3)

    def test_scenes_do_not_mix(self, pair: tuple[Any, Any]) -> None:
        """Neither with their neighbors, bit for bit, nor with how many there are, but for rounding."""
        import torch

        features = self.scenes(pair)
        both, *others = (
            self.sample(pair, rows_of(features, rows), rows) for rows in ([0, 1, 2], [0, 2, 1], [0, 0, 0], [0])
        )
        for other in others[:2]:
            extras = [(v, both.extras[k]) for k, v in other.extras.items()]
            for got, wanted in ((other.ego, both.ego), (other.logits, both.logits), *extras):
                torch.testing.assert_close(
                    got[0], wanted[0], rtol=0, atol=0, msg="a scene's answer depends on its neighbors"
                )
        best = both.logits[0].argmax()
        torch.testing.assert_close(
            others[2].ego[0, best], both.ego[0, best], rtol=1e-2, atol=1e-2, msg="a scene alone has another answer"
        )

    def test_loss_and_gradients_are_finite(self, pair: tuple[Any, Any]) -> None:
        """Also where the log ends early, where nothing of the future is known, and where nobody is around."""
        encoder, model = pair
        features = self.scenes(pair)
        for some, known in ((features, -1), (features, 7), (features, 0), (empty_road(features), -1)):
            for part in pair:
                part.train().zero_grad()
            self.loss(pair, self.targets(model, some, known)).backward()
            if known:
                check_gradients(encoder, model)
            assert all(p.grad is None or bool(p.grad.isfinite().all()) for part in pair for p in part.parameters())

    def test_it_works_beside_another_encoder(self) -> None:
        pair = self.make(self.other_encoder)
        check_prediction(self.sample(pair, self.scenes(pair), [0, 1, 2]), pair[1].features(), 3)

    def test_it_takes_the_capacities_it_is_told(self) -> None:
        pair = self.make(agents=5, static=2, lanes=3, crosswalks=1, past_steps=10)
        features = self.scenes(pair)
        check_prediction(self.sample(pair, features, [0, 1, 2]), pair[1].features(), 3)
        self.loss(pair, self.targets(pair[1], features)).backward()

    def test_weights_are_all_that_has_to_be_stored(self, pair: tuple[Any, Any]) -> None:
        import torch

        features, fresh = self.scenes(pair), self.make(seed=TERMS_SEED + 1)
        for old, new in zip(pair, fresh, strict=True):
            check_reload(old, new)
        one, two = (self.sample(p, features, [0, 1, 2]) for p in (pair, fresh))
        extras = [(v, two.extras[k]) for k, v in one.extras.items()]
        for a, b in ((one.ego, two.ego), (one.logits, two.logits), *extras):
            torch.testing.assert_close(a, b, rtol=0, atol=0, msg="a reloaded model says something else")

    def test_it_runs_on_the_device_of_its_features(self, pair: tuple[Any, Any]) -> None:
        """Tried on ``meta``, which every machine has and which computes nothing: a tensor made on the CPU fails there
        as it would on a GPU, and so does a shape that depends on a value. With loss and gradients, too. ``kind`` alone
        may be looked into, to find the tokens of a kind; where a model does so it is given on the CPU."""
        if self.meta:
            pytest.skip(self.meta)
        try:
            self.check_on("meta", pair, "meta")
        except NotImplementedError:
            self.check_on("meta", pair, "cpu")

    def test_it_runs_on_a_gpu(self, pair: tuple[Any, Any]) -> None:
        needs_gpu()
        check_prediction(self.check_on("cuda", pair, "cuda"), pair[1].features(), 3)
        check_gradients(pair[1])

    def check_on(self, device: str, pair: tuple[Any, Any], kind: str) -> Any:
        """A sample, and training, of what an encoder on the CPU made of a batch."""
        import torch

        targets, model = self.targets(pair[1], self.scenes(pair)), pair[1]
        with torch.no_grad():
            encoding, seen = self.views(pair, targets)
        moved = SceneEncoding(**{f.name: getattr(encoding, f.name).to(device) for f in fields(encoding)})
        moved = replace(moved, kind=encoding.kind.to(kind))
        there = {k: v.to(device) for k, v in seen.items()}
        model.to(device).train()
        if device != "meta" or not self.meta_training:
            (terms, _), _ = self.losses(model, moved, there)
            torch.autograd.backward(torch.stack(list(terms.values())).sum())
        with torch.no_grad():
            known = {k: v for k, v in there.items() if k not in TARGETS}
            prediction = model.eval().sample(moved, known, np.arange(3, dtype=np.uint64))
        all_on(device, prediction, ("ego", "logits", "time_s"))
        return prediction

    def test_it_runs_in_bfloat16(self, pair: tuple[Any, Any]) -> None:
        """Under autocast, as with precision=bf16-mixed."""
        import torch

        features = self.scenes(pair)
        with torch.autocast("cpu", torch.bfloat16):
            check_prediction(self.sample(pair, features, [0, 1, 2]), pair[1].features(), 3)
            for part in pair:
                part.train()
            total = self.loss(pair, self.targets(pair[1], features))
        total.backward()
        check_gradients(*pair)

    def test_training_lowers_the_loss(self, pair: tuple[Any, Any]) -> None:
        """By a tenth, so that neither chance nor a small side term alone will do."""
        import torch

        targets = self.targets(pair[1], self.scenes(pair))
        optimizer = torch.optim.AdamW([p for part in pair for p in part.parameters()], lr=1e-3)
        losses = []
        for _ in range(12):
            total = self.loss(pair, targets)
            optimizer.zero_grad()
            torch.autograd.backward(total)
            optimizer.step()
            losses.append(float(total.detach()))
        assert min(losses[-3:]) < 0.9 * losses[0], (
            f"the loss of one batch goes from {losses[0]:.4g} to {losses[-1]:.4g} in 12 steps, not down by a tenth"
        )
