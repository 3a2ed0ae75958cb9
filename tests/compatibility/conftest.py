"""What version 0.1.0 wrote, unpacked: see ``fixtures/README.md``."""

from __future__ import annotations

import sys
import tarfile
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

FIXTURES = Path(__file__).with_name("fixtures")
collect_ignore = ["fixtures"]


@dataclass(frozen=True)
class Old:
    """The folders that version 0.1.0 wrote, and the module that says how (``make_fixtures``)."""

    store: Path
    runs: Path
    training: Path
    made: Any
    checkpoints: Path = FIXTURES / "checkpoints"
    drives: Path = FIXTURES / "drives"
    anchors: Path = FIXTURES / "roadcraft-anchors"

    def settings(self, format_: str) -> Path:
        """All settings of ``format-1`` or ``format-2``, with their defaults then."""
        return FIXTURES / f"settings-{format_}.yaml"


@pytest.fixture(scope="session")
def old(tmp_path_factory: pytest.TempPathFactory) -> Old:
    folder = tmp_path_factory.mktemp("old")
    for name in ("store", "runs", "training"):
        with tarfile.open(FIXTURES / f"{name}.tar.xz") as tar:
            tar.extractall(folder / name, filter="data")
    spec = spec_from_file_location("make_fixtures", Path(__file__).with_name("make_fixtures.py"))
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    sys.modules["make_fixtures"] = made
    spec.loader.exec_module(made)
    return Old(folder / "store", folder / "runs", folder / "training", made)
