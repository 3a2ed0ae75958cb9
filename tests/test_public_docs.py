"""Every public name has a text: functions, classes, and of classes each method, field and member."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from roadcraft.core import FeatureColumn
from roadcraft.core.lazy import listed

griffe = pytest.importorskip("griffe")
from signatures import ROOMS, member_of  # noqa: E402 (it needs griffe)

SAMPLE = '''"""A module."""
from enum import IntEnum
from typing import NamedTuple

class Kind(IntEnum):
    """Kinds."""
    CAR = 0
    """A car."""
    TRUCK = 1

class Pair(NamedTuple):
    first: int
    """The first."""
    second: int

class Base:
    """A base."""
    def run(self) -> None:
        """Run."""
    def stop(self) -> None: ...

class Derived(Base):
    """Derived."""
    def run(self) -> None: ...
    def test_stop(self) -> None: ...
    @property
    def size(self) -> int: ...

def bare() -> None: ...
'''


def undocumented(path: str, source: Any, value: Any) -> list[str]:
    """What has no text under ``path``: the name itself, and of a class its public members, tests aside. An overriding
    method has that of the method that it overrides; the value of a column of features is its text.

    source: the griffe object of the name; value: what the name is at run time.
    """
    if source.is_alias or path.rpartition(".")[2].startswith("test_"):
        return []
    inherited = source.is_function and inspect.getdoc(value)
    bare = source.docstring is None and not inherited and not isinstance(value, FeatureColumn)
    members = source.members.items() if source.is_class else ()
    return [
        *([path] if bare else []),
        *(m for n, s in members if n[0] != "_" for m in undocumented(f"{path}.{n}", s, getattr(value, n, None))),
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_has_a_text(room: str) -> None:
    module = import_module(room)
    names = sorted(set(listed(str(module.__file__)).items()) - {("__version__", "roadcraft.core._version")})
    assert names
    bare = [m for name, home in names for m in undocumented(name, member_of(home, name), getattr(module, name))]
    assert not bare, f"write a docstring under each of {', '.join(bare)}"


def test_names_without_a_text_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = ModuleType("sample")
    monkeypatch.setitem(sys.modules, "sample", sample)
    exec(SAMPLE, vars(sample))
    source = griffe.visit("sample", filepath=Path("sample.py"), code=SAMPLE)
    names = ("Kind", "Pair", "Base", "Derived", "bare")
    assert [m for n in names for m in undocumented(n, source.members[n], getattr(sample, n))] == [
        "Kind.TRUCK", "Pair", "Pair.second", "Base.stop", "Derived.size", "bare",
    ]  # fmt: skip
