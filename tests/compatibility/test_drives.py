"""Checkpoints of version 0.1.0 drive as they did then, to the last bit."""

from __future__ import annotations

import contextlib
import re
import tomllib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from command_line import MAIN, environment, install, process

from roadcraft.scenario_io.store.store import Store
from roadcraft.validation import score
from roadcraft.validation.scoring.score import load_score_config

torch = pytest.importorskip("torch")

NETWORKS = (
    "vector_transformer-multimodal",
    "hetero_gnn-multimodal",
    "bev_raster-multimodal",
    "vector_transformer-diffusion",
    "vector_transformer-tokens",
)
MADE_WITH = ("2.13.0", "AVX512", "AuthenticAMD")  # torch, the instructions and the make of the processor when kept


def make_of_processor() -> str:
    """torch's libraries choose kernels by it: with the same instructions an Intel and an AMD round differently."""
    with contextlib.suppress(OSError):
        found = re.search(r"^vendor_id\s*: (\S+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        return found.group(1) if found else ""
    return ""


def words(old, run: Path, planner: str, *more: str) -> list[str]:
    return [
        f"planner={planner}",
        f"data={old.store}",
        f"scenario={old.made.SCENARIO}",
        f"out={run}",
        "workers=1",
        *more,
    ]


def learned(checkpoint: Path) -> str:
    return f"{{name: learned, params: {{checkpoint: {checkpoint}, micro_batch: 2}}}}"


def assert_drove_as_then(old, name: str, run: Path) -> None:
    """The states of the drive in ``run`` and its scores, and those that were kept. On another kind of processor, or
    with another torch, kernels round differently: positions then agree to a millimeter, scores to a thousandth."""
    (mode,) = (run / "rollouts").iterdir()
    store = Store(mode)
    drive = store.drive(store.logs()[0])
    kept = np.load(old.drives / name / "states.npz", allow_pickle=False)
    version = torch.__version__.partition("+")[0]
    here = (version, torch.backends.cpu.get_cpu_capability(), make_of_processor())
    for key, now in (("ego", drive.ego), ("agents", drive.objects.box)):
        if key not in kept:
            continue
        assert kept[key].shape == now.shape
        if here == MADE_WITH:
            assert kept[key].tobytes() == now.tobytes(), np.abs(kept[key] - now).max()
        else:
            np.testing.assert_allclose(now[..., :2], kept[key][..., :2], rtol=0, atol=1e-3)
    before, after = (
        pq.read_table(f).to_pylist() for f in (old.drives / name / "scores.parquet", run / "scores.parquet")
    )
    assert before
    found = [{k: row[k] for k in was} for row, was in zip(after, before, strict=True)]
    assert found == (before if here == MADE_WITH else [pytest.approx(was, abs=1e-3) for was in before])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_checkpoint_drives_as_it_did(old, name, tmp_path):
    if name.startswith("hetero_gnn"):
        pytest.importorskip("torch_geometric")
    config = load_score_config(words(old, tmp_path / "run", learned(old.checkpoints / name))).config
    score(config, debug=True)
    assert_drove_as_then(old, name, tmp_path / "run")


def test_agents_of_a_checkpoint_drive_as_they_did(old, tmp_path):
    agents = f"agents={{name: tokens, params: {{checkpoint: {old.checkpoints / old.made.TOKENS}, micro_batch: 2}}}}"
    config = load_score_config(words(old, tmp_path / "run", "idm", "modes=[reactive]", agents)).config
    score(config, debug=True)
    assert_drove_as_then(old, old.made.AGENTS, tmp_path / "run")


def test_a_package_made_for_0_1_registers_and_drives(old, tmp_path):
    """``roadcraft-anchors`` as it was, installed beside this version: its entry point is found, its imports work, its
    checkpoint drives."""
    project = tomllib.loads((old.anchors / "pyproject.toml").read_text())["project"]
    entries = project["entry-points"]["roadcraft"]
    site = install(tmp_path / "site", "roadcraft-anchors", entries, "0.1.0")
    checkpoint = old.checkpoints / "vector_transformer-anchors"
    done = process(
        "score", *words(old, tmp_path / "run", learned(checkpoint)), "--debug",
        code=f"import roadcraft_anchors; print(roadcraft_anchors.__file__); {MAIN}",
        env=environment(site, old.anchors),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(old.anchors))
    assert_drove_as_then(old, "vector_transformer-anchors", tmp_path / "run")
