"""Every statistic, series, intermediate result and score of the golden drives."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from roadcraft.core.errors import DataError
from roadcraft.scenario_io.nuplan.source import NuplanSource
from roadcraft.validation import conformance
from roadcraft.validation.golden.difference import Comparison, difference
from roadcraft.validation.golden.files import golden_files, read_golden
from roadcraft.validation.golden.run import Report


@pytest.fixture(scope="module")
def report(shared: Path) -> Report:
    golden = shared / "golden" / "nuplan"
    return conformance(golden, NuplanSource(str(golden / "logs"), str(golden / "maps")), loop=False)


def test_every_value_is_equal(report: Report) -> None:
    assert not report.errors
    assert not report.notes
    assert not [f"{c.drive} {c.quantity}: {c.example}" for c in report.different]
    assert report.equal == report.compared > 700_000


def test_everything_was_compared(report: Report, shared: Path) -> None:
    files = golden_files(shared / "golden" / "nuplan")
    compared: Counter[tuple[str, str]] = Counter()
    for r in report.rows:
        compared[r.part, r.quantity] += r.compared
    assert compared["metrics", "score"] == len(files)
    closed = sum(not f.name.startswith("open") for f in files)
    for name in ("no_ego_at_fault_collisions", "time_to_collision_within_bound.series", "ego_route_ids", "collisions"):
        assert len([r for r in report.rows if r.quantity == name]) == closed
    assert compared["metrics", "run_scores"] > 1000


def test_differences_are_found() -> None:
    row = Comparison("a", "b")
    row.add("same", [1.0, None, True, "inf"], [1.0 + 1e-7, None, 1, float("inf")])
    assert (row.compared, row.equal) == (4, 4)
    row.add("number", 1.0, 1.1)
    row.add("length", [1.0], [])
    row.add("missing", None, 0.0)
    assert (row.compared, row.equal) == (7, 4)
    assert row.example == "number: 1.0, reference 1.1"
    assert not row.ok
    assert difference("a", "b") == float("inf")
    assert difference(float("nan"), None) == 0.0
    assert difference({}, 1.0) == float("inf")


def test_what_is_not_a_golden_drive(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no golden drives"):
        golden_files(tmp_path)
    wrong = tmp_path / "x.json.gz"
    wrong.write_bytes(b"not gzip")
    with pytest.raises(DataError, match="not a golden drive"):
        read_golden(wrong)
