"""``roadcraft conformance`` on a few golden drives, and on folders that are damaged in many ways."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from roadcraft.core.errors import DataError
from roadcraft.validation import conformance
from roadcraft.validation.golden.drives import compare_drive
from roadcraft.validation.golden.files import GoldenDrive, read_golden
from roadcraft.validation.golden.repeat import REPEATED, repeat_of
from roadcraft.validation.golden.run import Report
from roadcraft.validation.golden.table import collapse, print_report, to_json

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "golden" / "nuplan"


@pytest.fixture(scope="module")
def name(golden: Path) -> str:
    return sorted((golden / "drives").glob("closed_loop_nonreactive_agents.x_simple.*"))[0].name


@pytest.fixture
def damaged(golden: Path, name: str, tmp_path: Path) -> Callable[..., Path]:
    """``damaged(change, ...)``: a folder with copies of one drive, each changed, and links to the set's logs and
    maps."""
    (tmp_path / "drives").mkdir()
    for part in ("logs", "maps"):
        (tmp_path / part).symlink_to(golden / part)

    def build(*changes: Change) -> Path:
        for k, change in enumerate(changes):
            data = json.loads(gzip.decompress((golden / "drives" / name).read_bytes()))
            change(data)
            data["run"] = f"r{k}"
            path = tmp_path / "drives" / f"{data.get('challenge', 'x')}.r{k}.{data.get('token', 'x')}.json.gz"
            path.write_bytes(gzip.compress(json.dumps(data).encode(), 1))
        return tmp_path

    return build


def test_a_drive_of_each_planner_and_mode(golden: Path) -> None:
    for pattern in ("*.simple_ol.*", "*.idm_r.9*", "*.log_future.4*", "*.pdm_closed_r.a*", "*.sideswiper_r.a*"):
        report = conformance(golden, only=pattern, workers=1)
        assert report.ok, report.different or report.errors
        closed = not pattern.startswith("*.simple_ol")
        assert {r.part for r in report.rows} == {"metrics", "loop", "metrics of loop"} | ({"led"} if closed else set())
        assert all(r.worst < 3e-9 for r in report.rows if r.quantity == "steps")
        positions = [r for r in report.rows if r.quantity == "ego position"]
        assert positions
        assert all(r.compared > 100 and r.worst < 1e-6 for r in positions)


def test_processes_give_the_same(golden: Path) -> None:
    one, two = (conformance(golden, only="*x_simple*", workers=w) for w in (1, 2))
    assert one == two
    assert one.ok


def test_what_rounding_decides_is_counted_apart(golden: Path) -> None:
    report = conformance(golden, only="sideswiper_r.a6f7", workers=1)
    tied = [r for r in report.rows if r.rounding]
    assert [r.quantity for r in tied] == ["time_to_collision_within_bound.series"]
    assert tied[0].equal + tied[0].rounding == tied[0].compared
    assert report.rounding == 3


@pytest.fixture(scope="module")
def straight(shared: Path) -> Path:
    folder = shared / "golden" / "nuplan2-straight"
    if not folder.is_dir():
        pytest.skip("the drives in straight traffic are not here")
    return folder


@pytest.fixture
def straight_drive(straight: Path, golden: Path, tmp_path: Path) -> Callable[..., Report]:
    """``straight_drive(token, change)``: one drive of PDM-Closed in straight traffic, changed and compared."""

    def compare(token: str, change: Change | None = None) -> Report:
        path = next(iter((straight / "drives").glob(f"closed_loop_nonreactive_agents.*.{token}.json.gz")))
        data = json.loads(gzip.decompress(path.read_bytes()))
        if change is not None:
            change(data)
        (tmp_path / "drives").mkdir(exist_ok=True)
        (tmp_path / "drives" / path.name).write_bytes(gzip.compress(json.dumps(data).encode(), 1))
        return conformance(tmp_path, logs=golden / "logs", maps=golden / "maps", workers=1)

    return compare


def test_a_drive_that_rounding_parts_is_explained_step_by_step(straight_drive: Callable[..., Report]) -> None:
    report = straight_drive("29201444f74ec373")
    assert report.ok
    assert report.rounding
    (verdict,) = report.verdicts
    assert verdict.answer == "rounding"
    assert [p.step for p in verdict.partings] == [32]
    assert verdict.why[0].startswith("step 32, taken from the reference's own state, ends 3.9e-05 off; the ")
    assert verdict.why[0].endswith("copy of it, moved by at most 1e-09 m, rad and m/s, ends where the reference's does")
    assert verdict.why[1].startswith("so our closed loop leaves the reference's at step 33")
    assert to_json(report)["verdicts"][0]["steps"][0] == {"step": 32, "gap": verdict.partings[0].gap, "rounding": True}


def test_a_fault_in_a_drive_that_rounding_parts_is_found_all_the_same(straight_drive: Callable[..., Report]) -> None:
    def faster(d: dict[str, Any]) -> None:
        d["ego"][100][4] += 1e-6

    report = straight_drive("29201444f74ec373", faster)
    (verdict,) = report.verdicts
    assert verdict.answer == "different"
    assert [(p.step, p.copies > 0) for p in verdict.partings] == [(32, True), (99, False)]
    assert "none of 1024 copies of it" in verdict.why[1]
    assert not report.ok


def test_a_plan_may_hang_on_the_last_digits_of_our_own_state(straight_drive: Callable[..., Report]) -> None:
    (verdict,) = straight_drive("2a841e275ba7cafd").verdicts
    assert verdict.answer == "rounding"
    assert verdict.partings == ()
    assert verdict.why == (
        "every step, taken from the reference's own state, ends where the reference's does",
        "so our closed loop leaves the reference's at step 90 (plan poses)",
    )


def test_entries_of_a_series_are_explained_one_by_one(straight_drive: Callable[..., Report]) -> None:
    (verdict,) = straight_drive("a50259b4d5728111").verdicts
    assert verdict.why == (
        "time_to_collision_within_bound.series: values[50], values[52], values[57], values[63], values[64] change as "
        "ego is moved by no more than the "
        "drives lie apart",
    )


@pytest.mark.parametrize("accel_max", [1.6, 1.5 + 4e-8])
def test_another_parameter_is_a_fault_however_small(straight_drive: Callable[..., Report], accel_max: float) -> None:
    def another(d: dict[str, Any]) -> None:
        d["planner"]["config"]["idm_policies"]["accel_max"] = accel_max

    report = straight_drive("9a039b743c724dc8", another)
    (verdict,) = report.verdicts
    assert verdict.answer == "different"
    assert any(r.part == "led" and r.quantity == "steps" for r in report.different)
    assert "none of 1024 copies of it, moved by at most 1e-09 m, rad and m/s, ends where" in verdict.why[0]


def test_differences_have_a_step(damaged: Callable[..., Path]) -> None:
    def moved(d: dict[str, Any]) -> None:
        d["ego"][7][1] += 1e-5
        d["objects"][9][0][3] += 1e-4
        d["objects"][11].pop()
        d["plans"][3][1][2][2] += 1.0

    report = conformance(damaged(moved), workers=1)
    first = {r.quantity: (r.step, r.compared - r.equal) for r in report.different if r.part == "loop"}
    assert first["ego position"] == (7, 1)
    assert first["agent heading"] == (9, 1)
    assert first["agents present"] == (11, 1)
    assert first["plan poses"][0] == report_step(report, "plan poses")
    assert not report.ok
    assert any(line["first"] == 7 for line in collapse(report.rows))


def report_step(report: Report, quantity: str) -> int | None:
    return next(r.step for r in report.rows if r.part == "loop" and r.quantity == quantity)


def test_damage_is_told_and_the_rest_is_compared(damaged: Callable[..., Path]) -> None:
    def unknown_planner(d: dict[str, Any]) -> None:
        d["planner"]["config"]["class"] = "Elsewhere"

    def cut_metrics(d: dict[str, Any]) -> None:
        d["metrics"]["ego_jerk"]["series"]["values"].pop()

    changes: list[Change] = [
        lambda d: d.update(further={"a": 1}, run_scores=[]),
        unknown_planner,
        lambda d: d.pop("ego"),
        lambda d: d.update(log="elsewhere"),
        lambda d: d.update(token="00000000000000aa"),
        lambda d: d.update(challenge="another_challenge"),
        lambda d: d["objects"][5].append(["nonsense"]),
        lambda d: d["planner"]["config"].update(max_velocity="fast"),
        lambda d: d["planner"]["config"].update(new_option=3),
        cut_metrics,
        lambda d: d.update(format=7),
        lambda d: d["metrics"]["ego_jerk"].pop("stats"),
        lambda d: d.update(iterations=3, score="good"),
    ]
    folder = damaged(*changes)
    whole = next(iter((folder / "drives").glob("*.r0.*")))
    (folder / "drives" / "closed_loop_nonreactive_agents.cut.x.json.gz").write_bytes(whole.read_bytes()[:2000])
    (folder / "drives" / "a.empty.b.json.gz").write_bytes(b"")
    (folder / "drives" / "a.list.b.json.gz").write_bytes(gzip.compress(b"[1]"))
    report = conformance(folder, workers=1)
    wrong = {drive.split(".")[1]: text for drive, text in report.errors}
    said = {drive.split(".")[1]: text for drive, text in report.notes if len(drive.split(".")) == 3}
    assert "lacks ego" in wrong["r2"]
    assert "no log" in wrong["r3"]
    assert "no scenario" in wrong["r4"]
    assert "another_challenge" in wrong["r5"]
    assert "r6" in wrong
    assert "max_speed_mps" in wrong["r7"]
    assert "format 1" in wrong["r10"]
    assert "r11" in wrong
    assert "wrong kind: score" in wrong["r12"]
    assert {"cut", "empty", "list"} <= set(wrong)
    assert "not driven again" in said["r1"]
    assert "new_option" in said["r8"]
    assert any("r0" in run and "no table" in text for run, text in report.notes)
    assert {"r0", "r1", "r8", "r9"}.isdisjoint(wrong)
    assert {r.drive.split(".")[1] for r in report.different} == {"r6", "r9"}
    print_report(report)
    json.dumps(to_json(report, True), allow_nan=False)


def test_without_logs_or_maps(golden: Path, name: str, tmp_path: Path) -> None:
    (tmp_path / "drives").mkdir()
    shutil.copy(golden / "drives" / name, tmp_path / "drives" / name)
    with pytest.raises(DataError, match="none of 1 drives"):
        conformance(tmp_path, workers=1)
    (tmp_path / "logs").symlink_to(golden / "logs")
    with pytest.raises(DataError, match=r"maps|map"):
        conformance(tmp_path, workers=1)
    report = conformance(tmp_path, logs=golden / "logs", maps=golden / "maps", workers=1, loop=False)
    assert report.ok
    assert report.notes  # the run's other drive is not there


def test_a_log_that_is_no_database(golden: Path, name: str, tmp_path: Path) -> None:
    (tmp_path / "drives").mkdir()
    shutil.copy(golden / "drives" / name, tmp_path / "drives" / name)
    log = read_golden(golden / "drives" / name).data["log"]
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / f"{log}.db").write_bytes(b"not a database" * 100)
    (tmp_path / "maps").symlink_to(golden / "maps")
    with pytest.raises(DataError, match=log):
        conformance(tmp_path, workers=1)


def test_every_parameter_has_a_counterpart(golden: Path) -> None:
    seen = set()
    for pattern in ("simple", "idm", "log_future", "pdm_closed"):
        path = next(iter((golden / "drives").glob(f"*agents.{pattern}.*")))
        drive = read_golden(path)
        repeat = repeat_of(drive)
        assert repeat.planner is not None
        assert not repeat.ignored
        seen.add(drive.data["planner"]["name"])
    assert seen == set(REPEATED)


def test_parameters_that_cannot_be_repeated(golden: Path, name: str) -> None:
    drive = read_golden(golden / "drives" / name)
    config = {**drive.data["planner"]["config"], "acceleration": [0.0, 1.0]}
    with pytest.raises(DataError, match="lateral acceleration"):
        repeat_of(GoldenDrive(drive.path, {**drive.data, "planner": {"name": "x", "config": config}}))


def test_an_unreadable_source_is_an_error_of_the_drive(golden: Path, name: str) -> None:
    done = compare_drive(golden / "drives" / name, "no logs here")
    assert done.errors == ["no logs here"]


def test_command(golden: Path, tmp_path: Path) -> None:
    import typer

    from roadcraft.validation.golden.commands import conformance as command

    app = typer.Typer()
    app.command()(command)
    run = CliRunner().invoke(app, [str(golden), "--only", "simple_ol", "--json", "--workers", "1"])
    assert run.exit_code == 0
    assert json.loads(run.stdout)["ok"]
    shown = CliRunner().invoke(app, [str(golden), "--only", "simple_ol", "--all", "--metrics-only", "--workers", "1"])
    assert shown.exit_code == 0
    assert "run_scores" in shown.stdout
    tied = [str(golden), "--only", "sideswiper_r.a6f7", "--workers", "1"]
    assert CliRunner().invoke(app, tied).exit_code == 0
    assert CliRunner().invoke(app, [*tied, "--strict"]).exit_code == 1
    with pytest.raises(DataError, match="no such folder"):
        CliRunner().invoke(app, [str(tmp_path / "none")], catch_exceptions=False)
    with pytest.raises(DataError, match="no drive"):
        CliRunner().invoke(app, [str(golden), "--only", "nothing"], catch_exceptions=False)
