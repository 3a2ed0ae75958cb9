"""Every encoder with every model that is installed, and what is particular to ours."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from roadcraft.core.config.factory import create
from roadcraft.core.data.instructions import Instructions
from roadcraft.core.data.places import PlaceKind, Places, RoadPlace
from roadcraft.core.driving.features.build import build_features, merge_specs
from roadcraft.core.driving.features.scene import LogScenes
from roadcraft.core.driving.features.views import FeatureView
from roadcraft.core.errors import PluginError
from roadcraft.core.plugins.registry import registry
from roadcraft.core.testing import EncoderConformance, ModelConformance
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.planners.learned.network import Network, build_network
from roadcraft.plugins.common.agent_motion import agent_size, describe_agents, described
from roadcraft.plugins.common.frenet import FrenetDecoder
from roadcraft.plugins.common.kernels import array, compiled
from roadcraft.plugins.common.line_inputs import INFO_COLUMNS, describe_info, describe_objects
from roadcraft.plugins.common.line_kernels import info_into, objects_into
from roadcraft.plugins.common.line_model_config import LineModelConfig
from roadcraft.plugins.common.lines import nearest_line, pose_error

ENCODERS, MODELS = registry().names("encoder"), registry().names("model")
SMALL: dict[str, dict[str, Any]] = {
    "vector_transformer": {"dim": 32, "layers": 1, "heads": 4},
    "multimodal": {"layers": 1, "modes": 2, "heads": 4},
}


class TestVectorTransformer(EncoderConformance):
    name = "vector_transformer"


class TestVectorTransformerOfUnits(EncoderConformance):
    name = "vector_transformer"
    params: ClassVar[dict[str, Any]] = {**SMALL["vector_transformer"], "ego_units": 4, "places": 4}


class TestMultimodal(ModelConformance):
    name = "multimodal"


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("model", MODELS)
def test_every_pair_composes(encoder: str, model: str, tiny_world: Any) -> None:
    torch.manual_seed(0)
    network = build_network(
        {"name": encoder, "params": SMALL.get(encoder, {})}, {"name": model, "params": SMALL.get(model, {})}
    )
    batch = scenes(tiny_world, network.features, [30, 60, 90])
    network.encoder.eval()
    network.model.eval()
    with torch.inference_mode():
        encoding, _ = network.encoder.encode(batch, None)
        prediction = network.model.sample(encoding, batch, np.arange(3, dtype=np.uint64))
    b, k, t, s = prediction.ego.shape
    assert b == 3
    assert t == network.features.future_steps
    assert s >= 4
    assert prediction.logits.shape == (b, k)
    best = prediction.ego[torch.arange(3), prediction.logits.argmax(-1)]
    assert torch.isfinite(best).all()
    torch.testing.assert_close(best[..., 2:4].norm(dim=-1), torch.ones(b, t), atol=1e-3, rtol=0)


@pytest.mark.parametrize("encoder", ["vector_transformer", "hetero_gnn", "bev_raster"])
def test_one_network_tells_vehicles_apart_where_it_reads_their_units(encoder: str, tiny_world: Any) -> None:
    """Another joint or another load is another scene to an encoder that reads units, and none to one that does not."""
    if encoder not in ENCODERS:
        pytest.skip(f"{encoder} is not installed")
    reads, blind = (create("encoder", encoder, {"ego_units": n}).eval() for n in (4, 0))
    assert set(blind.state_dict()) < set(reads.state_dict())
    assert "ego_units" not in blind.features().groups
    world, spec = tiny_world.make_map(), reads.features()
    drive = tiny_world.make_drive(world, 0)

    def seen(load: str, joint: float) -> dict[str, torch.Tensor]:
        truck = load_vehicle("us_sleeper_53", load=load)
        scene = LogScenes(replace(drive, joints=np.full((len(drive), 1), joint)), world, truck, spec).at(60)
        return {k: torch.from_numpy(v) for k, v in build_features(spec, [scene]).items()}

    first, others = seen("loaded", 0.0), [seen("empty", 0.0), seen("loaded", 0.3)]
    assert int(first["ego_unit_mask"].sum()) == 2
    with torch.inference_mode():
        for network, differs in ((reads, True), (blind, False)):
            token = network.encode(first)[0].tokens[:, 0]
            for other in others:
                assert torch.equal(token, network.encode(other)[0].tokens[:, 0]) is not differs


@pytest.mark.parametrize("encoder", ["vector_transformer", "hetero_gnn", "bev_raster"])
def test_a_place_of_the_map_is_seen_where_places_are_read(encoder: str, tiny_world: Any) -> None:
    if encoder not in ENCODERS:
        pytest.skip(f"{encoder} is not installed")
    reads, blind = (create("encoder", encoder, {"places": n}).eval() for n in (4, 0))
    world, spec = tiny_world.make_map(), reads.features()
    drive = tiny_world.make_drive(world, 0)

    def seen(*places: RoadPlace) -> dict[str, torch.Tensor]:
        scene = LogScenes(drive, replace(world, places=Places.build(places)), load_vehicle(), spec).at(60)
        return {k: torch.from_numpy(v) for k, v in build_features(spec, [scene]).items()}

    low, high = (RoadPlace(PlaceKind.CLEARANCE, 0, (0.0, 5.0), m) for m in (3.0, 4.5))
    scenes = [seen(), seen(low), seen(high), seen(low, high)]
    with torch.inference_mode():
        for network, differs in ((reads, True), (blind, False)):
            tokens = [network.encode(s)[0].tokens[:, 0] for s in scenes]
            assert all(torch.equal(tokens[0], t) is not differs for t in tokens[1:])


@pytest.mark.parametrize("encoder", ["vector_transformer", "hetero_gnn", "bev_raster"])
def test_a_command_of_the_log_is_heard_where_commands_are_read(encoder: str, tiny_world: Any) -> None:
    if encoder not in ENCODERS:
        pytest.skip(f"{encoder} is not installed")
    hears, deaf = (create("encoder", encoder, {"command_words": n}).eval() for n in (4, 0))
    assert set(deaf.state_dict()) < set(hears.state_dict())
    world, spec = tiny_world.make_map(), hears.features()
    drive = tiny_world.make_drive(world, 0)

    def heard(text: str) -> dict[str, torch.Tensor]:
        said = Instructions(drive.time_us[50:51], (text,))
        scene = LogScenes(replace(drive, instructions=said), world, load_vehicle(), spec).at(60)
        return {k: torch.from_numpy(v) for k, v in build_features(spec, [scene]).items()}

    scenes = [heard(""), heard("pull over"), heard("turn left"), heard("turn right")]
    with torch.inference_mode():
        for network, differs in ((hears, True), (deaf, False)):
            tokens = [network.encode(s)[0].tokens[:, 0] for s in scenes]
            assert all(torch.equal(a, b) is not differs for a, b in itertools.pairwise(tokens))


@pytest.mark.skipif("vector_transformer" not in ENCODERS, reason="vector_transformer is not installed")
def test_numbers_of_places_are_read_up_to_a_limit_and_mix_with_the_command(tiny_world: Any) -> None:
    """A sag of 1000 m is none, as one of 1000 km; what is gathered of a place depends on what the driver was told."""
    params = {**SMALL["vector_transformer"], "places": 4, "command_words": 4}
    encoder, gathered = create("encoder", "vector_transformer", params).eval(), []
    encoder.ego.attend.register_forward_pre_hook(lambda _, given: gathered.append(given[1]))
    world, spec = tiny_world.make_map(), encoder.features()
    places, drive = Places.build([RoadPlace(PlaceKind.CLEARANCE, 0, (0.0, 5.0), 4.5)]), tiny_world.make_drive(world, 0)

    def seen(text: str, times: float = 1.0) -> dict[str, torch.Tensor]:
        told = replace(drive, instructions=Instructions(drive.time_us[50:51], (text,)))
        scene = LogScenes(told, replace(world, places=places), load_vehicle(), spec).at(60)
        found = {k: torch.from_numpy(v) for k, v in build_features(spec, [scene]).items()}
        return {**found, "place": found["place"] * times}

    with torch.inference_mode():
        far, farther = (encoder.encode(seen("turn left", k))[0].tokens[:, 0] for k in (1e6, 1e9))
        assert torch.equal(far, farther)
        gathered.clear()
        for text in ("turn left", "turn right"):
            encoder.encode(seen(text))
    row = 1 + len(encoder.ego.columns)  # behind vehicle and state: the first place
    left, right = (memory[0, row] for memory in gathered)
    assert left.isfinite().all()
    assert not torch.equal(left, right)


@pytest.mark.parametrize("model", ["multimodal", "diffusion"])
def test_any_model_stands_behind_an_encoder_that_reads_commands(model: str, tiny_world: Any) -> None:
    network = build_network(
        {"name": "vector_transformer", "params": {**SMALL["vector_transformer"], "command_words": 12}}, {"name": model}
    )
    batch = scenes(tiny_world, network.features, [30, 60])
    assert batch["instruction"].shape == (2, 12)
    with network.inference():
        encoding, _ = network.encode(batch, None)
        prediction = network.model.sample(encoding, network.for_model(batch), np.arange(2, dtype=np.uint64))
    assert torch.isfinite(prediction.ego).all()


def scenes(tiny_world: Any, spec: Any, frames: list[int]) -> dict[str, torch.Tensor]:
    world = tiny_world.make_map()
    logs = [LogScenes(tiny_world.make_drive(world, k), world, load_vehicle(), spec) for k in range(3)]
    arrays = build_features(spec, [logs[i % 3].at(f) for i, f in enumerate(frames)])
    return {k: torch.from_numpy(v) for k, v in arrays.items()}


def test_padding_changes_nothing(tiny_world: Any) -> None:
    """What lies in unused rows must not matter."""
    torch.manual_seed(0)
    network = build_network(
        {"name": "vector_transformer", "params": SMALL["vector_transformer"]}, {"name": "multimodal"}
    )
    network.encoder.eval()
    network.model.eval()
    batch = scenes(tiny_world, network.features, [30, 60])
    soiled = {k: v.clone() for k, v in batch.items()}
    soiled["agent"][~batch["agent_valid"][..., -1]] = 7.0
    soiled["lane"][~batch["lane_mask"]] = 7.0
    soiled["static"][~batch["static_mask"]] = 7.0
    soiled["reference_agent"][~batch["agent_valid"][..., -1][:, None].expand(-1, 3, -1)] = 7.0
    with torch.inference_mode():
        a, b = (network.model(network.encoder.encode(x, None)[0], x) for x in (batch, soiled))
    torch.testing.assert_close(a.ego, b.ego, rtol=0, atol=1e-5)
    torch.testing.assert_close(a.logits, b.logits, rtol=0, atol=1e-5)


def test_state_dropout_only_in_training(tiny_world: Any) -> None:
    torch.manual_seed(0)
    encoder = create("encoder", "vector_transformer", {**SMALL["vector_transformer"], "dropout": 0.0})
    batch = scenes(tiny_world, encoder.features(), [30, 60])
    encoder.eval()
    still = [encoder.encode(batch)[0].tokens for _ in range(2)]
    assert torch.equal(*still)
    encoder.train()
    moving = [encoder.encode(batch)[0].tokens for _ in range(8)]
    assert any(not torch.equal(moving[0], m) for m in moving[1:])
    kept = create(
        "encoder",
        "vector_transformer",
        {**SMALL["vector_transformer"], "dropout": 0.0, "undropped_channels": ["vx", "ax"]},
    )
    kept.train()
    assert torch.equal(kept.encode(batch)[0].tokens, kept.encode(batch)[0].tokens)


def _decoder() -> FrenetDecoder:
    return FrenetDecoder((0.5, 1.0, 2.0, 4.0), (0.8, 1.6, 3.0, 5.0), 80, 2.0, 5.0)


def test_a_silent_network_keeps_speed_and_comes_onto_the_line() -> None:
    decoder = _decoder()
    s = 2.0 * torch.arange(80)
    line = torch.stack([s, torch.full_like(s, 1.5), torch.ones_like(s), torch.zeros_like(s)], -1)[None, None]
    zeros = (torch.zeros(1, 1, decoder.speed_size), torch.zeros(1, 1, decoder.offset_size))
    out = decoder(*zeros, line, torch.tensor([[-1.5]]), torch.tensor([[0.0]]), torch.tensor([10.0]))[0, 0]
    np.testing.assert_allclose(out[:, 4], 10.0, atol=0.02)
    np.testing.assert_allclose(np.diff(out[:, 0]), 1.0, atol=0.03)
    assert abs(float(out[0, 1])) < 0.05
    np.testing.assert_allclose(out[40:, 1], 1.5, atol=1e-3)


def test_trajectories_are_smooth_and_their_speeds_and_headings_agree() -> None:
    torch.manual_seed(1)
    decoder = _decoder()
    a = torch.linspace(0, np.pi, 80) / 2
    line = torch.stack(
        [40 * torch.sin(a), 40 - 40 * torch.cos(a), torch.cos(a), torch.sin(a)], -1
    )  # a bend, about 0.8 m per point
    line = line[None, None].expand(1, 6, -1, -1)
    speed, offset = 0.3 * torch.randn(1, 6, decoder.speed_size), 0.05 * torch.randn(1, 6, decoder.offset_size)
    out = decoder(speed, offset, line, torch.zeros(1, 6), torch.full((1, 6), 0.05), torch.tensor([6.0])).double()[0]
    whole = torch.cat([torch.tensor([[0.0, 0.0, 1.0, 0.0, 6.0]]).double().expand(6, 1, 5), out], 1)
    step = whole[:, 1:, :2] - whole[:, :-1, :2]
    lead_speed = 0.5 * (whole[:, 1:, 4] + whole[:, :-1, 4])
    inside = whole[:, 1:, :2].norm(dim=-1) < 50
    torch.testing.assert_close(step.norm(dim=-1)[inside], (0.1 * lead_speed)[inside], atol=0.02, rtol=0.03)
    heading = torch.atan2(out[..., 3], out[..., 2])
    assert heading.diff(dim=-1).abs().max() < 0.2
    assert (out[..., 4] >= 0).all()


def test_a_standing_car_stands() -> None:
    decoder = _decoder()
    s = 2.0 * torch.arange(80)
    line = torch.stack([s, 0 * s, 1 + 0 * s, 0 * s], -1)[None, None]
    slow = torch.full((1, 1, decoder.speed_size), -3.0)
    out = decoder(
        slow, torch.zeros(1, 1, decoder.offset_size), line, torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(1)
    )
    assert out[..., :2].abs().max() < 1e-3
    torch.testing.assert_close(out[..., 2], torch.ones(1, 1, 80))


def test_gradients_are_finite_everywhere(tiny_world: Any) -> None:
    torch.manual_seed(0)
    network = build_network(
        {"name": "vector_transformer", "params": SMALL["vector_transformer"]}, {"name": "multimodal"}
    )
    batch = scenes(tiny_world, network.features, [0, 60, 200])
    batch["ego"] = batch["ego"] * torch.tensor([0.0, 1.0, 1.0])[:, None]
    batch["ego_future"] = torch.zeros(3, 80, 5)
    batch["ego_future_valid"] = torch.tensor([[True], [True], [False]]).expand(3, 80)
    batch["agent_future"], batch["agent_future_valid"] = (
        torch.zeros(3, 10, 80, 4),
        torch.zeros(3, 10, 80, dtype=torch.bool),
    )
    terms = network.losses(batch)[0].terms
    torch.stack(list(terms.values())).sum().backward()
    for part in (network.encoder, network.model):
        for name, p in part.named_parameters():
            assert p.grad is None or torch.isfinite(p.grad).all(), name


def test_the_line_is_the_one_where_the_expert_ends(tiny_world: Any) -> None:
    network = build_network(
        {"name": "vector_transformer", "params": SMALL["vector_transformer"]}, {"name": "multimodal"}
    )
    batch = scenes(tiny_world, network.features, [20, 20])
    end = torch.zeros(2, 80, 5)
    end[0, :, 0], end[0, :, 1] = torch.arange(80) * 0.5, 3.4
    end[1, :, 0], end[1, :, 1] = torch.arange(80) * 0.5, -3.0
    batch["ego_future"], batch["ego_future_valid"] = end, torch.ones(2, 80, dtype=torch.bool)
    assert nearest_line(batch).tolist() == [1, 2]


def test_what_lies_across_the_goals_heading_weighs_more() -> None:
    """In meters to its side, wherever the goal heads; what lies along it weighs as it did."""
    plain, wide = LineModelConfig(), LineModelConfig(lateral_weight=2.0)
    for angle in (0.0, 0.7, 2.0, -3.0):
        c, s = np.cos(angle), np.sin(angle)
        goal = torch.tensor([5.0, -2.0, c, s, 9.0])
        for ahead, left in ((0.0, 0.3), (0.4, -0.3), (0.4, 0.0)):
            drive = goal + torch.tensor([c * ahead - s * left, s * ahead + c * left, 0.0, 0.0, 0.0])
            more = float(pose_error(drive, goal, wide) - pose_error(drive, goal, plain))
            assert more == pytest.approx(2.0 * max(abs(left) - 0.025, 0.0), abs=1e-5)


def test_the_decoder_says_the_same_compiled() -> None:
    """Also where the car stands, runs beyond the line's end or where points of the line coincide."""
    chance, decoder = torch.Generator().manual_seed(0), _decoder()
    b, k, p = 16, 4, 30
    turn = torch.randn(b, k, p, generator=chance).mul(0.05).cumsum(-1)
    ahead = torch.stack([turn.cos(), turn.sin()], -1)
    line = torch.cat([2.0 * ahead.cumsum(2), ahead], -1)
    line[0, :, 10:] = line[0, :, 9:10]
    raw = torch.randn(b, k, decoder.speed_size + decoder.offset_size, generator=chance)
    lateral, slope = 0.5 * torch.randn(2, b, k, generator=chance)
    now = torch.linspace(0.0, 20.0, b)
    parts = raw.split([decoder.speed_size, decoder.offset_size], -1)
    assert not compiled(raw)
    plain = decoder(*parts, line, lateral, slope, now)
    with torch.inference_mode():
        assert compiled(raw)
        torch.testing.assert_close(decoder(*parts, line, lateral, slope, now), plain, atol=1e-4, rtol=0)


