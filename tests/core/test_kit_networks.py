"""The conformance kit of encoders and models lets good ones pass and catches each breach of the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from inspect import signature
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from roadcraft.core import FeatureSpec, Losses, Prediction, SceneEncoding, TokenKind, create
from roadcraft.core.testing import EncoderConformance, ModelConformance, encoder, model

SPEC = FeatureSpec(
    agents=4, past_steps=3, static=2, lanes=3, lane_points=10, route_lanes=0, crosswalks=1, reference_lines=0,
    future_agents=2, radius_m=80.0,
)  # fmt: skip


class Encoder(nn.Module):
    """Tokens of the ego and the agents."""

    dim = 8

    def __init__(self, config: Any = None) -> None:
        super().__init__()
        self.ego, self.agent = nn.Linear(7, self.dim), nn.Linear(6, self.dim)

    def features(self) -> FeatureSpec:
        return SPEC

    def encode(self, features: Any, cache: Any = None) -> tuple[SceneEncoding, Any]:
        now, seen = features["agent"][:, :, -1], features["agent_valid"][:, :, -1]
        tokens = torch.cat([self.ego(features["ego"])[:, None], self.agent(now) * seen[..., None]], 1)
        mask = torch.cat([torch.ones_like(seen[:, :1]), seen], 1)
        pose = torch.cat([now.new_zeros(len(now), 1, 3), torch.cat([now[..., :2], now[..., 3:4]], -1)], 1)
        kind = torch.full(mask.shape, TokenKind.AGENT, device=now.device)
        kind[:, 0] = TokenKind.EGO
        return SceneEncoding(tokens, mask, pose, kind, torch.zeros_like(kind[:, 0])), cache


class Model(nn.Module):
    """Straight on, and what the ego's token adds."""

    modes = 2

    def __init__(self, config: Any = None, *, dim: int, features: FeatureSpec) -> None:
        super().__init__()
        self.spec = replace(features, future_steps=10)
        self.out = nn.Linear(dim, self.modes * 31)

    def features(self) -> FeatureSpec:
        return self.spec

    def forward(self, encoding: SceneEncoding, features: Any) -> Prediction:
        raw = self.out(encoding.tokens[:, 0]).unflatten(-1, (self.modes, 31))
        t = self.spec.future_interval_s * torch.arange(1, 11, device=raw.device)
        x = raw[..., :10] + features["ego"][:, :1, None] * t
        angle = 0.1 * raw[..., 20:30]
        ego = torch.stack([x, raw[..., 10:20], angle.cos(), angle.sin()], -1)
        return Prediction(ego, raw[..., 30], None, t)

    def loss(self, prediction: Prediction, targets: Any) -> dict[str, Tensor]:
        goal, valid = targets["ego_future"][:, None, :, :4], targets["ego_future_valid"][:, None, :, None]
        gap = functional.smooth_l1_loss(prediction.ego, goal.expand_as(prediction.ego), reduction="none")
        return {
            "trajectory": (gap * valid).sum() / valid.sum().clamp_min(1),
            "choice": 0.01 * prediction.logits.square().mean(),
        }

    def sample(self, encoding: SceneEncoding, features: Any, keys: Any) -> Prediction:
        return self(encoding, features)


ENCODER_CHECKS = [n for n in dir(EncoderConformance) if n.startswith("test_")]
MODEL_CHECKS = [n for n in dir(ModelConformance) if n.startswith("test_")]


def run_check(monkeypatch: pytest.MonkeyPatch, kind: str, made: Callable[..., Any], check: str) -> None:
    """One check of the kit on a plugin that is not installed."""

    def find(wanted: str, name: str, params: Any = None, **context: Any) -> Any:
        if name == "mine":
            return made(None, **context)
        return Encoder() if name == "tiny" else create(wanted, name, params, **context)

    for module in (encoder, model):
        monkeypatch.setattr(module, "create", find)
    if kind == "encoder":
        encoders = type("Suite", (EncoderConformance,), {"name": "mine"})()
        getattr(encoders, check)(encoders.make().eval())
        return
    models = type(
        "Suite", (ModelConformance,), {"name": "mine", "encoder": "tiny", "other_encoder": "vector_transformer"}
    )()
    method = getattr(models, check)
    method(models.make()) if "pair" in signature(method).parameters else method()


