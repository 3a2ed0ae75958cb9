"""Conformance of scene encoders (needs torch)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

import pytest

from roadcraft.core.config.factory import create
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
from roadcraft.core.types import SceneEncoding, TokenKind


def check_encoding(encoding: Any, features: Mapping[str, Any], dim: int) -> None:
    """An encoding keeps the contract of ``SceneEncoding``."""
    import torch

    assert isinstance(encoding, SceneEncoding), "encode gives (SceneEncoding, cache)"
    b, n, d = encoding.tokens.shape
    assert (b, d) == (len(features["ego"]), dim), "tokens (B, N, dim)"
    assert (encoding.mask.shape, encoding.mask.dtype) == ((b, n), torch.bool), "mask (B, N) bool"
    assert encoding.pose.shape == (b, n, 3), "pose (B, N, 3)"
    assert (encoding.kind.shape, encoding.kind.dtype) == ((b, n), torch.int64), "kind (B, N) int64"
    assert (encoding.ego.shape, encoding.ego.dtype) == ((b,), torch.int64), "ego (B,) int64"
    rows = torch.arange(b)
    assert encoding.mask[rows, encoding.ego].all(), "the ego's token is real"
    assert torch.isfinite(encoding.tokens[encoding.mask]).all(), "real tokens are finite"
    assert torch.isfinite(encoding.pose[encoding.mask]).all(), "poses of real tokens are finite"
    known = {int(k) for k in TokenKind}
    assert set(encoding.kind.flatten().tolist()) <= known, f"kind holds codes of TokenKind: {sorted(known)}"
    assert (encoding.kind == encoding.kind[:1]).all(), "kind is the same in every scene"
    assert (encoding.kind[rows, encoding.ego] == TokenKind.EGO).all(), "the ego's token is of kind EGO"
    place = (encoding.kind[0] == TokenKind.AGENT).nonzero()[:, 0]
    count = len(place)
    if not count:
        return
    first = int(place[0])
    assert place.tolist() == list(range(first, first + count)), "tokens of kind AGENT stand together"
    now, seen = features["agent"][:, :, -1], features["agent_valid"][:, :, -1]
    assert count <= now.shape[1], "there are at most as many AGENT tokens as agents in the features"
    assert torch.equal(encoding.mask[:, first : first + count], seen[:, :count]), (
        "AGENT tokens follow the feature agent"
    )
    gap = (encoding.pose[:, first : first + count, :2] - now[:, :count, :2]).norm(dim=-1) * seen[:, :count]
    assert float(gap.max()) < 0.1, "the pose of an AGENT token is that of the agent, in meters"


class EncoderConformance:
    """Subclass it, set ``name``: shapes, kinds, finiteness (with nobody around, and of gradients), independence of the
    batch, a reload, the device of the features (``meta``, and a GPU where there is one), bfloat16."""

    name: ClassVar[str]
    """Name of the plugin under test."""
    params: ClassVar[dict[str, Any]] = {}
    """Its settings."""
    meta: ClassVar[str] = ""
    """Why the encoder cannot run on torch's meta device, where it cannot; '' where it can."""

    @pytest.fixture
    def encoder(self) -> Any:
        """The encoder under test, in evaluation mode."""
        return self.make().eval()

    def make(self, seed: int = TERMS_SEED) -> Any:
        """A fresh one."""
        import torch

        torch.manual_seed(seed)
        made = create("encoder", self.name, self.params)
        assert isinstance(made, torch.nn.Module), f"an encoder is a torch.nn.Module, not a {type(made).__name__}"
        return made

    def test_encoding_keeps_the_contract(self, encoder: Any) -> None:
        import torch

        features = made_up_features(encoder.features())
        with torch.no_grad():
            check_encoding(encoder.encode(features, None)[0], features, encoder.dim)

    def test_an_empty_road_is_encoded(self, encoder: Any) -> None:
        import torch

        features = empty_road(made_up_features(encoder.features()))
        with torch.no_grad():
            check_encoding(encoder.encode(features, None)[0], features, encoder.dim)

    def test_gradients_are_finite(self, encoder: Any) -> None:
        full = made_up_features(encoder.features())
        for features in (full, empty_road(full)):
            encoder.train().zero_grad()
            encoding, _ = encoder.encode(features, None)
            encoding.tokens[encoding.mask].square().mean().backward()
            check_gradients(encoder)

    def test_scenes_do_not_mix(self, encoder: Any) -> None:
        """Neither with their neighbors, bit for bit, nor with how many there are, but for rounding."""
        import torch

        features = made_up_features(encoder.features())
        with torch.no_grad():
            both, *others = (
                encoder.encode(rows_of(features, rows), None)[0].tokens[0]
                for rows in ([0, 1, 2], [0, 2, 1], [0, 0, 0], [0])
            )
        for other in others[:2]:
            torch.testing.assert_close(other, both, rtol=0, atol=0, msg="a scene's tokens depend on its neighbors")
        torch.testing.assert_close(others[2], both, rtol=1e-3, atol=1e-3, msg="a scene alone has other tokens")

    def test_weights_are_all_that_has_to_be_stored(self, encoder: Any) -> None:
        import torch

        features, fresh = made_up_features(encoder.features()), self.make(TERMS_SEED + 1).eval()
        check_reload(encoder, fresh)
        with torch.no_grad():
            one, two = (e.encode(features, None)[0].tokens for e in (encoder, fresh))
        torch.testing.assert_close(one, two, rtol=0, atol=0, msg="a reloaded encoder says something else")

    def test_it_runs_on_the_device_of_its_features(self, encoder: Any) -> None:
        """Tried on ``meta``, which every machine has and which computes nothing: a tensor made on the CPU fails there
        as it would on a GPU, and so does a shape that depends on a value. With gradients, too."""
        if self.meta:
            pytest.skip(self.meta)
        self.check_on("meta", encoder)

    def test_it_runs_on_a_gpu(self, encoder: Any) -> None:
        needs_gpu()
        features = {k: v.to("cuda") for k, v in made_up_features(encoder.features()).items()}
        check_encoding(self.check_on("cuda", encoder), features, encoder.dim)
        check_gradients(encoder)

    def check_on(self, device: str, encoder: Any) -> Any:
        """Encode there, and go back through the gradients."""
        features = {k: v.to(device) for k, v in made_up_features(encoder.features()).items()}
        encoding, _ = encoder.to(device).train().encode(features, None)
        all_on(device, encoding, [f.name for f in fields(encoding)])
        encoding.tokens.square().mean().backward()
        return encoding

    def test_it_runs_in_bfloat16(self, encoder: Any) -> None:
        """Under autocast, as with precision=bf16-mixed."""
        import torch

        features = made_up_features(encoder.features())
        with torch.autocast("cpu", torch.bfloat16):
            encoding, _ = encoder.train().encode(features, None)
            check_encoding(encoding, features, encoder.dim)
            total = encoding.tokens[encoding.mask].float().square().mean()
        total.backward()
        check_gradients(encoder)
