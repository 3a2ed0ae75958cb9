"""``roadcraft conformance`` on golden files of articulated vehicles, whole, made up and damaged."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from roadcraft.core.errors import DataError
from roadcraft.validation import conformance
from roadcraft.validation.golden.commands import conformance as command
from roadcraft.validation.golden.table import print_report, to_json

UNIT = {"front_m": 4.5, "rear_m": 0.6, "width_m": 2.5, "height_m": 3.9, "wheel_base_m": 3.6, "hitch_m": 0.2}
TRAILER = {**UNIT, "wheel_base_m": 8.0, "hitch_m": 0.0}


def straight(speed: float = 10.0, joint: float = 0.5, steps: int = 5) -> dict[str, Any]:
    """A straight pull of a trailer, after its closed form."""
    way = speed * 0.1 * np.arange(steps + 1)
    bent = 2.0 * np.arctan(np.tan(0.5 * joint) * np.exp(-way / 8.0))
    states = [[0.1 * k, way[k], 0.0, 0.0, speed, 0.0, bent[k]] for k in range(steps + 1)]
    x, y = way + 0.2 - 8.0 * np.cos(bent), -8.0 * np.sin(bent)
    return {
        "format": "freight-golden-1",
        "kind": "chain",
        "name": "made_up",
        "vehicle": {"name": "made_up", "units": [UNIT, TRAILER]},
        "dt_s": 0.1,
        "controls": {"columns": ["accel_mps2", "steering_rate_radps"], "values": [[0.0, 0.0]] * steps},
        "columns": ["time_s", "x_m", "y_m", "heading_rad", "speed_mps", "steering_rad", "joint_1_rad"],
        "states": states,
        "unit_poses": [[[way[k], 0.0, 0.0], [x[k], y[k], bent[k]]] for k in range(steps + 1)],
    }


def tractrix() -> dict[str, Any]:
    case = {"wheel_base_m": 5.0, "joint_start_rad": np.pi / 2, "pull_m": 5.0 * np.log(2.0)}
    bent = 2.0 * np.arctan(0.5)
    along, across = case["pull_m"] - 5.0 * np.cos(bent), -5.0 * np.sin(bent)
    answer = {"joint_rad": bent, "axle_along_m": along, "axle_across_m": across}
    return {"format": "freight-golden-1", "kind": "closed_forms", "sections": {"tractrix": [{**case, **answer}] * 3}}


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """``folder(name=data, ...)``: a folder with these files; a text is written as it stands."""

    def build(**files: Any) -> Path:
        for name, data in files.items():
            text = data if isinstance(data, str) else json.dumps(data)
            (tmp_path / f"{name}.json").write_text(text)
        return tmp_path

    return build


def test_every_golden_lies_within_its_tolerance(shared: Path) -> None:
    if not (shared / "golden" / "freight").is_dir():
        pytest.skip("freight goldens are not here")
    report = conformance(shared / "golden" / "freight")
    assert report.ok, report.errors or report.different
    assert report.drives == len(report.verdicts) == 19
    kinds = {(r.planner, r.quantity): r for r in report.rows}
    assert kinds["kst", "unit positions"].tolerance == kinds["chain", "joints"].tolerance == 1e-6
    assert kinds["dynamics", "lateral accelerations"].tolerance == 1e-5
    assert kinds["chain", "unit positions by the chord"].tolerance == 2e-2
    assert kinds["closed_forms", "bridge_formula"].tolerance == 1e-9
    assert {r.planner for r in report.rows} >= {"linear_single_track", "swept_paths"}


def test_made_up_files_are_equal_and_have_rows(folder: Callable[..., Path]) -> None:
    report = conformance(folder(pull=straight(), forms=tractrix()))
    assert report.ok, report.different
    assert {r.drive for r in report.rows} == {"pull", "forms"}
    assert [r.compared for r in report.rows if r.drive == "forms"] == [9]
    told = to_json(report)
    assert len(told["rows"]) == len(report.rows)
    assert all(r["ok"] for r in told["rows"])
    assert [v["answer"] for v in told["verdicts"]] == ["equal", "equal"]
    print_report(report)


def test_only_chooses_by_name(folder: Callable[..., Path]) -> None:
    path = folder(pull=straight(), forms=tractrix())
    assert {r.drive for r in conformance(path, only="f*s").rows} == {"forms"}
    assert {r.drive for r in conformance(path, only="pul").rows} == {"pull"}
    with pytest.raises(DataError, match="no file's name has 'nothing'"):
        conformance(path, only="nothing")


def test_a_difference_is_found_where_it_is(folder: Callable[..., Path]) -> None:
    bad, forms = straight(), tractrix()
    bad["states"][3][6] += 1e-4
    bad["unit_poses"][4][1][0] += 0.03
    forms["sections"]["tractrix"][2] = {**forms["sections"]["tractrix"][2], "joint_rad": 0.5}
    report = conformance(folder(pull=bad, forms=forms))
    assert not report.ok
    assert not report.errors
    found = {(r.drive, r.quantity): r for r in report.different}
    assert found["pull", "joints"].step == 3
    assert found["pull", "joints"].worst == pytest.approx(1e-4, rel=1e-2)
    assert found["pull", "unit positions by the chord"].step == 4
    assert found["forms", "tractrix"].step == 2
    assert ("pull", "unit headings") not in found


BROKEN: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda d: d.pop("states"), "top: lacks 'states'"),
    (lambda d: d.update(kind="other"), "kind: must be one of kst, chain"),
    (lambda d: d.update(format="freight-golden-9"), "format: must be 'freight-golden-1'"),
    (lambda d: d.update(dt_s=0.0), "dt_s: must be above 0"),
    (lambda d: d["states"][2].pop(), r"states\[2\]: must hold 7 entries, not 6"),
    (lambda d: d["states"].pop(), "states: must hold 6 entries, not 5"),
    (lambda d: d["states"][1].__setitem__(3, "x"), r"states\[1\]\[3\]: must be a finite number, not 'x'"),
    (lambda d: d["states"][1].__setitem__(3, float("nan")), r"states\[1\]\[3\]: must be a finite number, not nan"),
    (lambda d: d["unit_poses"][0].pop(), r"unit_poses\[0\]: must hold 2 entries"),
    (lambda d: d["vehicle"]["units"][1].pop("hitch_m"), r"vehicle.units\[1\]: lacks 'hitch_m'"),
    (lambda d: d["vehicle"]["units"][1].update(width_m=-1.0), r"vehicle.units\[1\]: .*width_m"),
    (lambda d: d["vehicle"].update(units=[]), "vehicle.units: must hold at least one unit"),
    (lambda d: d["columns"].__setitem__(5, "angle"), "columns: lacks the column 'steering_rad'"),
    (lambda d: d.update(controls=[]), "controls: must be a map with 'columns', not a list"),
    (lambda d: d.update(kind="dynamics"), "columns: lacks the column 'vx_mps'"),
]


@pytest.mark.parametrize(("change", "said"), BROKEN)
def test_a_broken_file_names_its_place_and_the_rest_is_compared(folder, change, said) -> None:
    damaged = json.loads(json.dumps(straight()))
    change(damaged)
    report = conformance(folder(broken=damaged, forms=tractrix()))
    assert {r.drive for r in report.rows} == {"forms"}
    ((name, error),) = report.errors
    assert name == "broken"
    assert "broken.json" in error
    assert re.search(said, error), error


def test_text_that_is_no_json_is_an_error_with_its_line(folder: Callable[..., Path]) -> None:
    report = conformance(folder(cut=json.dumps(straight())[:400], empty="", forms=tractrix()))
    said = dict(report.errors)
    assert "cut.json: line 1, column" in said["cut"]
    assert "empty.json: line 1, column 1" in said["empty"]
    assert {r.drive for r in report.rows} == {"forms"}


def test_a_broken_case_leaves_the_others(folder: Callable[..., Path]) -> None:
    forms = tractrix()
    forms["sections"]["tractrix"][1] = {"wheel_base_m": 3.0}
    forms["sections"]["magic"] = []
    forms["sections"]["stopping"] = {"no": "list"}
    report = conformance(folder(forms=forms))
    assert [r.compared for r in report.rows] == [6]
    errors = " | ".join(e for _, e in report.errors)
    assert "sections.tractrix[1]: lacks 'joint_start_rad'" in errors
    assert "sections.magic: is no section that is known" in errors
    assert "sections.stopping: must be a list, not a map" in errors
    assert not report.ok


def test_exit_codes_and_json(folder: Callable[..., Path]) -> None:
    app = typer.Typer()
    app.command()(command)
    path = folder(pull=straight(), forms=tractrix())
    run = CliRunner().invoke
    done = run(app, [str(path), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["ok"]
    assert run(app, [str(path), "--all"]).exit_code == 0
    (path / "pull.json").write_text("{")
    assert run(app, [str(path)]).exit_code == 1
    with pytest.raises(DataError, match="none of 1 files can be compared"):
        conformance(path, only="pull")


def test_more_files_elsewhere(shared: Path, tmp_path: Path) -> None:
    source = shared / "golden" / "freight"
    if not source.is_dir():
        pytest.skip("freight goldens are not here")
    shutil.copy(source / "kst_lane_change_20mps.json", tmp_path / "another.json")
    report = conformance(tmp_path)
    assert report.ok
    assert report.drives == 1