@pytest.mark.parametrize("check", ENCODER_CHECKS)
def test_a_good_encoder_passes(check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_check(monkeypatch, "encoder", Encoder, check)


@pytest.mark.parametrize("check", MODEL_CHECKS)
def test_a_good_model_passes(check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_check(monkeypatch, "model", Model, check)


# ---- breaches ------------------------------------------------------------------------------------------------------


def encodes(change: Callable[[SceneEncoding, Any], SceneEncoding]) -> type[Encoder]:
    class Bad(Encoder):
        def encode(self, features: Any, cache: Any = None) -> tuple[SceneEncoding, Any]:
            return change(super().encode(features)[0], features), cache

    return Bad


def predicts(change: Callable[[Prediction, Any], Prediction]) -> type[Model]:
    class Bad(Model):
        def forward(self, encoding: SceneEncoding, features: Any) -> Prediction:
            return change(super().forward(encoding, features), features)

    return Bad


def loses(change: Callable[[dict[str, Tensor], Any], dict[str, Tensor]]) -> type[Model]:
    class Bad(Model):
        def loss(self, prediction: Prediction, targets: Any) -> dict[str, Tensor]:
            return change(super().loss(prediction, targets), targets)

    return Bad


class NoModule:
    dim = 8

    def __init__(self, *_: Any, **__: Any) -> None:
        pass


class Forgetful(Encoder):
    """Holds what is no weight and no buffer."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.hidden = torch.randn(self.dim)

    def encode(self, features: Any, cache: Any = None) -> tuple[SceneEncoding, Any]:
        encoding, _ = super().encode(features)
        return replace(encoding, tokens=encoding.tokens + self.hidden), cache


class ForgetfulModel(Model):
    def __init__(self, config: Any = None, **context: Any) -> None:
        super().__init__(config, **context)
        self.hidden = torch.randn(10)

    def forward(self, encoding: SceneEncoding, features: Any) -> Prediction:
        p = super().forward(encoding, features)
        return replace(p, ego=p.ego + functional.pad(self.hidden[:, None], (0, 3)))


class Homebound(Encoder):
    """Makes tensors on the CPU."""

    def encode(self, features: Any, cache: Any = None) -> tuple[SceneEncoding, Any]:
        encoding, _ = super().encode(features)
        return replace(encoding, ego=torch.zeros(len(encoding.tokens), dtype=torch.int64)), cache


class Stiff(Model):
    """Knows how many agents there are."""

    def __init__(self, config: Any = None, **context: Any) -> None:
        super().__init__(config, **context)
        self.agents = nn.Linear(4 * 6, 10)

    def forward(self, encoding: SceneEncoding, features: Any) -> Prediction:
        p = super().forward(encoding, features)
        return replace(
            p,
            ego=p.ego
            + 1e-3 * functional.pad(self.agents(features["agent"][:, :, -1].flatten(1))[:, None, :, None], (0, 3)),
        )


class Fond(Model):
    """Works with its own encoder alone."""

    def forward(self, encoding: SceneEncoding, features: Any) -> Prediction:
        assert encoding.tokens.shape[1] == 5, "five tokens"
        return super().forward(encoding, features)


class Random(Model):
    def sample(self, encoding: SceneEncoding, features: Any, keys: Any) -> Prediction:
        p = self(encoding, features)
        return replace(p, ego=torch.cat([p.ego[..., :2] + torch.rand(1), p.ego[..., 2:]], -1))


class Unkeyed(Model):
    """Draws for the place in the batch, not for the key."""

    def sample(self, encoding: SceneEncoding, features: Any, keys: Any) -> Prediction:
        p = self(encoding, features)
        drawn = torch.from_numpy(np.random.default_rng(0).random((len(keys), 1, 1, 1), np.float32))
        return replace(p, ego=torch.cat([p.ego[..., :2] + drawn.flip(0), p.ego[..., 2:]], -1))


class Stubborn(Model):
    """Does not learn."""

    def loss(self, prediction: Prediction, targets: Any) -> dict[str, Tensor]:
        return {"nothing": 0.0 * prediction.ego.sum() + 1.0}


class SideTermOnly(Model):
    """Learns its small second term alone."""

    def loss(self, prediction: Prediction, targets: Any) -> dict[str, Tensor]:
        terms = super().loss(prediction, targets)
        return {**terms, "trajectory": terms["trajectory"].detach()}


def soil(x: Tensor, value: float) -> Tensor:
    return x + torch.full_like(x, value)


def swap(x: Tensor) -> Tensor:
    return x.roll(1, 1)


class Narrow(Encoder):
    """Puts what a layer says into a tensor of the features' type."""

    def encode(self, features: Any, cache: Any = None) -> tuple[SceneEncoding, Any]:
        encoding, _ = super().encode(features)
        tokens = torch.zeros_like(encoding.tokens, dtype=features["ego"].dtype)
        tokens[encoding.mask] = encoding.tokens[encoding.mask]
        return replace(encoding, tokens=tokens), cache


class Switching(Model):
    """Leaves training mode."""

    def loss(self, prediction: Prediction, targets: Any) -> dict[str, Tensor]:
        self.eval()
        return super().loss(prediction, targets)


class ValueShaped(Model):
    """Looks at the agents that are there alone."""

    def forward(self, encoding: SceneEncoding, features: Any) -> Prediction:
        p = super().forward(encoding, features)
        there = features["agent"][features["agent_valid"]]
        return replace(p, logits=p.logits + 1e-6 * there.sum())


CONTRACT, MIX, GRADIENTS = "test_encoding_keeps_the_contract", "test_scenes_do_not_mix", "test_gradients_are_finite"
RELOAD, DEVICE, EMPTY = (
    "test_weights_are_all_that_has_to_be_stored",
    "test_it_runs_on_the_device_of_its_features",
    "test_an_empty_road_is_encoded",
)
BFLOAT16, GPU = "test_it_runs_in_bfloat16", "test_it_runs_on_a_gpu"
BAD_ENCODERS: list[tuple[str, Any, str]] = [
    ("not a torch.nn.Module|a torch.nn.Module, not", NoModule, CONTRACT),
    ("encode gives", type("Bad", (Encoder,), {"encode": lambda self, features, cache=None: (1, None)}), CONTRACT),
    ("tokens \\(B, N, dim\\)", encodes(lambda e, f: replace(e, tokens=e.tokens[..., :4])), CONTRACT),
    ("mask \\(B, N\\) bool", encodes(lambda e, f: replace(e, mask=e.mask.long())), CONTRACT),
    ("kind \\(B, N\\) int64", encodes(lambda e, f: replace(e, kind=e.kind.float())), CONTRACT),
    ("ego \\(B,\\) int64", encodes(lambda e, f: replace(e, ego=e.ego[:, None])), CONTRACT),
    ("the ego's token is real", encodes(lambda e, f: replace(e, mask=e.mask & (e.kind != TokenKind.EGO))), CONTRACT),
    ("real tokens are finite", encodes(lambda e, f: replace(e, tokens=soil(e.tokens, float("nan")))), CONTRACT),
    ("codes of TokenKind", encodes(lambda e, f: replace(e, kind=e.kind + 90)), CONTRACT),
    ("the same in every scene", encodes(lambda e, f: replace(e, kind=e.kind + functional.pad(torch.ones_like(e.kind[1:,
    :1]), (4, 0, 1, 0)))), CONTRACT),
    ("of kind EGO", encodes(lambda e, f: replace(e, kind=torch.full_like(e.kind, TokenKind.LANE))), CONTRACT),
    ("AGENT stand together", encodes(lambda e, f: replace(e, kind=e.kind + 2 * (torch.arange(5) == 2))), CONTRACT),
    ("follow the feature agent|that of the agent", encodes(lambda e, f: replace(e, mask=swap(e.mask).index_fill(1,
    torch.tensor([0]), 1), pose=swap(e.pose))), CONTRACT),
    ("the pose of an AGENT", encodes(lambda e, f: replace(e, pose=e.pose * 0.02)), CONTRACT),
    ("real tokens are finite", encodes(lambda e, f: replace(e, tokens=e.tokens / f["lane_mask"].sum(1).view(-1, 1, 1))),
    EMPTY),
    ("gradients that are not finite", encodes(lambda e, f: replace(e, tokens=(e.tokens - e.tokens.detach()).sqrt())),
    GRADIENTS),
    ("no gradient reaches", encodes(lambda e, f: replace(e, tokens=e.tokens * 0.0)), GRADIENTS),
    ("depend on its neighbors", encodes(lambda e, f: replace(e, tokens=e.tokens - e.tokens.mean(0))), MIX),
    ("a scene alone", encodes(lambda e, f: replace(e, tokens=e.tokens * len(e.tokens))), MIX),
    ("a reloaded encoder", Forgetful, RELOAD),
    ("is not on the device", Homebound, DEVICE),
    ("dtypes match", Narrow, BFLOAT16),
]  # fmt: skip

PREDICTION, LOSS = "test_prediction_keeps_the_contract", "test_loss_and_gradients_are_finite"
BAD_MODELS: list[tuple[str, Any, str]] = [
    ("a torch.nn.Module, not", NoModule, PREDICTION),
    ("give a Prediction", predicts(lambda p, f: p.ego), PREDICTION),  # type: ignore[arg-type, return-value]
    ("the columns of ego", predicts(lambda p, f: replace(p, ego=p.ego[..., :3])), PREDICTION),
    ("T is future_steps = 10, not 8", predicts(lambda p, f: replace(p, ego=p.ego[:, :, :8], time_s=p.time_s[:8])),
    PREDICTION),
    ("logits \\(B, K\\)", predicts(lambda p, f: replace(p, logits=p.logits[:, :1])), PREDICTION),
    ("trajectories are finite", predicts(lambda p, f: replace(p, ego=soil(p.ego, float("inf")))), PREDICTION),
    ("logits are finite", predicts(lambda p, f: replace(p, logits=soil(p.logits, float("nan")))), PREDICTION),
    ("logits are finite", predicts(lambda p, f: replace(p, logits=soil(p.logits, float("-inf")))), PREDICTION),
    ("has a candidate", predicts(lambda p, f: replace(p, logits=torch.full_like(p.logits,
    torch.finfo(p.logits.dtype).min))), PREDICTION),
    ("a unit vector", predicts(lambda p, f: replace(p, ego=p.ego * 4.0)), PREDICTION),
    ("time_s rises", predicts(lambda p, f: replace(p, time_s=-p.time_s)), PREDICTION),
    ("time_s rises", predicts(lambda p, f: replace(p, time_s=2.0 * p.time_s)), PREDICTION),
    ("K' = K or 1", predicts(lambda p, f: replace(p, agents=torch.zeros(len(p.ego), 2, 3, 10, 4))), PREDICTION),
    ("futures of agents are finite", predicts(lambda p, f: replace(p, agents=torch.full((len(p.ego), 2, 1, 10, 4),
    torch.nan))), PREDICTION),
    ("equal keys give equal samples", Random, PREDICTION),
    ("trajectories are finite", predicts(lambda p, f: replace(p, ego=p.ego / f["agent_valid"].any(-1).sum(1).view(-1, 1,
    1, 1))), "test_an_empty_road_is_driven"),
    ("depends on its neighbors", predicts(lambda p, f: replace(p, logits=p.logits - p.logits.mean(0))), MIX),
    ("a scene alone", Unkeyed, MIX),
    ("a scene alone", predicts(lambda p, f: replace(p, ego=torch.cat([p.ego[..., :2] + len(p.ego), p.ego[..., 2:]],
    -1))), MIX),
    ("the loss term trajectory is nan", loses(lambda t,
    f: {"trajectory": t["trajectory"] / f["ego_future_valid"].sum() * f["ego_future_valid"].sum()}), LOSS),
    ("is one number", loses(lambda t, f: {"trajectory": t["trajectory"][None]}), LOSS),
    ("at least one named term", loses(lambda t, f: {}), LOSS),
    ("gradients that are not finite", loses(lambda t, f: {"root": (t["choice"] - t["choice"].detach()).sqrt()}), LOSS),
    ("five tokens", Fond, "test_it_works_beside_another_encoder"),
    ("cannot be multiplied", Stiff, "test_it_takes_the_capacities_it_is_told"),
    ("a reloaded model", ForgetfulModel, RELOAD),
    ("is not on the device", predicts(lambda p, f: replace(p, time_s=0.1 * torch.arange(1, 11))), DEVICE),
    ("nonzero", ValueShaped, DEVICE),
    ("without overflow", predicts(lambda p, f: replace(p, logits=p.logits.masked_fill(p.logits > 1e9,
    torch.finfo(torch.float32).min))), BFLOAT16),
    ("extras\\['scale'\\] \\(B, K or 1", predicts(lambda p, f: replace(p, extras={"scale": p.ego[:, :, 0].flatten(1)})),
    PREDICTION),
    ("extras\\['scale'\\] is finite", predicts(lambda p, f: replace(p, extras={"scale": soil(p.ego, float("nan"))})),
    PREDICTION),
    ("summed or only logged", loses(lambda t, f: Losses(t, {"choice": t["choice"]})), LOSS),
    # type: ignore[arg-type, return-value]
    ("the diagnostic width is one number", loses(lambda t, f: Losses(t, {"width": f["ego"]})), LOSS),
    # type: ignore[arg-type, return-value]
    ("leave training", Switching, LOSS),
    ("in 12 steps", Stubborn, "test_training_lowers_the_loss"),
    ("in 12 steps", SideTermOnly, "test_training_lowers_the_loss"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "made", "check"), BAD_ENCODERS, ids=[f"{k}-{c[5:]}" for k, (_, _, c) in enumerate(BAD_ENCODERS)]
)
def test_a_bad_encoder_is_caught(said: str, made: Any, check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((AssertionError, RuntimeError), match=said):
        run_check(monkeypatch, "encoder", made, check)


@pytest.mark.parametrize(
    ("said", "made", "check"), BAD_MODELS, ids=[f"{k}-{c[5:]}" for k, (_, _, c) in enumerate(BAD_MODELS)]
)
def test_a_bad_model_is_caught(said: str, made: Any, check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((AssertionError, RuntimeError), match=said):
        run_check(monkeypatch, "model", made, check)


def test_every_check_catches_something() -> None:
    """But those that need a GPU."""
    assert {c for _, _, c in BAD_ENCODERS} == set(ENCODER_CHECKS) - {GPU}
    assert {c for _, _, c in BAD_MODELS} == set(MODEL_CHECKS) - {GPU}
