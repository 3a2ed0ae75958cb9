"""What a third party may change of training: recipe, start, frozen parts, diagnostics, targets in the forward pass."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
import pytorch_lightning as pl
import torch

from roadcraft.core.driving.features.group import FeatureGroup, FeatureTensor
from roadcraft.core.errors import ConfigError, DataError, PluginError
from roadcraft.core.plugins.hookspecs import PluginRef, PluginSpec
from roadcraft.core.plugins.provenance import code_digest
from roadcraft.core.plugins.registry import Provided, registry
from roadcraft.core.testing import RecipeConformance
from roadcraft.core.types import TARGETS, Losses, Prediction
from roadcraft.planners.learned.checkpoint import changed_code, load_checkpoint, read_tensors
from roadcraft.planners.learned.network import build_network
from roadcraft.plugins.multimodal.model import Multimodal
from roadcraft.plugins.training.config import AugmentConfig, StartConfig, TrainConfig
from roadcraft.plugins.training.recipes.adamw_cosine import AdamWCosine
from roadcraft.plugins.training.recipes.config import AdamWCosineConfig
from roadcraft.plugins.training.run.fit import train
from roadcraft.plugins.training.run.module import TrainModule
from roadcraft.plugins.training.run.preflight import check
from roadcraft.plugins.training.run.resolve import run_config
from roadcraft.plugins.vector_transformer.config import VectorTransformerConfig
from roadcraft.plugins.vector_transformer.encoder import VectorTransformer

HERE = "tests_of_open_training"


@dataclass(frozen=True)
class GuestConfig(AdamWCosineConfig):
    """The built-in one, and a little more."""

    noise: float = 0.1
    """Noise on the ego's state."""


class Count(pl.Callback):
    """Counts the batches of all sittings."""

    def __init__(self) -> None:
        self.count = 0

    def on_train_batch_end(self, *args: Any) -> None:
        self.count += 1

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.count = state_dict["count"]


class Guest(AdamWCosine):
    """SGD with momentum, noise, a loss term, a diagnostic and a callback."""

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        return torch.optim.SGD(groups, momentum=0.5)

    def augment(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {**batch, "ego": batch["ego"] + self.config.noise * torch.randn_like(batch["ego"])}

    def losses(self, prediction: Prediction, targets: Mapping[str, torch.Tensor], encoding: Any) -> Losses:
        pose = prediction.ego[..., 1].square().mean()
        return Losses({"sway": 0.01 * pose}, {"mean_token": encoding.tokens.mean()})

    def callbacks(self) -> list[pl.Callback]:
        return [Count()]


def registered(monkeypatch: pytest.MonkeyPatch, kind: str, name: str, config: type, target: type) -> None:
    """Register what is not in a package as if it were in one."""
    spec = PluginSpec(kind, name, "A guest", f"{HERE}:{config.__name__}", f"{HERE}:{target.__name__}")
    monkeypatch.setitem(registry()._plugins, f"{kind} {name}", [Provided(spec, "guest-package", "3.1", False)])
    monkeypatch.setitem(sys.modules, HERE, sys.modules.get(HERE) or ModuleType(HERE))
    for member in (config, target):
        monkeypatch.setattr(f"{HERE}.{member.__name__}", member, raising=False)


@pytest.fixture
def guest(monkeypatch: pytest.MonkeyPatch) -> PluginRef:
    monkeypatch.setattr("roadcraft.plugins.training.run.resolve.code_digest", lambda kind, name: "1" * 16)
    monkeypatch.setattr("roadcraft.planners.learned.checkpoint.code_digest", lambda kind, name: "1" * 16)
    registered(monkeypatch, "recipe", "guest", GuestConfig, Guest)
    return PluginRef("guest", {"noise": 0.2})


def tensors(folder: Path, name: str = "model") -> dict[str, torch.Tensor]:
    return read_tensors(folder / f"{name}.safetensors")


def test_a_third_partys_recipe_trains_stops_and_goes_on(
    recipe: TrainConfig, made_up_source: Any, guest: PluginRef, tmp_path: Path
) -> None:
    mine = replace(recipe, recipe=guest, learning_rate=1e-3)
    whole = train(mine, source=made_up_source, progress=False)
    parts = replace(mine, out=str(tmp_path / "parts"))
    train(parts, source=made_up_source, stop_at=7, progress=False)
    again = run_config([], tmp_path / "parts").config
    assert again.recipe.name == "guest"
    assert again.recipe.params["noise"] == 0.2
    done = train(again, source=made_up_source, resume=tmp_path / "parts", progress=False)
    for name in ("model", "training"):
        one, two = tensors(whole.last, name), tensors(done.last, name)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[k], two[k]) for k in one)
    assert any(k.endswith("momentum_buffer") for k in tensors(done.last, "training"))
    assert {"sway", "diagnostics/mean_token"} <= done.metrics["validation"].keys()
    counters = json.loads((done.last / "training.json").read_text())
    assert list(counters["callbacks"].values()) == [{"count": 12}]


