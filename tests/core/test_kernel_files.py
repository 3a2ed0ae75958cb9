"""Files of compiled kernels: damaged ones are compiled anew, and a place that cannot be written costs nothing but
time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import roadcraft
from roadcraft.core.kernels import files as kernel_files
from roadcraft.core.kernels.cache import LOCATOR, VARIABLE
from roadcraft.core.kernels.files import CacheFile, Locator, one_process_at_a_time

SOURCES: Path  # written once
KERNEL = """
from numba import njit

@njit(cache=True)
def double(x):
    return 2 * x

print(double(21), sum(double.stats.cache_hits.values()))
"""


def run(cache: str) -> tuple[list[str], str]:
    """What a process prints that declares a kernel, and its standard error."""
    script = SOURCES / "kernel.py"
    env = {**os.environ, VARIABLE: cache, LOCATOR: "roadcraft.core.kernels.files.Locator"}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


def test_a_kernel_is_read_again(tmp_path: Path) -> None:
    """Otherwise the other tests would prove nothing."""
    assert run(str(tmp_path / "cache"))[0] == ["42", "0"]
    assert run(str(tmp_path / "cache")) == (["42", "1"], "")


def run_in_terminal(script: str, **env: str) -> str:
    """What a process writes into a terminal that is its standard error alone."""
    ours, theirs = os.openpty()
    chosen = {LOCATOR: "roadcraft.core.kernels.files.Locator", **env}
    try:
        subprocess.run(
            [sys.executable, str(SOURCES / script)],
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
AT_ONCE = """
import sys
from roadcraft.core.driving.jit import njit

@njit(cache=True, nogil=True)
def double(x):
    return 2 * x

print("ready", flush=True)
sys.stdin.readline()
for value in sys.argv[1:]:
    double(eval(value))
print(sum(double.stats.cache_misses.values()))
"""
IN_A_WORKER = """
import multiprocessing, runpy, sys

if __name__ == "__main__":
    kernel = sys.argv[0].replace("in_a_worker", "kernel")
    p = multiprocessing.get_context("spawn").Process(target=runpy.run_path, args=(kernel,))
    p.start()
    p.join()
    sys.exit(p.exitcode)
"""


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals here")
def test_a_person_at_a_terminal_is_told_once_that_kernels_are_compiled(tmp_path: Path) -> None:
    said = f"note: compiling kernels, once (they are kept in {tmp_path / 'a'}); ROADCRAFT_QUIET=1 hides this\n"
    assert run_in_terminal("two_types.py", **{VARIABLE: str(tmp_path / "a")}) == said
    assert run_in_terminal("two_types.py", **{VARIABLE: str(tmp_path / "a")}) == ""
    assert run_in_terminal("two_types.py", **{VARIABLE: str(tmp_path / "b"), "ROADCRAFT_QUIET": "1"}) == ""
    assert (tmp_path / "b").is_dir()
    assert "a minute" in run_in_terminal("two_types.py", **{VARIABLE: ""})


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals here")
def test_a_worker_leaves_telling_to_its_parent(tmp_path: Path) -> None:
    assert run_in_terminal("in_a_worker.py", **{VARIABLE: str(tmp_path / "c")}) == ""
    assert list((tmp_path / "c").rglob("*.nbc"))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the compiled kernel."""
    cache = tmp_path_factory.mktemp("kept") / "cache"
    assert run(str(cache)) == (["42", "0"], "")
    return cache


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
    kept: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    cache = shutil.copytree(kept, tmp_path / "cache")
    (path,) = cache.rglob("*.nbc")
    path.write_bytes(damage(path.read_bytes()))
    assert run(str(cache)) == (
        ["42", "0"],
        f"note: compiled kernels in {cache} are damaged; they are compiled anew\n",
    )
    assert run(str(cache)) == (["42", "1"], "")


def test_without_a_place_kernels_still_run(tmp_path: Path) -> None:
    assert run("") == (["42", "0"], "")
    assert not list(SOURCES.rglob("*.nb[ic]"))


def test_a_place_that_refuses_is_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    out, err = run(str(tmp_path / "file"))
    assert out == ["42", "0"]
    assert err.splitlines() == [
        f"note: compiled kernels cannot be kept in {tmp_path / 'file'}: Not a directory; they are compiled again next "
        "time"
    ]


def test_the_stamp_of_a_source_is_the_same_for_all(tmp_path: Path) -> None:
    """Versions of numba differ in what they take for it, its time or its contents; the folder tells enough."""
    stamps = set()
    for name in ("first", "second"):
        (tmp_path / f"{name}.py").write_text(name)
        stamps.add(Locator(run, str(tmp_path / f"{name}.py")).get_source_stamp())
    assert len(stamps) == 1


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


ADD = "from numba import njit\n\n@njit(cache=True)\ndef f(x):\n    return x + {}\n"
TEN_TIMES = """
from numba import njit

@njit(cache=True)
def head(x):
    return x

def make():
    global f
    from acme.a import f

    @njit(cache=True)
    def g(x):
        return f(x) * 10

    return g
"""
EDITS_BEFORE = f"""
import acme.a
path = acme.a.__file__
open(path, "w").write({ADD.format(100)!r})
from acme.b import make
print(make()(1), 1010)
"""
EDITS_BETWEEN = f"""
import acme.b
path = acme.b.__file__.replace("b.py", "a.py")
open(path, "w").write({ADD.format(100)!r})
print(acme.b.make()(1), 20)
open(path, "w").write({ADD.format(1)!r})
"""


