"""The folder of a module's compiled kernels follows the contents of the module and of what it imports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import roadcraft
from roadcraft.core.kernels import cache as kernel_cache
from roadcraft.core.kernels.cache import LOCATOR, VARIABLE, drop_old, state_of, use_kernel_cache


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "")
    return tmp_path / "roadcraft" / "kernels"


def test_kernels_are_kept_in_the_users_cache(cache: Path) -> None:
    assert use_kernel_cache() == ""
    assert Path(os.environ[VARIABLE]) == cache / "modules"


def test_the_users_own_choice_stays(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "elsewhere")
    use_kernel_cache()
    assert os.environ[VARIABLE] == "elsewhere"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two that declare a kernel. A process that is as old as its sources keeps nothing, so they get older."""
    folder = tmp_path_factory.mktemp("programs")
    for name, first in {"plain": "pass", "numba_first": "import numba"}.items():
        (folder / f"{name}.py").write_text(f"""{first}
import roadcraft.planners
from numba import njit

@njit(cache=True)
def double(x):
    return 2 * x

print(double.stats.cache_path)
""")
    time.sleep(0.1)
    return folder


@pytest.mark.parametrize("name", ["plain", "numba_first"])
def test_kernels_of_a_python_program_are_kept_in_the_users_cache_too(tmp_path: Path, programs: Path, name: str) -> None:
    env = {k: v for k, v in os.environ.items() if k not in (VARIABLE, LOCATOR)} | {"XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(programs / f"{name}.py")], capture_output=True, text=True, env=env, check=True
    )
    assert done.stdout.startswith(str(tmp_path / "roadcraft" / "kernels"))


def test_of_a_modules_states_the_last_three_stay(tmp_path: Path) -> None:
    """Checkouts that are used by turns keep theirs, since their folders are touched at use."""
    hour, now = 3600, time.time()
    ages = {"acme.a-1": 5 * hour, "acme.a-2": 4 * hour, "acme.a-3": 3 * hour, "acme.a-4": 2 * hour, "acme.a-5": 10}
    ages |= {"acme.b-1": 9 * hour, "acme.c-1": 31 * 24 * hour}
    for name, age in ages.items():
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (now - age, now - age))
    (tmp_path / "acme.a-6").mkdir()
    drop_old(tmp_path / "acme.a-6")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["acme.a-4", "acme.a-5", "acme.a-6", "acme.b-1"]


def test_what_was_used_within_the_hour_stays(tmp_path: Path) -> None:
    for state in range(8):
        (tmp_path / f"acme.a-{state}").mkdir()
    drop_old(tmp_path / "acme.a-7")
    assert len(list(tmp_path.iterdir())) == 8


def test_a_home_that_refuses_is_replaced_by_a_folder_of_the_users_own_and_told(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(cache.parent.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path(__file__)))
    own = cache.parent.parent / f"roadcraft-{os.getuid()}" / "kernels"
    first = Path(__file__) / "roadcraft" / "kernels"
    assert use_kernel_cache() == f"{first} cannot be written; compiled kernels are kept in {own}"
    assert Path(os.environ[VARIABLE]) == own / "modules"
    assert own.parent.stat().st_mode & 0o077 == 0


def test_where_nothing_can_be_written_there_is_no_folder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(Path(__file__)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path(__file__)))
    assert use_kernel_cache().endswith("can be written; kernels are compiled anew by each process")
    assert os.environ[VARIABLE] == ""


class Package:
    """Source files of a package that is found but never imported."""

    def __init__(self, folder: Path, name: str) -> None:
        self.home = folder / name

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            file = {"__init__": "__init__.py", "stub": "__init__.pyi"}.get(name, f"{name.replace('__', '/')}.py")
            path = self.home / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def state(self, module: str) -> str:
        return state_of(f"{self.home.name}.{module}", str(self.home / f"{module}.py"))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    monkeypatch.setattr(kernel_cache, "_BEGAN_NS", time.time_ns() + 10**12)  # the files are older than the process
    name = f"acme_{tmp_path.name}"
    module = ModuleType(name)
    module.__path__ = [str(tmp_path / name)]
    monkeypatch.setitem(sys.modules, name, module)
    return Package(tmp_path, name)


