"""The comparison of models (``tests/benchmarks/models.py``): its commands, its rows and tables from made-up figures,
and its two measuring scripts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import latency
import models
import numpy as np
import open_loop
import pytest
import torch
from comparing import curves, recipe, rows, table

from roadcraft.core.config.factory import create
from roadcraft.core.data.scenario import ObjectKind
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.plugins.registry import registry
from roadcraft.core.testing import made_up_scenario
from roadcraft.validation.demonstration.steps import Step

FULL, QUICK = recipe.SIZES["full"], recipe.SIZES["quick"]
BASE = recipe.CELLS[0]


def parsed(step: Step) -> dict[str, Any]:
    """What the command of a step makes of its words. Raises as the command would."""
    if step.script is not None:
        return vars({"open_loop": open_loop, "latency": latency}[step.script.stem].parser().parse_args(step.words))
    from roadcraft.core.cli import _load_verb

    verb, *words = step.words
    found = next(c for c in registry().commands() if c.spec.name == verb)
    return dict(_load_verb(found).make_context(verb, words).params)


@pytest.mark.parametrize("size", ["full", "quick"])
def test_every_command_can_be_typed(size: str, tmp_path: Path) -> None:
    from roadcraft.core.config.load import load_config
    from roadcraft.plugins.training.run.resolve import run_config
    from roadcraft.scenario_io.synthetic.config import SynthConfig
    from roadcraft.validation.scoring.score import load_score_config

    steps = models.Comparison(tmp_path, recipe.SIZES[size], []).commands()
    assert len({s.name for s in steps}) == len(steps), "a note belongs to one step"
    minutes, planners = set(), []
    for step in steps:
        words: Sequence[str] = parsed(step).get("words") or []
        match step.words[0]:
            case "synth":
                load_config(SynthConfig, words)
            case "train":
                config = run_config(list(words)).config
                minutes.add(config.minutes)
                assert config.steps == 10**8, "the clock ends a training"
            case "score":
                planners.append(load_score_config(words).config.planner.name)
    assert len(minutes) == 1, "every model gets the same time"
    assert planners[:5] == [*recipe.BASELINES, "learned"]
    assert "guard" in planners


def test_a_model_that_is_not_installed_is_skipped_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "CELLS", (BASE, recipe.Cell("vector_transformer", "multimodel")))
    comparison = models.Comparison(tmp_path, QUICK, [])
    assert list(comparison.skipped) == ["vector_transformer+multimodel"]
    assert "no model named 'multimodel'" in comparison.skipped["vector_transformer+multimodel"]


def test_ablations_are_scored_on_a_part_of_the_others_scenarios() -> None:
    tokens = [f"{i:04d}" for i in range(409)]
    some = models.spread(tokens, 400)
    few = models.spread(some, 120)
    assert len(some) == len(set(some)) == 400
    assert len(few) == 120
    assert set(few) < set(some)
    assert max(np.diff([int(t) for t in few])) <= 5
    assert models.spread(tokens, 1000) == tokens
    cell = recipe.Cell("vector_transformer", "multimodal", finalist=False)
    assert recipe.recipe(cell, FULL)["scenarios"] == 120
    assert recipe.recipe("idm", FULL)["scenarios"] == 400


# ---- rows and tables -----------------------------------------------------------------


def scored(
    nonreactive: float, reactive: float, listed: str = "aa", better: bool = True, **shares: float
) -> dict[str, Any]:
    pair = {
        "difference": 0.031,
        "ci": [0.01, 0.05] if better else [-0.01, 0.05],
        "scenarios": 400,
        "better": better,
        "worse": False,
    }
    close = {**pair, "difference": nonreactive - 0.95, "better": False}
    modes = {
        m: {"score": v, "ci": [v - 0.02, v + 0.02], "nuplan_score": v, "scenarios": 400, "failed": 0, "shares": shares}
        for m, v in zip(recipe.MODES, (nonreactive, reactive), strict=True)
    }
    paired = {"pdm_closed": dict.fromkeys(recipe.MODES, pair), "log_replay": dict.fromkeys(recipe.MODES, close)}
    return {"scenario_list_hash": listed, "logs": 208, "modes": modes, "paired": paired}  # fmt: skip


def trained(weights: str = "w") -> dict[str, Any]:
    points = [[500.0, 2.0], [1000.0, 1.0]]
    return {
        "parameters": 226_483, "minutes": 25.02, "step": 1000, "samples_per_s": 712.4, "device": "CPU",
        "weights": weights,
        "curves": {"validation/ade_m": points, "validation/near_ade_m": points}, "added": {"files": 5, "lines": 458},
    }  # fmt: skip


def timed(one: float, many: float, times: float) -> dict[str, Any]:
    plan = {f"batch_{n}_micro_{m}": {"ms": one if n == 1 else many * 32 / m} for n, m in latency.CASES}
    return {
        "plan": plan,
        "network": {"times_floor": times, "network_ms": 0.5, "floor_ms": 0.25},
        "gpu": {"skipped": "no graphics card here"},
    }


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A folder of made-up rows: a finished model, one that is only trained, a baseline."""
    folder = tmp_path / "rows"
    done = rows.RowFile(folder, BASE.slug, BASE.name, recipe.recipe(BASE, FULL))
    done.add("train", trained())
    done.add("raw", scored(0.934, 0.90))
    done.add("guarded", scored(0.97, 0.95, guard_changed=0.1, guard_braked=0.004))
    far = {"scenes": 400, "ade_m": 1.234, "fde_m": 3.0, "min_ade_m": 0.987, "min_fde_m": 2.0}
    ahead = [{"ahead_s": t, "vehicles": 90, "error_m": 0.1 * t, "drifting_m": 0.3 * t} for t in open_loop.AHEAD_S]
    done.add("open_loop", {"held_out": {**far, "forecasts": ahead}, "womd": {**far, "scenes": 2}})
    done.add("latency", timed(4.5, 1.2, 2.0))
    rows.RowFile(folder, "other", "hetero_gnn+multimodal", recipe.recipe(BASE, FULL)).add("train", trained())
    base = rows.RowFile(folder, "log_replay", "log_replay", recipe.recipe("log_replay", FULL))
    base.add("raw", scored(0.95, 0.93))
    return folder


