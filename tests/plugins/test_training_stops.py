"""Runs that end before their time: by a signal, by a loss that is not finite, by a full disk."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import environment

from roadcraft.core.config.load import to_yaml
from roadcraft.core.errors import DataError, DiskError
from roadcraft.planners.learned.checkpoint import read_tensors
from roadcraft.plugins.training.config import StartConfig, TrainConfig
from roadcraft.plugins.training.data.samples import SampleBuilder
from roadcraft.plugins.training.data.stream import Stream
from roadcraft.plugins.training.run.checkpointing import CheckpointCallback
from roadcraft.plugins.training.run.divergence import Diverged
from roadcraft.plugins.training.run.fit import train
from roadcraft.plugins.training.run.module import TrainModule
from roadcraft.plugins.training.run.resolve import described
from roadcraft.plugins.training.stopping import Stopped, StopRequest

FILES = {"model.safetensors", "training.safetensors"}


def arrays(run: Path) -> dict[str, torch.Tensor]:
    return {f"{name}:{k}": v for name in FILES for k, v in read_tensors(run / "last" / name).items()}


def strict(path: Path) -> Any:
    """JSON without NaN or Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{path}: {constant}")

    return json.loads(path.read_text(), parse_constant=refuse)


def same(a: Path, b: Path) -> bool:
    one, two = arrays(a), arrays(b)
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[TrainModule], None]) -> None:
    """Do something in the midst of a step."""
    plain = TrainModule.training_step

    def training_step(self: TrainModule, batch: Any, batch_idx: int) -> Any:
        if self.done + 1 == step:
            act(self)
        return plain(self, batch, batch_idx)

    monkeypatch.setattr(TrainModule, "training_step", training_step)


def twice(module: TrainModule, number: int) -> None:
    """Send a signal two times, once in a run."""
    if not module.stop.signal:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)


# ---- signals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_told_to_stop_stores_its_step_and_goes_on_bit_for_bit(
    number: signal.Signals, code: int, recipe: TrainConfig, made_up_source: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    recipe = replace(recipe, accumulate=2, ema_decay=0.9)
    whole = train(replace(recipe, out=str(tmp_path / "whole")), source=made_up_source, progress=False)
    with monkeypatch.context() as patch:
        at_step(patch, 6, lambda module: twice(module, number))
        before = signal.getsignal(number)
        with pytest.raises(Stopped) as stopped:
            train(recipe, source=made_up_source, progress=False)
        assert signal.getsignal(number) is before
    run = Path(recipe.out)
    assert stopped.value.exit_code == code
    assert str(stopped.value) == (
        f"stopped by {number.name} at step 6; {run}/last holds step 6, {run}/best holds step 4; "
        f"go on with: roadcraft train --resume {run}"
    )
    train(recipe, source=made_up_source, resume=run, progress=False)
    assert same(whole.last.parent, run)
    assert strict(whole.best / "metrics.json")["validation"] == strict(run / "best" / "metrics.json")["validation"]


