"""What the conformance of encoders and of models have in common (needs torch): scenes as tensors, gradients, weights,
devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from roadcraft.core.testing.world import made_up_scenario, observe
from roadcraft.core.types import FeatureSpec

TERMS_SEED = 1
KEPT = (
    "ego",
    "vehicle",
    "reference",
    "reference_mask",
    "reference_valid",
    "reference_info",
    "raster",
)  # of an empty road


def made_up_features(spec: FeatureSpec, count: int = 3) -> dict[str, Any]:
    """Tensors of ``count`` made-up scenes, built by the one feature builder."""
    import torch

    from roadcraft.core.driving.features.build import build_features
    from roadcraft.core.driving.features.scene import scenes_of

    scenarios = [made_up_scenario(f"{i + 1:016x}", speed_mps=4.0 + 2 * i, lane=i % 2) for i in range(count)]
    arrays = build_features(spec, scenes_of(observe(scenarios, 30), spec))
    return {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in arrays.items()}


def empty_road(features: Mapping[str, Any]) -> dict[str, Any]:
    """The same scenes with nobody and nothing around but the lines ahead."""
    return {k: v.clone() if k in KEPT else v.new_zeros(v.shape) for k, v in features.items()}


def rows_of(features: Mapping[str, Any], rows: list[int]) -> dict[str, Any]:
    """Some scenes of a batch."""
    return {k: v[rows] for k, v in features.items()}


def check_gradients(*modules: Any) -> None:
    """All gradients are finite, and some are not zero."""
    found = {k: p.grad for module in modules for k, p in module.named_parameters() if p.grad is not None}
    bad = [k for k, grad in found.items() if not bool(grad.isfinite().all())]
    assert not bad, f"gradients that are not finite: {bad[:5]}"
    assert any(bool(grad.any()) for grad in found.values()), "no gradient reaches any weight"


def check_reload(module: Any, fresh: Any) -> None:
    """Give ``fresh`` the weights of ``module`` by way of the bytes that a checkpoint holds."""
    from safetensors.torch import load, save

    fresh.load_state_dict(load(save({k: v.contiguous() for k, v in module.state_dict().items()})))


def needs_gpu() -> None:
    """Skip where there is none."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("this machine has no GPU that torch can use")


def all_on(device: str, value: Any, names: Sequence[str]) -> None:
    """The named tensors of an answer are on the device."""
    for name in names:
        assert getattr(value, name).device.type == device, f"{name} is not on the device of the features"
