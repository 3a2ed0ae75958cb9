"""Training: samples, order, augmentation, resume, overfit, checkpoints."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from roadcraft.core.driving.features import FeatureSpec
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.hookspecs import PluginRef
from roadcraft.planners.checkpoint import load_checkpoint, read_tensors
from roadcraft.plugins.training.augment import recover
from roadcraft.plugins.training.config import AugmentConfig, TrainConfig
from roadcraft.plugins.training.run import run_config, train
from roadcraft.plugins.training.samples import BatchOrder, SampleBuilder, SampleSet, chunks, split_logs

SPEC = FeatureSpec(
    agents=4, static=2, lanes=8, lane_points=10, route_lanes=0, crosswalks=1, reference_points=30, future_agents=3
)


def equal_weights(a: Path, b: Path) -> bool:
    one, two = read_tensors(a / "model.safetensors"), read_tensors(b / "model.safetensors")
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def test_going_on_equals_going_through(recipe: TrainConfig, made_up_source: Any, tmp_path: Path) -> None:
    """Stopped between two validations and inside an epoch, with dropout, state dropout, augmentation and averaged weights."""
    recipe = replace(recipe, ema=0.9)
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
    card = (trained / "README.md").read_text()
    assert "Licence of the data: CC0" in card
    assert "multimodal" in card
    network, about = load_checkpoint(trained)
    assert not network.encoder.training
    assert about["data"]["licences"] == ["CC0"]
    assert about["data"]["train_logs"] == 5


def test_tensorboard_and_best_and_last(recipe: TrainConfig, made_up_source: Any) -> None:
    done = train(recipe, source=made_up_source, progress=False)
    assert list((Path(recipe.out) / "tensorboard").glob("events.*"))
    assert done.best.is_dir()
    assert (done.last / "training.safetensors").is_file()


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
    with pytest.raises(DataError, match="no such checkpoint"):
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
    again = run_config(["steps=9"], Path(recipe.out))
    assert (again.steps, again.batch, again.augment) == (9, recipe.batch, recipe.augment)
    assert dict(again.encoder.params)["dim"] == 32


def test_a_third_partys_model_trains_by_name(
    recipe: TrainConfig, made_up_source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in training names an encoder or a model: one that was registered a moment ago will do."""
    from roadcraft.core.hookspecs import PluginSpec
    from roadcraft.core.registry import Provided, registry

    here = "roadcraft.plugins"
    spec = PluginSpec(
        "model", "guest", "A guest", f"{here}.multimodal.config:MultimodalConfig", f"{here}.multimodal.model:Multimodal"
    )
    monkeypatch.setitem(registry()._plugins, ("model", "guest"), [Provided(spec, "guest-package", "3.1", False)])
    done = train(
        replace(recipe, model=PluginRef("guest", {"modes": 1, "layers": 1, "heads": 4}), steps=2),
        source=made_up_source,
        progress=False,
    )
    network, about = load_checkpoint(done.best)
    assert about["model"]["name"] == "guest"
    assert about["versions"]["guest-package"] == "3.1"
    assert network.model.config.modes == 1


# ---- samples ----------------------------------------------------------------------------------------------------------


def test_samples_lie_on_a_grid_and_have_a_future(made_up_source: Any) -> None:
    builder = SampleBuilder(made_up_source, SPEC)
    found = builder.find(made_up_source.logs()[:2], 0.5, 3.0)
    assert len(found) == 2 * 22
    assert set(np.diff(found.frame[found.log == 0])) == {10}
    assert found.frame.max() + 60 <= 280


def test_targets_are_the_logged_future_in_the_ego_frame(made_up_source: Any) -> None:
    builder = SampleBuilder(made_up_source, SPEC)
    log = made_up_source.logs()[1]
    drive = made_up_source.drive(log)
    out = builder.batch(SampleSet((log,), np.zeros(1, np.int64), np.array([100])), np.zeros(1, np.int64), None, [0])
    ego = drive.ego[100]
    c, s = np.cos(ego[2]), np.sin(ego[2])
    d = drive.ego[102:262:2, :2] - ego[:2]
    expected = np.stack([c * d[:, 0] + s * d[:, 1], c * d[:, 1] - s * d[:, 0]], 1)
    np.testing.assert_allclose(out["ego_future"][0, :, :2], expected, atol=1e-4)
    np.testing.assert_allclose(out["ego_future"][0, :, 4], drive.ego[102:262:2, 3], atol=1e-5)
    assert out["ego_future_valid"].all()
    assert out["agent_future_valid"][0, :2].all()


def test_batches_depend_on_seed_and_step_alone(made_up_source: Any) -> None:
    samples = SampleBuilder(made_up_source, SPEC).find(made_up_source.logs(), 0.5, 3.0)
    one, two = BatchOrder(samples, 16, 3, 2), BatchOrder(samples, 16, 3, 2)
    forward = [one.rows(k) for k in range(20)]
    for k in (19, 3, 11):
        np.testing.assert_array_equal(two.rows(k), forward[k])
    epoch = np.concatenate(forward[: one.per_epoch])
    assert len(set(epoch.tolist())) == len(epoch)
    assert not np.array_equal(forward[0], forward[one.per_epoch])
    a, b = (
        SampleBuilder(made_up_source, SPEC, keep=1).batch(samples, forward[0], AugmentConfig(), [0, 5])
        for _ in range(2)
    )
    for k in a:
        np.testing.assert_array_equal(a[k], b[k])


