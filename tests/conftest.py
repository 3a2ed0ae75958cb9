"""Fixtures that several rooms share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference values and small real logs that lie beside a checkout; tests that need them skip where they are absent."""
    path = Path(__file__).resolve().parents[1].parent / "shared"
    if not (path / "golden" / "nuplan" / "drives").is_dir():
        pytest.skip("reference values (../shared) are not here")
    return path
