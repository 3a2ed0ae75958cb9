"""The report: what it holds, what it refuses, and that a browser can scrub it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from roadcraft.core.config.load import load_config
from roadcraft.core.errors import DataError
from roadcraft.scenario_io.store.rollouts import read_rollout
from roadcraft.validation import compare, rescore
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.reporting.replay import diagnostics_of
from roadcraft.validation.reporting.runs import load_runs, short_planner_label
from roadcraft.validation.reporting.scene import pack
from roadcraft.validation.reporting.write import report
from roadcraft.validation.scoring.score import score
from roadcraft.validation.scoring.summary import planner_label


@pytest.fixture(scope="module")
def runs(tmp_path_factory, small_store):
    folder = tmp_path_factory.mktemp("runs")
    made = []
    for planner in ("log_replay", "constant_velocity"):
        words = [
            f"planner={planner}",
            f"data={small_store}",
            "modes=[nonreactive, reactive]",
            "workers=1",
            f"out={folder / planner}",
        ]
        score(load_config(ScoreConfig, words, short=ScoreConfig.SHORT).config)
        made.append(folder / planner)
    return made


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    return report(runs, tmp_path_factory.mktemp("page") / "report.html", title="a <b>title</b> </script>")


def embedded(page: Path, name: str):
    text = re.search(rf'<script id="report-{name}" type="application/json">(.*?)</script>', page.read_text(), re.S)
    assert text is not None
    return json.loads(text.group(1))


def test_it_is_one_file_that_needs_no_network(page):
    text = page.read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!data:)|url\(|@import|https?://""", text)
    assert "<b>title" not in text.split("report-data")[0], "the title is escaped"


def test_its_numbers_are_the_runs_own(page, runs):
    data = embedded(page, "data")
    assert data["planners"] == ["log_replay", "constant_velocity"]
    for run, row in zip(runs, data["scores"], strict=True):
        summary = json.loads((run / "summary.json").read_text())
        for mode, challenge in (
            ("nonreactive", "closed_loop_nonreactive_agents"),
            ("reactive", "closed_loop_reactive_agents"),
        ):
            assert row["modes"][mode]["score"] == pytest.approx(summary["challenges"][challenge]["score"], abs=1e-12)
    scenarios = data["scenarios"]
    means = [sum(r["score"] for r in s["results"]) / len(s["results"]) for s in scenarios]
    assert means == sorted(means), "the worst come first"
    assert set(embedded(page, "scenes")) == {f"{s['token']}|{s['mode']}" for s in scenarios}


