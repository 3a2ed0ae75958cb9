"""Scores do not depend on batch size, process or number of workers, bit for bit: also those of networks and of what
wraps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from roadcraft.validation.scoring.score import score

ENCODERS = {
    "vector_transformer": {"dim": 32, "layers": 1, "heads": 4, "agents": 8, "lanes": 12},
    "hetero_gnn": {"dim": 32, "edge_dim": 16, "map_layers": 1, "heads": 4, "agents": 8, "lanes": 12},
}
MODEL = {"name": "multimodal", "params": {"modes": 2, "layers": 1, "heads": 4}}


@pytest.fixture(scope="module")
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network: what it does is poor, but it does it as a trained one would. One encoder keeps a cache
    across steps."""
    torch = pytest.importorskip("torch")
    from roadcraft.planners.learned.checkpoint_writing import save_checkpoint
    from roadcraft.planners.learned.network import build_network

    torch.manual_seed(0)
    encoder = {"name": request.param, "params": ENCODERS[request.param]}
    network = build_network(encoder, MODEL)
    for head in (network.model.speed, network.model.offset):
        torch.nn.init.normal_(head[-1].weight, std=0.1)
    folder = tmp_path_factory.mktemp("network") / "best"
    save_checkpoint(folder, network, {"encoder": encoder, "model": MODEL}, {"step": 0}, "card")
    return folder


def scores(out: Path, store: Path, planner: dict[str, Any], debug: bool = False, **settings: Any) -> bytes:
    """debug: in this process, one scenario after the other."""
    result = score(planner=planner, data=str(store), out=str(out), debug=debug, **settings)
    assert not result.failed
    return (result.run / "scores.parquet").read_bytes()


@pytest.mark.parametrize(
    ("checkpoint", "kind"),
    [("vector_transformer", "learned"), ("vector_transformer", "guard"), ("hetero_gnn", "learned")],
    indirect=["checkpoint"],
)
def test_networks_score_the_same_in_any_batch_and_worker(
    tmp_path: Path, small_store: Path, checkpoint: Path, kind: str
) -> None:
    learned = {"name": "learned", "params": {"checkpoint": str(checkpoint), "micro_batch": 4}}
    planner = learned if kind == "learned" else {"name": "guard", "params": {"planner": learned}}
    modes = ["nonreactive"] if kind == "learned" else ["reactive"]
    alone = scores(tmp_path / "1", small_store, planner, modes=modes, debug=True)
    assert scores(tmp_path / "7", small_store, planner, modes=modes, batch=7, workers=2) == alone


def test_a_rule_planner_scores_the_same_in_any_batch_and_worker(tmp_path: Path, small_store: Path) -> None:
    planner = {"name": "pdm_closed"}
    alone = scores(tmp_path / "1", small_store, planner, modes=["reactive"], debug=True)
    assert scores(tmp_path / "7", small_store, planner, modes=["reactive"], batch=7, workers=2) == alone
    assert scores(tmp_path / "64", small_store, planner, modes=["reactive"], batch=64, workers=1) == alone
