"""The folder of compiled kernels follows the state of the sources."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

import roadcraft
from roadcraft.core import kernel_cache
from roadcraft.core.kernel_cache import VARIABLE, use_kernel_cache


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(VARIABLE, "")
    return tmp_path / "roadcraft" / "kernels"


def test_another_state_of_the_sources_has_another_folder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_kernel_cache()
    first = os.environ[VARIABLE]
    assert Path(first).parent == cache
    monkeypatch.setenv(VARIABLE, "")
    use_kernel_cache()
    assert os.environ[VARIABLE] == first
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setattr(kernel_cache, "_state_of_sources", lambda: "edited")
    use_kernel_cache()
    assert os.environ[VARIABLE] == str(cache / "edited")


def test_the_users_own_choice_stays(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "elsewhere")
    use_kernel_cache()
    assert os.environ[VARIABLE] == "elsewhere"


def test_old_folders_are_dropped(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(6):
        folder = cache / f"old{k}"
        folder.mkdir(parents=True)
        os.utime(folder, (k, k))
    use_kernel_cache()
    assert sorted(p.name for p in cache.iterdir() if p.name.startswith("old")) == ["old4", "old5"]


def test_a_home_that_refuses_is_replaced_by_a_folder_of_the_users_own_and_told(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(cache.parent.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path(__file__)))
    own = cache.parent.parent / f"roadcraft-{os.getuid()}" / "kernels"
    first = Path(__file__) / "roadcraft" / "kernels"
    assert use_kernel_cache() == f"{first} cannot be written; compiled kernels are kept in {own}"
    assert Path(os.environ[VARIABLE]).parent == own
    assert own.parent.stat().st_mode & 0o077 == 0


def test_where_nothing_can_be_written_there_is_no_folder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(Path(__file__)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path(__file__)))
    assert use_kernel_cache().endswith("can be written; kernels are compiled anew by each process")
    assert os.environ[VARIABLE] == ""


def test_only_what_a_kernel_can_read_changes_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = tmp_path / "roadcraft" / "core"
    room.mkdir(parents=True)
    (room / "kernel.py").write_text("from roadcraft.core import limits\n@njit\ndef f(): return limits.X\n")
    (room / "limits.py").write_text("X = 1\n")
    (room / "words.py").write_text("TEXT = 'a'\n")
    monkeypatch.setattr(roadcraft, "__path__", [str(room.parent)])
    before = kernel_cache._state_of_sources()
    (room / "words.py").write_text("TEXT = 'b'\n")
    assert kernel_cache._state_of_sources() == before
    (room / "limits.py").write_text("X = 2\n")
    changed = kernel_cache._state_of_sources()
    assert changed != before
    (room / "kernel.py").write_text("@njit\ndef f(): return 1\n")
    assert kernel_cache._state_of_sources() not in (before, changed)
