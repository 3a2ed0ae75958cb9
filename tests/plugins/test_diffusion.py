"""The behaviour model ``diffusion``: contract, solvers against closed forms, randomness, guidance, and that it listens
to what it is told."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from roadcraft.core.config.factory import create
from roadcraft.core.driving.features.build import merge_specs
from roadcraft.core.driving.features.conditions import PHRASES, Maneuver, read_instruction
from roadcraft.core.errors import DataError
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.testing import ModelConformance
from roadcraft.core.testing.network import made_up_features
from roadcraft.planners.learned.checkpoint import load_checkpoint
from roadcraft.plugins.common.frenet import FrenetDecoder
from roadcraft.plugins.common.text import TextEncoder
from roadcraft.plugins.diffusion import guidance
from roadcraft.plugins.diffusion.config import DiffusionConfig, GuidanceConfig
from roadcraft.plugins.diffusion.neighbors import Neighbors
from roadcraft.plugins.diffusion.schedule import Process, signal_and_noise, solve
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.plugins.training.run.fit import train

ALL = {"collision": 1.0, "drivable": 1.0, "speed": 1.0, "comfort": 1.0}


class TestDiffusion(ModelConformance):
    name = "diffusion"


class TestFlow(ModelConformance):
    name = "diffusion"
    params: ClassVar[dict[str, Any]] = {"process": "flow", "guidance_scale": 2.0, "guidance": ALL}


# ---- solvers -------------------------------------------------------------------------


def _error(process: Process, order: int, steps: int) -> float:
    """How far the solver is off the closed form where the data are N(1.5, 0.5^2), so that the best prediction and the
    whole way of a sample are known."""
    mean, spread, first, last = 1.5, 0.5, 0.95, 0.02

    def levels(t: float) -> tuple[float, float]:
        alpha, sigma = signal_and_noise(process, torch.tensor(t, dtype=torch.float64))
        return float(alpha), float(sigma)

    def predict(z: Tensor, t: float) -> Tensor:
        alpha, sigma = levels(t)
        return mean + alpha * spread**2 / (alpha**2 * spread**2 + sigma**2) * (z - alpha * mean)

    def way(t: float) -> float:
        alpha, sigma = levels(t)
        return math.sqrt(alpha**2 * spread**2 + sigma**2)

    z = torch.linspace(-2.0, 2.0, 5, dtype=torch.float64)
    exact_last = levels(last)[0] * mean + way(last) / way(first) * (z - levels(first)[0] * mean)
    at = np.linspace(first, last, steps + 1)
    if (
        process == "vp" and order == 2
    ):  # evenly in the logarithm of the signal to noise ratio, for which its order is stated
        fine = np.linspace(first, last, 20001)
        alpha, sigma = (v.numpy() for v in signal_and_noise("vp", torch.tensor(fine)))
        ratio = np.log(alpha / sigma)
        at = np.interp(np.linspace(ratio[0], ratio[-1], steps + 1), ratio, fine)
    exact = predict(exact_last, last)  # the last prediction is what a solver answers
    return float((solve(process, order, predict, z, at.tolist()) - exact).abs().max())


@pytest.mark.parametrize(("process", "order"), [("vp", 1), ("vp", 2), ("flow", 1), ("flow", 2)])
def test_solvers_have_their_order(process: Process, order: int) -> None:
    coarse, fine = _error(process, order, 40), _error(process, order, 80)
    assert coarse / fine == pytest.approx(2.0**order, rel=0.25)
    assert fine < (0.03 if order == 1 else 0.003)


def test_few_steps_of_order_two_beat_as_many_of_order_one() -> None:
    for process in ("vp", "flow"):
        assert _error(process, 2, 6) < 0.5 * _error(process, 1, 6)


def test_noise_levels() -> None:
    t = torch.linspace(1e-3, 1.0, 50, dtype=torch.float64)
    alpha, sigma = signal_and_noise("vp", t)
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones_like(t))
    assert alpha[-1] < 0.01 < 0.99 < alpha[0]
    alpha, sigma = signal_and_noise("flow", t)
    torch.testing.assert_close(alpha + sigma, torch.ones_like(t))


# ---- trajectories as values ----------------------------------------------------------


def test_fit_reverses_the_decoder() -> None:
    torch.manual_seed(0)
    decoder = FrenetDecoder((0.5, 1.0, 2.0, 4.0), (0.8, 1.6, 3.0, 5.0), 80, 2.0, 5.0)
    a = torch.linspace(0, 1.2, 80)
    line = torch.stack([133 * torch.sin(a), 133 - 133 * torch.cos(a), torch.cos(a), torch.sin(a)], -1)
    line = line.expand(4, -1, -1)
    now, lateral, slope = torch.tensor([8.0, 8.0, 3.0, 0.0]), torch.tensor([0.0, 0.5, -0.3, 0.0]), torch.zeros(4)
    shifted = line.clone()
    shifted[..., 1] -= lateral[:, None]
    speed, offset = 0.2 * torch.randn(4, decoder.speed_size), 0.2 * torch.randn(4, decoder.offset_size)
    speed[3] = -0.3  # stands
    inputs = (shifted[:, None], lateral[:, None], slope[:, None], now)
    future = decoder(speed[:, None], offset[:, None], *inputs)[:, 0]
    valid = torch.ones(4, 80, dtype=torch.bool)
    fitted = decoder.fit(future, valid, shifted, lateral, slope, now)
    again = decoder(*(v[:, None] for v in fitted), *inputs)[:, 0]
    assert (again[..., :2] - future[..., :2]).norm(dim=-1).max() < 0.25
    assert (again[..., 4] - future[..., 4]).abs().max() < 0.15


def test_neighbours_go_there_and_back() -> None:
    torch.manual_seed(0)
    neighbors = Neighbors(80)
    now = torch.randn(2, 3, 6)
    now[..., 2:4] = torch.nn.functional.normalize(now[..., 2:4], dim=-1)
    values = 0.3 * torch.randn(2, 1, 3, neighbors.size)
    future = neighbors(values, now)
    found, known = neighbors.fit(future[:, 0], torch.ones(2, 3, 80, dtype=torch.bool), now)
    assert known.all()
    torch.testing.assert_close(found, values[:, 0], atol=1e-3, rtol=0)
    straight = neighbors(torch.zeros_like(values), now)[:, 0]
    torch.testing.assert_close(straight[:, :, -1, :2], now[..., :2] + 8.0 * now[..., 4:], atol=1e-4, rtol=0)
    standing = now.clone()
    standing[..., 4:] = 0.0
    torch.testing.assert_close(neighbors(torch.zeros_like(values), standing)[:, 0, :, 40, 2:], standing[..., 2:4])


# ---- sampling ------------------------------------------------------------------------


def _network(**params: Any) -> tuple[Any, Any, dict[str, Tensor]]:
    """Encoder, model whose silent last layers have been given weights, and made-up features."""
    torch.manual_seed(0)
    encoder = create("encoder", "vector_transformer", {"dim": 32, "layers": 1})
    model = create("model", "diffusion", params, dim=32, features=encoder.features())
    for layer in (model.denoiser.ego_out, model.denoiser.agent_out, model.denoiser.modulate):
        torch.nn.init.normal_(layer.weight, std=0.1)
    for block in model.denoiser.blocks:
        torch.nn.init.normal_(block.modulate.weight, std=0.1)
    features = made_up_features(merge_specs(encoder.features(), model.features()))
    return encoder.eval(), model.eval(), features


def _sample(encoder: Any, model: Any, features: dict[str, Tensor], keys: list[int]) -> Any:
    with torch.inference_mode():
        return model.sample(encoder.encode(features, None)[0], features, np.array(keys, np.uint64))


def _say(features: dict[str, Tensor], text: str) -> dict[str, Tensor]:
    words = features["instruction"].shape[1]
    return {**features, "instruction": torch.tensor([read_instruction(text, words)] * len(features["ego"]))}


def _pick(features: dict[str, Tensor], rows: list[int]) -> dict[str, Tensor]:
    return {k: v[rows] for k, v in features.items()}


@pytest.mark.parametrize("params", [{}, {"guidance": ALL, "guidance_scale": 1.5}, {"future_agents": 0}])
def test_samples_depend_on_the_key_alone(params: dict[str, Any]) -> None:
    encoder, model, features = _network(**params)
    whole = _sample(encoder, model, features, [5, 6, 7])
    mixed = _sample(encoder, model, _pick(features, [2, 0, 0]), [7, 5, 8])
    torch.testing.assert_close(mixed.ego[:2], whole.ego[[2, 0]], rtol=0, atol=0)
    torch.testing.assert_close(mixed.agents[:2], whole.agents[[2, 0]], rtol=0, atol=0)
    assert not torch.equal(mixed.ego[1], mixed.ego[2]), "another key gives other samples"
    assert whole.ego.shape[1] == model.config.samples


def test_neighbours_are_predicted_from_where_they_are() -> None:
    encoder, model, features = _network()
    agents = _sample(encoder, model, features, [5, 6, 7]).agents
    count = model.spec.future_agents
    now = features["agent"][:, :count, -1]
    assert agents.shape == (3, count, model.config.samples, model.config.future_steps, 4)
    gap = (agents[:, :, :, 0, :2] - (now[:, :, None, :2] + 0.1 * now[:, :, None, 4:6])).norm(dim=-1)
    assert gap.max() < 0.5
    assert (agents[:, :, :, 0, :2] - agents.roll(1, 1)[:, :, :, 0, :2]).norm(dim=-1).max() > 1.0, (
        "they are not all at one place"
    )


def test_samples_are_dealt_to_the_lines_there_are() -> None:
    encoder, model, features = _network(samples=5)
    features = {
        **features,
        "reference_valid": torch.tensor([[True, False, False], [True, True, False], [True, True, True]]),
    }
    p = _sample(encoder, model, features, [1, 2, 3])
    assert torch.isfinite(p.logits).all()
    torch.testing.assert_close(p.logits.exp().sum(-1), torch.ones(3))


def test_emphasis_goes_from_deaf_to_loud() -> None:
    told: dict[float, Any] = {}
    for w in (0.0, 1.0, 2.0):
        encoder, model, features = _network(guidance_scale=w)
        features["goal_valid"] = torch.zeros(3, dtype=torch.bool)
        loud = _say(features, "stop")
        told[w] = _sample(encoder, model, loud, [1, 2, 3])
        silent = _sample(encoder, model, features, [1, 2, 3])
        if w == 0.0:
            torch.testing.assert_close(told[w].ego, silent.ego, rtol=0, atol=0)
            nothing = silent
        else:
            assert not torch.allclose(told[w].ego, silent.ego)
            torch.testing.assert_close(silent.ego, nothing.ego, rtol=0, atol=1e-4, msg="silence is not exaggerated")


def test_flow_and_diffusion_share_the_network() -> None:
    a, b = (_network(process=p)[1] for p in ("vp", "flow"))
    assert a.state_dict().keys() == b.state_dict().keys()


# ---- guidance ------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(ALL))
def test_guidance_lowers_its_energy(name: str) -> None:
    _, model, features = _network()
    torch.manual_seed(3)
    line = torch.zeros(3, 4, dtype=torch.int64)
    values = 2.0 * torch.randn(3, 4, len(model.scale))
    features["target_speed"], features["target_speed_valid"] = torch.full((3, 1), 3.0), torch.ones(3, dtype=torch.bool)
    agents = model.neighbors(
        torch.zeros(3, 4, model.spec.future_agents, model.neighbors.size),
        features["agent"][:, : model.spec.future_agents, -1],
    )
    path = model._decode(line, torch.zeros_like(values), features)
    agents[:, :, 0] = path[..., :4] + torch.tensor([3.0, 1.0, 0.0, 0.0])  # somebody in the way
    features["agent_valid"][:, 0], features["agent_size"][:, 0] = True, torch.tensor([4.5, 1.9])
    config = GuidanceConfig(**{name: 1.0}, limit=0.2)

    def energy(v: Tensor) -> Tensor:
        return guidance.energy(config, model._decode(line, v, features), agents, features)

    before = energy(values)
    assert (before > 1e-3).any(), "the trial has something to mend"
    for _ in range(10):
        values = guidance.apply_guidance(config, values, partial(model._decode, line), agents, features)
    assert energy(values).sum() < 0.8 * before.sum()


def test_no_guidance_changes_nothing_and_a_collision_is_seen() -> None:
    config = GuidanceConfig()
    assert not config.on
    f = {
        "vehicle": torch.tensor([[1.4, 5.0, 2.0, 3.0]]),
        "agent_size": torch.tensor([[[4.0, 2.0]]]),
        "agent_valid": torch.ones(1, 1, 1, dtype=torch.bool),
    }
    ego = torch.tensor([0.0, 0.0, 1.0, 0.0, 5.0]).expand(1, 1, 1, 5)
    deep = [float(guidance.collision(ego, torch.tensor([[[[[x, 0.0, 1.0, 0.0]]]]]), f)) for x in (1.4, 5.0, 7.0, 12.0)]
    assert deep[0] > deep[1] > 0.0
    assert deep[3] == 0.0
    beside = float(guidance.collision(ego, torch.tensor([[[[[1.4, 3.0, 1.0, 0.0]]]]]), f))
    assert beside == 0.0, "a car in the next lane is no collision"


# ---- what is told --------------------------------------------------------------------


def test_wordings_of_one_command_come_to_lie_together() -> None:
    """Trained on some wordings, the encoder puts unseen ones with their own kind."""
    torch.manual_seed(0)
    encoder, head = TextEncoder(8, 16, 32), torch.nn.Linear(32, len(Maneuver))
    rows = [(m, p) for m, phrases in PHRASES.items() for p in phrases]
    ids = torch.tensor([read_instruction(p, 8) for _, p in rows])
    kind = torch.tensor([int(m) for m, _ in rows])
    held = torch.arange(len(rows)) % 5 == 3
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=3e-3)
    for _ in range(120):
        loss = torch.nn.functional.cross_entropy(head(encoder(ids[~held])), kind[~held])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        right = (head(encoder(ids[held])).argmax(-1) == kind[held]).double().mean()
    assert right > 0.7
    assert encoder(torch.zeros(1, 8, dtype=torch.int64)).abs().max() == 0.0, "silence is zero"


def test_config_is_checked() -> None:
    for wrong in (
        {"samples": 0},
        {"solver_order": 3},
        {"temperature": -1.0},
        {"speed_knots_s": (1.0, 0.5)},
        {"reference_points": 2},
    ):
        with pytest.raises(ValueError, match="must"):
            DiffusionConfig(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="speed must be at least 0"):
        GuidanceConfig(speed=-1.0)


def test_eight_samples_are_learned_by_heart(recipe: TrainConfig, made_up_source: Any) -> None:
    small = PluginRef("diffusion", {"reference_points": 40, "future_agents": 2, "samples": 2, "heads": 4})
    config = replace(recipe, model=small, overfit=8, steps=200, validate_every=200, learning_rate=3e-3)
    held = train(config, source=made_up_source, progress=False).metrics["validation"]
    assert held["ade_m"] < 0.3, held


def test_sampling_is_chosen_when_driving(recipe: TrainConfig, made_up_source: Any) -> None:
    """Params of the model can be replaced at driving time, as long as the weights fit."""
    small = PluginRef("diffusion", {"reference_points": 40, "future_agents": 2})
    done = train(replace(recipe, model=small, steps=2, validate_every=2), source=made_up_source, progress=False)
    network, about = load_checkpoint(done.best, {"steps": 2, "guidance": {"collision": 0.5}})
    assert network.model.config.steps == 2
    assert network.model.config.guidance == GuidanceConfig(collision=0.5)
    assert about["model"]["params"]["future_agents"] == 2
    with pytest.raises(DataError):
        load_checkpoint(done.best, {"blocks": 3})
    assert Path(done.best).is_dir()


def test_commands_reach_the_network_from_params_and_observations(
    recipe: TrainConfig, made_up_source: Any, tiny_world: Any, tmp_path: Path
) -> None:
    from roadcraft.core.errors import ConfigError
    from roadcraft.core.interfaces import load_planner
    from roadcraft.planners.learned.checkpoint_writing import save_checkpoint
    from roadcraft.planners.learned.network import build_network

    encoder, model, _ = _network(samples=3)
    about = {
        "encoder": {"name": "vector_transformer", "params": {"dim": 32, "layers": 1}},
        "model": {"name": "diffusion", "params": {"samples": 3}},
    }
    network = build_network(about["encoder"], about["model"])
    network.encoder.load_state_dict(encoder.state_dict())
    network.model.load_state_dict(model.state_dict())
    save_checkpoint(tmp_path / "best", network, about, {}, "")
    world = tiny_world.make_map()
    drives = [tiny_world.make_drive(world, k) for k in range(2)]
    obs = tiny_world.observe(drives, world, [40, 60])
    keys = np.arange(2, dtype=np.uint64)

    def plan(observation: Any, **params: Any) -> Any:
        return load_planner(tmp_path / "best", micro_batch=2, **params).plan(observation, [None, None], keys)[0].states

    silent = plan(obs)
    said = replace(obs, instruction=("stop", None))
    heard = plan(said)
    assert not np.array_equal(heard[0], silent[0])
    np.testing.assert_array_equal(heard[1], silent[1])
    np.testing.assert_array_equal(plan(obs, instruction="Stop!"), plan(replace(obs, instruction=("stop", "stop"))))
    np.testing.assert_array_equal(plan(said, instruction="keep lane"), plan(obs, instruction="keep lane"))
    for told in ({"target_speed_mps": 3.0}, {"style": "calm"}):
        assert not np.array_equal(plan(obs, **told), silent)
    with pytest.warns(UserWarning, match="not in the vocabulary: teleport"):
        plan(obs, instruction="teleport")
    deaf = {"encoder": about["encoder"], "model": {"name": "multimodal", "params": {}}}
    save_checkpoint(tmp_path / "deaf", build_network(deaf["encoder"], deaf["model"]), deaf, {}, "")
    with pytest.raises(ConfigError, match="reads no instruction"):
        load_planner(tmp_path / "deaf", instruction="stop")
    encoder = {**about["encoder"], "params": {**about["encoder"]["params"], "command_words": 4}}
    hears = {"encoder": encoder, "model": {"name": "multimodal", "params": {}}}
    save_checkpoint(tmp_path / "hears", build_network(hears["encoder"], hears["model"]), hears, {}, "")
    load_planner(tmp_path / "hears", instruction="stop")
    for told in ({"target_speed_mps": 3.0}, {"style": "calm"}):
        with pytest.raises(ConfigError, match="nothing reads target speed or style"):
            load_planner(tmp_path / "hears", **told)
