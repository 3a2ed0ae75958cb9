"""The encoder ``bev_raster``, and the way of raster layers from a store into a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from roadcraft.core.config.factory import create
from roadcraft.core.data.layers import Grid, RasterLayers
from roadcraft.core.driving.features.build import build_features
from roadcraft.core.driving.features.raster import RasterChannel, cell_centers
from roadcraft.core.driving.features.scene import LogScenes, scenes_of
from roadcraft.core.errors import ConfigError
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.testing import EncoderConformance, made_up_scenario, observe
from roadcraft.core.types import TokenKind
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.planners.learned.network import build_network
from roadcraft.plugins import draw_raster
from roadcraft.plugins.bev_raster.encoder import sample_maps
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.plugins.training.data.samples import SampleBuilder, find_samples, log_facts
from roadcraft.plugins.training.run.fit import train
from roadcraft.scenario_io.store.store import Store
from roadcraft.scenario_io.store.writer import StoreWriter
from roadcraft.validation.simulation.batch_log import BatchLog

SMALL = {"cells": 64, "cell_m": 1.0, "channels": [16, 16, 32], "dim": 32, "heads": 4, "agents": 6, "static": 3}
MODEL = {"modes": 2, "layers": 1, "heads": 4, "reference_points": 40}


class TestBevRaster(EncoderConformance):
    name = "bev_raster"


def network(**params: Any) -> Any:
    torch.manual_seed(0)
    net = build_network({"name": "bev_raster", "params": {**SMALL, **params}}, {"name": "multimodal", "params": MODEL})
    net.encoder.eval()
    net.model.eval()
    return net


def ground(x: float, y: float, seed: int = 0) -> RasterLayers:
    rng = np.random.default_rng(seed)
    return RasterLayers.build(
        {
            "friction": Grid(rng.random((90, 120), np.float32), 2.0, (x - 100, y - 90, 0.1)),
            "grade": Grid(rng.normal(0, 0.05, (200, 200)).astype(np.float32), 1.0, (x - 100, y - 100, 0.0)),
        }
    )


@pytest.fixture(scope="module")
def drives(tiny_world: Any) -> Any:
    world = tiny_world.make_map()
    return world, [tiny_world.make_drive(world, k) for k in range(3)]


def batch(drives: Any, spec: Any, frames: list[int], layers: RasterLayers | None = None) -> dict[str, torch.Tensor]:
    world, made = drives
    if layers is not None:
        made = [replace(d, layers=layers) for d in made]
    logs = [LogScenes(d, world, load_vehicle(), spec) for d in made]
    arrays = build_features(spec, [logs[i % 3].at(f) for i, f in enumerate(frames)])
    return {k: torch.from_numpy(v) for k, v in arrays.items()}


def test_tokens_of_the_grid_stand_where_their_cells_are(drives: Any) -> None:
    net = network()
    encoding, cache = net.encoder.encode(batch(drives, net.features, [30, 60]))
    assert cache is None
    kind, pose = encoding.kind[0], encoding.pose[0]
    assert kind.tolist() == [TokenKind.EGO] + [TokenKind.AGENT] * 6 + [TokenKind.GRID] * 16
    grid = pose[kind == TokenKind.GRID]
    np.testing.assert_allclose(grid[0], [40.0, 24.0, 0.0], atol=1e-5)
    np.testing.assert_allclose(grid[-1], [-8.0, -24.0, 0.0], atol=1e-5)
    assert encoding.mask[:, kind == TokenKind.GRID].all()


def test_agents_see_the_picture_where_they_stand() -> None:
    """At the centre of a map's cell they see that cell; outside they see nothing."""
    maps = [torch.rand(1, 4, 16, 16), torch.rand(1, 3, 8, 8)]
    x, y = (torch.from_numpy(v).float() for v in cell_centers(16, 4.0))
    places = torch.stack([torch.stack([x[3], y[9]]), torch.tensor([500.0, 0.0])])[None]
    seen = sample_maps(maps, places, 64, 1.0)
    torch.testing.assert_close(seen[0, 0, :4], maps[0][0, :, 3, 9])
    weight = torch.tensor([[9.0, 3.0], [3.0, 1.0]]) / 16  # of the four cells twice as large around it
    torch.testing.assert_close(seen[0, 0, 4:], (maps[1][0, :, 1:3, 4:6] * weight).sum((1, 2)))
    assert not seen[0, 1].any()