def test_logs_are_split_whole_and_stay_where_they_are() -> None:
    logs = [f"log-{k}" for k in range(40)]
    train_logs, held = split_logs(logs, 0.2, 0)
    assert len(held) == 8
    assert not set(train_logs) & set(held)
    _, more = split_logs([*logs, "new"], 0.2, 0)
    assert len(set(held) - set(more)) <= 1


def test_chunks_spread_over_all_samples() -> None:
    rows = list(chunks(100, 8, 3))
    assert [len(r) for r in rows] == [8, 8, 8]
    assert (rows[0][0], rows[-1][-1]) == (0, 99)
    assert [len(r) for r in chunks(10, 8, 3)] == [8, 2]


# ---- augmentation -------------------------------------------------------------------------------------------------------


def test_displaced_samples_lead_back_to_the_log(made_up_source: Any) -> None:
    builder = SampleBuilder(made_up_source, SPEC)
    samples = builder.find(made_up_source.logs(), 0.5, 8.5)
    rows = np.arange(min(40, len(samples)))
    plain = builder.batch(samples, rows, None, [1])
    moved = builder.batch(samples, rows, AugmentConfig(probability=1.0), [1])
    turn = moved["ego_future"][:, :, :2] - plain["ego_future"][:, :, :2]
    changed = np.abs(turn[:, 0]).sum(-1) > 1e-3
    assert changed.mean() > 0.5
    assert np.isfinite(moved["ego_future"]).all()
    # from the joining pose on, distances between poses are those of the log
    for future in (plain["ego_future"], moved["ego_future"]):
        steps = np.linalg.norm(np.diff(future[:, :, :2], axis=1), axis=-1)
        np.testing.assert_allclose(
            steps[:, 21:], np.linalg.norm(np.diff(plain["ego_future"][:, :, :2], axis=1), axis=-1)[:, 21:], atol=1e-3
        )
    # the ego of a displaced sample starts at its own pose: the first target pose is one step away
    first = moved["ego_future"][:, 0, :2]
    assert np.abs(first[:, 1]).max() < 0.3
    np.testing.assert_allclose(first[:, 0], 0.1 * moved["ego"][:, 0], atol=0.25)


def test_recovery_joins_position_speed_and_heading() -> None:
    t = 0.1 * np.arange(1, 81)
    logged = np.array([0.0, 0.0, 0.0, 10.0, 0, 0, 0, 0, 0, 0])
    future = np.stack([10 * t, 0 * t, 0 * t, 10 + 0 * t, 0 * t], 1)
    ego = logged.copy()
    ego[:4] = 0.5, 0.7, 0.1, 9.0
    out = recover(future, ego, logged, 20, 0.1)
    np.testing.assert_array_equal(out[19:], future[19:])
    path = np.concatenate([[[0.5, 0.7]], out[:, :2]])
    velocity = np.diff(path, axis=0) / 0.1
    np.testing.assert_allclose(np.hypot(*velocity.T)[0], 9.0, atol=0.2)
    np.testing.assert_allclose(np.arctan2(velocity[0, 1], velocity[0, 0]), 0.1, atol=0.02)
    assert np.abs(np.diff(np.hypot(*velocity.T))).max() / 0.1 < 4.0
    assert np.abs(np.diff(out[:, 2])).max() < 0.05


def test_a_standing_car_is_not_moved_sideways(made_up_source: Any) -> None:
    from roadcraft.core.driving.features import LogScenes
    from roadcraft.core.vehicle import load_vehicle
    from roadcraft.plugins.training.augment import perturb

    log = made_up_source.logs()[0]
    drive = made_up_source.drive(log)
    still = replace(drive, ego=drive.ego * np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0]))
    scenes = LogScenes(still, made_up_source.map(log), load_vehicle(), SPEC)
    box = load_vehicle().box
    for seed in range(10):
        moved = perturb(scenes, 50, AugmentConfig(), box, np.random.default_rng(seed))
        assert moved is not None
        c, s = np.cos(moved[2]), np.sin(moved[2])
        d = moved[:2] - still.ego[50, :2]
        assert abs(c * d[1] - s * d[0]) < 1e-6
        assert moved[2] == still.ego[50, 2]
        assert moved[3] >= 0


def test_a_car_put_ahead_of_a_stopped_log_waits() -> None:
    logged = np.zeros(10)
    t = 0.1 * np.arange(1, 81)
    way = np.maximum(t - 4.0, 0.0) ** 2
    future = np.stack([way, 0 * t, 0 * t, 2 * np.maximum(t - 4.0, 0.0), 0 * t], 1)
    ego = logged.copy()
    ego[0] = 0.8
    out = recover(future, ego, logged, 20, 0.1)
    waits = way < 0.8
    np.testing.assert_array_equal(out[waits, 0], 0.8)
    np.testing.assert_array_equal(out[waits, 3], 0.0)
    np.testing.assert_array_equal(out[~waits], future[~waits])


def test_a_displacement_that_touches_somebody_is_not_made(made_up_source: Any) -> None:
    from roadcraft.core.driving.features import LogScenes
    from roadcraft.core.vehicle import load_vehicle
    from roadcraft.plugins.training.augment import perturb

    log = made_up_source.logs()[0]
    drive = made_up_source.drive(log)
    boxes = drive.objects.box.copy()
    rows = drive.objects.rows(50)
    boxes[rows.start, :3] = drive.ego[50, :3]
    scenes = LogScenes(
        replace(drive, objects=replace(drive.objects, box=boxes)), made_up_source.map(log), load_vehicle(), SPEC
    )
    assert perturb(scenes, 50, AugmentConfig(), load_vehicle().box, np.random.default_rng(0)) is None