@pytest.fixture(scope="module", autouse=True)
def sources(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Programs with a kernel; a sixth room, a copy, and two edits of it; two modules of another package. A process as
    old as its sources keeps nothing, so they get older, by more than the ticks of clocks."""
    global SOURCES
    SOURCES = tmp_path_factory.mktemp("sources")
    scripts = {"kernel": KERNEL, "two_types": TWO_TYPES, "in_a_worker": IN_A_WORKER, "at_once": AT_ONCE}
    for script, text in scripts.items():
        (SOURCES / f"{script}.py").write_text(text)
    limits = {"limits": "X = 3\n"}
    both = limits | {"inner": MODULES["inner"].replace("2 * x", "3 * x")}
    for place, changed in {"first": {}, "copy": {}, "limits": limits, "both": both}.items():
        room = SOURCES / place / "roadcraft" / "probe"
        room.mkdir(parents=True)
        for name, text in (MODULES | changed).items():
            (room / f"{name}.py").write_text(text)
    os.utime(SOURCES / "copy" / "roadcraft" / "probe" / "inner.py", (1, 1))
    for edits in ("before", "between"):
        (SOURCES / edits / "acme").mkdir(parents=True)
        (SOURCES / edits / "acme" / "a.py").write_text(ADD.format(1))
        (SOURCES / edits / "acme" / "b.py").write_text(TEN_TIMES)
    time.sleep(0.1)


def call(sources: Path, cache: Path) -> list[str]:
    """What the three kernels give and how many were read from files, in a process of its own that finds a sixth room in
    ``sources``."""
    path = os.pathsep.join((str(sources), os.environ.get("PYTHONPATH", "")))
    env = {**os.environ, VARIABLE: str(cache), LOCATOR: "roadcraft.core.kernels.files.Locator", "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", CALLS], capture_output=True, text=True, env=env, check=True)
    return done.stdout.splitlines()


def test_an_edit_compiles_its_module_and_those_that_import_it_and_a_copy_compiles_nothing(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert call(SOURCES / "first", cache) == ["16 0", "32 0", "4.0 0"]
    assert call(SOURCES / "copy", cache) == ["16 1", "32 1", "4.0 1"]
    assert call(SOURCES / "limits", cache) == ["16 1", "48 0", "4.0 1"]
    assert call(SOURCES / "both", cache) == ["24 0", "72 0", "4.0 1"]
    assert call(SOURCES / "copy", cache) == ["16 1", "32 1", "4.0 1"]
    assert call(SOURCES / "both", cache) == ["24 1", "72 1", "4.0 1"]


@pytest.mark.parametrize(
    ("edits", "program"), [("before", EDITS_BEFORE), ("between", EDITS_BETWEEN)], ids=["before", "between"]
)
def test_what_was_imported_from_other_text_than_the_files_hold_is_not_kept(
    tmp_path: Path, edits: str, program: str
) -> None:
    path = os.pathsep.join((str(SOURCES / edits), os.environ.get("PYTHONPATH", "")))
    env = {**os.environ, VARIABLE: str(tmp_path), LOCATOR: "roadcraft.core.kernels.files.Locator", "PYTHONPATH": path}

    def result(code: str) -> list[str]:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
        return done.stdout.split()

    old, new = result(program)
    assert result("from acme.b import make; print(make()(1))") == [new], old


def test_of_kernels_compiled_at_the_same_time_each_is_compiled_once_and_kept(tmp_path: Path) -> None:
    """Three processes want two signatures of one kernel."""
    env = {**os.environ, VARIABLE: str(tmp_path), LOCATOR: "roadcraft.core.kernels.files.Locator"}
    words, pipe = [sys.executable, str(SOURCES / "at_once.py")], subprocess.PIPE

    def start(*values: str) -> subprocess.Popen[str]:
        return subprocess.Popen([*words, *values], stdin=pipe, stdout=pipe, text=True, env=env)

    three = [start(x) for x in ("1", "1", "2.0")]
    for one in three:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in three:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    first, second, other = (int(one.communicate()[0]) for one in three)
    assert (first + second, other) == (1, 1)
    assert start("1", "2.0").communicate("\n")[0] == "ready\n0\n"


def test_nobody_waits_for_ever_for_a_process_that_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_files, "_home", lambda: str(tmp_path))
    monkeypatch.setattr(kernel_files, "_PATIENCE_S", 0.1)
    file = CacheFile(str(tmp_path), "kernel", "")
    with one_process_at_a_time():
        assert file.load("key") is None
        assert kernel_files._claimed
    assert not kernel_files._claimed
    hold = "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / "compiling")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with one_process_at_a_time():
            assert file.load("key") is None
            assert not kernel_files._claimed
        other.kill()


def test_each_signature_has_a_file_and_flushing_removes_all_of_them(tmp_path: Path) -> None:
    kernel, other = (CacheFile(str(tmp_path), name, "") for name in ("kernel", "other"))
    for file in (kernel, other):
        for key in ("first", "second"):
            file.save((file is kernel, key), key)
    assert [kernel.load((True, key)) for key in ("first", "second", "third")] == ["first", "second", None]
    shutil.copy2(kernel._path((True, "first")), kernel._path((True, "third")))
    assert kernel.load((True, "third")) is None, "another signature with the same digest"
    kernel.flush()
    assert kernel.load((True, "first")) is kernel.load((True, "second")) is None
    assert other.load((False, "first")) == "first"


def test_no_kernel_lets_its_compiler_reorder_sums() -> None:
    """With fastmath the last digits of a score depend on the processor, and NaN may pass for a number."""
    rooms = [Path(room) for room in roadcraft.__path__]
    assert {room.parent.name for room in rooms} >= {"core", "scenario_io", "planners", "validation", "plugins"}
    sources = {room: [*room.rglob("*.py")] for room in rooms}
    assert all(sources.values())
    found = [str(path) for paths in sources.values() for path in paths if "fastmath" in path.read_text("utf-8").lower()]
    assert found == []