def test_agents_are_predicted(drives: Any) -> None:
    net = network()
    f = batch(drives, net.features, [30, 60, 90])
    with torch.inference_mode():
        prediction = net.model(net.encoder.encode(f)[0], f)
    assert prediction.agents is not None
    assert prediction.agents.shape == (3, 6, 1, 80, 4)
    assert torch.isfinite(prediction.agents).all()


def test_bits_do_not_depend_on_the_neighbours(drives: Any) -> None:
    net = network()
    a, b = batch(drives, net.features, [30, 60, 90, 40]), batch(drives, net.features, [30, 200, 0, 10])
    b["raster"][3] = torch.randint(0, 256, b["raster"].shape[1:], dtype=torch.uint8)
    with torch.inference_mode():
        one, other = (net.model(net.encoder.encode(x)[0], x) for x in (a, b))
    assert torch.equal(one.ego[0], other.ego[0])
    assert torch.equal(one.logits[0], other.logits[0])


def test_layers_are_read_where_they_are_known(drives: Any) -> None:
    net, blind = network(), network(raster_layers=[])
    torch.nn.init.normal_(net.encoder.stages[0].down.weight, std=0.05)
    x, y = drives[1][0].ego[60, :2]
    plain, known = batch(drives, net.features, [60]), batch(drives, net.features, [60], ground(x, y))
    nothing = np.full((5, 5), np.nan, np.float32)
    unknown = batch(
        drives, net.features, [60], RasterLayers.build({"friction": Grid(nothing, 50.0, (x - 125, y - 125, 0.0))})
    )
    with torch.inference_mode():
        a, b, c = (net.encoder.encode(f)[0].tokens for f in (plain, known, unknown))
        d, e = (blind.encoder.encode(f)[0].tokens for f in (plain, known))
    assert not torch.equal(a, b)
    assert torch.equal(a, c), "not a number is unknown"
    assert torch.equal(d, e)


def test_layers_that_no_training_log_had_change_nothing(drives: Any) -> None:
    net = network()
    x, y = drives[1][0].ego[60, :2]
    with torch.inference_mode():
        a, b = (net.encoder.encode(batch(drives, net.features, [60], g))[0].tokens for g in (None, ground(x, y)))
    assert torch.equal(a, b)


def test_one_layer_alone(drives: Any) -> None:
    net = network(raster_layers=["grade"])
    torch.nn.init.normal_(net.encoder.stages[0].down.weight, std=0.05)
    x, y = drives[1][0].ego[60, :2]
    f = batch(drives, net.features, [60], ground(x, y))
    with torch.inference_mode():
        a = net.encoder.encode(f)[0].tokens
        f["raster"][:, RasterChannel.FRICTION] = 0
        f["raster"][:, RasterChannel.FRICTION_KNOWN] = 0
        b = net.encoder.encode(f)[0].tokens
        f["raster"][:, RasterChannel.GRADE] = 128
        c = net.encoder.encode(f)[0].tokens
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_the_patches_are_a_convolution_of_the_numbers() -> None:
    """Words, views and folded scales against the plain way."""
    net = network(raster_layers=["friction"])
    patches = net.encoder.stages[0].down
    torch.nn.init.normal_(patches.weight, std=0.05)
    raster = torch.randint(0, 256, (2, len(RasterChannel), 64, 64), dtype=torch.uint8)
    numbers = raster[:, patches.shown].double() * patches.scale[..., None].double() + patches.shift[..., None].double()
    weight = patches.weight.double().unflatten(2, (4, 4))
    expected = torch.nn.functional.conv2d(numbers, weight, patches.bias.double(), stride=4)
    torch.testing.assert_close(patches(raster).double(), expected, rtol=1e-4, atol=1e-4)


