"""The report of an articulated ego: its units, the swept band, what is plotted of a truck."""

from __future__ import annotations

import base64
import json
import re
import zlib

import numpy as np
import pytest

from roadcraft.core.config.load import load_config
from roadcraft.core.driving.motion.chain import chain_of, unit_poses
from roadcraft.scenario_io.store.rollouts import read_rollout
from roadcraft.scenario_io.store.store import Store
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.reporting.scene import UNIT_M
from roadcraft.validation.reporting.write import report
from roadcraft.validation.scoring.score import score


@pytest.fixture(scope="module")
def run(tmp_path_factory, small_store):
    out = tmp_path_factory.mktemp("truck") / "idm"
    words = [
        "planner=idm", f"data={small_store}", "workers=1", f"out={out}", "filter={limit_total_scenarios: 2}",
        "vehicle=eu_4x2_13m6", "vehicle.load=loaded", "simulation.vehicle_model=dynamic_chain",
        "simulation.tracker=truck_lqr",
    ]  # fmt: skip
    score(load_config(ScoreConfig, words, short=ScoreConfig.SHORT).config)
    return out


def scenes(page):
    text = re.search(r'<script id="report-scenes" type="application/json">(.*?)</script>', page.read_text(), re.S)
    packed = json.loads(text.group(1))
    return {k: json.loads(zlib.decompress(base64.b64decode(v))) for k, v in packed.items()}


def test_the_trailer_is_drawn_where_it_was_driven(run, tmp_path):
    (key, scene), *_ = scenes(report([run], tmp_path / "r.html")).items()
    drive = scene["drives"][0]
    rollout = read_rollout(Store(run / "rollouts" / "nonreactive"), key.split("|")[0])
    assert rollout.vehicle.load == "loaded"
    assert rollout.vehicle.masses[1].mass_kg == 32_400.0
    want = unit_poses(np.ascontiguousarray(rollout.drive.ego), rollout.drive.joints, chain_of(rollout.vehicle))[:, 1]
    got = np.array(drive["units"][0]["pose"]).reshape(-1, 3)
    origin = np.rint(rollout.drive.ego[len(rollout.drive) // 2, :2])
    np.testing.assert_allclose(got[:, :2] * UNIT_M + origin, want[:, :2], atol=UNIT_M)
    assert drive["units"][0]["size"] == [2.5, 13.6, 2.55]
    labels = [s["label"] for s in drive["truck"]]
    assert labels == ["largest joint angle, degrees", "load transfer ratio", "brake temperature, °C"]
    assert all(len(s["values"]) == len(drive["t"]) for s in drive["truck"])


def test_a_browser_draws_a_plot_for_each_series(run, tmp_path, visit):
    page = visit(report([run], tmp_path / "r.html"))
    page.wait_for_selector("#replay:not([hidden])")
    assert page.locator("#p-truck canvas").count() == 3
    assert "swept by all units" in page.locator("#legend").inner_text()
