"""The encoder ``hetero_gnn``: contract, independence of scenes, the cache to the last bit, frames, odd scenes,
learning."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from roadcraft.core.arrays import Polygons, Polylines
from roadcraft.core.config.factory import create
from roadcraft.core.driving.features.build import build_features
from roadcraft.core.driving.features.scene import LogScenes, SceneArrays
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.testing import EncoderConformance, ModelConformance
from roadcraft.core.testing.network import made_up_features
from roadcraft.core.types import TokenKind
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.plugins.hetero_gnn.config import HeteroGnnConfig
from roadcraft.plugins.hetero_gnn.edges import make_edges, nearest, relative
from roadcraft.plugins.hetero_gnn.map_part import ARRAYS, ROWS
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.plugins.training.run.fit import train

SMALL = {"dim": 32, "edge_dim": 16, "heads": 4, "agents": 6, "static": 3, "lanes": 12, "crosswalks": 2}
Tensors = dict[str, torch.Tensor]


class TestHeteroGnn(EncoderConformance):
    name = "hetero_gnn"


class TestMultimodalOnIt(ModelConformance):
    name = "multimodal"
    encoder = "hetero_gnn"


@pytest.fixture
def encoder() -> Any:
    torch.manual_seed(0)
    return create("encoder", "hetero_gnn", SMALL).eval()


@pytest.fixture(scope="module")
def world(tiny_world: Any) -> Any:
    return tiny_world.make_map()


@pytest.fixture(scope="module")
def drives(tiny_world: Any, world: Any) -> list[Any]:
    return [tiny_world.make_drive(world, k) for k in range(3)]


@pytest.fixture
def at(encoder: Any, world: Any, drives: list[Any]) -> Any:
    """``at((drive, frame), ...)``: features of scenes."""

    def scenes(*rows: tuple[int, int]) -> Tensors:
        spec = encoder.features()
        logs = [LogScenes(d, world, load_vehicle(), spec) for d in drives]
        return tensors(build_features(spec, [logs[d].at(f) for d, f in rows]))

    return scenes


def tensors(arrays: dict[str, np.ndarray]) -> Tensors:
    return {k: torch.from_numpy(v) for k, v in arrays.items()}


def encode(encoder: Any, features: Tensors, cache: Tensors | None = None) -> tuple[torch.Tensor, Tensors]:
    with torch.inference_mode():
        encoding, kept = encoder.encode(features, cache)
    return encoding.tokens, kept


# ---- scenes stand alone --------------------------------------------------------------


def test_a_scene_does_not_see_who_took_anothers_place(encoder: Any, at: Any) -> None:
    """Bit for bit, in every row of a batch, with and without gradients."""
    a, b = at(*[(i % 3, 20 * i) for i in range(11)]), at(*[(2 - i % 3, 10 + 22 * i) for i in range(11)])
    for row in (0, 5, 10):
        mixed = {k: v.clone() for k, v in b.items()}
        for k in mixed:
            mixed[k][row] = a[k][row]
        assert torch.equal(encode(encoder, mixed)[0][row], encode(encoder, a)[0][row])
        assert torch.equal(encoder.encode(mixed)[0].tokens[row], encoder.encode(a)[0].tokens[row])


def test_unused_rows_do_not_matter(encoder: Any, at: Any) -> None:
    clean = at((0, 30), (1, 60))
    soiled = {k: v.clone() for k, v in clean.items()}
    soiled["agent"][~clean["agent_valid"][..., -1]] = 7.0
    soiled["static"][~clean["static_mask"]] = 7.0
    for k in ("lane", "lane_shape", "lane_pose", "lane_info"):
        soiled[k][~clean["lane_mask"]] = 7.0
    for k in ("crosswalk", "crosswalk_shape", "crosswalk_pose"):
        soiled[k][~clean["crosswalk_mask"]] = 7.0
    assert not clean["static_mask"].all()
    assert torch.equal(encode(encoder, soiled)[0], encode(encoder, clean)[0])


# ---- the cache -----------------------------------------------------------------------


def test_the_cache_changes_no_bit(encoder: Any, at: Any) -> None:
    """Along three drives, with scenes that hit and miss in the same step."""
    cache, hits = None, 0
    for frame in range(0, 270, 6):
        features = at((0, frame), (1, frame), (2, max(frame - 90, 0)))
        fresh, known = encode(encoder, features)
        if cache is not None:
            hits += int((cache["ids"] == known["ids"]).all(1).sum())
        tokens, cache = encode(encoder, features, cache)
        assert torch.equal(tokens, fresh)
        for k in known:
            assert torch.equal(cache[k], known[k])
    assert 40 < hits < 130


def test_a_hit_reads_the_cache_and_only_then(encoder: Any, at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    forward = type(encoder.map).forward

    def counted(self: Any, f: Tensors) -> torch.Tensor:
        rows.append(len(f["lane_id"]))
        return forward(self, f)

    monkeypatch.setattr(type(encoder.map), "forward", counted)
    features = at(*[(i % 3, 10 * i) for i in range(20)])
    _, cache = encode(encoder, features)
    assert rows == [ROWS] * 3
    _, same = encode(encoder, features, cache)
    assert rows == [ROWS] * 3, "nothing is computed twice"
    assert torch.equal(same["tokens"], cache["tokens"])
    some = {k: v.clone() for k, v in cache.items()}
    for k in some:
        some[k][3] = 0
    before = {k: v.clone() for k, v in some.items()}
    tokens, _ = encode(encoder, features, some)
    assert rows == [ROWS] * 4, "one scene is computed in a group of full size"
    assert torch.equal(tokens, encode(encoder, features)[0])
    for k in some:
        assert torch.equal(some[k], before[k]), "a cache is never written to"


def test_the_map_part_is_blind_to_what_changes(encoder: Any, at: Any) -> None:
    """Lights, the route and the ego's place do not enter what is kept; lights and route do enter the tokens."""
    features = at((0, 60))
    _, cache = encode(encoder, features)
    other = {k: v.clone() for k, v in features.items()}
    other["lane_light"] = (other["lane_light"] + 1) % 5
    other["lane_info"][..., 1] = 1.0 - other["lane_info"][..., 1]
    tokens, known = encode(encoder, other)
    assert torch.equal(known["tokens"], cache["tokens"])
    assert not torch.equal(tokens, encode(encoder, features)[0])
    moved = at((0, 62))
    assert set(moved["lane_id"][0].tolist()) == set(features["lane_id"][0].tolist())
    assert torch.equal(encode(encoder, moved)[1]["tokens"], cache["tokens"])


