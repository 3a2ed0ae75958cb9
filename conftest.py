"""Which tests are slow is measured, not said by hand.

``pytest --measure`` writes into ``tests/slow.txt`` which of the test functions and fixtures that it ran took more than
SLOW_S of processor time. Every test that is listed, or uses a fixture that is, has the marker ``slow``; ``make
test-fast`` runs the others.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Tests run on every core already: threads of BLAS and torch beside them would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SLOW = Path(__file__).parent / "tests" / "slow.txt"
SLOW_S = 0.3
spent: dict[str, float] = defaultdict(float)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--measure", action="store_true", help="write tests/slow.txt")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = set(SLOW.read_text("utf-8").splitlines())
    for item in items:
        info = getattr(item, "_fixtureinfo", None)
        used = {_fixture(d) for found in info.name2fixturedefs.values() for d in found} if info else set()
        if slow & {_function(item), *used}:
            item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Iterator[None]:
    began = _processor_s()
    result = yield
    if fixturedef.baseid:  # pytest's own fixtures stand in no file of ours
        _note(request._pyfuncitem, _fixture(fixturedef), began)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    began = _processor_s()
    try:
        return (yield)
    finally:
        _note(item, _function(item), began)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """With several processes, the one that collects their reports is told here."""
    if report.when == "teardown":
        for kind, value in report.user_properties:
            if kind == "processor_s":
                name, seconds = value
                spent[name] += seconds


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--measure") and not hasattr(session.config, "workerinput"):
        listed = {name for name in SLOW.read_text("utf-8").splitlines() if name not in spent}
        listed |= {name for name, seconds in spent.items() if seconds > SLOW_S}
        SLOW.write_text("".join(f"{name}\n" for name in sorted(listed)), "utf-8")


def _note(item: pytest.Item, name: str, began: float) -> None:
    if item.config.getoption("--measure"):
        item.user_properties.append(("processor_s", (name, _processor_s() - began)))


def _processor_s() -> float:
    """Of this process and of those it has waited for."""
    return sum(os.times()[:4])


def _function(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


def _fixture(definition: Any) -> str:
    return f"{definition.baseid}::{definition.argname}"