def test_the_table_of_what_is_measured_so_far(filled: Path) -> None:
    found = rows.placed(rows.read_rows(filled), models.ORDER)
    assert [r["name"] for r in found] == ["log_replay", BASE.name, "hetero_gnn+multimodal"]
    text = table.markdown(found)
    lines = text.splitlines()
    assert {line.count("|") for line in lines[:5]} == {len(table.MAIN) + 1}
    model = next(line for line in lines if line.startswith(f"| {BASE.name} | 400"))
    for cell in (
        "226,483", "25.0 min, CPU", "712", "1.23 / 0.99", "0.934 (0.91 to 0.95)", "0.970 (0.95 to 0.99)", "10.0 / 0.4",
        "4.5", "0.60",
        "2.0 (0.50 / 0.25 ms)", "5 (458)",
    ):  # fmt: skip
        assert f"| {cell} |" in model
    assert "+0.031 (+0.010 to +0.050)" in text
    assert f"| {BASE.name} | 2 | 1.23 | 3.00 | 0.99 | 2.00 |" in text
    assert f"| {BASE.name} | 90 | 0.10 | 0.20 | 0.40 | 0.30 | 0.60 | 1.20 |" in text
    assert "| log_replay | 400 |  |  |" in text
    assert text.count("Measured on:") == 1