def test_the_order_of_lanes_is_that_of_the_features(encoder: Any, at: Any) -> None:
    features = at((0, 60))
    order = torch.randperm(SMALL["lanes"], generator=torch.Generator().manual_seed(3))
    back = order.argsort()
    mixed = {k: v[:, order] if k.startswith("lane") else v for k, v in features.items()}
    for k in ("lane_next", "lane_side"):
        mixed[k] = torch.where(mixed[k] >= 0, back[mixed[k].clamp_min(0)], -1)
    a, b = encode(encoder, features)[0], encode(encoder, mixed)[0]
    first = 1 + SMALL["agents"] + SMALL["static"]
    torch.testing.assert_close(b[:, first : first + 12], a[:, first : first + 12][:, order], rtol=0, atol=2e-6)
    torch.testing.assert_close(b[:, :first], a[:, :first], rtol=0, atol=2e-6)


# ---- frames --------------------------------------------------------------------------


def turned(scene: SceneArrays, angle: float, shift: np.ndarray, about: np.ndarray) -> SceneArrays:
    """The same scene in a world that is turned and shifted."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, s], [-s, c]])

    def place(p: np.ndarray) -> np.ndarray:
        return (p - about) @ turn + about + shift

    def lines(x: Polylines) -> Polylines:
        return replace(x, points=np.ascontiguousarray(place(x.points)))

    def areas(x: Polygons) -> Polygons:
        return replace(x, points=np.ascontiguousarray(place(x.points)))

    m, box, ego = scene.map, scene.box.copy(), scene.ego.copy()
    box[:, :2], box[:, 2] = place(box[:, :2]), box[:, 2] + angle
    ego[:2], ego[2] = place(ego[:2]), ego[2] + angle
    lanes = replace(
        m.lanes, centerlines=lines(m.lanes.centerlines), left=lines(m.lanes.left), right=lines(m.lanes.right)
    )
    world = replace(m, lanes=lanes, areas=replace(m.areas, polygons=areas(m.areas.polygons)))
    return replace(scene, map=world, box=box, ego=ego, velocity=np.ascontiguousarray(scene.velocity @ turn))


@pytest.mark.parametrize("angle", [0.0, 0.7, 2.0, -1.9, np.pi])
def test_turning_and_shifting_the_world_changes_nothing(
    encoder: Any, world: Any, drives: list[Any], tiny_world: Any, angle: float
) -> None:
    spec = encoder.features()
    scene = LogScenes(drives[0], world, load_vehicle(), spec).at(60)
    there = turned(scene, angle, np.array([1234.5, -777.25]), tiny_world.START)
    a, b = (encode(encoder, tensors(build_features(spec, [s]))) for s in (scene, there))
    torch.testing.assert_close(b[0], a[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(b[1]["tokens"], a[1]["tokens"], rtol=0, atol=1e-4)


def test_an_object_far_away_changes_no_other_token(encoder: Any, at: Any) -> None:
    """Beyond the reach of every edge: other tokens keep their bits."""
    features = at((0, 60))
    row = int(features["agent_valid"][0, :, -1].sum())
    more = {k: v.clone() for k, v in features.items()}
    more["agent"][0, row, :, 0], more["agent"][0, row, :, 1], more["agent"][0, row, :, 2] = -70.0, 30.0, 1.0
    more["agent_valid"][0, row] = True
    lanes = more["lane"][0, more["lane_mask"][0], 5, :2]
    near = (lanes - torch.tensor([-70.0, 30.0])).norm(dim=-1).min()
    assert near > HeteroGnnConfig().agent_radius_m
    a, b = encode(encoder, features)[0][0], encode(encoder, more)[0][0]
    others = torch.arange(len(a)) != 1 + row
    assert torch.equal(b[others], a[others])
    assert b[1 + row].any()
    more["agent"][0, row, :, 0], more["agent"][0, row, :, 1] = 8.0, 3.0
    assert not torch.equal(encode(encoder, more)[0][0][0], a[0]), "a near one does"


# ---- odd scenes ----------------------------------------------------------------------


def test_a_scene_without_anything(encoder: Any, at: Any) -> None:
    """No map, no agents: the ego's token alone is real; the cache says nothing and that is the truth."""
    features = at((0, 60), (1, 60))
    empty = {k: v.clone() for k, v in features.items()}
    for k, v in empty.items():
        if k not in ("ego", "vehicle"):
            v[0] = -1 if k in ("lane_next", "lane_side") else 0
    with torch.inference_mode():
        encoding, kept = encoder.encode(empty)
    assert encoding.mask[0].sum() == 1
    assert torch.isfinite(encoding.tokens).all()
    assert not encoding.tokens[0, 1:].any()
    assert not kept["tokens"][0].any()
    assert torch.equal(encode(encoder, empty, kept)[0], encoding.tokens)
    full, known = encode(encoder, features, kept)
    assert torch.equal(full, encode(encoder, features)[0])
    assert torch.equal(encode(encoder, empty, known)[0], encoding.tokens)


