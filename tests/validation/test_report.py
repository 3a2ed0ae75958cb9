"""The report: what it holds, what it refuses, and that a browser can scrub it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from roadcraft.core.config import load_config
from roadcraft.core.errors import DataError
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.reporting.scene import pack
from roadcraft.validation.reporting.tables import planner_label
from roadcraft.validation.reporting.write import report
from roadcraft.validation.scoring.score import score
from roadcraft.validation.scoring.summary import planner_label as run_label


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


def test_replays_are_limited_and_same_names_are_told_apart(runs, tmp_path):
    path = report([runs[0], runs[0]], tmp_path / "r.html", replays=1)
    assert len(embedded(path, "scenes")) == 1
    assert embedded(path, "data")["planners"] == ["log_replay", "log_replay #2"]


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(DataError, match="no scoring run here"):
        report([tmp_path], tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_labels_name_what_is_wrapped_and_any_fallback():
    inner = {"name": "learned", "params": {"checkpoint": "a"}}
    assert planner_label({"name": "guard", "params": {"planner": inner}}) == "guard(learned)"
    assert (
        planner_label({"name": "guard", "params": {"planner": inner, "fallback": {"name": "pdm_closed", "params": {}}}})
        == "guard(learned, fallback pdm_closed)"
    )
    assert planner_label({"name": "idm", "params": {}}) == "idm"


def test_labels_tell_what_a_planner_was_told():
    told = {"name": "learned", "params": {"checkpoint": "a", "instruction": "keep left"}}
    guard = {"name": "guard", "params": {"planner": told, "fallback": "pdm_closed"}}
    assert planner_label(told) == 'learned "keep left"'
    assert planner_label(guard) == 'guard(learned "keep left", fallback pdm_closed)'
    assert run_label("learned", told["params"]) == 'learned a "keep left"'
    assert run_label("guard", guard["params"]) == 'guard(learned a "keep left"), fallback pdm_closed'


def test_packing_is_reproducible():
    assert pack({"a": [1, 2]}) == pack({"a": [1, 2]})


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_loads_and_scrubs_it(page, width):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on PATH; on Debian: apt-get install chromium")
    sync = pytest.importorskip("playwright.sync_api")
    with sync.sync_playwright() as p:
        flags = [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ]
        browser = p.chromium.launch(executable_path=chromium, headless=True, args=flags)
        tab = browser.new_page(viewport={"width": width, "height": 900})
        faults: list[str] = []
        tab.on("pageerror", lambda e: faults.append(str(e)))
        tab.on("request", lambda r: faults.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None)
        tab.goto(page.as_uri())
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
        assert not faults
        browser.close()
