"""Every tensor between features, encoders and models has the shape and the type that the contract says, as jaxtyping
and beartype check it at run time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from beartype import beartype
from beartype.roar import BeartypeException
from jaxtyping import Bool, Float, Int64, TypeCheckError, jaxtyped
from torch import Tensor

from roadcraft.core import FeatureSpec, Prediction, SceneEncoding
from roadcraft.core.plugins.registry import registry
from roadcraft.core.testing import ModelConformance

checked = jaxtyped(typechecker=beartype)
ENCODERS, MODELS = registry().names("encoder"), registry().names("model")


@checked
def encode(
    ego: Float[Tensor, "b 7"],
    agent: Float[Tensor, "b a p 6"],
    agent_valid: Bool[Tensor, "b a p"],
    tokens: Float[Tensor, "b n d"],
    mask: Bool[Tensor, "b n"],
    pose: Float[Tensor, "b n 3"],
    kind: Int64[Tensor, "b n"],
    at: Int64[Tensor, " b"],
) -> None:
    """The features that every encoder reads, and what it makes of them; letters that occur twice stand for one size."""


@checked
def predict(
    tokens: Float[Tensor, "b n d"],
    ego_future: Float[Tensor, "b t 5"],
    ego_future_valid: Bool[Tensor, "b t"],
    agent_future: Float[Tensor, "b f t 4"],
    agent_future_valid: Bool[Tensor, "b f t"],
    ego: Float[Tensor, "b k t s"],
    logits: Float[Tensor, "b k"],
    agents: Float[Tensor, "b f w t s2"] | None,
    time_s: Float[Tensor, " t"],
) -> None:
    """Targets and a prediction for the same scenes and times."""


def check_encoding(features: Any, encoding: SceneEncoding) -> None:
    seen = (features["ego"], features["agent"], features["agent_valid"])
    encode(*seen, encoding.tokens, encoding.mask, encoding.pose, encoding.kind, encoding.ego)


def check_prediction(targets: Any, encoding: SceneEncoding, found: Prediction) -> None:
    future = (targets[k] for k in ("ego_future", "ego_future_valid", "agent_future", "agent_future_valid"))
    predict(encoding.tokens, *future, found.ego, found.logits, found.agents, found.time_s)


def pair(encoder: str, model: str) -> tuple[ModelConformance, tuple[Any, Any]]:
    suite: ModelConformance = type("Suite", (ModelConformance,), {"name": model, "encoder": encoder})()
    return suite, suite.make()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_shapes_of_every_pair(encoder: str, model: str) -> None:
    suite, (enc, mod) = pair(encoder, model)
    features = suite.targets(mod, suite.scenes((enc, mod), 2))
    with torch.no_grad():
        encoding, seen = suite.views((enc, mod), features)
        check_encoding(features, encoding)
        check_prediction(seen, encoding, mod(encoding, seen))
        mod.eval()
        check_prediction(seen, encoding, mod.sample(encoding, seen, np.arange(2, dtype=np.uint64)))


@pytest.fixture(scope="module")
def good() -> tuple[Any, SceneEncoding, Any, Prediction]:
    suite, (enc, mod) = pair("vector_transformer", "multimodal")
    features = suite.targets(mod, suite.scenes((enc, mod), 2))
    with torch.no_grad():
        encoding, seen = suite.views((enc, mod), features)
        return features, encoding, seen, mod(encoding, seen)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("mask", lambda x: x[:, :-1]),
        ("mask", lambda x: x.float()),
        ("pose", lambda x: x[..., :2]),
        ("kind", lambda x: x.int()),
        ("ego", lambda x: x[:, None]),
        ("tokens", lambda x: x[:1]),
    ],
)
def test_one_wrong_tensor_of_an_encoding_is_caught(good: Any, name: str, wrong: Any) -> None:
    features, encoding, _, _ = good
    check_encoding(features, encoding)
    with pytest.raises((TypeCheckError, BeartypeException)):
        check_encoding(features, replace(encoding, **{name: wrong(getattr(encoding, name))}))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("ego", lambda x: x[:, :, :-1]),
        ("ego", lambda x: x.double().long()),
        ("logits", lambda x: x[..., None]),
        ("logits", lambda x: torch.cat([x, x], 1)),
        ("time_s", lambda x: x[:-1]),
        ("agents", lambda x: torch.zeros(2, 1, 1, 3, 4)),
    ],
)
def test_one_wrong_tensor_of_a_prediction_is_caught(good: Any, name: str, wrong: Any) -> None:
    _, encoding, targets, prediction = good
    check_prediction(targets, encoding, prediction)
    with pytest.raises((TypeCheckError, BeartypeException)):
        check_prediction(targets, encoding, replace(prediction, **{name: wrong(getattr(prediction, name))}))


def test_features_are_those_of_the_specification() -> None:
    """The sizes above are the specification's, whose names a reader knows."""
    suite, (enc, mod) = pair("vector_transformer", "multimodal")
    spec: FeatureSpec = enc.features()
    features = suite.scenes((enc, mod), 2)
    assert features["agent"].shape[1:3] == (spec.agents, spec.past_steps)
