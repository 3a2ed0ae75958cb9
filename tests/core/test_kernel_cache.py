"""The folder of compiled kernels follows the state of the sources."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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


def test_old_folders_are_dropped_and_a_refusing_disk_is_no_error(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(6):
        folder = cache / f"old{k}"
        folder.mkdir(parents=True)
        os.utime(folder, (k, k))
    use_kernel_cache()
    assert sorted(p.name for p in cache.iterdir() if p.name.startswith("old")) == ["old4", "old5"]
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path(__file__)))
    use_kernel_cache()
    assert os.environ[VARIABLE] == ""