def test_kinds_and_places_of_tokens(encoder: Any, at: Any) -> None:
    features = at((0, 60))
    encoding, _ = encoder.encode(features)
    counts = [(TokenKind.EGO, 1), (TokenKind.AGENT, 6), (TokenKind.STATIC, 3), (TokenKind.LANE, 12)]
    expected = [k for k, n in [*counts, (TokenKind.CROSSWALK, 2)] for _ in range(n)]
    assert encoding.kind[0].tolist() == expected
    torch.testing.assert_close(encoding.pose[0, 1:7, :2], features["agent"][0, :, -1, :2])
    torch.testing.assert_close(encoding.pose[0, 10:22, :2], features["lane"][0, :, 5, :2])
    assert torch.equal(encoding.mask[0, 1:7], features["agent_valid"][0, :, -1])


def test_settings_that_make_no_sense() -> None:
    for wrong, message in (
        ({"dim": 30}, "multiple of heads"),
        ({"layers": 0}, "layers must be at least 1"),
        ({"lane_successors": 0}, "lane_successors"),
        ({"agent_radius_m": 0.0}, "agent_radius_m must be above 0"),
        ({"ego_channels": ("speed",)}, r"ego_channels\[0\] must be among vx, vy"),
        ({"state_dropout": 1.0}, "state_dropout"),
    ):
        with pytest.raises(ValueError, match=message):
            HeteroGnnConfig(**wrong)