@pytest.mark.parametrize(
    ("kernel", "others"),
    [
        ("from {p}.limits import X", {}),
        ("from .limits import X", {}),
        ("import {p}.limits as l", {}),
        ("from {p} import limits", {}),
        ("from {p} import (  # first (of) two\n    words,\n    limits,\n)", {}),
        ("from {p} import words, \\\n    limits", {}),
        ("def make():\n    from {p}.limits import X\n", {}),
        ("from {p}.middle import X", {"middle": "from {p}.limits import X"}),
        ("from {p}.middle import X", {"middle": "from .limits import *"}),
        ("from {p} import X", {"__init__": "from {p}.limits import X"}),
        ("from {p} import X", {"__init__": "", "stub": "from {p}.limits import A as A, X as X"}),
    ],
)
def test_the_state_follows_what_a_module_imports(package: Package, kernel: str, others: dict[str, str]) -> None:
    name = package.home.name
    package.write(limits="X = 1", words="TEXT = 'a'", other="import numpy")
    package.write(kernel=kernel.format(p=name), **{k: text.format(p=name) for k, text in others.items()})
    before = package.state("kernel")
    package.write(other="import numpy as np")
    assert package.state("kernel") == before
    package.write(limits="X = 23")
    changed = package.state("kernel")
    assert changed != before
    package.write(kernel="def f(): return 1")
    assert package.state("kernel") not in (before, changed)


def test_what_is_imported_for_types_alone_counts(package: Package) -> None:
    """The order of a named tuple's fields is in the machine code, and not in numba's key of its type."""
    text = "if TYPE_CHECKING:\n    from .limits import X\n\n    from .words import Y\n"
    package.write(limits="X = 1", words="Y = 1", kernel=text)
    before = package.state("kernel")
    package.write(words="Y = 23")
    assert package.state("kernel") != before


@pytest.mark.parametrize("kernels", ["idm_step", "idm_lead", "objects", "rails", "towing", "way", "ego_units"])
def test_kernels_that_take_a_held_follow_its_layout(package: Package, monkeypatch, kernels: str) -> None:
    """Also those whose module does not name it."""
    held, module, file_of = (
        "roadcraft.core.driving.held",
        f"roadcraft.validation.agents.{kernels}",
        kernel_cache._file_of,
    )
    monkeypatch.setattr(kernel_cache, "_read", kernel_cache._read.__wrapped__)
    before = state_of(module, file_of(module))
    package.write(held=Path(file_of(held)).read_text() + "# another layout")
    edited = str(package.home / "held.py")
    monkeypatch.setattr(kernel_cache, "_file_of", lambda name: edited if name == held else file_of(name))
    assert before != state_of(module, file_of(module)) != ""


@pytest.mark.parametrize("change", [lambda p: p.write_text("X = 2"), lambda p: os.utime(p, (1, 1)), Path.unlink])
def test_there_is_no_state_where_a_source_is_younger_than_the_process(
    package: Package, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    """The module that was imported may be older than its file."""
    package.write(limits="X = 1", kernel="from .limits import X")
    assert package.state("kernel")
    monkeypatch.setattr(kernel_cache, "_BEGAN_NS", time.time_ns() - 10**9)
    change(package.home / "limits.py")
    assert package.state("kernel") == ""


@pytest.mark.parametrize(("written_ns", "is_older"), [(30_000_001, True), (10_000_001, False), (10**9, False)])
def test_a_source_is_older_than_the_process_by_more_than_the_ticks_of_clocks(
    package: Package, monkeypatch: pytest.MonkeyPatch, written_ns: int, is_older: bool
) -> None:
    """Where a file's time has no fraction of a second, it may be from a file system that counts in two seconds."""
    package.write(kernel="X = 1")
    began = 10**18 + (10**9 if written_ns == 10**9 else 0)
    stat = SimpleNamespace(st_mtime_ns=began - written_ns, st_ctime_ns=0, st_size=5)
    monkeypatch.setattr(kernel_cache, "_BEGAN_NS", began)
    monkeypatch.setattr(kernel_cache.os, "stat", lambda path: stat)
    assert bool(package.state("kernel")) == is_older


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="elsewhere a process does not say when it began")
def test_a_process_begins_before_it_imports_anything() -> None:
    code = "import time; time.sleep(0.5); from roadcraft.core.kernels.cache import _BEGAN_NS as b; print(b)"
    before = time.time_ns()
    began = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert before - 50_000_000 < began < before + 450_000_000


