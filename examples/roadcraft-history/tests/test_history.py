"""roadcraft's conformance suites on both plugins, and what the history holds."""

from __future__ import annotations

import numpy as np
import pytest

from roadcraft.core import FeatureSpec
from roadcraft.core.testing import EncoderConformance, FeatureConformance, made_up_features

pytest.importorskip("torch")
pytest.importorskip("roadcraft_history", reason="not installed: pip install -e examples/roadcraft-history")


class TestEgoHistory(FeatureConformance):
    name = "ego_history"


class TestVectorHistory(EncoderConformance):
    name = "vector_history"


def test_the_history_of_a_steady_drive() -> None:
    features = made_up_features(FeatureSpec({"ego_history": {"steps": 6}}), 2)
    history, speed = features["ego_history"].numpy(), features["ego"][:, :1].numpy()
    assert features["ego_history_valid"].all()
    np.testing.assert_allclose(history[..., 0], speed * 0.1 * np.arange(-5, 1), atol=1e-3)
    np.testing.assert_allclose(history[..., 1:4], np.broadcast_to([0.0, 1.0, 0.0], (2, 6, 3)), atol=1e-5)
    np.testing.assert_allclose(history[..., 4], np.broadcast_to(speed, (2, 6)), atol=1e-5)


def test_frames_that_nobody_knows_are_marked() -> None:
    features = made_up_features(FeatureSpec({"ego_history": {"steps": 40}}), 1)
    known = features["ego_history_valid"][0].numpy()
    assert known[-21:].all()  # as many as the scene's past_steps
    assert not known[:-21].any()
    assert not features["ego_history"][0, :-21].any()