def test_inputs_are_the_same_compiled() -> None:
    """Agents, and lines with the objects beside them."""
    chance = torch.Generator().manual_seed(0)

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=chance)

    b, r, n, h = 32, 3, 20, 21
    f = {"agent": 10.0 * some(b, n, h, 6), "agent_valid": some(b, n, h) > -1.0, "agent_size": some(b, n, 2).abs()}
    with torch.inference_mode():
        found = describe_agents(f)
    torch.testing.assert_close(found, described(f["agent"], f["agent_valid"], f["agent_size"]), atol=1e-5, rtol=1e-5)
    assert found.shape == (b, n, agent_size(h))
    speed, vehicle = 5.0 * some(b, 1).abs(), torch.tensor([1.5, 4.8, 2.0, 3.0]).expand(b, 4)
    info = 30.0 * some(b, r, 8)
    info[::3] = 200.0
    stood = 5.0 * some(b, 1).abs()
    rows = torch.empty(b, r, INFO_COLUMNS)
    info_into(*map(array, (info, speed, stood)), rows.numpy())
    torch.testing.assert_close(rows, describe_info(info, speed, stood), atol=1e-4, rtol=1e-5)
    objects = some(b, r, n, 6) * torch.tensor([30.0, 2.0, 8.0, 1.0, 1.0, 0.5])
    objects[0, :, :, 1] = 0.0
    real = some(b, n) > 0.0
    real[:4] = False
    rows, lead = torch.empty(b, r, n, 17), torch.empty(b, r, 8)
    objects_into(*map(array, (objects, real, speed, vehicle)), rows.numpy(), lead.numpy())
    wanted, wanted_lead = describe_objects(objects, real, speed, vehicle)
    torch.testing.assert_close(rows, wanted, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(lead, wanted_lead, atol=1e-4, rtol=1e-5)
    assert (lead[:4] == 0.0).all()
    assert lead[..., 7].mean() > 0.3


def test_poses_of_agents_are_interpolated() -> None:
    encoder = create("encoder", "vector_transformer")
    between = create("model", "multimodal", dim=encoder.dim, features=encoder.features()).between
    knots = np.random.default_rng(0).normal(size=17)
    knots[0] = 0.0
    wanted = np.interp(np.linspace(0, 16, 81)[1:], np.arange(17), knots)
    np.testing.assert_allclose(knots[1:] @ between.numpy(), wanted, atol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_targets_at_other_times_are_refused(model: str) -> None:
    encoder = create("encoder", "vector_transformer")
    slow = replace(encoder.features(), future_interval_s=0.2)
    made = create("model", model, dim=encoder.dim, features=slow)
    with pytest.raises(PluginError, match=r"interval_s is 0\.2 and 0\.1"):
        merge_specs(slow, made.features())


def test_each_part_sees_the_capacities_it_asked_for(tiny_world: Any) -> None:
    """Beside a partner that asks for more, longer histories among them, an encoder says what it says alone; lanes that
    follow are forgotten where they are cut."""
    own = create("encoder", "hetero_gnn", {"agents": 4, "static": 2, "lanes": 6, "crosswalks": 1}).features()
    more = {
        "agents": 9,
        "static": 5,
        "lanes": 20,
        "crosswalks": 3,
        "past_steps": 31,
        "reference_lines": 3,
        "reference_points": 40,
    }
    merged = merge_specs(own, replace(own, **more))
    alone, cut = scenes(tiny_world, own, [30, 60]), FeatureView(own, merged)(scenes(tiny_world, merged, [30, 60]))
    assert alone.keys() == cut.keys()
    for name in alone:
        torch.testing.assert_close(cut[name], alone[name], rtol=0, atol=0, msg=name)


def test_what_is_no_module_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import roadcraft.planners.learned.network as together

    monkeypatch.setattr(together, "create", lambda *_, **__: object())
    with pytest.raises(
        PluginError, match=r"encoder mine is a object, not a torch\.nn\.Module: its weights could be neither"
    ):
        build_network({"name": "mine"}, {"name": "multimodal"})


def test_a_model_that_reads_what_nobody_asks_for_is_told_so(tiny_world: Any) -> None:
    encoder = create("encoder", "hetero_gnn", {"agents": 4, "static": 2, "lanes": 6, "crosswalks": 1})

    class Careless(torch.nn.Module):
        features = staticmethod(encoder.features)

        def loss(self, batch: Any) -> Any:
            return batch["reference"].amax(2)

    network = Network(encoder, Careless(), encoder.features())
    batch = scenes(tiny_world, network.features, [30])
    message = (
        r"failed on its features \(IndexError: .*reference_lines\.count = 0.*"
        r"encoder HeteroGnn: scene, agents, static, map.*; model Careless: scene"
    )
    with pytest.raises(PluginError, match=message), network.explained():
        network.model.loss(network.for_model(batch))
    with pytest.raises(PluginError, match="no group has 'shiny'"), network.explained():
        batch["shiny"]