def test_replays_are_limited_and_the_page_says_so(runs, tmp_path):
    path = report([runs[0], runs[0]], tmp_path / "r.html", replays=1)
    assert len(embedded(path, "scenes")) == 1
    data = embedded(path, "data")
    assert data["no_replay"] == "replays were packed for the worst 1 of 16 results (--replays)"
    assert data["planners"] == ["log_replay (log_replay) #1", "log_replay (log_replay) #2"]


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(DataError, match="no scoring run here"):
        report([tmp_path], tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_labels_name_what_is_wrapped_and_any_fallback():
    inner = {"name": "learned", "params": {"checkpoint": "a"}}
    assert short_planner_label({"name": "guard", "params": {"planner": inner}}) == "guard(learned)"
    assert (
        short_planner_label(
            {"name": "guard", "params": {"planner": inner, "fallback": {"name": "pdm_closed", "params": {}}}}
        )
        == "guard(learned, fallback pdm_closed)"
    )
    fallback = {"name": "pdm_closed", "params": {}}
    assert short_planner_label({"name": "guard", "params": {"fallback": fallback, "planner": inner}}) == (
        "guard(learned, fallback pdm_closed)"
    )
    assert short_planner_label({"name": "idm", "params": {}}) == "idm"


def test_labels_tell_what_a_planner_was_told():
    told = {"name": "learned", "params": {"checkpoint": "a", "instruction": "keep left"}}
    guard = {"name": "guard", "params": {"planner": told, "fallback": "pdm_closed"}}
    assert short_planner_label(told) == 'learned "keep left"'
    assert short_planner_label(guard) == 'guard(learned "keep left", fallback pdm_closed)'
    assert planner_label("learned", told["params"]) == 'learned a "keep left"'
    assert planner_label("guard", guard["params"]) == 'guard(learned a "keep left"), fallback pdm_closed'


def test_packing_is_reproducible():
    assert pack({"a": [1, 2]}) == pack({"a": [1, 2]})


def test_a_judged_again_run_shows_the_drives_of_the_first(runs, tmp_path):
    again = rescore(runs[1], tmp_path / "again").run
    data, scenes = (embedded(report([again], tmp_path / "r.html"), part) for part in ("data", "scenes"))
    assert len(scenes) == len(data["scenarios"])
    assert data["no_replay"] == ""


def test_a_run_without_rollouts_says_why_there_is_no_replay(made, tmp_path):
    a = made.scored("a", [0.5] * 4)
    path = report([a], tmp_path / "r.html")
    assert embedded(path, "scenes") == {}
    assert embedded(path, "data")["no_replay"] == "idm kept no rollouts (rollouts=false, or they were deleted)"


def test_runs_of_one_planner_are_called_by_their_folders(made, tmp_path):
    paths = [made.scored(n, [0.5] * 4) for n in ("a/run", "b/run", "c")]
    data = embedded(report(paths, tmp_path / "r.html"), "data")
    assert data["planners"] == ["idm (a/run)", "idm (b/run)", f"idm ({tmp_path.name}/c)"]


def test_an_unfinished_run_is_refused(made, tmp_path):
    a = made.scored("a", [0.5] * 4)
    (a / "summary.json").unlink()
    with pytest.raises(DataError, match="this run is not finished: 4 of 4 drives are kept"):
        report([a], tmp_path / "r.html")


def test_runs_over_other_scenarios_are_not_compared_in_silence(made, tmp_path):
    a = made.run("a", [made.result(i, 0.5) for i in range(20)])
    b = made.run("b", [made.result(i, 0.5) for i in range(10, 60)])
    data = embedded(report([a, b], tmp_path / "r.html"), "data")
    (said,) = data["warnings"]
    assert said.startswith(
        "The runs did not drive the same scenarios (idm (a) 20, idm (b) 50 results, 10 of them in all runs): means of "
        "runs cannot be compared"
    )
    following = next(r for r in data["types"]["nonreactive"]["rows"] if r["label"] == "following")
    assert following["counts"] == [10, 25]
    pair = data["pairs"]["nonreactive"][0][1]
    assert (pair["scenarios"], pair["logs"], pair["verdict"]) == (10, 5, "equal")


def test_settings_that_differ_stand_on_the_page(made, tmp_path):
    a, b = made.scored("a", [0.5] * 24), made.scored("b", [0.5] * 24, "controller=perfect", "seed=4")
    data = embedded(report([a, b], tmp_path / "r.html"), "data")
    assert [(d["key"], d["values"]) for d in data["differences"]] == [
        ("seed", ["0", "4"]),
        ("simulation.controller", ["two_stage", "perfect"]),
    ]
    assert data["warnings"] == [
        "Beside the planner the runs differ in seed: 0 / 4; simulation.controller: two_stage / perfect."
    ]
    assert [r["controller"] for r in data["runs"]] == ["two_stage", "perfect"]
    assert "seed: 4" in data["runs"][1]["config"]


def test_paired_differences_are_those_of_compare(made, tmp_path):
    rng = np.random.default_rng(2)
    before = rng.uniform(0.3, 0.9, 40)
    a, b = made.scored("a", before), made.scored("b", before - rng.uniform(0.0, 0.2, 40))
    pairs = embedded(report([a, b], tmp_path / "r.html"), "data")["pairs"]["nonreactive"]
    (judged,) = compare(a, b)["challenges"].values()
    assert pairs[0][1]["verdict"] == "worse"
    assert pairs[0][1]["ci"] == judged["score"]["ci"]
    assert pairs[1][0]["difference"] == -pairs[0][1]["difference"]
    assert pairs[0][0] is None


def test_only_metrics_that_cost_are_blamed(made, tmp_path):
    rows = [made.result(i, 0.5) for i in range(4)]
    rows[0]["metrics"] = [
        made.metric("speed_limit_compliance", 0.5, "weighted", 4.0),
        made.metric("headway", 0.1, "report"),
    ]
    data = embedded(report([made.run("a", rows)], tmp_path / "r.html"), "data")
    row = next(s for s in data["scenarios"] if s["token"] == f"{0:016x}")
    assert [m["name"] for m in row["results"][0]["lost"]] == ["speed_limit_compliance"]
    table = data["metrics"]["nonreactive"]
    assert dict(zip(table["columns"], table["roles"], strict=True)) == {
        "no_ego_at_fault_collisions": "multiplier",
        "speed_limit_compliance": "weight 4",
        "headway": "reported",
    }


def test_what_waymo_does_not_have_is_said(made, tmp_path):
    a = made.scored("a", [0.5] * 4, source="womd")
    (said,) = embedded(report([a], tmp_path / "r.html"), "data")["warnings"]
    assert said.startswith("Waymo's maps have no drivable areas")


def test_a_replay_tells_when_the_guard_interfered(runs):
    (run,) = load_runs(runs[:1])
    record = run.of("nonreactive")[0]
    rollout = read_rollout(run.folder.replays("nonreactive"), record["token"])
    braked = np.zeros((1, len(rollout)))
    braked[0, 3:7] = braked[0, 9] = 1.0
    guarded = replace(rollout, channel_names=("guard_braked",), channels=braked)
    told = diagnostics_of(guarded, record)
    assert told["guard"] == {"guard_braked": [[3, 6], [9, 9]]}
    assert told["stats"].keys() == {m["name"] for m in record["metrics"] if m["stats"]}


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_loads_and_scrubs_it(page, visit, width):
    tab = visit(page, width)
    tab.wait_for_selector("#replay:not([hidden])")
    tab.wait_for_function("document.body.dataset.step === '0' && +document.getElementById('scrub').max > 10")
    before = tab.locator("#view").screenshot()
    step = int(tab.evaluate("Math.floor(0.6 * document.getElementById('scrub').max)"))
    move = "s => { const r = document.getElementById('scrub'); r.value = s; r.dispatchEvent(new Event('input')); }"
    tab.evaluate(move, step)
    assert tab.evaluate("document.body.dataset.step") == str(step)
    assert tab.locator("#clock").inner_text() == f"{step / 10:.1f} s"
    assert tab.locator("#view").screenshot() != before, "the picture moves"
    tab.locator(".chips button[aria-pressed=false]").first.click()
    assert tab.locator(".chips button[aria-pressed=true]").count() == 2, "two planners are overlaid"
    tab.locator("#list .item").nth(1).click()
    tab.wait_for_function("document.body.dataset.step === '0'")
    wide = tab.evaluate("document.documentElement.scrollWidth")
    assert wide <= width + 1, "the page itself never scrolls sideways"
    cut = (
        "[...document.querySelectorAll('.scroll')].filter(b => b.scrollWidth > b.clientWidth + 1 && "
        "!b.classList.contains('wide'))"
    )
    assert tab.evaluate(f"{cut}.length") == 0, "a table that is cut off says so"


def test_a_link_opens_its_scenario_mode_run_and_moment(page, visit):
    row = embedded(page, "data")["scenarios"][5]
    tab = visit(page, link=f"#token={row['token']}&mode={row['mode']}&run=constant_velocity&t=2.5")
    tab.wait_for_function("document.body.dataset.step === '25'")
    assert row["token"] in tab.locator("#r-sub").inner_text()
    assert tab.locator(".chips button.main").inner_text().startswith("constant_velocity")
    tab.locator("#list .item").first.click()
    tab.wait_for_function(f"!location.hash.includes('{row['token']}') || location.hash.includes('t=0.0')")
    lost = visit(page, link="#token=ffffffffffffffff")
    assert lost.locator("#no-replay").inner_text() == "No scenario ffffffffffffffff in this report."


def test_the_replay_follows_the_run_by_which_the_list_is_ordered(page, visit):
    tab = visit(page)
    tab.wait_for_selector("#replay:not([hidden])")
    for name in ("log_replay", "constant_velocity"):
        tab.select_option("#order", label=name)
        assert tab.locator(".chips button.main").inner_text().startswith(name)
        assert tab.locator("#r-now").inner_text().startswith(name)
        assert tab.locator("#why h3").first.inner_text().startswith(name)


def test_filters_search_and_place_leave_a_reason_where_nothing_is_left(page, visit):
    data = embedded(page, "data")
    tab = visit(page)
    tab.fill("#search", data["scenarios"][3]["token"])
    assert tab.locator("#list .item").count() == 2, "one scenario in two modes"
    tab.fill("#search", "nothing of the kind")
    assert tab.locator("#list").inner_text() == "No result passes these filters."
    tab.fill("#search", "")
    tab.select_option("#place", label=data["scenarios"][0]["map"])
    assert tab.locator("#list .item").count() == sum(s["map"] == data["scenarios"][0]["map"] for s in data["scenarios"])


def test_a_page_without_replays_lists_its_scenarios_and_says_why(made, tmp_path, visit):
    rows = [made.result(i, 0.2) for i in range(3)] + [made.result(3, 0.0, status="failed")]
    tab = visit(report([made.run("a", rows)], tmp_path / "r.html"))
    assert tab.locator("#list .item").count() == 4
    assert tab.locator("#replay-note").inner_text().startswith("Without a replay: idm kept no rollouts")
    tab.locator("#list .item").nth(1).click()
    assert tab.locator("#missing").inner_text().startswith("No replay: idm kept no rollouts")
    tab.locator("#list .item").first.click()
    assert tab.locator("#missing").inner_text() == "No replay: idm could not drive it to the end."
    assert "plan at 1.2 s: ValueError: no" in tab.locator("#why").inner_text()


def test_the_page_speaks_of_scores_from_0_to_1_and_of_seconds(page, visit):
    tab = visit(page)
    tab.wait_for_selector("#replay:not([hidden])")
    text = tab.locator("body").inner_text()
    assert "from 0 to 1" in text
    assert not re.search(r"\bsteps? \d", text)
    cells = tab.locator(".heat td:not(:first-child)").all_inner_texts()
    assert cells
    assert all(re.fullmatch(r"[01]\.\d{3}", c) for c in cells)
