"""Conformance of training recipes (needs torch)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from roadcraft.core.config.factory import create
from roadcraft.core.interfaces import Recipe
from roadcraft.core.optimizer_groups import groups_from_text, groups_to_text
from roadcraft.core.plugins.registry import load_object, registry
from roadcraft.core.testing.model import ModelConformance
from roadcraft.core.testing.network import check_gradients
from roadcraft.core.types import Losses

STEPS = 50


class RecipeConformance:
    """Subclass it, set ``name``: every parameter in one group, an optimizer whose state can be stored, rates of a whole
    run, augmentation that keeps shapes and repeats, loss terms and diagnostics, callbacks whose state fits into JSON,
    two steps, and a third from what is stored of them."""

    name: ClassVar[str]
    """Name of the plugin under test."""
    params: ClassVar[dict[str, Any]] = {}
    """Its settings."""
    settings: ClassVar[dict[str, Any]] = {}
    """Settings of ``TrainConfig``."""
    encoder: ClassVar[str] = "vector_transformer"
    """Encoder of the network that is trained."""
    model: ClassVar[str] = "multimodal"
    """Model of the network that is trained."""

    @pytest.fixture
    def recipe(self) -> Recipe:
        """The recipe under test."""
        return self.make()

    def make(self) -> Recipe:
        """A fresh one, for a run of 50 steps."""
        command = registry().command("train")
        assert command is not None
        settings = load_object(command.spec.config, "train")(learning_rate=1e-3, steps=STEPS)
        recipe = create("recipe", self.name, self.params, settings=replace(settings, **self.settings))
        assert isinstance(recipe, Recipe), f"a recipe is a roadcraft.core.Recipe, not a {type(recipe).__name__}"
        return recipe

    def network(self) -> tuple[ModelConformance, Any, dict[str, Any], dict[str, Any]]:
        """A network, its parameters by name, and a batch with targets."""
        suite = type("Suite", (ModelConformance,), {"name": self.model, "encoder": self.encoder})()
        pair = suite.make()
        names = {
            f"{k}.{n}": p for k, m in zip(("encoder", "model"), pair, strict=True) for n, p in m.named_parameters()
        }
        return suite, pair, names, suite.targets(pair[1], suite.scenes(pair))

    def test_every_parameter_is_in_one_group(self, recipe: Recipe) -> None:
        _, _, parameters, _ = self.network()
        for some in (parameters, dict(list(parameters.items())[::2])):  # as where half of them are frozen
            optimizer = recipe.optimizer(recipe.groups(some))
            grouped = [id(p) for group in optimizer.param_groups for p in group["params"]]
            assert sorted(grouped) == sorted(map(id, some.values())), "each parameter is in one group, and nothing else"
            assert all(math.isfinite(g["lr"]) and g["lr"] > 0.0 for g in optimizer.param_groups), "rates are above 0"

    def test_rates_of_a_run(self, recipe: Recipe) -> None:
        factors = [recipe.schedule(k, STEPS, k / STEPS) for k in range(STEPS + 1)]
        assert all(math.isfinite(f) and f >= 0.0 for f in factors), f"factors of the rate: {factors}"
        assert max(factors) > 0.0, "the rate is 0 throughout"
        assert factors == [recipe.schedule(k, STEPS, k / STEPS) for k in range(STEPS + 1)], (
            "a resumed run has other rates"
        )

    def test_augmentation_keeps_the_layout_and_repeats(self, recipe: Recipe) -> None:
        import torch

        batch = self.network()[3]
        before = {k: v.clone() for k, v in batch.items()}
        found = []
        for _ in range(2):
            torch.manual_seed(1)
            found.append(recipe.augment(dict(batch)))
        assert all(torch.equal(batch[k], v) for k, v in before.items()), (
            "augment changes a new tensor, not the one given"
        )
        one, two = found
        assert one.keys() == batch.keys(), "augment keeps the names of the batch"
        for name, value in one.items():
            assert (value.shape, value.dtype) == (batch[name].shape, batch[name].dtype), f"{name}: shape and type stay"
            assert torch.equal(value, two[name]), f"{name}: equal states of torch's generator give equal batches"
            assert not value.is_floating_point() or bool(value.isfinite().all()), f"{name} is finite"

    def test_it_trains(self, recipe: Recipe) -> None:
        """Two steps as a run takes them."""
        import torch

        suite, pair, parameters, batch = self.network()
        optimizer = recipe.optimizer(recipe.groups(parameters))
        before = {k: p.detach().clone() for k, p in parameters.items()}
        peaks = [g["lr"] for g in optimizer.param_groups]
        for step in (0, 1):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * recipe.schedule(step, STEPS, step / STEPS)
            terms = self.terms(recipe, suite, pair, recipe.augment(dict(batch)))
            optimizer.zero_grad()
            torch.autograd.backward(torch.stack(list(terms.values())).sum())
            check_gradients(*pair)
            optimizer.step()
        assert all(bool(p.isfinite().all()) for p in parameters.values()), "weights are finite after two steps"
        assert any(not torch.equal(p, before[k]) for k, p in parameters.items()), "two steps move nothing"
        state = [(k, v) for of_parameter in optimizer.state_dict()["state"].values() for k, v in of_parameter.items()]
        odd = {k for k, v in state if not isinstance(v, torch.Tensor | None)}
        assert not odd, f"what the optimizer keeps must be tensors, to be stored: {sorted(odd)}"

    def test_its_optimizer_goes_on_where_it_was_stored(self, recipe: Recipe) -> None:
        """Two steps, save, and a third; load into a fresh optimizer, and the third again."""
        import torch

        suite, pair, parameters, batch = self.network()

        def step(optimizer: Any) -> dict[str, Any]:
            torch.manual_seed(2)
            terms = self.terms(recipe, suite, pair, recipe.augment(dict(batch)))
            optimizer.zero_grad()
            torch.autograd.backward(torch.stack(list(terms.values())).sum())
            optimizer.step()
            return {k: p.detach().clone() for k, p in parameters.items()}

        optimizer = recipe.optimizer(recipe.groups(parameters))
        step(optimizer)
        step(optimizer)
        kept, text = deepcopy(optimizer.state_dict()["state"]), groups_to_text(optimizer)
        weights = [deepcopy(module.state_dict()) for module in pair]
        expected = step(optimizer)
        for module, stored in zip(pair, weights, strict=True):
            module.load_state_dict(stored)
        again = recipe.optimizer(recipe.groups(parameters))
        groups_from_text(again, text)
        again.load_state_dict({"state": kept, "param_groups": again.state_dict()["param_groups"]})
        odd = [k for k, p in step(again).items() if not torch.equal(p, expected[k])]
        assert not odd, f"a resumed run would train otherwise: the optimizer keeps what is not stored ({odd[0]})"

    def terms(self, recipe: Recipe, suite: ModelConformance, pair: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The terms of model and recipe, checked."""
        encoding, seen = suite.views(pair, batch)
        own, prediction = suite.losses(pair[1], encoding, seen)
        more = Losses.of(recipe.losses(prediction, batch, encoding))
        names = [*own.terms, *own.diagnostics, *more.terms, *more.diagnostics]
        assert len(names) == len(set(names)), f"names of terms and diagnostics differ: {names}"
        for name, value in {**more.terms, **more.diagnostics}.items():
            assert value.dim() == 0, f"{name} is one number"
        for name, value in more.terms.items():
            assert bool(value.isfinite()), f"the loss term {name} is {float(value.detach())}"
        return {**own.terms, **more.terms}

    def test_callbacks_can_be_stored(self, recipe: Recipe) -> None:
        from pytorch_lightning import Callback

        found = list(recipe.callbacks())
        assert all(isinstance(c, Callback) for c in found), "callbacks are Lightning's"
        keys = [c.state_key for c in found]
        assert len(keys) == len(set(keys)), "callbacks of one class tell each other apart by state_key"
        for callback in found:
            json.dumps(callback.state_dict(), allow_nan=False)
