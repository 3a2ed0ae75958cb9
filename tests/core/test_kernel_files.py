"""Files of compiled kernels: damaged ones are compiled anew, and a place that cannot be written costs nothing but time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import roadcraft
from roadcraft.core.kernel_cache import LOCATOR, VARIABLE

KERNEL = """
from numba import njit

@njit(cache=True)
def double(x):
    return 2 * x

print(double(21), sum(double.stats.cache_hits.values()))
"""


def run(folder: Path, cache: str) -> tuple[list[str], str]:
    """What a process prints that declares a kernel, and its standard error."""
    script = folder / "kernel.py"
    script.write_text(KERNEL)
    env = {**os.environ, VARIABLE: cache, LOCATOR: "roadcraft.core.kernel_files.Locator"}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


def test_a_kernel_is_read_again(tmp_path: Path) -> None:
    """Otherwise the other tests would prove nothing."""
    assert run(tmp_path, str(tmp_path / "cache"))[0] == ["42", "0"]
    assert run(tmp_path, str(tmp_path / "cache")) == (["42", "1"], "")


@pytest.mark.parametrize("pattern", ["*.nbi", "*.nbc"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2] + b"?" + content[len(content) // 2 + 1 :],
        lambda content: bytes(len(content)),
    ],
    ids=["empty", "cut off", "one byte", "zeros"],
)
def test_damaged_files_are_compiled_anew_and_told_of(
    tmp_path: Path, pattern: str, damage: Callable[[bytes], bytes]
) -> None:
    cache = tmp_path / "cache"
    run(tmp_path, str(cache))
    for path in cache.rglob(pattern):
        path.write_bytes(damage(path.read_bytes()))
    assert run(tmp_path, str(cache)) == (
        ["42", "0"],
        f"note: compiled kernels in {cache} are damaged; they are compiled anew\n",
    )
    assert run(tmp_path, str(cache)) == (["42", "1"], "")


def test_without_a_place_kernels_still_run(tmp_path: Path) -> None:
    assert run(tmp_path, "") == (["42", "0"], "")
    assert not list(tmp_path.rglob("*.nb[ic]"))


def test_a_place_that_refuses_is_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    out, err = run(tmp_path, str(tmp_path / "file"))
    assert out == ["42", "0"]
    assert err.splitlines() == [
        f"note: compiled kernels cannot be kept in {tmp_path / 'file'}: Not a directory; they are compiled again next time"
    ]


def test_numba_alone_reads_the_files(tmp_path: Path) -> None:
    run(tmp_path, str(tmp_path / "cache"))
    env = {k: v for k, v in os.environ.items() if k != LOCATOR} | {VARIABLE: str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, str(tmp_path / "kernel.py")], capture_output=True, text=True, env=env)
    assert done.stdout.split() == ["42", "1"]


def test_no_kernel_lets_its_compiler_reorder_sums() -> None:
    """With fastmath the last digits of a score depend on the processor, and NaN may pass for a number."""
    rooms = [Path(room) for room in roadcraft.__path__]
    assert {room.parent.name for room in rooms} >= {"core", "scenario_io", "planners", "validation", "plugins"}
    sources = {room: [*room.rglob("*.py")] for room in rooms}
    assert all(sources.values())
    found = [str(path) for paths in sources.values() for path in paths if "fastmath" in path.read_text("utf-8").lower()]
    assert found == []
