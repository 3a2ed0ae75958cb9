"""Training in several processes: DDP and FSDP over gloo, as torchrun starts them, and a run that is killed."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import environment

from roadcraft.core.config.load import to_yaml
from roadcraft.core.errors import ConfigError
from roadcraft.planners.learned.checkpoint import load_checkpoint, read_tensors
from roadcraft.planners.learned.checkpoint_writing import settle_folder
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.plugins.training.run.fit import train
from roadcraft.plugins.training.run.resolve import described

RANKS = Path(__file__).with_name("ranks.py")
STATE = "training.safetensors"


def start(command: list[str], **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=environment(OMP_NUM_THREADS="1", **variables),
    )  # fmt: skip


def run_ranks(job: Path, count: int) -> None:
    """Run ``ranks.py`` in so many processes, in the environment that torchrun makes."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    shared = {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count),
        "GROUP_RANK": "0",
        "TORCHELASTIC_RUN_ID": "test",
    }  # fmt: skip
    ranks = [start([str(RANKS), str(job)], RANK=str(k), LOCAL_RANK=str(k), **shared) for k in range(count)]
    try:
        said = [r.communicate(timeout=300)[0] for r in ranks]
    finally:
        for r in ranks:
            r.kill()
    assert [r.returncode for r in ranks] == [0] * count, "\n".join(said)


def write_recipe(path: Path, config: TrainConfig) -> str:
    path.write_text(to_yaml(described(config)))
    return str(path)


def tensors(run: Path) -> dict[str, torch.Tensor]:
    return {**read_tensors(run / "last" / "model.safetensors"), **read_tensors(run / "last" / STATE)}


def largest_gap(a: Path, b: Path) -> float:
    one, two = tensors(a), tensors(b)
    assert one.keys() == two.keys()
    return max(float((one[k] - two[k]).abs().max()) for k in one)


def test_two_processes_train_as_one(recipe: TrainConfig, made_up_store: Path, tmp_path: Path) -> None:
    """With dropout, augmentation and averaged weights. The single process cuts its batches into the same two parts by
    accumulation: both add up the same two gradients and halve them, which is exact, so DDP gives the same bits. FSDP
    sums the gradients' norm shard by shard: the last bit of it may differ, and weights that change nothing (the bias of
    all logits, of all keys) are then moved by Adam's quotient of two roundings."""
    base = replace(recipe, data=str(made_up_store), steps=6, ema_decay=0.9, workers=2, save_every=3)
    runs: list[dict[str, Any]] = []

    def add(name: str, resume: str | None = None, stop_at: int = 0, signal_at: int = 0, **settings: Any) -> None:
        file = write_recipe(tmp_path / f"{name}.yaml", replace(base, out=str(tmp_path / name), **settings))
        words = [] if resume else [file]
        runs.append({"name": name, "words": words, "resume": resume, "stop_at": stop_at, "signal_at": signal_at})

    add("ddp")
    add("parts", stop_at=3)
    add("parts-on", resume="parts")
    add("clock", steps=100_000, minutes=0.01, validate_every=100_000)
    add("long", steps=13)
    add("told", steps=13, signal_at=2)
    add("told-on", resume="told")
    add("fsdp", strategy="fsdp", stop_at=3)
    add("fsdp-on", resume="fsdp")
    (tmp_path / "job.json").write_text(json.dumps({"folder": str(tmp_path), "runs": runs}))
    run_ranks(tmp_path / "job.json", 2)

    ends = {r["name"]: [json.loads((tmp_path / f"{r['name']}.{k}.json").read_text()) for k in (0, 1)] for r in runs}
    for name, (first, second) in ends.items():
        assert first == second, f"{name}: the processes ended with different weights or steps"
    assert 0 < ends["clock"][0]["done"] < 100_000
    assert ends["told"][0]["done"] == 11  # the processes agree at every tenth step
    assert ends["told-on"] == ends["long"]
    assert ends["parts-on"] == ends["ddp"]  # bit for bit
    assert largest_gap(tmp_path / "parts", tmp_path / "ddp") == 0.0
    train(replace(base, accumulate=2, out=str(tmp_path / "one")), progress=False)
    assert largest_gap(tmp_path / "one", tmp_path / "ddp") == 0.0
    one, fsdp = tensors(tmp_path / "one"), tensors(tmp_path / "fsdp")
    idle = ("logit.2.bias", "key_value.bias")
    gaps = {k: float((one[k] - fsdp[k]).abs().max()) for k in one if not k.endswith(idle)}
    assert max(gaps.values()) < 1e-5, gaps  # a step moves a weight by up to the learning rate, 2e-3
    about = json.loads((tmp_path / "ddp" / "last" / "metrics.json").read_text())
    alone = json.loads((tmp_path / "one" / "last" / "metrics.json").read_text())
    assert (about["devices"], alone["devices"]) == (2, 1)
    assert about["validation"]["ade_m"] == pytest.approx(alone["validation"]["ade_m"], rel=1e-3)
    load_checkpoint(tmp_path / "fsdp" / "best")
    # a run may go on elsewhere
    done = train(replace(base, steps=7, accumulate=2), resume=tmp_path / "ddp", progress=False)
    assert json.loads((done.last / "metrics.json").read_text())["step"] == 7


def test_a_killed_run_goes_on_from_its_last_checkpoint(
    recipe: TrainConfig, made_up_store: Path, tmp_path: Path
) -> None:
    base = replace(
        recipe, data=str(made_up_store), steps=40, validate_every=1000, save_every=5, out=str(tmp_path / "killed")
    )
    words = ["-m", "roadcraft.core.cli", "train", write_recipe(tmp_path / "recipe.yaml", base)]
    process = start(words)
    last = tmp_path / "killed" / "last" / "training.json"
    for _ in range(3000):
        if last.is_file() or process.poll() is not None:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[0]
    assert last.is_file(), said
    settle_folder(tmp_path / "killed" / "last")
    step = json.loads(last.read_text())["step"]
    assert step % 5 == 0
    if step < 40:
        train(base, resume=tmp_path / "killed", progress=False)
    train(replace(base, out=str(tmp_path / "whole")), progress=False)
    assert largest_gap(tmp_path / "killed", tmp_path / "whole") == 0.0


def test_a_folder_whose_replacement_was_cut_short_is_put_back(tmp_path: Path) -> None:
    (tmp_path / ".last.old").mkdir()
    settle_folder(tmp_path / "last")
    assert [p.name for p in tmp_path.iterdir()] == ["last"]
    (tmp_path / ".last.old").mkdir()
    settle_folder(tmp_path / "last")
    assert (tmp_path / ".last.old").exists()


def test_batches_that_cannot_be_cut_are_refused(recipe: TrainConfig, made_up_source: Any) -> None:
    with pytest.raises(ConfigError, match="3 equal parts"):
        train(replace(recipe, accumulate=3), source=made_up_source, progress=False)
