"""Motion tokens as agents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_tokens import ENCODER, SMALL, prepared

from roadcraft.core.config.factory import create
from roadcraft.core.data.scenario import ObjectFrames, Scenario, Tracks
from roadcraft.core.errors import DataError
from roadcraft.core.random import scenario_key, step_keys
from roadcraft.core.testing.agents import AgentsConformance
from roadcraft.core.testing.world import made_up_scenario, observe
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.planners.learned.checkpoint import load_checkpoint
from roadcraft.planners.learned.checkpoint_writing import save_checkpoint
from roadcraft.planners.learned.network import build_network
from roadcraft.plugins.tokens.agents.policy import TokenAgents


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net, _ = prepared()
    folder = tmp_path_factory.mktemp("tokens") / "best"
    config = {"encoder": ENCODER, "model": {"name": "tokens", "params": SMALL}}
    save_checkpoint(folder, net, config, {}, "")
    return folder


class TestTokenAgents(AgentsConformance):
    name = "tokens"

    @pytest.fixture(autouse=True)
    def _with_checkpoint(self, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(type(self), "params", {"checkpoint": str(checkpoint), "micro_batch": 2})


def test_a_checkpoint_brings_its_vocabulary(checkpoint: Path) -> None:
    net, _ = prepared()
    again, _ = load_checkpoint(checkpoint)
    assert torch.equal(again.model.vocabulary, net.model.vocabulary)
    short, _ = load_checkpoint(checkpoint, {"future_tokens": 8, "samples": 1})
    assert (short.features.future_steps, short.model.config.samples) == (40, 1)
    with pytest.raises(DataError, match="layout"):
        load_checkpoint(checkpoint, {"reference_points": 60})
    assert torch.equal(again.model.used, net.model.used)


def test_another_model_cannot_drive_agents(tmp_path: Path) -> None:
    other = build_network(ENCODER, {"name": "multimodal"})
    save_checkpoint(tmp_path / "best", other, {"encoder": ENCODER, "model": {"name": "multimodal"}}, {}, "")
    with pytest.raises(DataError, match="not tokens"):
        create("agents", "tokens", {"checkpoint": str(tmp_path / "best")})


@pytest.mark.parametrize("params", [{"driven": ["lorry"]}, {"temperature": 0.0}, {"top_k": 0}, {"radius_m": -1.0}])
def test_bad_settings_of_the_agents(params: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=next(iter(params))):
        create("agents", "tokens", params)


def drive(agents: TokenAgents, scenarios: list[Scenario], steps: int = 12) -> list[Any]:
    """Objects of every iteration; ego drives as logged."""
    keys = np.array([scenario_key(0, s.token) for s in scenarios], np.uint64)
    state, objects = agents.start(scenarios, load_vehicle(), keys)
    frames = [objects]
    for i in range(steps):
        state, objects = agents.step(scenarios, observe(scenarios, i), state, step_keys(keys, i))
        frames.append(objects)
    return frames


def world(count: int) -> list[Scenario]:
    return [made_up_scenario(f"{i + 1:016x}", speed_mps=3.0 + i % 7, lane=i % 2) for i in range(count)]


def test_batches_change_nothing(checkpoint: Path) -> None:
    agents = create("agents", "tokens", {"checkpoint": str(checkpoint), "micro_batch": 4})
    scenarios = world(16)
    one = [drive(agents, [s], 7) for s in scenarios]
    for size in (7, 16):
        for first in range(0, 16, size):
            group = scenarios[first : first + size]
            for i, frame in enumerate(drive(agents, group, 7)):
                for b in range(len(group)):
                    np.testing.assert_array_equal(frame.box[frame.rows(b)], one[first + b][i].box)


def test_a_state_is_not_changed_by_a_step(checkpoint: Path) -> None:
    agents = create("agents", "tokens", {"checkpoint": str(checkpoint)})
    scenarios, keys = world(2), np.array([1, 2], np.uint64)
    state, _ = agents.start(scenarios, load_vehicle(), keys)
    answers = [agents.step(scenarios, observe(scenarios, 0), state, keys)[1].box for _ in range(2)]
    np.testing.assert_array_equal(*answers)


def test_motions_join_and_agree_with_the_velocities(checkpoint: Path) -> None:
    agents = create("agents", "tokens", {"checkpoint": str(checkpoint), "top_k": 1})
    scenario = world(1)[0]
    frames = drive(agents, [scenario], 25)
    path, speed = np.stack([f.box[0] for f in frames]), np.stack([f.velocity[0] for f in frames])
    np.testing.assert_array_equal(
        path[0], scenario.drive.objects.box[scenario.drive.objects.rows(int(scenario.frames[0]))][0]
    )
    np.testing.assert_allclose(np.diff(path[:, :2], axis=0), 0.1 * speed[1:], atol=1e-6)
    assert np.abs(np.diff(path[:, :2], axis=0)).max() < 3.0
    logged = np.stack(
        [scenario.drive.objects.box[scenario.drive.objects.rows(int(f))][0] for f in scenario.frames[:26]]
    )
    assert np.abs(path - logged).max() > 0.1, "it is the network that drives"


def test_static_and_replayed_kinds_follow_the_log(checkpoint: Path) -> None:
    agents = create("agents", "tokens", {"checkpoint": str(checkpoint), "driven": ["vehicle"]})
    scenario = world(1)[0]
    frames = drive(agents, [scenario], 10)
    for i, frame in enumerate(frames):
        logged = scenario.drive.objects.box[scenario.drive.objects.rows(int(scenario.frames[i]))]
        for track in (2, 3, 4, 5):
            np.testing.assert_array_equal(frame.box[frame.id == track][0], logged[track - 1])


def with_objects(scenario: Scenario, tracks: Tracks, box: np.ndarray, velocity: np.ndarray) -> Scenario:
    """The scenario with other objects: box (frames, n, 5), velocity (frames, n, 2)."""
    count, n = box.shape[:2]
    objects = ObjectFrames(
        np.arange(count + 1, dtype=np.int64) * n,
        np.tile(np.arange(n, dtype=np.int64), count),
        box.reshape(-1, 5),
        velocity.reshape(-1, 2),
    )
    return replace(scenario, drive=replace(scenario.drive, tracks=tracks, objects=objects))


def tracks_of(n: int, vehicle: list[int] | None = None, unit: list[int] | None = None) -> Tracks:
    return Tracks(
        np.arange(1, n + 1, dtype=np.uint64),
        np.zeros(n, np.uint8),
        np.arange(n, dtype=np.int64) if vehicle is None else np.array(vehicle, np.int64),
        np.zeros(n, np.uint8) if unit is None else np.array(unit, np.uint8),
        np.full(n, 1.6),
    )


def test_more_agents_than_the_network_holds(checkpoint: Path) -> None:
    """The nearest are driven, the others follow the log; whoever leaves the log goes with it."""
    agents = create("agents", "tokens", {"checkpoint": str(checkpoint), "top_k": 1})
    scenario = world(1)[0]
    count, n = len(scenario.drive.time_us), 30
    t = (np.arange(count) - scenario.first) * 0.05
    box = np.zeros((count, n, 5))
    box[..., 0] = scenario.drive.ego[0, 0] + 12.0 + 6.0 * np.arange(n) + 4.3 * t[:, None]
    box[..., 1], box[..., 3:] = scenario.drive.ego[0, 1], (4.5, 1.9)
    velocity = np.zeros((count, n, 2))
    velocity[..., 0] = 4.3
    crowd = with_objects(scenario, tracks_of(n), box, velocity)
    frame = drive(agents, [crowd], 5)[-1]
    logged = box[int(scenario.frames[5])]
    off = np.abs(frame.box - logged[np.searchsorted(np.arange(1, n + 1), frame.id)]).max(1)
    assert (off[:8] > 0).all()
    np.testing.assert_array_equal(off[20:], 0.0)
    assert len(frame.id) == n


def test_nobody_there(checkpoint: Path) -> None:
    agents = create("agents", "tokens", {"checkpoint": str(checkpoint)})
    scenario = world(1)[0]
    count = len(scenario.drive.time_us)
    empty = with_objects(scenario, tracks_of(0), np.zeros((count, 0, 5)), np.zeros((count, 0, 2)))
    assert all(len(f.id) == 0 for f in drive(agents, [empty], 6))


def test_a_trailer_hangs_on_its_tractor(checkpoint: Path) -> None:
    agents = create("agents", "tokens", {"checkpoint": str(checkpoint)})
    scenario = world(1)[0]
    count = len(scenario.drive.time_us)
    x = scenario.drive.ego[:, 0] + 30.0
    box = np.zeros((count, 2, 5))
    box[:, 0], box[:, 1] = np.array([0, 0, 0, 6.0, 2.5]), np.array([0, 0, 0, 13.0, 2.5])
    box[:, 0, 0], box[:, 1, 0], box[..., 1] = x, x - 9.0, scenario.drive.ego[0, 1]
    velocity = np.zeros((count, 2, 2))
    velocity[..., 0] = scenario.drive.ego[0, 3]
    truck = with_objects(scenario, tracks_of(2, [0, 0], [0, 1]), box, velocity)
    for frame in drive(agents, [truck], 30):
        tractor, trailer = frame.box
        front = trailer[:2] + 6.5 * np.array([np.cos(trailer[2]), np.sin(trailer[2])])
        hitch = tractor[:2] - 2.5 * np.array([np.cos(tractor[2]), np.sin(tractor[2])])
        np.testing.assert_allclose(front, hitch, atol=1e-6)
        assert abs(trailer[2] - tractor[2]) < 1.2
        assert frame.vehicle[0] == frame.vehicle[1]