def test_everything_in_use_learns(drives: Any) -> None:
    net = network()
    net.encoder.train()
    f = batch(drives, net.features, [0, 60, 200])
    f["ego_future"], f["ego_future_valid"] = torch.zeros(3, 80, 5), torch.ones(3, 80, dtype=torch.bool)
    f["agent_future"], f["agent_future_valid"] = torch.ones(3, 6, 80, 4), torch.ones(3, 6, 80, dtype=torch.bool)
    terms = net.losses(f)[0].terms
    torch.stack(list(terms.values())).sum().backward()
    for name, p in net.encoder.named_parameters():
        assert p.grad is not None, name
        assert torch.isfinite(p.grad).all(), name


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"cells": 100}, "multiple of 16"),
        ({"channels": [12]}, "multiples of 8"),
        ({"channels": []}, "must name one number per stage"),
        ({"raster_layers": ["snow"]}, r"raster_layers\[0\] .*must be among grade, friction"),
        ({"cell_m": 0.0}, "cell_m .*must be above 0, got 0.0"),
        ({"ego_channels": ["vz"]}, r"ego_channels\[0\] .*must be among vx, vy"),
        ({"heads": 5}, "dim: must be a multiple of heads = 5, got 64"),
    ],
)
def test_settings_that_make_no_sense(params: dict[str, Any], words: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=words):
        create("encoder", "bev_raster", params)


def test_from_store_to_sample_and_observation(tmp_path: Path) -> None:
    """A layer written into a store comes back bit for bit, and a training sample and the simulator's observation draw
    it alike."""
    scenario = made_up_scenario()
    x, y = scenario.drive.ego[scenario.first, :2]
    perceived = [Grid(np.full((8, 8), v, np.float32), 3.0, (x + v, y, 0.3), f) for f, v in ((0, 0.2), (70, 0.8))]
    still = ground(x, y, seed=4)
    layers = RasterLayers.build({"friction": still[0], "grade": still[1], "occupancy": perceived})
    drive = replace(scenario.drive, layers=layers)
    with StoreWriter(tmp_path / "s") as out:
        out.add(drive.name, drive, scenario.map)
        out.add("bare", replace(scenario.drive, name="bare"), scenario.map)
    store = Store(tmp_path / "s")
    back = store.drive(drive.name)
    assert len(store.drive("bare").layers) == 0
    for name in ("kind", "frame", "pose", "cell_m", "shape", "first", "values"):
        a, b = getattr(layers, name), getattr(back.layers, name)
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes(), name
    net = network()
    builder = SampleBuilder(store, net.features)
    samples = find_samples([drive.name], [log_facts(store, drive.name)], 0.1, 3.0)
    batch_log = BatchLog.holding([replace(scenario, drive=back)], load_vehicle())
    assert batch_log.has_layers
    batch_log.ego[0, batch_log.size - 1 :] = batch_log.expert[0]
    pictures = []
    for i in (0, 3, 30):
        frame = int(scenario.frames[i])
        obs = observe([scenario], i)
        seen = batch_log.observe(np.zeros(1, np.int64), np.array([i]), obs.objects, obs.objects_past, False)
        drawn = build_features(net.features, scenes_of(seen, net.features))["raster"][0]
        row = int(np.flatnonzero(samples.frame == frame)[0])
        trained = builder.batch(samples, np.array([row]))["raster"][0]
        np.testing.assert_array_equal(drawn, trained)
        assert (drawn[RasterChannel.FRICTION_KNOWN] == 255).mean() > 0.9
        assert (drawn[RasterChannel.OCCUPANCY_KNOWN] == 255).any()
        pictures.append(drawn)
    codes = [set(p[RasterChannel.OCCUPANCY][p[RasterChannel.OCCUPANCY_KNOWN] == 255].tolist()) for p in pictures]
    assert codes == [{51}, {51}, {204}], "the second grid is known from frame 70 on"


def test_overfits_eight_samples(made_up_source: Any, tmp_path: Path) -> None:
    config = TrainConfig(
        encoder=PluginRef("bev_raster", {**SMALL, "state_dropout": 0.0}),
        model=PluginRef("multimodal", MODEL),
        out=str(tmp_path / "run"),
        steps=120,
        batch=8,
        validate_every=120,
        overfit=8,
        learning_rate=3e-3,
        threads=1,
    )
    result = train(config, source=made_up_source, progress=False)
    assert result.metrics["validation"]["ade_m"] < 0.2, result.metrics


def test_a_picture_for_the_eye(drives: Any) -> None:
    net = network()
    raster = batch(drives, net.features, [120])["raster"][0].numpy()
    picture = draw_raster(raster)
    assert picture.shape == (64, 64, 3)
    assert picture.dtype == np.uint8
    assert (picture[47:49, 31:33] == 0).all(), "the ego's rear axle"
    assert (picture[raster[RasterChannel.VEHICLE] == 255] == [20, 50, 110]).all(-1).any()
