"""``train`` with method ppo and vdgrpo: by driving, from a trained network to a checkpoint like any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from roadcraft.core.config.factory import create
from roadcraft.core.config.load import to_tree
from roadcraft.core.config.rules import RuleError
from roadcraft.core.data.scenario import Ego
from roadcraft.core.interfaces import load_planner
from roadcraft.core.testing import made_up_rollout
from roadcraft.core.types import Prediction, SceneEncoding
from roadcraft.planners import load_checkpoint
from roadcraft.planners.learned.network import build_network
from roadcraft.plugins.candidate_choice.config import CandidateChoiceConfig
from roadcraft.plugins.candidate_choice.copies import slower_copies
from roadcraft.plugins.candidate_choice.model import CandidateChoice
from roadcraft.plugins.training.config import SelectConfig, StartConfig, TrainConfig
from roadcraft.plugins.training.policy_config import PolicyGradientConfig
from roadcraft.plugins.training.reinforcement.exploration import Decision, ScoredDrive, drive_scenes, scored, stacked
from roadcraft.plugins.training.run.choice import started_part, with_choice
from roadcraft.plugins.training.run.closed_loop import scene_rows
from roadcraft.plugins.training.run.fit import train
from roadcraft.plugins.training.run.reinforcement import Collapsed, ReinforcementModule
from roadcraft.plugins.training.run.resolve import load_start
from roadcraft.scenario_io.open import open_source
from roadcraft.validation import Failure, Reward, SimulationConfig, running_score, simulate


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder)[0].state()


@pytest.fixture
def driven(recipe: TrainConfig, trained: Path, made_up_store: Path) -> TrainConfig:
    """Three roll-outs of four drives."""
    return replace(
        recipe,
        method="vdgrpo",
        data=str(made_up_store),
        start=StartConfig(str(trained)),
        steps=3,
        batch=4,
        validate_every=3,
        select=SelectConfig("closed_loop", 1),
        policy=PolicyGradientConfig(group_size=2, minibatch=16),
    )


def test_a_run_changes_the_choice_alone_goes_on_exactly_and_its_choice_is_kept(
    driven: TrainConfig, trained: Path, tmp_path: Path
) -> None:
    through = train(driven, progress=False)
    cut = replace(driven, out=str(tmp_path / "cut"))
    train(cut, progress=False, stop_at=2)
    gone_on = train(cut, progress=False, resume=tmp_path / "cut")
    a, b, before = weights(through.last), weights(gone_on.last), weights(trained)
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert all(torch.equal(a[k.replace("model.", "model.inner.", 1)], v) for k, v in before.items())
    assert a["model.score.2.weight"].abs().sum() > 0  # which began at 0
    assert 0.0 <= through.metrics["validation"]["closed_loop"] <= 1.0

    source = open_source(driven.data, None)
    item = scene_rows(source, source.logs()[0])[0]
    scenario = source.scenario(item.row, item.type, item.window_us)
    rollout = simulate([scenario], load_planner(through.best), SimulationConfig(record_plan_every=1))[0]
    assert not isinstance(rollout, Failure), rollout.error
    value = rollout.channels[rollout.channel_names.index("probability")]
    changes = np.flatnonzero(np.diff(value)) + 1
    assert len(changes) >= 3
    assert (changes % 5 == 0).all()  # every half a second, of steps of 0.1 s


def test_drives_of_a_group_are_those_that_each_would_be_alone(
    driven: TrainConfig, trained: Path, made_up_store: Path
) -> None:
    """Two scenes, three times each, in one simulation: other scenes and other draws beside a drive change nothing."""
    config = with_choice(driven)
    network = build_network(to_tree(config.encoder), to_tree(config.model))
    load_start(*started_part(network, replace(config, start=StartConfig(str(trained)))))
    network.encoder.eval()
    network.model.eval()
    source = open_source(str(made_up_store), None)
    items = [scene_rows(source, log)[0] for log in source.logs()[:2]]
    scenes = [source.scenario(i.row, i.type, i.window_us) for i in items]
    agents, reward, salts = create("agents", "idm"), Reward(), [5, 6, 7]
    together = drive_scenes(network, scenes, agents, 0, salts, reward)
    alone = [d for s in scenes for salt in salts for d in drive_scenes(network, [s], agents, 0, [salt], reward)]
    assert len(together) == 6
    for one, other in zip(together, alone, strict=True):
        assert isinstance(one, ScoredDrive)
        assert isinstance(other, ScoredDrive)
        assert [d.action for d in one.decisions] == [d.action for d in other.decisions]
        assert [d.log_prob for d in one.decisions] == [d.log_prob for d in other.decisions]
        assert (one.rewards == other.rewards).all()
        assert one.score == other.score
    drawn = {tuple(d.action for d in one.decisions) for one in together[:3] if isinstance(one, ScoredDrive)}
    assert len(drawn) == 3


# ---- slower copies -------------------------------------------------------------------------------------------------


def straight(speed: float, accel: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """One trajectory (1, 1, 80, 5) of 8 s along x, and its times."""
    t = 0.1 * torch.arange(1, 81)
    x, v = speed * t + 0.5 * accel * t**2, speed + accel * t
    return torch.stack([x, 0 * t, 1 + 0 * t, 0 * t, v], -1)[None, None], t


def test_copies_slow_down_within_bounds_and_keep_to_the_path() -> None:
    own, t = straight(10.0)
    now = torch.tensor([[10.0, 0.0]])
    half, stop = slower_copies(own, t, now, (0.5, 0.0), 3.0, 4.0)[0, :, 0]
    assert torch.allclose(half[-20:, 4], torch.tensor(5.0), atol=1e-4)
    assert torch.allclose(stop[-20:, 4], torch.tensor(0.0), atol=1e-4)
    for copy in (half, stop):
        speed = torch.cat([torch.tensor([10.0]), copy[:, 4]])
        accel = speed.diff() / 0.1
        assert accel.min() >= -3.0 - 1e-3
        assert accel.max() <= 1e-3
        assert accel[:7].diff().min() / 0.1 >= -4.0 - 1e-2  # until the deceleration is reached
        assert torch.allclose(copy[:, 0], copy[:, 4].cumsum(0) * 0.1, atol=1e-3)
        assert (copy[:, 1] == 0).all()
    braking = 10.0**2 / (2 * 3.0) + 10.0 * 0.75 / 2  # and about half of the time in which it is taken on
    assert float(stop[-1, 0]) == pytest.approx(braking, abs=0.6)


def test_copies_of_a_turn_stay_on_it() -> None:
    t = 0.1 * torch.arange(1, 81)
    angle = 8.0 * t / 30.0
    arc = torch.stack([30 * angle.sin(), 30 - 30 * angle.cos(), angle.cos(), angle.sin(), 8 + 0 * t], -1)[None, None]
    copies = slower_copies(arc, t, torch.tensor([[8.0, 0.0]]), (0.6, 0.3), 3.0, 4.0)[0, :, 0]
    radius = (copies[..., :2] - torch.tensor([0.0, 30.0])).norm(dim=-1)
    assert (radius - 30.0).abs().max() < 0.01  # the sagitta of a tenth of a second
    heading = torch.atan2(copies[..., 3], copies[..., 2])
    assert (heading - torch.atan2(copies[..., 0], 30 - copies[..., 1])).abs().max() < 0.02


def test_a_copy_of_one_that_sets_off_or_brakes_harder_is_never_faster() -> None:
    for own, t, now in ((*straight(0.0, 1.0), (0.0, 0.0)), (*straight(10.0, -1.24), (10.0, -1.0))):
        copies = slower_copies(own, t, torch.tensor([now]), (0.6, 0.0), 0.5, 4.0)[0]
        assert (copies[..., 0].diff() <= own[0, 0, :, 0].diff() + 1e-4).all()
        assert copies.isfinite().all()


# ---- the choice ----------------------------------------------------------------------------------------------------


def test_before_it_has_learned_it_drives_as_the_model_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    class Inside(torch.nn.Module):
        def features(self) -> Any:
            return None

    torch.manual_seed(0)
    monkeypatch.setattr("roadcraft.plugins.candidate_choice.model.create", lambda *a, **k: Inside())
    model = CandidateChoice(CandidateChoiceConfig(), dim=32, features=Inside().features())
    own, t = straight(8.0)
    logits = torch.tensor([[0.5, 2.0, torch.finfo(torch.float32).min]])
    inner = Prediction(own.repeat(1, 3, 1, 1), logits, None, t)
    found = model.candidates(inner, {"ego": torch.tensor([[8.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])})
    tokens, mask = torch.randn(1, 5, 32), torch.ones(1, 5, dtype=torch.bool)
    zeros = torch.zeros(1, 5, dtype=torch.long)
    encoding = SceneEncoding(tokens, mask, torch.zeros(1, 5, 3), zeros, torch.zeros(1, dtype=torch.long))
    chosen = model.chosen(found, encoding)
    p = chosen.logits.softmax(-1).view(4, 3)
    assert torch.allclose(p.sum(0), logits.softmax(-1)[0], atol=1e-6)
    assert torch.allclose(p[1:, :2] / p.sum(0)[:2], torch.tensor(0.05), atol=1e-6)
    assert (p[:, 2] == 0).all()
    assert int(chosen.logits.argmax()) == 1
    assert chosen.extras["value"].shape == (1, 1)
    assert torch.equal(chosen.ego[:, :3], inner.ego)


def test_what_could_not_be_driven_is_not_learned_from() -> None:
    def made(count: int) -> ScoredDrive:
        seen = {"prior": np.zeros(4, np.float32)}
        return ScoredDrive([Decision(seen, 1, -0.5, 0.1) for _ in range(count)], np.arange(count) * 1.0, 0.5, {}, {})

    rollout = stacked([made(3), Failure(None, "a", 0, "plan", "no"), made(2)])
    assert rollout.alive.T.tolist() == [[True] * 3, [False] * 3, [True, True, False]]
    assert rollout.terminated.T.tolist() == [[False, False, True], [False] * 3, [False, True, False]]
    assert rollout.reward.T.tolist() == [[0.0, 1.0, 2.0], [0.0] * 3, [0.0, 1.0, 0.0]]
    with pytest.raises(ValueError, match="no scene of the roll-out could be driven; the first says: plan: no"):
        stacked([Failure(None, "a", 0, "plan", "no")])


def test_decisions_earn_what_the_steps_until_the_next_do_and_none_after_a_failure() -> None:
    made = {i: Decision({}, i, 0.0, 0.0) for i in range(0, 150, 5)}
    rollout = made_up_rollout()
    drive, parts = scored(rollout, made, Reward()), running_score(rollout)[:, 0]
    assert len(drive.decisions) == len(drive.rewards) == 30
    assert drive.rewards[3] == pytest.approx(parts[20] - parts[15], abs=1e-12)
    assert drive.rewards.sum() == pytest.approx(drive.score - parts[0], abs=1e-12)
    assert drive.terms == {"score": pytest.approx(drive.score - parts[0])}

    off = np.where(np.arange(150) < 63, 0.0, 8.0)  # off the road from step 63 on
    ego = rollout.drive.ego.copy()
    ego[:, Ego.Y] -= off
    drive = scored(replace(rollout, drive=replace(rollout.drive, ego=ego)), made, Reward())
    assert [d.action for d in drive.decisions] == list(range(0, 63, 5))
    assert drive.score == 0.0
    assert drive.rewards.sum() == pytest.approx(-parts[0], abs=1e-12)
    assert drive.rewards[-1] < -0.7


def test_a_policy_that_tries_nothing_any_more_ends_the_run() -> None:
    module = SimpleNamespace(first_entropy=0.0, config=TrainConfig(), done=4)
    ReinforcementModule._check_entropy(module, 1.0)  # type: ignore[arg-type]
    ReinforcementModule._check_entropy(module, 0.31)  # type: ignore[arg-type]
    with pytest.raises(Collapsed, match=r"stopped at step 5: the entropy of the choice is 0\.290, below policy"):
        ReinforcementModule._check_entropy(module, 0.29)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "start must name what method=ppo begins with: start=RUN/best"),
        ({"start": StartConfig("a"), "batch": 6}, "batch must be a multiple of policy.group_size"),
        ({"start": StartConfig("a"), "devices": 2}, "devices must be 1 with method=ppo"),
        ({"start": StartConfig("a"), "overfit": 8}, "overfit has no meaning with method=ppo"),
        ({"start": StartConfig("a"), "ema_decay": 0.9}, "ema_decay must be 0 with method=ppo"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(RuleError, match=said):
        TrainConfig(method="ppo", **settings)
