"""Training: samples, order, augmentation, resume, overfit, checkpoints."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.planners.learned.checkpoint import load_checkpoint, read_tensors
from roadcraft.plugins.training.config import AugmentConfig, BalanceConfig, SelectConfig, StartConfig, TrainConfig
from roadcraft.plugins.training.data.order import split_logs
from roadcraft.plugins.training.run.card import add_scores
from roadcraft.plugins.training.run.fit import train
from roadcraft.plugins.training.run.resolve import run_config


def equal_weights(a: Path, b: Path) -> bool:
    one, two = read_tensors(a / "model.safetensors"), read_tensors(b / "model.safetensors")
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def test_going_on_equals_going_through(recipe: TrainConfig, made_up_source: Any, tmp_path: Path) -> None:
    """Stopped between two validations and inside an epoch, with dropout, state dropout, augmentation and averaged
    weights."""
    recipe = replace(recipe, ema_decay=0.9)
    whole = train(recipe, source=made_up_source, progress=False)
    parts = replace(recipe, out=str(tmp_path / "parts"))
    train(parts, source=made_up_source, stop_at=7, progress=False)
    done = train(parts, source=made_up_source, resume=tmp_path / "parts", progress=False)
    assert equal_weights(whole.last, done.last)
    assert (
        read_tensors(whole.last / "training.safetensors").keys()
        == read_tensors(done.last / "training.safetensors").keys()
    )
    a, b = (read_tensors(f / "training.safetensors") for f in (whole.last, done.last))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_going_on_inside_an_accumulated_curriculum(recipe: TrainConfig, made_up_source: Any, tmp_path: Path) -> None:
    """With parts of batches, weights that change on the way, mirrored worlds, dropped agents and several workers;
    validation at other steps."""
    recipe = replace(
        recipe, accumulate=2, balance=BalanceConfig(pattern=1.0, curriculum=1.0), workers=3,
        augment=AugmentConfig(mirror=0.5, agent_dropout=0.5, agent_dropout_distance_m=6.0),
    )  # fmt: skip
    whole = train(recipe, source=made_up_source, progress=False)
    parts = replace(recipe, out=str(tmp_path / "parts"), workers=1, validate_every=5)
    for stop_at in (1, 6, 0):
        resume = tmp_path / "parts" if stop_at != 1 else None
        done = train(parts, source=made_up_source, resume=resume, stop_at=stop_at, progress=False)
    assert equal_weights(whole.last, done.last)


def test_a_seed_is_repeated_and_another_differs(recipe: TrainConfig, made_up_source: Any, tmp_path: Path) -> None:
    short = replace(recipe, steps=3)
    runs = [
        train(replace(short, out=str(tmp_path / name), seed=seed), source=made_up_source, progress=False)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert equal_weights(runs[0].last, runs[1].last)
    assert not equal_weights(runs[0].last, runs[2].last)


def test_eight_samples_are_learned_by_heart(recipe: TrainConfig, made_up_source: Any) -> None:
    done = train(
        replace(recipe, overfit=8, steps=250, validate_every=250, learning_rate=3e-3),
        source=made_up_source,
        progress=False,
    )
    held = done.metrics["validation"]
    assert held["ade_m"] < 0.1, held
    assert held["regression"] < 0.01, held


def test_a_checkpoint_holds_all_that_is_promised(trained: Path) -> None:
    assert {p.name for p in trained.iterdir()} == {"config.yaml", "model.safetensors", "metrics.json", "README.md"}
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["step"] == 6
    assert {"ade_m", "fde_m", "min_ade_m", "loss"} <= metrics["validation"].keys()
    assert {"samples_per_s", "data_wait", "cpu", "memory_mb"} <= metrics["usage"].keys()
    assert 0.0 <= metrics["usage"]["data_wait"] <= 1.0
    assert len(metrics["data"]) == 32
    card = (trained / "README.md").read_text()
    assert "Licence of the data: CC0" in card
    assert "multimodal" in card
    network, about = load_checkpoint(trained)
    assert not network.encoder.training
    assert about["data"]["licences"] == ["CC0-1.0"]
    assert about["data"]["train_logs"] == 5
    assert about["code"].keys() == {"encoder vector_transformer", "model multimodal", "recipe adamw_cosine"}
    assert all(len(h) == 16 for h in about["code"].values())
    assert about["training"]["learning_rate"] == 2e-3


def test_tensorboard_and_best_and_last(recipe: TrainConfig, made_up_source: Any) -> None:
    done = train(recipe, source=made_up_source, progress=False)
    assert list((Path(recipe.out) / "tensorboard").glob("events.*"))
    assert done.best.is_dir()
    assert (done.last / "training.safetensors").is_file()


def test_what_is_logged(recipe: TrainConfig, made_up_source: Any) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(replace(recipe, steps=51, validate_every=51), source=made_up_source, progress=False)
    events = EventAccumulator(str(Path(recipe.out) / "tensorboard"))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert {
        "train/regression",
        "rate",
        "usage/samples_per_s",
        "usage/data_wait",
        "usage/cpu",
        "validation/ade_m",
    } <= tags
    assert [e.step for e in events.Scalars("usage/samples_per_s")] == list(range(1, 52))


def test_bf16_with_accumulation_learns(recipe: TrainConfig, made_up_source: Any) -> None:
    done = train(
        replace(recipe, precision="bf16-mixed", accumulate=2, ema_decay=0.9), source=made_up_source, progress=False
    )
    assert np.isfinite(done.metrics["validation"]["loss"])
    assert all(t.dtype == torch.float32 for t in read_tensors(done.best / "model.safetensors").values())


def test_a_compiled_network_learns_the_same(
    recipe: TrainConfig, made_up_source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph is captured as for the real compiler, whose code generation would take minutes here."""
    compiled = []

    def capture(function: Any) -> Any:
        compiled.append(function)
        return whole_compile(function, backend="eager")

    whole_compile = torch.compile
    monkeypatch.setattr(torch, "compile", capture)
    short = replace(recipe, steps=2, validate_every=2)
    plain = train(short, source=made_up_source, progress=False)
    done = train(replace(short, compile=True, out=str(tmp_path / "c")), source=made_up_source, progress=False)
    assert len(compiled) == 1
    one, two = read_tensors(plain.last / "model.safetensors"), read_tensors(done.last / "model.safetensors")
    assert (
        max(float((one[k] - two[k]).abs().max()) for k in one if not k.endswith(("logit.2.bias", "key_value.bias")))
        < 1e-5
    )


