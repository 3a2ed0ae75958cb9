"""An encoder and a model, put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roadcraft.core.config.factory import create
from roadcraft.core.driving.features.build import merge_specs
from roadcraft.core.driving.features.views import FeatureView
from roadcraft.core.errors import PluginError
from roadcraft.core.interfaces import accepts
from roadcraft.core.plugins.registry import registry
from roadcraft.core.types import TARGETS, FeatureSpec, Losses, Prediction, SceneEncoding

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Network:
    """An encoder and a model that fit each other, and the features that serve both."""

    encoder: Any
    """A ``SceneEncoder``."""
    model: Any
    """A ``BehaviorModel``."""
    features: FeatureSpec
    """The features that serve both."""

    def __post_init__(self) -> None:
        for name in ("encoder", "model"):
            object.__setattr__(self, f"_{name}_view", FeatureView(getattr(self, name).features(), self.features))
        object.__setattr__(self, "_forced", accepts(self.model.forward, "targets"))
        object.__setattr__(self, "_encoded", accepts(self.model.loss, "encoding"))

    def encode(self, features: Mapping[str, Tensor], cache: Any = None) -> tuple[SceneEncoding, Any]:
        """The encoder's answer to a batch of ``features``, of which it sees as much as it asked for."""
        answer: tuple[SceneEncoding, Any] = self.encoder.encode(self._encoder_view(features), cache)  # type: ignore[attr-defined]
        return answer

    def for_model(self, features: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """As much of a batch as the model asked for."""
        seen: Mapping[str, Tensor] = self._model_view(features)  # type: ignore[attr-defined]
        return seen

    def losses(self, batch: Mapping[str, Tensor], training: bool = True) -> tuple[Losses, Prediction, SceneEncoding]:
        """What the model says of a batch of features and targets, and what that costs; the encoder sees no
        target, ``forward`` none unless it takes them, in training."""
        features, targets = {k: v for k, v in batch.items() if k not in TARGETS}, self.for_model(batch)
        encoding, _ = self.encode(features)
        forced = {"targets": targets} if training and self._forced else {}  # type: ignore[attr-defined]
        prediction: Prediction = self.model(encoding, self.for_model(features), **forced)
        encoded = {"encoding": encoding} if self._encoded else {}  # type: ignore[attr-defined]
        return Losses.of(self.model.loss(prediction, targets, **encoded)), prediction, encoding

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turns what a network raises over features that nobody asked for into a PluginError that names them and who
        asks for what."""
        try:
            yield
        except (IndexError, KeyError, RuntimeError, ZeroDivisionError) as e:
            spec = self.features
            empty = sorted(
                {a for k in spec.written for a in spec.tensors[k][1].axes if isinstance(a, str) and not spec.size(a)}
            )
            absent = [] if not isinstance(e, KeyError) or e.args[0] in spec.tensors else [f"no group has {e.args[0]!r}"]
            if not empty and not absent:
                raise
            parts = {kind: type(getattr(self, kind)).__name__ for kind in ("encoder", "model")}
            asked = "; ".join(
                f"{kind} {name}: {_groups(getattr(self, kind).features())}" for kind, name in parts.items()
            )
            said = ", ".join([f"{a} = 0" for a in empty] + absent)
            raise PluginError(
                f"the network failed on its features ({type(e).__name__}: {e}): {said}. Groups asked for by {asked}. "
                "What a network reads its features() must ask for"
            ) from e

    @contextmanager
    def inference(self) -> Iterator[None]:
        """One thread and no gradients, errors ``explained``: what a scene gets does not depend on its neighbors in a
        batch, bit for bit."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode(), self.explained():
                yield
        finally:
            torch.set_num_threads(threads)

    def state(self) -> dict[str, Tensor]:
        """Weights by name, ``encoder.*`` and ``model.*``."""
        parts = (("encoder", self.encoder), ("model", self.model))
        return {f"{part}.{k}": v for part, module in parts for k, v in module.state_dict().items()}


def _groups(spec: FeatureSpec) -> str:
    """The groups of which an encoder or model gets rows."""
    full = {group for group, t in spec.tensors.values() if all(isinstance(a, int) or spec.size(a) for a in t.axes)}
    return ", ".join(name for name in spec.groups if name in full)


def build_network(encoder: Mapping[str, Any], model: Mapping[str, Any]) -> Network:
    """The plugins of the given ``{name, params}``, put together. Raises PluginError or ConfigError."""
    enc = _module("encoder", encoder["name"], create("encoder", encoder["name"], encoder.get("params") or {}))
    offered = enc.features()
    made = create("model", model["name"], model.get("params") or {}, dim=enc.dim, features=offered)
    mod = _module("model", model["name"], made)
    return Network(enc, mod, merge_specs(offered, mod.features()))


def _module(kind: str, name: str, made: Any) -> Any:
    """What was made, where it has what its interface asks for. Raises PluginError."""
    from torch import nn

    if not isinstance(made, nn.Module):
        raise PluginError(
            f"{kind} {name} is a {type(made).__name__}, not a torch.nn.Module: its weights could be neither trained "
            "nor stored"
        )
    interface = {"encoder": ("dim", "features", "encode"), "model": ("features", "loss", "sample")}
    if absent := [a for a in interface[kind] if not hasattr(made, a)]:
        what = f"{registry().find(kind, name)}: {type(made).__name__} has no {' and no '.join(absent)}"
        raise PluginError(f"{what}; `roadcraft new {kind} NAME` writes one that is whole")
    return made
