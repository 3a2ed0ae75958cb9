"""Every line of ``slow.txt`` names a test function or a fixture that is there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from roadcraft.core import testing

ROOT = Path(__file__).resolve().parents[1]
LISTED = (ROOT / "tests" / "slow.txt").read_text("utf-8").splitlines()


def is_there(name: str) -> bool:
    """Whether a function, or a method of a class or of the conformance suite that the class extends, has this name."""
    place, *scopes, function = name.split("::")
    path = ROOT / place
    file = path if path.is_file() else path / "conftest.py"
    if not file.is_file():
        return False
    body = ast.parse(file.read_text("utf-8")).body
    for scope in scopes:
        found = next((n for n in body if isinstance(n, ast.ClassDef) and n.name == scope), None)
        if found is None:
            return False
        if any(hasattr(getattr(testing, ast.unparse(b), None), function) for b in found.bases):
            return True
        body = found.body
    return any(isinstance(n, ast.FunctionDef) and n.name == function for n in body)


def test_every_listed_test_is_there() -> None:
    gone = [name for name in LISTED if not is_there(name)]
    assert not gone, f"tests/slow.txt names what is gone: delete the lines {gone}"


@pytest.mark.parametrize("name", ["", "::test", "::TestTokens::test_nothing", "::TestNothing::test_training_lowers"])
def test_a_name_that_is_gone_is_found(name: str) -> None:
    assert not is_there(f"tests/plugins/tokens/test_model.py{name}" if name else "tests/gone.py::test_gone")
