"""Kernels compiled ahead of the first run."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from roadcraft.core.kernel_cache import VARIABLE

COLD = Path(__file__).resolve().parents[1] / "benchmarks" / "cold.py"


def warm(cache: Path, before: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "roadcraft.core.cli", "warm"],
        env={**os.environ, VARIABLE: str(cache)},
        capture_output=True,
        text=True,
        preexec_fn=before,
    )


def test_after_warming_a_score_compiles_nothing(tmp_path: Path, small_store: Path) -> None:
    first = warm(tmp_path)
    assert first.returncode == 0, first.stderr
    assert "compiling kernels" in first.stdout
    files = sorted(p for p in tmp_path.rglob("*") if p.is_file())
    assert len([p for p in files if p.suffix == ".nbc"]) > 100
    done = subprocess.run(
        [sys.executable, str(COLD), "--here", str(small_store)],
        env={**os.environ, VARIABLE: str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1])["kernels"] == []
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == files

    assert warm(tmp_path).stdout == f"all kernels are compiled already; they are kept in {tmp_path}\n"
    next(tmp_path.glob("roadcraft.planners.idm.kernel-*")).rename(tmp_path / "elsewhere")
    again = warm(tmp_path)
    assert again.returncode == 0, again.stderr
    assert list(tmp_path.glob("roadcraft.planners.idm.kernel-*/*.nbc"))


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = warm(tmp_path / "file" / "cache")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith(f"error: compiled kernels cannot be kept in {tmp_path / 'file' / 'cache'}: Not a dir")
    assert len(done.stderr.splitlines()) == 1


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    done = warm(tmp_path / "cache", lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16)))
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith(f"error: compiled kernels cannot be kept in {tmp_path / 'cache'}: File too large")
    assert len(done.stderr.splitlines()) == 1