def test_which_bars_are_met(filled: Path) -> None:
    found = {b.what: b.met for b in table.bars(list(rows.read_rows(filled).values()))}
    assert found == {
        "raw NR >= 0.80, every model": True,
        "raw NR >= 0.90, the best": True,
        "raw NR within 0.02 of log_replay": True,
        "reactive at most 0.05 below non-reactive, raw": True,
        "guarded above pdm_closed beyond chance, nonreactive": True,
        "guarded above pdm_closed beyond chance, reactive": True,
        "batch 1 <= 12 ms": True,
        "batch 64 <= 6 ms each": True,
        "network within 1.5 times of its floor": False,
    }
    row = json.loads((filled / f"{BASE.slug}.json").read_text())
    row["parts"] |= {"raw": scored(0.79, 0.70), "guarded": scored(0.9, 0.9, better=False)}
    worse = {b.what: b.met for b in table.bars([row])}
    assert [worse[w] for w in list(found)[:6]] == [False] * 6
    assert str(table.bars([row])[0]) == "MISSED raw NR >= 0.80, every model: vector_transformer+multimodal 0.790"
    assert str(table.bars([])[0]) == "open   quality: no model is scored yet"


def test_a_row_of_another_recipe_is_refused(filled: Path) -> None:
    with pytest.raises(ConfigError, match=r"another recipe \(minutes.cpu: 25.0 -> 3; minutes.gpu: 4.0 -> 3\)"):
        rows.RowFile(filled, BASE.slug, BASE.name, recipe.recipe(BASE, FULL.lasting(3)))
    other = recipe.Cell("vector_transformer", "multimodal", model_params={"modes": 5})
    with pytest.raises(ConfigError, match=r"model.params.modes: 3 -> 5"):
        rows.RowFile(filled, BASE.slug, BASE.name, recipe.recipe(other, FULL))
    comparison = models.Comparison(filled.parent, FULL.lasting(3), [])
    assert [r["name"] for r in comparison.rows()] == ["log_replay", "hetero_gnn+multimodal"]
    assert BASE.name in comparison.faults


def test_work_under_one_recipe_is_never_gone_on_with_under_another(tmp_path: Path) -> None:
    folders = {recipe.Places(tmp_path, s).folder(BASE) for s in (FULL, QUICK, FULL.lasting(3))}
    assert len(folders) == 3


def test_rows_of_different_scenarios_do_not_stand_in_one_table(filled: Path) -> None:
    rows.RowFile(filled, "idm", "idm", recipe.recipe("idm", FULL)).add("raw", scored(0.9, 0.9, listed="bb"))
    with pytest.raises(DataError, match="not scored on the same scenarios"):
        rows.read_rows(filled)


