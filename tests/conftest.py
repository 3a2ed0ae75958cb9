"""Fixtures that several rooms share."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roadcraft.core.kernels.cache import use_kernel_cache
from roadcraft.core.kernels.warming import collect_rarely

use_kernel_cache()  # before any test module imports numba
collect_rarely()


def pytest_collection_finish() -> None:
    """What modules hold stays: looking for cycles among it, again and again, took a fifth of the small tests' time."""
    gc.freeze()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference values and small real logs that lie beside a checkout; tests that need them skip where they are
    absent."""
    path = Path(__file__).resolve().parents[1].parent / "shared"
    if not (path / "golden" / "nuplan" / "drives").is_dir():
        pytest.skip("reference values (../shared) are not here")
    return path


@pytest.fixture(scope="session")
def tiny_world() -> Any:
    """The module ``tiny_world``: a made-up junction with turns, and drives through it."""
    import tiny_world

    return tiny_world


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line in a folder of the test's own: exit code, stdout, stderr."""
    from command_line import roadcraft

    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str, str]:
        done = roadcraft(*words)
        return done.returncode, done.stdout, done.stderr

    return run
