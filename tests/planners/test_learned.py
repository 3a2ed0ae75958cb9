"""The planner ``learned``: contract, batching to the bit, damaged checkpoints, use without the simulator."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from command_line import process

from roadcraft.core.config.factory import create
from roadcraft.core.data.scenario import Ego
from roadcraft.core.errors import DataError, PluginError
from roadcraft.core.interfaces import load_planner
from roadcraft.core.testing import PlannerConformance
from roadcraft.planners.learned.checkpoint import load_checkpoint
from roadcraft.planners.learned.checkpoint_writing import save_checkpoint
from roadcraft.planners.learned.network import build_network

ENCODER = {"name": "vector_transformer", "params": {"dim": 32, "layers": 1, "heads": 4, "agents": 8, "lanes": 12}}
GRAPH = {
    "name": "hetero_gnn",
    "params": {"dim": 32, "edge_dim": 16, "map_layers": 1, "heads": 4, "agents": 8, "lanes": 12},
}
MODEL = {"name": "multimodal", "params": {"modes": 2, "layers": 1, "heads": 4}}


def make_checkpoint(folder: Path, encoder: dict[str, Any] = ENCODER) -> Path:
    torch.manual_seed(0)
    network = build_network(encoder, MODEL)
    for head in (network.model.speed, network.model.offset):
        torch.nn.init.normal_(head[-1].weight, std=0.2)
    save_checkpoint(folder, network, {"encoder": encoder, "model": MODEL}, {"step": 0}, "card")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("checkpoints") / "best")


@pytest.fixture(scope="module")
def caching(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose encoder keeps what it makes of the map."""
    return make_checkpoint(tmp_path_factory.mktemp("caching") / "best", GRAPH)


@pytest.fixture
def broken(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "broken"))