def test_another_recipe_or_other_code_is_not_gone_on_with(
    recipe: TrainConfig, made_up_source: Any, guest: PluginRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, run = replace(recipe, recipe=guest, learning_rate=1e-3), Path(recipe.out)
    train(mine, source=made_up_source, stop_at=4, progress=False)
    with pytest.raises(ConfigError, match="was trained by recipe guest, not adamw_cosine"):
        train(replace(recipe, learning_rate=1e-3), source=made_up_source, resume=run, progress=False)
    other = replace(mine, recipe=PluginRef("guest", {"noise": 0.3}))
    with pytest.raises(ConfigError, match="another recipe"):
        train(other, source=made_up_source, resume=run, progress=False)
    monkeypatch.setattr("roadcraft.planners.learned.checkpoint.code_digest", lambda kind, name: "2" * 16)
    with pytest.raises(ConfigError, match="recipe guest: its source changed since training"):
        train(mine, source=made_up_source, resume=run, progress=False)


def test_an_optimizer_whose_state_cannot_be_stored_is_refused(
    recipe: TrainConfig, made_up_source: Any, guest: PluginRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Remembers(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            for p in self.param_groups[0]["params"]:
                self.state[p]["what"] = "text"
            return super().step(closure)

    monkeypatch.setattr(Guest, "optimizer", lambda self, groups: Remembers(groups))
    with pytest.raises(PluginError, match="keeps what, which is no tensor"):
        train(replace(recipe, recipe=guest), source=made_up_source, progress=False)


class Counting(torch.optim.SGD):
    """Counts its steps in ``param_groups``, as schedule-free optimizers do, and goes slower with each."""

    def __init__(self, groups: Any) -> None:
        super().__init__(groups, lr=1e-3)
        for group in self.param_groups:
            group.update(k=0, most=float("inf"), shares=(0.5, (1, True)))

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            assert group["shares"] == (0.5, (1, True))
            group["k"] += 1
            group["lr"] = min(group["lr"] / group["k"], group["most"])
        return super().step(closure)


def test_what_an_optimizer_keeps_in_its_groups_goes_on(
    recipe: TrainConfig, made_up_source: Any, guest: PluginRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Guest, "optimizer", lambda self, groups: Counting(groups))
    mine = replace(recipe, recipe=guest, learning_rate=1e-2, steps=6)
    whole = train(mine, source=made_up_source, progress=False)
    parts = replace(mine, out=str(tmp_path / "parts"))
    train(parts, source=made_up_source, stop_at=3, progress=False)
    done = train(parts, source=made_up_source, resume=tmp_path / "parts", progress=False)
    one, two = tensors(whole.last), tensors(done.last)
    assert all(torch.equal(one[k], two[k]) for k in one)
    groups = json.loads(json.loads((done.last / "training.json").read_text())["groups"])
    assert [g["k"] for g in groups] == [6] * len(groups)


def test_what_an_optimizer_cannot_store_of_its_groups_is_refused(
    recipe: TrainConfig, made_up_source: Any, guest: PluginRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(self: Guest, groups: Any) -> torch.optim.Optimizer:
        made = Counting(groups)
        made.param_groups[0]["shares_so_far"] = [0.5]
        return made

    monkeypatch.setattr(Guest, "optimizer", odd)
    with pytest.raises(PluginError, match="keeps shares_so_far in its param_groups, a list"):
        train(replace(recipe, recipe=guest, steps=1), source=made_up_source, progress=False)


def test_callbacks_are_told_apart_and_kept(
    recipe: TrainConfig, made_up_source: Any, guest: PluginRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = replace(recipe, recipe=guest, learning_rate=1e-3)
    train(mine, source=made_up_source, stop_at=1, progress=False)
    monkeypatch.setattr(Guest, "callbacks", lambda self: [])
    with pytest.raises(PluginError, match="holds the state of a callback 'Count', which recipe guest lacks"):
        train(mine, source=made_up_source, resume=Path(recipe.out), progress=False)
    monkeypatch.setattr(Guest, "callbacks", lambda self: [Count(), Count()])
    with pytest.raises(PluginError, match="recipe guest has two callbacks with the state_key 'Count'"):
        train(replace(mine, out=f"{recipe.out}-2"), source=made_up_source, progress=False)


def test_a_recipes_term_does_not_hide_a_models(
    recipe: TrainConfig, made_up_source: Any, guest: PluginRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Guest, "losses", lambda self, p, t, e: {"regression": p.logits.sum()})
    with pytest.raises(PluginError, match="recipe guest and the model both call a loss regression"):
        train(replace(recipe, recipe=guest), source=made_up_source, progress=False)


@pytest.mark.parametrize(
    ("gives", "told"),
    [
        ({"sway": torch.ones(3)}, "'sway' among the terms of its loss is a tensor of shape (3,); it must be a "),
        ({"sway": 0.5}, "'sway' among the terms of its loss is 0.5; it must be a tensor of one number, such as a mean"),
        (torch.ones(()), "the terms of its loss are a Tensor, not a map of names to tensors of one number"),
        (Losses({}, {"sway": torch.ones(2)}), "'sway' among the diagnostics of its loss is a tensor of shape (2,)"),
    ],
)  # fmt: skip
def test_a_loss_that_is_no_number_is_told_with_its_package(
    gives: Any, told: str, recipe: TrainConfig, made_up_source: Any, guest: PluginRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Guest, "losses", lambda self, p, t, e: gives)
    with pytest.raises(PluginError) as caught:
        train(replace(recipe, recipe=guest), source=made_up_source, progress=False)
    assert str(caught.value).startswith(f"recipe 'guest' of guest-package 3.1: {told}")


@pytest.mark.parametrize("groups", [[], [{"params": []}]])
def test_a_recipe_that_trains_nothing_is_refused(
    groups: Any, recipe: TrainConfig, made_up_source: Any, guest: PluginRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Guest, "groups", lambda self, parameters: groups)
    told = (
        r"^recipe 'guest' of guest-package 3\.1: groups\(\) gives no parameters to train, of \d+ that are not frozen$"
    )
    with pytest.raises(PluginError, match=told):
        train(replace(recipe, recipe=guest), source=made_up_source, progress=False)


class Lossless(torch.nn.Module):
    """A model without a loss."""

    def __init__(self, config: Any, dim: int, features: Any) -> None:
        super().__init__()

    features = sample = lambda self: None


def test_a_model_without_a_loss_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch, "model", "lossless", VectorTransformerConfig, Lossless)
    told = (
        r"^model 'lossless' of guest-package 3\.1: Lossless has no loss; `roadcraft new model NAME` writes one that is "
        "whole$"
    )
    with pytest.raises(PluginError, match=told):
        build_network({"name": "vector_transformer"}, {"name": "lossless"})


def test_parts_of_a_network_have_rates_of_their_own(recipe: TrainConfig) -> None:
    rates = {"encoder": 0.1, "encoder.layers": 0.5}
    config = replace(recipe, recipe=PluginRef("adamw_cosine", {"rates": rates}), learning_rate=2e-3)
    network = build_network({"name": "vector_transformer"}, {"name": "multimodal"})
    optimizer = TrainModule(network, config, 1).configure_optimizers()
    found = {id(p): g for g in optimizer.param_groups for p in g["params"]}
    for name, p in network.encoder.named_parameters():
        rate = 1e-3 if name.startswith("layers.") else 2e-4
        assert found[id(p)]["lr"] == pytest.approx(rate), name
        assert found[id(p)]["weight_decay"] == (0.05 if p.dim() > 1 else 0.0)
    assert all(found[id(p)]["lr"] == 2e-3 for p in network.model.parameters())
    wrong = replace(config, recipe=PluginRef("adamw_cosine", {"rates": {"encoder.layer": 0.5}}))
    with pytest.raises(ConfigError, match=r"recipe.rates: no .* with 'encoder.layer'; did you mean 'encoder.layers'"):
        TrainModule(network, wrong, 1).configure_optimizers()


def test_the_recipe_of_an_installed_package_trains_stops_and_goes_on(
    recipe: TrainConfig, made_up_source: Any, tmp_path: Path
) -> None:
    """Nothing of ours is edited or patched: the package's entry point is all there is."""
    pytest.importorskip("roadcraft_anchors")
    if "noisy_agents" not in registry().names("recipe"):
        pytest.skip("another roadcraft-anchors is installed")
    config = replace(recipe, model=PluginRef("anchors", {"width": 16}), recipe=PluginRef("noisy_agents"))
    whole = train(config, source=made_up_source, progress=False)
    parts = replace(config, out=str(tmp_path / "parts"))
    train(parts, source=made_up_source, stop_at=5, progress=False)
    again = run_config([], tmp_path / "parts").config
    done = train(again, source=made_up_source, resume=tmp_path / "parts", progress=False)
    one, two = tensors(whole.last), tensors(done.last)
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert {"entropy", "diagnostics/sureness"} <= done.metrics["validation"].keys()
    _, about = load_checkpoint(done.best)
    assert about["training"]["recipe"]["params"]["noise_m"] == 0.2
    assert about["versions"]["roadcraft-anchors"]
    assert len(about["code"]["recipe noisy_agents"]) == 16


@dataclass(frozen=True)
class GapConfig:
    """Made up."""

    step_m: float = 1.0


class Gap(FeatureGroup):
    """Made up: the ego's speed in steps."""

    def tensors(self) -> dict[str, FeatureTensor]:
        return {"gap": FeatureTensor("speed in steps", (1,))}

    def write(self, scene: Any, out: Any, b: int, spec: Any) -> None:
        out["gap"][b] = scene.ego[3] / self.config.step_m


class Gapped(VectorTransformer):
    """Asks for it."""

    step_m = 1.0

    def features(self) -> Any:
        return super().features().with_groups(gap={"step_m": self.step_m})


def test_a_group_without_a_mirror_rule_is_refused_before_training(
    recipe: TrainConfig, made_up_source: Any, guest: PluginRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(monkeypatch, "feature", "gap", GapConfig, Gap)
    registered(monkeypatch, "encoder", "gapped", VectorTransformerConfig, Gapped)
    config = replace(recipe, encoder=PluginRef("gapped", recipe.encoder.params), augment=AugmentConfig(mirror=0.01))
    rule = r"feature group 'gap' of guest-package does not say how to mirror 'gap': .*augment\.mirror=0"
    with pytest.raises(PluginError, match=rule):
        train(config, source=made_up_source, progress=False)
    assert not Path(recipe.out).exists()
    train(replace(config, augment=AugmentConfig(mirror=0.0)), source=made_up_source, stop_at=1, progress=False)


def test_features_of_another_meaning_are_neither_resumed_nor_begun_with(
    recipe: TrainConfig, made_up_source: Any, guest: PluginRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of equal shapes, so that the weights fit."""
    registered(monkeypatch, "feature", "gap", GapConfig, Gap)
    registered(monkeypatch, "encoder", "gapped", VectorTransformerConfig, Gapped)
    mine = replace(recipe, encoder=PluginRef("gapped", recipe.encoder.params), learning_rate=1e-3)
    done = train(mine, source=made_up_source, stop_at=2, progress=False)
    _, about = load_checkpoint(done.last)
    assert about["code"]["feature gap"] == "1" * 16
    assert about["versions"]["guest-package"] == "3.1"
    assert about["features_versions"]["gap"] == 1
    whole = replace(mine, start=StartConfig(str(done.last)), out=str(tmp_path / "whole"), steps=1)
    part = replace(whole, start=StartConfig(encoder=str(done.last)), out=str(tmp_path / "part"))
    with monkeypatch.context() as changed:
        for name, value, told, packages in (
            ("version", 2, "gap version 1 -> 2", "version of guest-package"),
            ("step_m", 2.0, r"gap\.step_m 1\.0 -> 2\.0", "versions of guest-package and roadcraft"),
        ):
            changed.setattr({"step_m": Gapped, "version": Gap}[name], name, value)
            remedy = f"{told}.*use the {packages} that trained it, or train again"
            with pytest.raises(DataError, match=remedy):
                train(mine, source=made_up_source, resume=Path(recipe.out), progress=False)
            for begun, said in ((whole, remedy), (part, told)):
                with pytest.raises(DataError, match=said):
                    train(begun, source=made_up_source, progress=False)
    for begun in (whole, part):
        train(begun, source=made_up_source, progress=False)
    monkeypatch.setattr("roadcraft.planners.learned.checkpoint.code_digest", lambda kind, name: str(kind != "feature"))
    with pytest.raises(ConfigError, match="feature gap: its source changed since training"):
        train(mine, source=made_up_source, resume=Path(recipe.out), progress=False)


def test_the_source_of_a_plugin_is_that_of_its_folders_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = tmp_path / "guest_package" / "sampling" / "decode.py"
    part.parent.mkdir(parents=True)
    (tmp_path / "guest_package" / "model.py").write_text("class Guest: ...\n")
    (tmp_path / "guest_package" / "__init__.py").touch()
    part.write_text("STEPS = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = PluginSpec("model", "decoder", "A guest", "guest_package.model:Guest", "guest_package.model:Guest")
    monkeypatch.setitem(registry()._plugins, "model decoder", [Provided(spec, "guest-package", "3.1", False)])
    tree = {"model": {"name": "decoder"}, "code": {"model decoder": code_digest("model", "decoder")}}
    assert changed_code(tree, ("model",)) == []
    part.write_text("STEPS = 2\n")
    assert changed_code(tree, ("model",)) == ["model decoder: its source changed since training"]
    tree["code"]["model decoder"] = code_digest("model", "decoder")
    part.rename(part.with_name("decoder.py"))
    assert changed_code(tree, ("model",)) == ["model decoder: its source changed since training"]


# ---- start and freeze --------------------------------------------------------------------------------------------


def test_an_encoder_alone_is_begun_with(
    recipe: TrainConfig, made_up_source: Any, trained: Path, tmp_path: Path
) -> None:
    """Beside another model, which is prepared as in any fresh run."""
    words = [f"start.encoder={trained}", "model=tokens", "model.params={layers: 1, heads: 4}"]
    config = run_config(words).config
    assert config.encoder.params["dim"] == 32
    small = {"layers": 1, "heads": 4, "vocabulary_batches": 1, "vehicle_tokens": 32, "training_tokens": 4}
    config = replace(
        recipe, start=StartConfig(encoder=str(trained)), model=PluginRef("tokens", small), freeze=("encoder",), steps=2,
        out=str(tmp_path / "tokens"),
    )  # fmt: skip
    own = tensors(train(config, source=made_up_source, progress=False).last)
    assert all(torch.equal(own[k], v) for k, v in tensors(trained).items() if k.startswith("encoder."))
    assert bool(own["model.used"].any())
    other = PluginRef("vector_transformer", {**recipe.encoder.params, "layers": 2})
    with pytest.raises(Exception, match=r"encoder\.params\.layers is 1 in the checkpoint, 2 here; leave encoder out"):
        train(replace(config, encoder=other, out=str(tmp_path / "x")), source=made_up_source, progress=False)
    with pytest.raises(ConfigError, match=r"has no meaning beside checkpoint \(leave one of the two out\)"):
        run_config([f"start={trained}", f"start.encoder={trained}"])


@pytest.mark.parametrize("freeze", [("encoder",), ("model",), ("encoder.layers", "model.rank")])
def test_what_is_frozen_does_not_move(
    recipe: TrainConfig, made_up_source: Any, trained: Path, freeze: tuple[str, ...]
) -> None:
    """To the bit, by gradients, weight decay and averaging; it keeps no state of the optimizer."""
    dropout = PluginRef("vector_transformer", {**recipe.encoder.params, "dropout": 0.3})
    config = replace(recipe, start=StartConfig(str(trained)), encoder=dropout, freeze=freeze, ema_decay=0.9, steps=3)
    done = train(config, source=made_up_source, progress=False)
    before, after = tensors(trained), tensors(done.last)
    still = {k for k in before if any(f"{k}.".startswith(f"{f}.") for f in freeze)}
    assert still
    assert all(torch.equal(before[k], after[k]) for k in still)
    assert not all(torch.equal(before[k], after[k]) for k in before.keys() - still)
    state = {k.split(".")[1] for k in tensors(done.last, "training") if k.startswith("optimizer.")}
    network = build_network({"name": "vector_transformer", "params": dropout.params}, {"name": "multimodal",
    "params": recipe.model.params})  # fmt: skip
    names = [f"{part}.{k}" for part in ("encoder", "model") for k, _ in getattr(network, part).named_parameters()]
    assert len(state) == len([n for n in names if n not in still])


class Normed(VectorTransformer):
    """Normalizes its tokens by the batch; notes in which mode, and what it is given."""

    modes: ClassVar[set[bool]] = set()
    given: ClassVar[set[str]] = set()

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.batch_norm = torch.nn.BatchNorm1d(self.dim)

    def encode(self, features: Any, cache: Any = None) -> Any:
        Normed.given |= features.keys()
        if torch.is_grad_enabled():
            Normed.modes.add(self.batch_norm.training)
        encoding, cache = super().encode(features, cache)
        return replace(encoding, tokens=self.batch_norm(encoding.tokens.flatten(0, 1)).view_as(encoding.tokens)), cache


@pytest.mark.parametrize("freeze", [("encoder",), ("encoder.batch_norm.weight", "encoder.batch_norm.bias"), ()])
def test_what_is_frozen_stays_in_evaluation_mode(
    recipe: TrainConfig, made_up_source: Any, guest: PluginRef, freeze: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is named by its parameters; and the encoder sees no target."""
    registered(monkeypatch, "encoder", "normed", VectorTransformerConfig, Normed)
    Normed.modes.clear()
    Normed.given.clear()
    config = replace(recipe, encoder=PluginRef("normed", recipe.encoder.params), freeze=freeze, steps=3)
    done = train(config, source=made_up_source, progress=False)
    assert Normed.modes == {not freeze}
    assert int(tensors(done.last)["encoder.batch_norm.num_batches_tracked"]) == (0 if freeze else 3)
    assert bool(tensors(done.last)["encoder.batch_norm.running_mean"].any()) is not bool(freeze)
    assert "agent" in Normed.given
    assert not Normed.given & set(TARGETS)


def test_what_cannot_be_frozen_is_refused(recipe: TrainConfig, made_up_store: Path) -> None:
    config = replace(recipe, data=str(made_up_store))
    with pytest.raises(
        ConfigError, match=r"freeze: no parameter's name begins with 'encodr'; did you mean 'encoder'\?"
    ):
        check(replace(config, freeze=("encodr",)))
    with pytest.raises(ConfigError, match="leave nothing to train"):
        check(replace(config, freeze=("encoder", "model")))


# ---- what a model may say and see --------------------------------------------------------------------------------


class Forced(Multimodal):
    """Notes what its forward pass sees, and reports numbers that are not summed."""

    seen: ClassVar[list[tuple[bool, bool]]] = []

    def forward(self, encoding: Any, features: Any, targets: Any = None) -> Prediction:
        Forced.seen.append((targets is not None, bool(features.keys() & set(TARGETS))))
        return super().forward(encoding, features)

    def loss(self, prediction: Prediction, targets: Any, encoding: Any) -> Losses:  # type: ignore[override]
        assert encoding.tokens.shape[0] == len(prediction.ego)
        return Losses(super().loss(prediction, targets), {"width": torch.tensor(1e6), "odd": torch.tensor(torch.nan)})


def test_targets_reach_forward_in_training_alone(
    recipe: TrainConfig, made_up_source: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Diagnostics are logged and shown, and change nothing of what is learned, not finite ones either."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from roadcraft.plugins.multimodal.config import MultimodalConfig

    Forced.seen.clear()
    monkeypatch.setattr("roadcraft.plugins.training.run.resolve.code_digest", lambda kind, name: "1" * 16)
    plain = train(recipe, source=made_up_source, progress=False)
    registered(monkeypatch, "model", "forced", MultimodalConfig, Forced)
    out = str(Path(recipe.out).with_name("forced"))
    forced = replace(recipe, model=PluginRef("forced", recipe.model.params), out=out)
    done = train(forced, source=made_up_source, progress=True)
    assert set(Forced.seen) == {(True, False), (False, False)}
    assert Forced.seen.count((True, False)) == recipe.steps
    one, two = tensors(plain.last), tensors(done.last)
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert plain.metrics["validation"]["loss"] == done.metrics["validation"]["loss"]
    assert done.metrics["validation"]["diagnostics/width"] == 1e6
    events = EventAccumulator(str(Path(out) / "tensorboard"))
    events.Reload()
    assert {"train/diagnostics/width", "validation/diagnostics/width"} <= set(events.Tags()["scalars"])
    assert "width 1000000.000" in capsys.readouterr().err


class TestAdamWCosine(RecipeConformance):
    name = "adamw_cosine"
    params: ClassVar[dict[str, Any]] = {"rates": {"encoder": 0.1}}
