"""Kernels compiled ahead of the first run."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from roadcraft.core.kernels.cache import VARIABLE
from roadcraft.core.kernels.warming import FILES

COLD = Path(__file__).resolve().parents[1] / "benchmarks" / "cold.py"


def warm(cache: Path, before: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", "-m", "roadcraft.core.cli", "warm"],  # -B: a full disk would leave bytecode cut off
        env={**os.environ, VARIABLE: str(cache)},
        capture_output=True,
        text=True,
        preexec_fn=before,
    )


def full_disk() -> None:
    """No file of this process may grow beyond 64 KiB: it cannot begin to compile."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))


def warmed(cache: Path) -> Path:
    """A cache that holds what warming alone compiled: files of the cache of these tests, and the note that lists them.
    In that cache the tests have compiled more."""
    home = Path(os.environ[VARIABLE])
    done = warm(home)
    assert done.returncode == 0, done.stderr
    note = max(home.glob(f"warm-*/{FILES}"), key=lambda p: p.parent.stat().st_mtime)
    for name in [str(note.relative_to(home)), *json.loads(note.read_text())]:
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(home / name, cache / name)
    return cache


def test_after_warming_a_score_compiles_nothing(tmp_path: Path, small_store: Path) -> None:
    cache = warmed(tmp_path / "cache")
    files = sorted(p for p in cache.rglob("*") if p.is_file())
    compiled = [p for p in files if p.suffix == ".nbc"]
    assert len(compiled) > 50
    for part in ("retime.retimed", "retime.moved_to_centerline"):  # which the guard calls where a plan is bad
        assert any(p.name.startswith(f"{part}-") for p in compiled), part
    done = subprocess.run(
        [sys.executable, str(COLD), "--here", str(small_store)],
        env={**os.environ, VARIABLE: str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1])["kernels"] == []
    assert sorted(p for p in cache.rglob("*") if p.is_file()) == files

    assert warm(cache, full_disk).stdout == f"all kernels are compiled already; they are kept in {cache}\n"
    lost = next(cache.glob("roadcraft.planners.idm.kernel-*"))
    next(lost.glob("*.nbc")).unlink()
    assert warm(cache, full_disk).returncode == 4, "one kernel of many is missed too"
    lost.rename(tmp_path / "elsewhere")
    again = warm(cache)
    assert (again.returncode, "compiling kernels" in again.stdout) == (0, True), again.stderr
    assert list(lost.glob("*.nbc"))


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = warm(tmp_path / "file" / "cache")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith(f"error: compiled kernels cannot be kept in {tmp_path / 'file' / 'cache'}: Not a dir")
    assert len(done.stderr.splitlines()) == 1


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    done = warm(tmp_path / "cache", full_disk)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith(f"error: compiled kernels cannot be kept in {tmp_path / 'cache'}: File too large")
    assert len(done.stderr.splitlines()) == 1