def test_last_is_best_where_asked(recipe: TrainConfig, made_up_source: Any) -> None:
    stuck = replace(recipe, learning_rate=1e-12, select=SelectConfig(by="last"))
    done = train(stuck, source=made_up_source, progress=False)
    assert json.loads((done.best / "metrics.json").read_text())["step"] == recipe.steps


def test_the_best_driver_is_best_where_asked(
    recipe: TrainConfig, made_up_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every second validation and the last are driven; the folder kept is the one that drove best."""
    from roadcraft.plugins.training.run.closed_loop import HeldOutDrives

    driven = []
    scored = HeldOutDrives.score

    def score(self: HeldOutDrives, checkpoint: Path) -> float:
        step = json.loads((checkpoint / "metrics.json").read_text())["step"]
        driven.append((scored(self, checkpoint) + (1.0 if step == 8 else 0.0), step))
        return driven[-1][0]

    monkeypatch.setattr(HeldOutDrives, "score", score)
    config = replace(
        recipe, data=str(made_up_store), validate_every=2, select=SelectConfig(by="closed_loop", scenarios=1, every=2)
    )
    done = train(config, progress=False)
    assert [step for _, step in driven] == [4, 8, 12]
    assert all(0.0 <= s - (step == 8) <= 1.0 for s, step in driven)
    metrics = json.loads((done.best / "metrics.json").read_text())
    assert metrics["step"] == 8
    assert metrics["validation"]["closed_loop"] == driven[1][0]
    assert not (Path(recipe.out) / "candidate").exists()


def test_scores_of_runs_get_into_the_card(trained: Path, tmp_path: Path) -> None:
    import shutil

    mine = tmp_path / "best"
    shutil.copytree(trained, mine)
    assert "None yet" in (mine / "README.md").read_text()

    def run(name: str, planner: dict[str, Any], label: str, score: float) -> Path:
        challenge = {"score": score, "ci": [score - 0.1, score + 0.1], "scenarios": 9, "failed": 1}
        challenge |= {"shares": {"guard_changed": 0.25}} if planner["name"] == "guard" else {}
        summary = {"planner": label, "scenario_list_hash": "beef", "seed": 0, "config": {"planner": planner}}
        folder = tmp_path / name
        folder.mkdir()
        (folder / "summary.json").write_text(json.dumps({**summary, "challenges": {"closed_loop": challenge}}))
        return folder

    raw = {"name": "learned", "params": {"checkpoint": str(mine)}}
    runs = [
        run("raw", raw, "learned best", 0.5),
        run("guarded", {"name": "guard", "params": {"planner": raw}}, "guard(learned best)", 0.75),
    ]
    add_scores(mine, runs)
    card = add_scores(mine, runs[:1])  # once more: in place of the first
    assert card == (mine / "README.md").read_text()
    assert "| guard(learned best) | closed_loop | 75.0 [65.0, 85.0] | 9 | 1 | guard_changed 25.0% | beef |" in card
    assert card.count("| learned best |") == 1
    assert len(json.loads((mine / "metrics.json").read_text())["closed_loop"]) == 2
    load_checkpoint(mine)
    with pytest.raises(DataError, match="another checkpoint"):
        add_scores(trained, runs)
    with pytest.raises(DataError, match="not by a checkpoint"):
        add_scores(mine, [run("idm", {"name": "idm", "params": {}}, "idm", 0.1)])
    with pytest.raises(DataError, match="no finished scoring run"):
        add_scores(mine, [tmp_path])


def test_patience_ends_a_run_that_gets_no_better(recipe: TrainConfig, made_up_source: Any) -> None:
    stuck = replace(recipe, steps=60, validate_every=2, patience=2, learning_rate=1e-12)
    done = train(stuck, source=made_up_source, progress=False)
    assert json.loads((done.last / "metrics.json").read_text())["step"] <= 20


def test_the_clock_ends_a_run(recipe: TrainConfig, made_up_source: Any) -> None:
    done = train(
        replace(recipe, steps=100_000, validate_every=100_000, minutes=0.01), source=made_up_source, progress=False
    )
    assert 0 < done.metrics["step"] < 1000


def test_wrong_use_is_explained(recipe: TrainConfig, made_up_source: Any, tmp_path: Path) -> None:
    short = replace(recipe, steps=2, validate_every=2)
    train(short, source=made_up_source, progress=False)
    run = Path(recipe.out)
    with pytest.raises(ConfigError, match="already holds a run"):
        train(short, source=made_up_source, progress=False)
    with pytest.raises(ConfigError, match="steps=MORE"):
        train(short, source=made_up_source, resume=run, progress=False)
    with pytest.raises(ConfigError, match="batch"):
        train(replace(short, steps=4, batch=4), source=made_up_source, resume=run, progress=False)
    with pytest.raises(DataError, match="holds no run that could go on"):
        train(short, source=made_up_source, resume=tmp_path / "none", progress=False)
    (run / "last" / "training.json").unlink()
    with pytest.raises(DataError, match="cannot be resumed"):
        train(replace(short, steps=4), source=made_up_source, resume=run, progress=False)
    with pytest.raises(DataError, match="min_future_s"):
        train(replace(short, out=str(tmp_path / "x"), min_future_s=500.0), source=made_up_source, progress=False)
    with pytest.raises(DataError, match="at least 2 logs"):
        split_logs(["only"], 0.1, 0)


def test_the_recipe_of_a_run_is_read_back(recipe: TrainConfig, made_up_source: Any) -> None:
    train(replace(recipe, steps=2, validate_every=2), source=made_up_source, progress=False)
    again = run_config(["steps=9"], Path(recipe.out)).config
    assert (again.steps, again.batch, again.augment) == (9, recipe.batch, recipe.augment)
    assert dict(again.encoder.params)["dim"] == 32


def test_a_third_partys_model_trains_by_name(
    recipe: TrainConfig, made_up_source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in training names an encoder or a model: one that was registered a moment ago will do."""
    from roadcraft.core.plugins.hookspecs import PluginSpec
    from roadcraft.core.plugins.registry import Provided, registry

    here = "roadcraft.plugins"
    spec = PluginSpec(
        "model", "guest", "A guest", f"{here}.multimodal.config:MultimodalConfig", f"{here}.multimodal.model:Multimodal"
    )
    monkeypatch.setitem(registry()._plugins, "model guest", [Provided(spec, "guest-package", "3.1", False)])
    done = train(
        replace(recipe, model=PluginRef("guest", {"modes": 1, "layers": 1, "heads": 4}), steps=2),
        source=made_up_source,
        progress=False,
    )
    network, about = load_checkpoint(done.best)
    assert about["model"]["name"] == "guest"
    assert about["versions"]["guest-package"] == "3.1"
    assert network.model.config.modes == 1


def test_a_run_may_begin_with_the_weights_of_another(
    recipe: TrainConfig, made_up_source: Any, trained: Path, tmp_path: Path
) -> None:
    fresh, tuned = (
        train(
            replace(
                recipe,
                out=str(tmp_path / name),
                steps=1,
                validate_every=1,
                learning_rate=1e-9,
                start=StartConfig(start),
            ),
            source=made_up_source,
            progress=False,
        )
        for name, start in (("fresh", ""), ("tuned", str(trained)))
    )
    origin, own = read_tensors(trained / "model.safetensors"), read_tensors(tuned.last / "model.safetensors")
    assert max(float((own[k] - v).abs().max()) for k, v in origin.items()) < 1e-6
    assert not equal_weights(fresh.last, tuned.last)
    other = PluginRef("multimodal", {**recipe.model.params, "modes": 3})
    with pytest.raises(DataError, match="do not fit"):
        train(
            replace(recipe, model=other, out=str(tmp_path / "x"), start=StartConfig(str(trained))),
            source=made_up_source,
        )


def test_start_takes_the_checkpoints_encoder_and_model(trained: Path) -> None:
    config = run_config([f"start={trained}", "data=x", "model.params.classification_weight=0.7"]).config
    assert (
        config.encoder.params["dim"],
        config.model.params["modes"],
        config.model.params["classification_weight"],
    ) == (32, 2, 0.7)
    assert dict(run_config([f"start={trained}", "encoder=hetero_gnn"]).config.encoder.params) == {}


def test_start_names_both_sides(recipe: TrainConfig, made_up_source: Any, trained: Path) -> None:
    tuned = replace(recipe, start=StartConfig(str(trained)))
    with pytest.raises(ConfigError) as other:
        train(replace(tuned, encoder=PluginRef("hetero_gnn", {})), source=made_up_source, progress=False)
    assert str(other.value) == (
        f"start: {trained} holds encoder vector_transformer and model multimodal, this run asks for encoder hetero_gnn "
        "and model multimodal; "
        "leave encoder and model out to take the checkpoint's"
    )
    model = PluginRef("multimodal", {**recipe.model.params, "modes": 3})
    with pytest.raises(
        DataError, match=r"model\.params\.modes is 2 in the checkpoint, 3 here; leave encoder and model out"
    ):
        train(replace(tuned, model=model), source=made_up_source, progress=False)


def test_the_learning_rate_is_the_models_own_and_lower_for_trained_weights(
    recipe: TrainConfig, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from roadcraft.planners.learned.network import build_network
    from roadcraft.plugins.training.run.resolve import with_rate

    network = build_network({"name": "vector_transformer"}, {"name": "multimodal"})
    assert with_rate(recipe, network.model).learning_rate == 2e-3
    assert with_rate(replace(recipe, start=StartConfig(str(trained))), network.model).learning_rate == pytest.approx(
        2e-4
    )
    network.model.learning_rate = 5e-4
    assert with_rate(recipe, network.model).learning_rate == 5e-4
    assert with_rate(replace(recipe, learning_rate=0.1), network.model).learning_rate == 0.1


def test_code_that_changed_since_training_is_told_and_not_resumed(
    recipe: TrainConfig, made_up_source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import roadcraft.planners.learned.checkpoint as checkpoint

    done = train(replace(recipe, steps=2), source=made_up_source, progress=False)
    load_checkpoint(done.best)
    monkeypatch.setattr(checkpoint, "code_digest", lambda kind, name: "0" * 16)
    with pytest.warns(
        checkpoint.CheckpointWarning, match=r"best: encoder vector_transformer: its source changed since training"
    ):
        load_checkpoint(done.best)
    with pytest.raises(
        ConfigError,
        match=r"model multimodal: its source changed since training; recipe .* training; a resumed run keeps its code",
    ):
        train(recipe, source=made_up_source, resume=Path(recipe.out), progress=False)


def test_a_short_run_is_validated_and_logged_several_times(recipe: TrainConfig, made_up_source: Any) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(replace(recipe, steps=10, validate_every=0), source=made_up_source, progress=False)
    events = EventAccumulator(str(Path(recipe.out) / "tensorboard"))
    events.Reload()
    assert [e.step for e in events.Scalars("validation/ade_m")] == [2, 4, 6, 8, 10]


def test_a_network_that_has_not_learned_is_warned_of(trained: Path, tmp_path: Path) -> None:
    import shutil

    from roadcraft.plugins.training.run.card import warning

    held = json.loads((trained / "metrics.json").read_text())["validation"]
    assert 0.0 < held["constant_velocity_near_ade_m"] < 100.0
    assert warning({"near_ade_m": 2.0, "constant_velocity_near_ade_m": 1.9}) == ""
    bad = tmp_path / "bad"
    shutil.copytree(trained, bad)
    metrics = json.loads((bad / "metrics.json").read_text())
    metrics["validation"] |= {"near_ade_m": 31.0, "constant_velocity_near_ade_m": 1.9}
    (bad / "metrics.json").write_text(json.dumps(metrics))
    said = (
        "the first 3 s are 31.00 m off, those of driving straight on at constant velocity 1.90 m: this network has not "
        "learned to drive"
    )
    assert said in add_scores(bad, [])
    assert said not in (trained / "README.md").read_text()


def test_logs_at_other_times_than_the_features_ask_for_are_refused(recipe: TrainConfig, made_up_source: Any) -> None:
    from roadcraft.core.types import FeatureSpec
    from roadcraft.plugins.training.data.samples import check_intervals, log_facts

    facts = [replace(log_facts(made_up_source, "tiny-0"), interval_us=us) for us in (50_100, 99_900)]
    check_intervals(facts, FeatureSpec(), "store")
    slow = replace(facts[0], interval_us=500_000)
    with pytest.raises(
        DataError, match=r"tiny-0 has a frame every 0\.5 s, the network asks for one every 0\.1 s \(past_interval_s\)"
    ):
        check_intervals([*facts, slow], FeatureSpec(), "store")
    with pytest.raises(DataError, match="future_interval_s"):
        check_intervals(facts, FeatureSpec(future_interval_s=0.25), "store")
