"""Files of compiled kernels: damaged ones are compiled anew, and a place that cannot be written costs nothing but
time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from numba.core.caching import UserProvidedCacheLocator

import roadcraft
from roadcraft.core.kernel_cache import LOCATOR, VARIABLE
from roadcraft.core.kernel_files import CacheFile

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


def run_in_terminal(folder: Path, source: str, **env: str) -> str:
    """What a process writes into a terminal that is its standard error alone."""
    script, (ours, theirs) = folder / "kernel.py", os.openpty()
    script.write_text(source)
    chosen = {LOCATOR: "roadcraft.core.kernel_files.Locator", **env}
    try:
        subprocess.run(
            [sys.executable, str(script)],
            stdout=subprocess.PIPE,
            stderr=theirs,
            env={**os.environ, **chosen},
            check=True,
        )
        os.write(theirs, b"END")
        said = b""
        while not said.endswith(b"END"):
            said += os.read(ours, 4096)
        return said.decode().removesuffix("END").replace("\r\n", "\n")
    finally:
        os.close(ours)
        os.close(theirs)


TWO_TYPES = f"{KERNEL}double(2.0)\n"
IN_A_WORKER = """
import multiprocessing, runpy, sys

if __name__ == "__main__":
    p = multiprocessing.get_context("spawn").Process(target=runpy.run_path, args=(sys.argv[0] + ".kernel",))
    p.start()
    p.join()
    sys.exit(p.exitcode)
"""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals here")
def test_a_person_at_a_terminal_is_told_once_that_kernels_are_compiled(tmp_path: Path) -> None:
    said = f"note: compiling kernels, once (they are kept in {tmp_path / 'a'}); ROADCRAFT_QUIET=1 hides this\n"
    assert run_in_terminal(tmp_path, TWO_TYPES, **{VARIABLE: str(tmp_path / "a")}) == said
    assert run_in_terminal(tmp_path, TWO_TYPES, **{VARIABLE: str(tmp_path / "a")}) == ""
    assert run_in_terminal(tmp_path, TWO_TYPES, **{VARIABLE: str(tmp_path / "b"), "ROADCRAFT_QUIET": "1"}) == ""
    assert (tmp_path / "b").is_dir()
    assert "a minute" in run_in_terminal(tmp_path, TWO_TYPES, **{VARIABLE: ""})


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals here")
def test_a_worker_leaves_telling_to_its_parent(tmp_path: Path) -> None:
    (tmp_path / "kernel.py.kernel").write_text(KERNEL)
    assert run_in_terminal(tmp_path, IN_A_WORKER, **{VARIABLE: str(tmp_path / "c")}) == ""
    assert list((tmp_path / "c").rglob("*.nbc"))


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
        f"note: compiled kernels cannot be kept in {tmp_path / 'file'}: Not a directory; they are compiled again next "
        "time"
    ]


def test_numba_alone_reads_the_files(tmp_path: Path) -> None:
    run(tmp_path, str(tmp_path / "cache"))
    (folder,) = (tmp_path / "cache").iterdir()
    folder.rename(folder.with_name(UserProvidedCacheLocator.get_suitable_cache_subpath(str(tmp_path / "kernel.py"))))
    env = {k: v for k, v in os.environ.items() if k != LOCATOR} | {VARIABLE: str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, str(tmp_path / "kernel.py")], capture_output=True, text=True, env=env)
    assert done.stdout.split() == ["42", "1"]


MODULES = {
    "limits": "X = 2\n",
    "inner": "from numba import njit\n\n@njit(cache=True)\ndef double(x):\n    return 2 * x\n",
    "outer": """
from numba import njit
from roadcraft.probe.inner import double
from roadcraft.probe.limits import X

@njit(cache=True)
def four_times(x):
    return double(X * x)
""",
    "other": "from numba import njit\n\n@njit(cache=True)\ndef half(x):\n    return x / 2\n",
}
CALLS = """
from roadcraft.probe.inner import double
from roadcraft.probe.other import half
from roadcraft.probe.outer import four_times

for kernel in (double, four_times, half):
    print(kernel(8), sum(kernel.stats.cache_hits.values()))
"""


def call(sources: Path, cache: Path) -> list[str]:
    """What the three kernels give and how many were read from files, in a process of its own that finds a sixth room in
    ``sources``."""
    path = os.pathsep.join((str(sources), os.environ.get("PYTHONPATH", "")))
    env = {**os.environ, VARIABLE: str(cache), LOCATOR: "roadcraft.core.kernel_files.Locator", "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", CALLS], capture_output=True, text=True, env=env, check=True)
    return done.stdout.splitlines()


def test_an_edit_compiles_its_module_and_those_that_import_it_and_a_copy_compiles_nothing(tmp_path: Path) -> None:
    cache, room = tmp_path / "cache", tmp_path / "sources" / "roadcraft" / "probe"
    room.mkdir(parents=True)
    for name, text in MODULES.items():
        (room / f"{name}.py").write_text(text)
    assert call(tmp_path / "sources", cache) == ["16 0", "32 0", "4.0 0"]
    shutil.copytree(tmp_path / "sources", tmp_path / "copy")
    os.utime(tmp_path / "copy" / "roadcraft" / "probe" / "inner.py", (1, 1))
    assert call(tmp_path / "copy", cache) == ["16 1", "32 1", "4.0 1"]
    (room / "limits.py").write_text("X = 3\n")
    assert call(tmp_path / "sources", cache) == ["16 1", "48 0", "4.0 1"]
    (room / "inner.py").write_text(MODULES["inner"].replace("2 * x", "3 * x"))
    assert call(tmp_path / "sources", cache) == ["24 0", "72 0", "4.0 1"]
    assert call(tmp_path / "copy", cache) == ["16 1", "32 1", "4.0 1"]
    assert call(tmp_path / "sources", cache) == ["24 1", "72 1", "4.0 1"]


def test_two_signatures_never_share_a_file(tmp_path: Path) -> None:
    """Two processes that save at the same time do not see each other's entry in the index."""
    file = CacheFile(str(tmp_path), "kernel", "state")
    file.save("first", 1)
    index = next(tmp_path.glob("*.nbi")).read_bytes()
    next(tmp_path.glob("*.nbi")).unlink()
    file.save("second", 2)
    assert file.load("second") == 2
    next(tmp_path.glob("*.nbi")).write_bytes(index)
    assert file.load("first") == 1


def test_no_kernel_lets_its_compiler_reorder_sums() -> None:
    """With fastmath the last digits of a score depend on the processor, and NaN may pass for a number."""
    rooms = [Path(room) for room in roadcraft.__path__]
    assert {room.parent.name for room in rooms} >= {"core", "scenario_io", "planners", "validation", "plugins"}
    sources = {room: [*room.rglob("*.py")] for room in rooms}
    assert all(sources.values())
    found = [str(path) for paths in sources.values() for path in paths if "fastmath" in path.read_text("utf-8").lower()]
    assert found == []
