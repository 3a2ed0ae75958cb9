"""Conformance of scene encoders and behaviour models (needs torch)."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import numpy as np
import pytest

from roadcraft.core.interfaces import FeatureSpec, Prediction, SceneEncoding
from roadcraft.core.registry import create
from roadcraft.core.testing.world import made_up_scenario, observe

TERMS_SEED = 1


def made_up_features(spec: FeatureSpec, count: int = 3) -> dict[str, Any]:
    """Tensors of ``count`` made-up scenes, built by the one feature builder."""
    import torch

    from roadcraft.core.driving.features import build_features, scenes_of

    scenarios = [made_up_scenario(f"{i + 1:016x}", speed_mps=4.0 + 2 * i, lane=i % 2) for i in range(count)]
    arrays = build_features(spec, scenes_of(observe(scenarios, 30), spec))
    return {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in arrays.items()}


class EncoderConformance:
    """Subclass it, set ``name``: shapes, finiteness under gradient, independence of the batch at equal batch size, reported latency."""

    name: ClassVar[str]
    params: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def encoder(self) -> Any:
        import torch

        torch.manual_seed(TERMS_SEED)
        return create("encoder", self.name, self.params).eval()

    def test_encoding_keeps_the_contract(self, encoder: Any) -> None:
        import torch

        encoding, _ = encoder.encode(made_up_features(encoder.features()), None)
        assert isinstance(encoding, SceneEncoding)
        b, n, d = encoding.tokens.shape
        assert (b, d) == (3, encoder.dim)
        assert encoding.mask.shape == (b, n)
        assert encoding.mask.dtype == torch.bool
        assert encoding.pose.shape == (b, n, 3)
        assert encoding.kind.shape == (b, n)
        assert encoding.ego.shape == (b,)
        assert encoding.mask[torch.arange(b), encoding.ego].all(), "the ego's token is real"
        assert torch.isfinite(encoding.tokens[encoding.mask]).all()

    def test_scenes_do_not_mix(self, encoder: Any) -> None:
        import torch

        features = made_up_features(encoder.features())
        swapped = {k: v[[0, 2, 1]] for k, v in features.items()}
        with torch.no_grad():
            a, b = encoder.encode(features, None)[0], encoder.encode(swapped, None)[0]
        torch.testing.assert_close(a.tokens[0], b.tokens[0], rtol=0, atol=0)

    def test_latency_is_reported(self, encoder: Any, record_property: Any) -> None:
        import torch

        features = {k: v[:1] for k, v in made_up_features(encoder.features()).items()}
        times = []
        with torch.no_grad():
            for _ in range(5):
                began = time.perf_counter()
                encoder.encode(features, None)
                times.append(time.perf_counter() - began)
        record_property("latency_ms_batch_1", round(1e3 * float(np.median(times)), 3))


class ModelConformance:
    """Subclass it, set ``name`` (and ``encoder``, the one it is tried with): shapes, finite loss and gradients, a step of training lowers the loss."""

    name: ClassVar[str]
    params: ClassVar[dict[str, Any]] = {}
    encoder: ClassVar[str] = "vector_transformer"

    @pytest.fixture
    def pair(self) -> tuple[Any, Any]:
        import torch

        torch.manual_seed(TERMS_SEED)
        encoder = create("encoder", self.encoder)
        return encoder, create("model", self.name, self.params, dim=encoder.dim, features=encoder.features())

    def targets(self, model: Any, features: dict[str, Any]) -> dict[str, Any]:
        """The features, and straight on at 5 m/s for the ego."""
        import torch

        spec, count = model.features(), len(features["ego"])
        t = torch.arange(1, spec.future_steps + 1) * spec.future_interval_s
        ego = torch.zeros(count, spec.future_steps, 5)
        ego[..., 0], ego[..., 2], ego[..., 4] = 5.0 * t, 1.0, 5.0
        return {
            **features,
            "ego_future": ego,
            "ego_future_valid": torch.ones(count, spec.future_steps, dtype=torch.bool),
            "agent_future": torch.zeros(count, spec.future_agents, spec.future_steps, 4),
            "agent_future_valid": torch.zeros(count, spec.future_agents, spec.future_steps, dtype=torch.bool),
        }

    def test_prediction_keeps_the_contract(self, pair: tuple[Any, Any]) -> None:
        import torch

        from roadcraft.core.driving.features import merge_specs

        encoder, model = (m.eval() for m in pair)
        features = made_up_features(merge_specs(encoder.features(), model.features()))
        with torch.no_grad():
            encoding, _ = encoder.encode(features, None)
            keys = np.arange(3, dtype=np.uint64)
            for prediction in (model(encoding, features), model.sample(encoding, features, keys)):
                assert isinstance(prediction, Prediction)
                b, k, t, s = prediction.ego.shape
                assert b == 3
                assert s >= 4
                assert prediction.logits.shape == (b, k)
                assert prediction.time_s.shape == (t,)
                assert torch.isfinite(prediction.ego).all()
                if prediction.agents is not None:
                    foreseen = prediction.agents.shape[:4]
                    assert foreseen in {(b, model.features().future_agents, ways, t) for ways in (1, k)}, (
                        "agents (B, A, K', T, S)"
                    )
            again = model.sample(encoding, features, keys)
        torch.testing.assert_close(prediction.ego, again.ego, rtol=0, atol=0, msg="equal keys give equal samples")

    def test_a_step_of_training_lowers_the_loss(self, pair: tuple[Any, Any]) -> None:
        import torch

        from roadcraft.core.driving.features import merge_specs

        encoder, model = pair
        features = made_up_features(merge_specs(encoder.features(), model.features()))
        targets = self.targets(model, features)
        optimiser = torch.optim.AdamW([*encoder.parameters(), *model.parameters()], lr=1e-3)
        losses = []
        for _ in range(12):
            torch.manual_seed(TERMS_SEED)
            terms = model.loss(model(encoder.encode(features, None)[0], features), targets)
            total = torch.stack(list(terms.values())).sum()
            assert torch.isfinite(total), terms
            optimiser.zero_grad()
            torch.autograd.backward(total)
            optimiser.step()
            losses.append(float(total.detach()))
        assert min(losses[6:]) < losses[0]