class TestLearned(PlannerConformance):
    name = "learned"

    @pytest.fixture(autouse=True)
    def _checkpoint(self, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(type(self), "params", {"checkpoint": str(checkpoint)})


class TestLearnedWithACache(PlannerConformance):
    name = "learned"

    @pytest.fixture(autouse=True)
    def _checkpoint(self, caching: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(type(self), "params", {"checkpoint": str(caching)})


def observation(tiny_world: Any, count: int) -> Any:
    traffic = tiny_world.make_map()
    drives = [tiny_world.make_drive(traffic, k) for k in range(3)]
    return tiny_world.observe([drives[i % 3] for i in range(count)], traffic, [40 + 3 * (i % 60) for i in range(count)])


@pytest.mark.parametrize("micro_batch", [1, 8, 32])
def test_plans_do_not_depend_on_the_batch(checkpoint: Path, tiny_world: Any, micro_batch: int) -> None:
    planner = load_planner(checkpoint, micro_batch=micro_batch)
    obs = observation(tiny_world, 64)
    keys = np.arange(64, dtype=np.uint64)

    def drive(size: int) -> tuple[np.ndarray, np.ndarray]:
        plans = []
        for first in range(0, 64, size):
            rows = list(range(first, min(first + size, 64)))
            plans.append(planner.plan(obs.select(rows), [None] * len(rows), keys[rows])[0])
        return np.concatenate([p.states for p in plans]), np.concatenate([p.scores for p in plans])

    states, scores = drive(64)
    for size in (1, 7):
        again = drive(size)
        np.testing.assert_array_equal(states, again[0])
        np.testing.assert_array_equal(scores, again[1])


@pytest.mark.parametrize("micro_batch", [1, 4])
def test_a_cache_is_kept_scene_by_scene(caching: Path, tiny_world: Any, micro_batch: int) -> None:
    """Along ten steps of 9 scenes that end one by one: plans are those of a planner that forgets, in any batch, bit for
    bit."""
    planner = load_planner(caching, micro_batch=micro_batch)
    traffic = tiny_world.make_map()
    drives = [tiny_world.make_drive(traffic, k) for k in range(3)]
    state: dict[int, dict[int, Any]] = {size: dict.fromkeys(range(9)) for size in (1, 7, 64)}
    for step in range(10):
        alive = list(range(max(step - 2, 0), 9))
        obs = tiny_world.observe([drives[i % 3] for i in alive], traffic, [6 * step + 15 * i for i in alive])
        keys = np.array(alive, np.uint64)
        fresh, _ = planner.plan(obs, [None] * len(alive), keys)
        for size, known in state.items():
            for first in range(0, len(alive), size):
                rows = list(range(first, min(first + size, len(alive))))
                before = [known[alive[r]] for r in rows]
                plan, after = planner.plan(obs.select(rows), before, keys[rows])
                np.testing.assert_array_equal(plan.states, fresh.states[rows])
                np.testing.assert_array_equal(plan.scores, fresh.scores[rows])
                for r, row in zip(rows, after, strict=True):
                    known[alive[r]] = row
    assert all(row is not None for known in state.values() for row in known.values())


def test_a_call_can_be_repeated_from_the_same_state(caching: Path, tiny_world: Any) -> None:
    planner = load_planner(caching, micro_batch=4)
    obs, later = (observation(tiny_world, n).select(range(n - 6, n)) for n in (6, 12))
    keys = np.zeros(6, np.uint64)
    _, state = planner.plan(obs, planner.start(obs, keys), keys)
    kept = [{k: v.clone() for k, v in row.items()} for row in state]
    first, _ = planner.plan(later, state, keys)
    again, _ = planner.plan(later, state, keys)
    np.testing.assert_array_equal(first.states, again.states)
    for row, copy in zip(state, kept, strict=True):
        assert all(torch.equal(row[k], copy[k]) for k in copy)


def test_extras_stay_with_their_candidates(checkpoint: Path, tiny_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through groups that are filled up, and where only the likeliest candidates are kept."""
    planner = load_planner(checkpoint, micro_batch=4, candidates=2)
    sample = type(planner.network.model).sample

    def with_extras(self: Any, *args: Any) -> Any:
        found = sample(self, *args)
        found.extras = {"scale": found.ego[..., 4:], "doubt": found.ego[:, :1, 0, 0]}
        return found

    monkeypatch.setattr(type(planner.network.model), "sample", with_extras)
    obs = observation(tiny_world, 6)
    plan, _ = planner.plan(obs, [None] * 6, np.zeros(6, np.uint64))
    assert plan.debug["extra_scale"].shape == (6, 2, 80, 1)
    assert plan.debug["extra_doubt"].shape == (6, 1)
    np.testing.assert_allclose(plan.debug["extra_scale"][..., 0], plan.states[:, :, 1:, Ego.VX], rtol=1e-6)
    monkeypatch.setattr(type(planner.network.model), "sample", lambda self, *args: replace(sample(self, *args),
    extras={"odd": torch.zeros(4, 4)}))  # fmt: skip
    with pytest.raises(PluginError, match=r"extras\['odd'\] is of 4 candidates; there must be 1, or all 6"):
        planner.plan(obs, [None] * 6, np.zeros(6, np.uint64))
    monkeypatch.setattr(type(planner.network.model), "sample", lambda self, *args: replace(sample(self, *args),
    extras={"odd": torch.zeros(7, 1)}))  # fmt: skip
    with pytest.raises(PluginError, match=r"extras\['odd'\] begins with \(7, 1\); there must be 4 scenes"):
        planner.plan(obs, [None] * 6, np.zeros(6, np.uint64))


def test_plans_join_the_present_and_agree_with_themselves(checkpoint: Path, tiny_world: Any) -> None:
    obs = observation(tiny_world, 6)
    plan, _ = load_planner(checkpoint).plan(obs, [None] * 6, np.zeros(6, np.uint64))
    assert plan.states.shape == (6, 6, 81, 10)
    np.testing.assert_array_equal(plan.states[:, :, 0], np.repeat(obs.ego[:, None], 6, 1))
    np.testing.assert_array_equal(plan.time_us[0, :3] - obs.time_us[0], [0, 100_000, 200_000])
    real = np.isfinite(plan.scores)
    np.testing.assert_allclose(np.exp(plan.scores).sum(1), 1.0)
    assert real[:, :2].all(), "the ego's own lane always counts"
    assert not real.all(), "lines that do not exist are no candidates"
    states = plan.states[real]
    steps = np.diff(states[..., :2], axis=1)
    distance = np.linalg.norm(steps, axis=-1)
    np.testing.assert_allclose(distance, 0.05 * (states[:, 1:, 3] + states[:, :-1, 3]), atol=0.1)
    moving = distance > 0.2
    course = np.arctan2(steps[..., 1], steps[..., 0])
    middle = 0.5 * (states[:, 1:, 2] + states[:, :-1, 2])
    assert np.abs(np.angle(np.exp(1j * (course - middle))))[moving].max() < 0.1
    assert (states[..., 3] >= 0).all()


def test_others_are_predicted_from_where_they_are(checkpoint: Path, tiny_world: Any) -> None:
    obs = observation(tiny_world, 6)
    planner = load_planner(checkpoint, micro_batch=4)
    seen = planner.plan(obs, [None] * 6, np.zeros(6, np.uint64))[0].forecast
    assert seen is not None
    np.testing.assert_array_equal(seen.time_us[:, :2] - obs.time_us[:, None], [[100_000, 200_000]] * 6)
    assert seen.pose.shape == (6, seen.id.shape[1], 80, 3)
    assert seen.known.any(1).all()
    for b in range(6):
        rows = obs.objects.rows(b)
        where = {int(i): r for r, i in zip(range(rows.start, rows.stop), obs.objects.id[rows], strict=True)}
        for a in np.flatnonzero(seen.known[b]):
            row = where[int(seen.id[b, a])]
            box, velocity = obs.objects.box[row], obs.objects.velocity[row]
            assert np.hypot(*(box[:2] + 0.1 * velocity - seen.pose[b, a, 0, :2])) < 1.0
            assert abs(np.angle(np.exp(1j * (seen.pose[b, a, 0, 2] - box[2])))) < 1e-5


def test_candidates_are_the_likeliest(checkpoint: Path, tiny_world: Any) -> None:
    obs = observation(tiny_world, 3)
    every, _ = load_planner(checkpoint).plan(obs, [None] * 3, np.zeros(3, np.uint64))
    few, _ = load_planner(checkpoint, candidates=2).plan(obs, [None] * 3, np.zeros(3, np.uint64))
    np.testing.assert_array_equal(few.scores, -np.sort(-every.scores, axis=1)[:, :2])
    np.testing.assert_array_equal(few.states[0, 0], every.states[0, np.argmax(every.scores[0])])


def test_a_round_trip_keeps_every_weight(checkpoint: Path, tmp_path: Path) -> None:
    network, about = load_checkpoint(checkpoint)
    save_checkpoint(tmp_path / "again", network, {"encoder": about["encoder"], "model": about["model"]}, {}, "card")
    copy, _ = load_checkpoint(tmp_path / "again")
    for k, v in network.state().items():
        assert torch.equal(v, copy.state()[k])


def test_a_checkpoint_is_replaced_whole(checkpoint: Path, tmp_path: Path) -> None:
    target = make_checkpoint(tmp_path / "best")
    (target / "stray").write_text("x")
    make_checkpoint(target)
    assert sorted(p.name for p in target.iterdir()) == ["README.md", "config.yaml", "metrics.json", "model.safetensors"]
    assert [p.name for p in tmp_path.iterdir()] == ["best"]


# ---- damaged checkpoints -------------------------------------------------------------


def test_missing_things(broken: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such checkpoint folder.*roadcraft train"):
        load_planner(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no checkpoint is named"):
        create("planner", "learned")
    (broken / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"model\.safetensors missing"):
        load_planner(broken)


@pytest.mark.parametrize("keep", [0, 5, 100, 4000, -1])
def test_a_cut_off_file(broken: Path, keep: int) -> None:
    data = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(data[:keep])
    with pytest.raises(DataError, match=r"model\.safetensors: is not the file that was written"):
        load_planner(broken)
    edit(broken, weights=None)  # as before there were digests
    with pytest.raises(DataError, match=r"model\.safetensors: cannot be read"):
        load_planner(broken)


def edit(folder: Path, **changes: Any) -> None:
    tree = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump({k: v for k, v in {**tree, **changes}.items() if v is not None}))


def test_features_of_another_layout(broken: Path) -> None:
    tree = yaml.safe_load((broken / "config.yaml").read_text())
    edit(broken, features={**tree["features"], "agents": 9}, features_hash="0123456789abcdef")
    with pytest.raises(
        DataError, match=r"0123456789abcdef.*agents.count 9 -> 8.*use the version of roadcraft that trained it, or"
    ):
        load_planner(broken)
    edit(broken, features=tree["features"])
    with pytest.raises(DataError, match="the meaning of the arrays has changed"):
        load_planner(broken)


def test_weights_of_another_network(broken: Path) -> None:
    edit(broken, model={"name": "multimodal", "params": {**MODEL["params"], "modes": 3}})
    with pytest.raises(DataError, match=r"model\.mode"):
        load_planner(broken)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "not valid YAML"), ("[]", "format, encoder"), ("x: 1", "missing"), ("\x00", "YAML"), ("", "missing")],
)
def test_config_that_is_none(broken: Path, text: str, message: str) -> None:
    (broken / "config.yaml").write_text(text)
    with pytest.raises(DataError, match=message):
        load_planner(broken)


def test_another_format_and_unknown_plugins(broken: Path) -> None:
    edit(broken, encoder="vector_transformer")
    with pytest.raises(DataError, match="encoder must be a map"):
        load_planner(broken)
    edit(broken, encoder={"name": "vector_transfromer"})
    with pytest.raises(PluginError, match="did you mean 'vector_transformer'"):
        load_planner(broken)
    edit(broken, format=99)
    with pytest.raises(DataError, match="format 99"):
        load_planner(broken)


def test_needs_no_gis_packages(checkpoint: Path) -> None:
    """Loading and planning import neither GeoPackage readers nor projections, nor anything of training."""
    code = f"""
import sys
for name in ("pyogrio", "pyproj", "shapely", "pytorch_lightning", "google.protobuf", "pyarrow"):
    sys.modules[name] = None
from roadcraft.core.interfaces import load_planner
from roadcraft.core.config.factory import create
from roadcraft.core.testing.world import made_up_scenario, observe
import numpy as np
planner = load_planner({str(checkpoint)!r})
obs = observe([made_up_scenario()], 0, planner.needs())
plan, _ = planner.plan(obs, planner.start(obs, np.zeros(1, np.uint64)), np.zeros(1, np.uint64))
print(plan.states.shape)
"""
    done = process(code=code)
    assert done.returncode == 0, done.stderr
    assert "(1, 6, 81, 10)" in done.stdout


def test_metrics_are_json(checkpoint: Path) -> None:
    assert json.loads((checkpoint / "metrics.json").read_text()) == {"step": 0}