def test_parts_of_a_row_are_of_the_same_weights(filled: Path, tmp_path: Path) -> None:
    row = rows.RowFile(filled, BASE.slug, BASE.name, recipe.recipe(BASE, FULL))
    with pytest.raises(DataError, match="not the checkpoint that this row was trained as"):
        row.same_weights(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    row.add("train", trained(rows.weights_hash(tmp_path)))
    row.same_weights(tmp_path)


def test_a_damaged_row_says_which(filled: Path) -> None:
    (filled / "idm.json").write_text('{"name": "idm"')
    with pytest.raises(DataError, match=r"idm\.json"):
        rows.read_rows(filled)


def test_curves_of_all_sittings(tmp_path: Path, filled: Path) -> None:
    writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    for sitting in (((1, 3.0), (2, 2.0)), ((2, 1.5), (3, 1.0))):
        with writer(tmp_path / "tensorboard") as log:
            for step, value in sitting:
                log.add_scalar("validation/ade_m", value, step)
    assert curves.read_curves(tmp_path / "tensorboard") == {"validation/ade_m": [[1.0, 3.0], [2.0, 1.5], [3.0, 1.0]]}
    pytest.importorskip("matplotlib")
    assert curves.draw(list(rows.read_rows(filled).values()), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not curves.draw([], tmp_path / "none.png")


# ---- measuring -----------------------------------------------------------------------


def test_products_are_counted_and_replayed() -> None:
    layer, x = torch.nn.Linear(32, 16), torch.randn(8, 32)
    image, filters = torch.randn(1, 3, 8, 8), torch.randn(4, 3, 3, 3)
    wide = torch.randn(1, 5, 7).expand(6, 5, 7)
    products = latency.Products()
    with torch.no_grad(), products:
        layer(x), layer(x)
        torch.bmm(wide, torch.randn(6, 7, 3)).relu()
        torch.nn.functional.conv2d(image, filters, padding=1)
    assert products.flops == 2 * (2 * 8 * 32 * 16) + 2 * 6 * 5 * 7 * 3 + 2 * 4 * 8 * 8 * 3 * 9
    assert sorted(products.calls.values()) == [1, 1, 2]
    assert latency.replay(products.calls) > 0.0


@pytest.mark.parametrize("planner", ["constant_velocity", "log_replay"])
def test_open_loop_errors_are_none_where_the_log_is_predicted(planner: str) -> None:
    """The made-up ego drives at constant speed."""
    scenarios = [made_up_scenario(f"{i:016x}", speed_mps=7.0 + i, lane=i % 2) for i in range(2)]
    params = {"max_speed_mps": 100.0} if planner == "constant_velocity" else {}
    found, forecasts = open_loop.errors(create("planner", planner, params), scenarios, 30)
    assert not forecasts
    np.testing.assert_allclose(found[:, :4], 0.0, atol=1e-6)
    assert (found[:, 4] >= 7.9).all()


def test_errors_of_known_forecasts() -> None:
    """Vehicles of the made-up world keep their velocity: a forecast is off by what it was moved; who stands, or is no
    vehicle, does not count."""
    from dataclasses import replace

    from roadcraft.core.data.plan import Forecast
    from roadcraft.core.testing import observe

    scenario = made_up_scenario()
    planner = create("planner", "constant_velocity")
    obs = observe([scenario], 30, planner.needs())
    plan, _ = planner.plan(obs, planner.start(obs, np.zeros(1, np.uint64)), np.zeros(1, np.uint64))
    frame, objects = int(scenario.frames[30]), obs.objects
    assert open_loop.foretold(plan, obs, 0, scenario, frame) == []
    t = 0.5 * np.arange(1, 17)
    place = objects.box[:, None, :2] + objects.velocity[:, None] * t[:, None] + np.array([3.0, 4.0])
    pose = np.concatenate([place, np.repeat(objects.box[:, None, 2:3], len(t), 1)], -1)[None]
    time_us = obs.time_us[:, None] + np.round(1e6 * t).astype(np.int64)
    forecast = Forecast(objects.id[None], np.ones((1, len(pose[0])), np.bool_), time_us, pose)
    found = open_loop.foretold(replace(plan, forecast=forecast), obs, 0, scenario, frame)
    moving = (objects.kind == ObjectKind.VEHICLE) & (np.hypot(*objects.velocity.T) > open_loop.MOVING_MPS)
    assert 0 < len(found) <= 3 * moving.sum()
    np.testing.assert_allclose([f[1:] for f in found], [[5.0, 0.0]] * len(found), atol=1e-3)
    told = open_loop.forecast_summary(found)
    assert [f["ahead_s"] for f in told] == [1.0, 2.0, 4.0]
    assert told[0]["error_m"] == pytest.approx(5.0, abs=1e-3)


def test_open_loop_errors_of_known_plans() -> None:
    from dataclasses import replace

    from roadcraft.core.testing import observe

    scenario = made_up_scenario()
    planner = create("planner", "constant_velocity", {"max_speed_mps": 100.0})
    obs = observe([scenario], 30, planner.needs())
    plan, _ = planner.plan(obs, planner.start(obs, np.zeros(1, np.uint64)), np.zeros(1, np.uint64))
    states = np.repeat(plan.states, 3, axis=1)
    states[0, :, :, 1] += np.array([[3.0], [1.0], [0.0]])
    three = replace(plan, states=states, scores=np.array([[-1.0, -0.5, -np.inf]]))
    gap = open_loop.displacement(three, 0, scenario, int(scenario.frames[30]))
    np.testing.assert_allclose(gap, np.repeat([[1.0], [3.0]], gap.shape[1], axis=1), atol=1e-6)