def test_modules_may_import_each_other(package: Package) -> None:
    package.write(kernel="from . import limits", limits="def f():\n    from . import kernel")
    before = package.state("kernel"), package.state("limits")
    package.write(kernel="from . import limits  # and more")
    assert not {package.state("kernel"), package.state("limits")} & {*before}


def test_kernels_of_another_package_follow_our_sources_too(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Package(package.home.parent, "roadcraft")
    ours.write(core__boxes="from roadcraft.core.limits import X", core__limits="X = 1")
    monkeypatch.setattr(roadcraft, "__path__", [str(ours.home)])
    kernel_cache._file_of.cache_clear()
    package.write(kernel="from roadcraft.core.boxes import touch")
    before = package.state("kernel")
    ours.write(core__limits="X = 23")
    assert package.state("kernel") != before
    kernel_cache._file_of.cache_clear()


@pytest.mark.parametrize("text", ["from {p} import f", "import {p} as p", "from {p}.limits import X"])
def test_the_state_follows_other_packages(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Whether they are imported yet or not."""
    other = Package(tmp_path, f"other_{package.home.name}")
    other.write(__init__="from .limits import X as f", limits="X = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    package.write(kernel=text.format(p=other.home.name))
    before = package.state("kernel")
    other.write(limits="X = 23")
    assert package.state("kernel") != before


@pytest.mark.parametrize(
    ("about", "counts"),
    [
        ({"METADATA": ""}, False),
        ({"METADATA": "Requires-Dist: pandas[performance]\nRequires-Dist: numba; extra == 'fast'"}, False),
        ({"METADATA": "Requires-Dist: numba>=0.62"}, True),
        ({"METADATA": "Requires-Dist: roadcraft"}, True),
        ({"METADATA": "", "direct_url.json": '{"url": "file:///home"}'}, True),
    ],
)
def test_of_a_published_package_without_kernels_the_version_counts(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, about: dict[str, str], counts: bool
) -> None:
    other = Package(tmp_path, f"other_{package.home.name}")
    other.write(__init__="X = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    package.write(kernel=f"from {other.home.name} import X")

    def install(version: str) -> None:
        folder = tmp_path / f"{other.home.name}-1.dist-info"
        folder.mkdir(exist_ok=True)
        for name, text in about.items():
            head = f"Metadata-Version: 2.1\nName: {other.home.name}\nVersion: {version}\n"
            (folder / name).write_text(head + text if name == "METADATA" else text)
        kernel_cache._release.cache_clear()
        kernel_cache._read.cache_clear()

    install("1.0")
    before = package.state("kernel")
    other.write(__init__="X = 23")
    assert (package.state("kernel") != before) == counts
    other.write(__init__="X = 1")
    install("1.1")
    assert (package.state("kernel") == before) == counts


def test_a_copy_of_the_sources_at_another_place_and_time_has_the_same_state(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package.write(limits="X = 1", kernel="from .limits import X")
    here, name = package.state("kernel"), package.home.name
    shutil.copytree(package.home, tmp_path / "copy" / name)
    os.utime(tmp_path / "copy" / name / "limits.py", (1, 1))
    monkeypatch.setattr(sys.modules[name], "__path__", [str(tmp_path / "copy" / name)])
    kernel_cache._file_of.cache_clear()
    kernel_cache._read.cache_clear()
    assert state_of(f"{name}.kernel", str(tmp_path / "copy" / name / "kernel.py")) == here
