import pytest
import torch
from roadcraft_anchors.plugin import AnchorsConfig
from roadcraft_anchors.vocabulary import DT_S, STEPS, Vocabulary

from roadcraft.core import FeatureSpec, Prediction, create
from roadcraft.core.testing import ModelConformance, RecipeConformance


class TestAnchors(ModelConformance):
    name = "anchors"


class TestNoisyAgents(RecipeConformance):
    name = "noisy_agents"
    model = "anchors"


@pytest.fixture
def bend() -> torch.Tensor:
    """A circle of radius 50 m, as a reference line (1, 1, P, 4) with a point every 2 m."""
    angle = 2.0 / 50.0 * torch.arange(80)
    return torch.stack([50 * angle.sin(), 50 * (1 - angle.cos()), angle.cos(), angle.sin()], -1)[None, None]


def test_anchors_start_as_the_ego_stands_and_end_on_the_line(bend: torch.Tensor) -> None:
    one, lateral, slope = torch.tensor([[1.0]]), 1.2, 0.1
    anchors = Vocabulary(AnchorsConfig(), 2.0)(bend, lateral * one, slope * one, torch.tensor([9.0]))[0, 0]
    steady = anchors[int((Vocabulary(AnchorsConfig(), 2.0).profiles[:, 0] == 0.0).nonzero())]
    torch.testing.assert_close(steady[0, :2], torch.tensor([0.9, lateral + 0.09]), atol=0.03, rtol=0)
    assert float(torch.atan2(steady[0, 3], steady[0, 2])) == pytest.approx(slope, abs=0.03)
    radius = (steady[45:, :2] - torch.tensor([0.0, 50.0])).norm(dim=-1)
    torch.testing.assert_close(radius, torch.full_like(radius, 50.0), atol=0.03, rtol=0)


def test_headings_are_where_the_anchors_go(bend: torch.Tensor) -> None:
    one = torch.tensor([[1.0]])
    anchors = Vocabulary(AnchorsConfig(), 2.0)(bend, -0.8 * one, 0.0 * one, torch.tensor([9.0]))[0, 0]
    step = anchors[:, 1:, :2] - anchors[:, :-1, :2]
    way = step.norm(dim=-1)
    middle = anchors[:, 1:, 2:4] + anchors[:, :-1, 2:4]
    cosine = (step * middle).sum(-1) / (way * middle.norm(dim=-1)).clamp_min(1e-6)
    assert float(cosine[way > 0.2].min()) > 0.999
    pace = 0.5 * (anchors[:, 1:, 4] + anchors[:, :-1, 4])
    assert float((way / DT_S - pace).abs().max()) < 0.3


def test_nobody_drives_backwards() -> None:
    speed, way = Vocabulary(AnchorsConfig(), 2.0).speeds(torch.tensor([0.0, 3.0]))
    assert speed.shape[-1] == way.shape[-1] == STEPS
    assert float(speed.min()) == 0.0
    assert bool((way.diff(dim=-1) >= 0).all())


def test_the_target_is_the_anchor_that_the_expert_drove() -> None:
    model = create("model", "anchors", {"sharpness_m": 0.05}, dim=8, features=FeatureSpec())
    anchors = torch.randn(2, 6, STEPS, 5)
    logits = torch.zeros(2, 6, requires_grad=True)
    targets = {"ego_future": anchors[:, 4], "ego_future_valid": torch.ones(2, STEPS, dtype=torch.bool)}
    model.loss(Prediction(anchors, logits, None, DT_S * torch.arange(1, STEPS + 1)), targets)["choice"].backward()
    assert logits.grad is not None
    assert logits.grad.argmin(-1).tolist() == [4, 4]


@pytest.mark.parametrize("params", [{"hold_s": []}, {"merge_s": 0.0}, {"lines": 0}])
def test_wrong_settings_are_refused(params: dict[str, object]) -> None:
    with pytest.raises(Exception, match=r"must be|must hold at least"):
        create("model", "anchors", params, dim=8, features=FeatureSpec())