def test_a_run_stopped_while_it_validates_makes_up_for_it(
    recipe: TrainConfig, made_up_source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the last validation, when all steps are done."""
    whole = train(replace(recipe, out=str(tmp_path / "whole")), source=made_up_source, progress=False)
    run, plain = Path(recipe.out), TrainModule.validate
    for step, resume in ((4, None), (12, run)):
        with monkeypatch.context() as patch:

            def validate(self: TrainModule, parts: Any, step: int = step) -> Any:
                if self.done == step:
                    os.kill(os.getpid(), signal.SIGTERM)
                return plain(self, parts)

            patch.setattr(TrainModule, "validate", validate)
            with pytest.raises(Stopped, match=f"at step {step};"):
                train(recipe, source=made_up_source, resume=resume, progress=False)
        assert strict(run / "last" / "training.json")["validated"] == step - 4 or step == 4
        assert (run / "best").is_dir() == (step > 4)
    train(recipe, source=made_up_source, resume=run, progress=False)
    assert same(whole.last.parent, run)
    ours, theirs = (strict(f / "best" / "metrics.json") for f in (run, whole.last.parent))
    assert (ours["step"], ours["validation"]) == (theirs["step"], theirs["validation"])


def test_a_run_stopped_while_it_waits_for_its_first_batch_goes_on_from_step_0(
    recipe: TrainConfig, made_up_source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = SampleBuilder.batch

    def slow(self: SampleBuilder, *args: Any) -> Any:
        time.sleep(1.0)
        return build(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(SampleBuilder, "batch", slow)
        wait = Stream._wait

        def interrupted(self: Stream, index: int, batch: Any) -> bool:
            os.kill(os.getpid(), signal.SIGTERM)
            return wait(self, index, batch)

        patch.setattr(Stream, "_wait", interrupted)
        with pytest.raises(Stopped, match=r"stopped by SIGTERM at step 0; .*last holds step 0; .*best is written at"):
            train(recipe, source=made_up_source, progress=False)
    train(recipe, source=made_up_source, resume=Path(recipe.out), progress=False)
    whole = train(replace(recipe, out=str(tmp_path / "whole")), source=made_up_source, progress=False)
    assert same(whole.last.parent, Path(recipe.out))


def test_a_run_stopped_while_it_is_prepared_leaves_nothing(
    recipe: TrainConfig, made_up_source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CheckpointCallback, "__init__", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Stopped, match=r"^stopped by SIGINT before the first step; nothing was stored .*same command"):
        train(recipe, source=made_up_source, progress=False)
    assert not Path(recipe.out).exists()


def test_the_third_signal_ends_a_process_that_does_not_stop() -> None:
    code = (
        "import os, signal, time\nfrom roadcraft.plugins.training.stopping import StopRequest\nr = StopRequest()\n"
        "with r.listening(), r.waiting(patient=True):\n    for _ in range(3):\n        os.kill(os.getpid(), "
        "signal.SIGTERM)\n    time.sleep(60)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 143


def test_a_signal_noted_in_patience_is_raised_after_it() -> None:
    request, reached = StopRequest(), []

    def note() -> None:
        with request.waiting(patient=True):
            os.kill(os.getpid(), signal.SIGTERM)
            reached.append("the end")

    def enter() -> None:
        with request.waiting(patient=False):
            reached.append("nothing")

    with request.listening():
        for act in (note, enter):
            with pytest.raises(Stopped):
                act()
    assert reached == ["the end"]


def test_the_command_tells_a_script_that_it_was_stopped(
    recipe: TrainConfig, made_up_store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    recipe = replace(recipe, data=str(made_up_store), steps=100_000, validate_every=100_000, out=str(out))
    file = tmp_path / "recipe.yaml"
    file.write_text(to_yaml(described(recipe)))
    process = subprocess.Popen(
        [sys.executable, "-m", "roadcraft.core.cli", "train", str(file)], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )  # fmt: skip
    while process.poll() is None and not list(out.glob("tensorboard/*tfevents*")):
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 143, errors
    step = strict(out / "last" / "training.json")["step"]
    assert errors.strip().splitlines()[-1] == (
        f"stopped by SIGTERM at step {step}; {out}/last holds step {step}; {out}/best is written at the first "
        "validation; "
        f"go on with: roadcraft train --resume {out}"
    )
    assert "Traceback" not in said + errors


# ---- values that are not finite ------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_ends_the_run_before_it_gets_into_the_weights(
    recipe: TrainConfig, made_up_source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from roadcraft.plugins.multimodal.model import Multimodal

    plain, calls = Multimodal.loss, []

    def loss(self: Multimodal, prediction: Any, targets: Any) -> Any:
        terms = plain(self, prediction, targets)
        calls.append(self.training)
        return {**terms, "choice": terms["choice"] * (math.nan if sum(calls) == 7 else 1.0)}

    monkeypatch.setattr(Multimodal, "loss", loss)
    with pytest.raises(Diverged) as found:
        train(recipe, source=made_up_source, progress=False)
    run = Path(recipe.out)
    assert str(found.value) == (
        "training stopped at step 7, where a value is not finite: the loss term choice is nan (a lower learning_rate "
        "or clip helps: they are 0.002 and 1; "
        f"{run}/last holds step 4, {run}/best holds step 4)"
    )
    assert all(bool(v.isfinite().all()) for v in arrays(run).values())


@pytest.mark.parametrize(("rate", "accumulate"), [(300.0, 1), (1e9, 2), (1e38, 1)])
def test_a_learning_rate_out_of_reason_leaves_no_bad_weights(
    rate: float, accumulate: int, recipe: TrainConfig, made_up_source: Any
) -> None:
    recipe = replace(
        recipe, learning_rate=rate, accumulate=accumulate, steps=60, validate_every=20, warmup_fraction=0.0
    )
    with pytest.raises(
        Diverged,
        match=r"training stopped at step \d+, where a value is not finite: .* \(a lower learning_rate or clip helps",
    ):
        train(recipe, source=made_up_source, progress=False)
    for name in ("best", "last"):
        folder = Path(recipe.out) / name
        if folder.is_dir():
            assert all(bool(v.isfinite().all()) for v in read_tensors(folder / "model.safetensors").values())
            strict(folder / "metrics.json")


def test_a_feature_that_is_not_finite_is_named_with_its_log(
    recipe: TrainConfig, made_up_source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = SampleBuilder.batch

    def spoilt(self: SampleBuilder, samples: Any, rows: Any, augment: Any = None, random_numbers: Any = None) -> Any:
        out = build(self, samples, rows, augment, random_numbers)
        bad = [
            k for k, row in enumerate(rows) if samples.logs[samples.log[row]] == "tiny-0" and samples.frame[row] > 50
        ]
        out["lane_info"][bad, 0, 0] = np.nan
        return out

    monkeypatch.setattr(SampleBuilder, "batch", spoilt)
    fault = (
        r"the feature lane_info holds a value that is not finite, the first is tiny-0, frame \d+ \(the data is at fault"
    )
    with pytest.raises(Diverged, match=fault):
        train(replace(recipe, steps=40, validate_every=40), source=made_up_source, progress=False)


def test_a_held_out_error_that_is_not_finite_ends_the_run(
    recipe: TrainConfig, made_up_source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = TrainModule.validate
    monkeypatch.setattr(TrainModule, "validate", lambda self, parts: {**plain(self, parts), "near_ade_m": math.inf})
    with pytest.raises(Diverged, match=r"at step 4, where .*: held out, near_ade_m is inf \(.*; nothing was stored in"):
        train(recipe, source=made_up_source, progress=False)


# ---- full disks ----------------------------------------------------------------------------------------------------


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, name: str, after: int) -> None:
    """From the ``after``-th time on, a file of that name cannot be synced: the disk is full."""
    import roadcraft.core.files as files

    plain, seen = files._sync, []

    def sync(path: Path, flags: int) -> None:
        seen.append(name in path.name)
        if seen[-1] and sum(seen) >= after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        plain(path, flags)

    monkeypatch.setattr(files, "_sync", sync)


@pytest.mark.parametrize("name", ["model.safetensors", "training.safetensors", "config.yaml", "README.md"])
def test_a_full_disk_names_the_file_and_how_to_go_on(
    name: str, recipe: TrainConfig, made_up_source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(replace(recipe, out=str(tmp_path / "whole")), source=made_up_source, progress=False)
    run = Path(recipe.out)
    with monkeypatch.context() as patch:
        fill_the_disk(patch, name, 2 if name.startswith("training") else 4)
        with pytest.raises(DiskError) as found:
            train(recipe, source=made_up_source, progress=False)
    assert (
        f"{run}/last/{name}: the disk is full (free some space and go on with: roadcraft train --resume {run}; "
        in str(found.value)
    )
    assert f"{run}/last holds step 4" in str(found.value)
    assert not [p for p in run.rglob("*") if p.name.endswith(".tmp") or p.name.startswith(".")]
    train(recipe, source=made_up_source, resume=run, progress=False)
    assert same(whole.last.parent, run)


def test_a_disk_that_is_full_from_the_first_event_on(recipe: TrainConfig, made_up_source: Any) -> None:
    """A file system of 64 kB where there may be one."""
    run = Path(recipe.out)
    run.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(run)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        with pytest.raises(
            DiskError, match=r"the disk is full \(free some space and go on with: the same command; nothing was stored"
        ):
            train(recipe, source=made_up_source, progress=False)
        with (run / "filler").open("wb", buffering=0) as f, contextlib.suppress(OSError):
            while f.write(bytes(1024)):
                pass
        with pytest.raises(DiskError, match=r"(tfevents.*|model\.safetensors): the disk is full"):
            train(recipe, source=made_up_source, progress=False)
        assert {p.name.split(".")[0] for p in run.iterdir()} == {"filler", "tensorboard"}
    finally:
        subprocess.run(["umount", str(run)], check=True)


# ---- damaged checkpoints -------------------------------------------------------------------------------------------


def test_damage_to_a_checkpoint_is_told(recipe: TrainConfig, made_up_source: Any, tmp_path: Path) -> None:
    import shutil

    from roadcraft.planners.learned.checkpoint import load_checkpoint
    from roadcraft.plugins.training.run.card import add_scores

    done = train(replace(recipe, steps=2, validate_every=2), source=made_up_source, progress=False)

    def spoilt(folder: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
        copy = tmp_path / "spoilt" / folder.name
        shutil.rmtree(copy.parent, ignore_errors=True)
        shutil.copytree(folder, copy)
        (copy / name).write_bytes(change((copy / name).read_bytes()))
        return copy

    def flip(data: bytes) -> bytes:
        return data[:-9] + bytes([data[-9] ^ 4]) + data[-8:]

    def cut(data: bytes) -> bytes:
        return data[: len(data) // 2]

    def cut_at_a_line(data: bytes) -> bytes:
        return data[: data.index(b"\n", len(data) // 3) + 1]  # whole lines only: still YAML, wherever paths are long

    weights = "is not the file that was written: its digest differs"
    for name, change, said in (
        ("model.safetensors", flip, weights), ("model.safetensors", cut, weights), ("model.safetensors", lambda d: b"",
        weights),
        ("config.yaml", cut_at_a_line, "missing"), ("config.yaml", lambda d: d[:-20], weights), ("config.yaml",
        lambda d: b"\xff\xfe", "not valid YAML"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=rf"{name if said != weights else 'model.safetensors'}.*{said}"):
            load_checkpoint(spoilt(done.best, name, change))
        with pytest.raises(DataError, match=said):
            train(
                replace(recipe, out=str(tmp_path / "x"), start=StartConfig(str(spoilt(done.best, name, change)))),
                source=made_up_source,
            )
        with pytest.raises(DataError, match=said):
            train(replace(recipe, steps=4), source=made_up_source, resume=spoilt(done.last, name, change).parent)
    for name, change, said in (
        ("training.safetensors", flip, "its digest differs"), ("training.json", cut, "not valid JSON"),
        ("training.json", lambda d: b"{}", "step, seconds, best"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=said):
            train(
                replace(recipe, steps=4),
                source=made_up_source,
                resume=spoilt(done.last, name, change).parent,
                progress=False,
            )
    for change in (cut, lambda d: b"[]"):
        with pytest.raises(DataError, match=r"metrics\.json"):
            add_scores(spoilt(done.best, "metrics.json", change), [])
    copy = spoilt(done.last, "metrics.json", cut)
    (copy / "metrics.json").unlink()
    resumed = train(
        replace(recipe, steps=4, validate_every=2), source=made_up_source, resume=copy.parent, progress=False
    )
    assert resumed.metrics["step"] == 4  # and best, which was not there, is again