def test_geometric_is_imported_only_with_the_encoder() -> None:
    code = """
import sys
from roadcraft.core.config.factory import create
from roadcraft.core.plugins.registry import registry
registry().names("encoder")
create("encoder", "vector_transformer", {})
assert "torch_geometric" not in sys.modules
create("encoder", "hetero_gnn", {})
assert "torch_geometric" in sys.modules
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ---- edges ---------------------------------------------------------------------------


def test_edges_against_a_slow_twin() -> None:
    rng = np.random.default_rng(0)
    place, turn = rng.uniform(-40, 40, (2, 7, 2)), rng.uniform(-3, 3, (2, 7, 1))
    pose = torch.from_numpy(np.concatenate([place, np.cos(turn), np.sin(turn)], -1))
    allowed = torch.from_numpy(rng.random((2, 5, 7)) < 0.6)
    slots, real = nearest(pose[:, :5], pose, allowed, 3, 30.0)
    told = relative(pose[:, :5], pose, slots)
    edges = make_edges(slots, real, told, 7)
    index = edges.index.view(2, 2, 5, 3)
    for b in range(2):
        for r in range(5):
            gap = np.hypot(*(place[b] - place[b, r]).T)
            order = [int(s) for s in np.argsort(gap) if allowed[b, r, s] and gap[s] <= 30.0][:3]
            assert slots[b, r][real[b, r]].tolist() == order
            assert index[0, b, r].tolist() == [7 * b + int(s) for s in slots[b, r]]
            assert index[1, b, r].tolist() == [5 * b + r if k < len(order) else 10 for k in range(3)]
            for k, s in enumerate(order):
                back = np.array(
                    [[np.cos(turn[b, r, 0]), -np.sin(turn[b, r, 0])], [np.sin(turn[b, r, 0]), np.cos(turn[b, r, 0])]]
                )
                np.testing.assert_allclose(told[b, r, k, :2], (place[b, s] - place[b, r]) @ back, atol=1e-4)
                difference = turn[b, s, 0] - turn[b, r, 0]
                np.testing.assert_allclose(told[b, r, k, 2:], [np.cos(difference), np.sin(difference)], atol=1e-6)


def test_lanes_hear_along_links_that_lead_out_of_reach(encoder: Any, at: Any) -> None:
    """A change of a lane's shape reaches the lane before it, the one after it and the one beside it."""
    features = at((0, 60))
    arrays = {k: features[k] for k in ARRAYS}
    follow, side = features["lane_next"][0], features["lane_side"][0]
    ids = features["lane_id"][0]
    rank = ids.argsort().argsort()
    n = next(i for i in range(12) if follow[i, 0] >= 0 and side[i].max() >= 0)
    with torch.inference_mode():
        before = encoder.map(arrays)[0]
        changed = {**arrays, "lane_shape": arrays["lane_shape"].clone()}
        changed["lane_shape"][0, n] *= 1.5
        after = encoder.map(changed)[0]
    heard = ~(before == after).all(-1)
    for other in [int(follow[n, 0]), int(side[n].max()), *[i for i in range(12) if n in follow[i].tolist()]]:
        assert heard[rank[other]]


# ---- learning ------------------------------------------------------------------------


def test_learns_a_handful_of_samples_by_heart(made_up_source: Any, tmp_path: Any) -> None:
    config = TrainConfig(
        encoder=PluginRef("hetero_gnn", SMALL),
        model=PluginRef("multimodal", {"modes": 2, "layers": 1, "heads": 4, "feed_forward": 2, "reference_points": 40}),
        out=str(tmp_path / "run"),
        overfit=8,
        steps=220,
        validate_every=220,
        batch=8,
        learning_rate=3e-3,
        threads=1,
    )
    done = train(config, source=made_up_source, progress=False)
    assert done.metrics["validation"]["ade_m"] < 0.3, done.metrics


def test_made_up_features_hold_the_lane_graph(encoder: Any) -> None:
    """The conformance kit's scenes exercise links, not only lone lanes."""
    features = made_up_features(encoder.features())
    assert (features["lane_next"] >= 0).any()
    assert (features["lane_side"] >= 0).any()
