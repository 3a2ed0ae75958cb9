"""Scenarios rebuilt from golden drives alone, and the simplest agents, so that the closed loop can be tested without
readers and planners."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_runs
import numpy as np
import pytest

from roadcraft.core.arrays import Ragged, offsets_of
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import Objects
from roadcraft.core.data.scenario import Drive, Scenario, Scenes
from roadcraft.core.interfaces import AgentPolicy, SinglePlanner
from roadcraft.core.testing.world import sketch_map
from roadcraft.validation.golden.files import GoldenDrive, lights_of, read_golden


def scenario_of(golden: GoldenDrive) -> Scenario:
    """The window of a golden drive as a scenario of its own: no past, the objects of the drive, the last frame's
    repeated for iteration N - 1."""
    d = golden.data
    n, expert = d["iterations"], np.array([[v or 0.0 for v in row] for row in d["expert"]])
    ego = np.zeros((n, 10))
    ego[:, :7] = expert[:, 1:]
    ego[0] = d["ego"][0][1:11]
    tracks, objects = replace(golden, data={**d, "objects": [*d["objects"], d["objects"][-1]]}).objects()
    drive = Drive(
        name=d["log"],
        map_name=d["map"],
        source="golden",
        licence="none",
        vehicle="pacifica",
        interval_us=100_000,
        time_us=expert[:, 0].astype(np.int64),
        token=np.arange(n, dtype=np.uint64),
        ego=ego,
        joints=np.zeros((n, 0)),
        tracks=tracks,
        objects=objects,
        lights=lights_of(d["traffic_lights"], n),
        scenes=Scenes(
            np.zeros(1, np.int64),
            Ragged.build([[int(r) for r in d["route_roadblock_ids"]]]),
            np.zeros((1, 3)),
            np.zeros(1, np.bool_),
            ("",),
        ),
        tag_frame=np.zeros(1, np.int64),
        tag_type=np.zeros(1, np.int64),
        tag_names=(d["scenario_type"],),
    )
    token = f"{d['token']}.{d['run']}"
    return Scenario(token, d["scenario_type"], (), "golden", drive, sketch_map([], name=d["map"]), 0, n - 1, 1)


class LogAgents(AgentPolicy):
    """All objects follow the log."""

    def start(self, scenarios, vehicle, keys):
        return [None] * len(scenarios), self._at(scenarios, [0] * len(scenarios))

    def step(self, scenarios, obs, state, keys):
        return state, self._at(scenarios, [int(i) + 1 for i in obs.iteration])

    def _at(self, scenarios, iterations):
        rows = [s.drive.objects.rows(int(s.frames[i])) for s, i in zip(scenarios, iterations, strict=True)]
        parts = [(s.drive.tracks, s.drive.objects, r) for s, r in zip(scenarios, rows, strict=True)]
        track = [(t, o.track[r]) for t, o, r in parts]
        return Objects(
            offsets_of([r.stop - r.start for r in rows]),
            *(np.concatenate([getattr(t, name)[k] for t, k in track]) for name in ("id", "kind", "vehicle", "unit")),
            np.concatenate([o.box[r] for _, o, r in parts]),
            np.concatenate([o.velocity[r] for _, o, r in parts]),
        )


class Scripted(SinglePlanner):
    """Answers the plans of golden drives, by token and step."""

    def __init__(self, plans: dict[str, dict[int, list[Any]]]) -> None:
        self.plans = plans

    def plan_one(self, obs, state, key):
        rows = np.array(self.plans[obs.token[0]][int(obs.iteration[0])])
        states = np.zeros((1, 1, len(rows), 10))
        states[0, 0, :, :4] = rows[:, 1:5]
        return Plan(rows[None, :, 0].astype(np.int64), states, np.zeros((1, 1))), (state or 0) + 1


@pytest.fixture(scope="session")
def golden_runs(shared: Path) -> Callable[..., tuple[list[Scenario], Scripted, list[dict[str, Any]]]]:
    """``golden_runs(*file name patterns)``: scenarios, a planner that answers the stored plans, and the drives."""

    def load(*patterns: str) -> tuple[list[Scenario], Scripted, list[dict[str, Any]]]:
        folder = shared / "golden" / "nuplan" / "drives"
        golden = [read_golden(p) for pattern in patterns for p in sorted(folder.glob(pattern))]
        scenarios, drives = [scenario_of(g) for g in golden], [g.data for g in golden]
        plans = {s.token: dict(d["plans"]) for s, d in zip(scenarios, drives, strict=True)}
        return scenarios, Scripted(plans), drives

    return load


@pytest.fixture(scope="session")
def log_agents() -> LogAgents:
    return LogAgents()


@pytest.fixture
def made(tmp_path: Path) -> made_runs.Made:
    """Makes run folders with results made up for a test."""
    return made_runs.Made(tmp_path)


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of eight short scenarios in four made-up logs."""
    from roadcraft.core.data.scenario import ScenarioRow
    from roadcraft.scenario_io import StoreWriter
    from roadcraft.scenario_io.synthetic.synthesize import synthesize

    path = tmp_path_factory.mktemp("small") / "store"
    with StoreWriter(path) as out:
        for drive, map_data in synthesize(11, 4, ("car_following", "cut_in"), locations=1):
            rows = [
                ScenarioRow(
                    token=f"{drive.token[frame]:016x}",
                    tags=(kind,),
                    log=drive.name,
                    split="test",
                    map_name=drive.map_name,
                    source=drive.source,
                    licence=drive.licence,
                    anchor_us=int(drive.time_us[frame]),
                    interval_us=drive.interval_us,
                    stride=2,
                    has_goal=True,
                    first_us=int(drive.time_us[frame]),
                    last_us=int(drive.time_us[frame + length]),
                )
                for frame, length, kind in ((100, 100, "following_lane_with_lead"), (300, 120, "changing_lane"))
            ]
            out.add(drive.name, drive, map_data, rows)
    return path


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on PATH; on Debian: apt-get install chromium")
    sync = pytest.importorskip("playwright.sync_api")
    flags = ("gpu", "quic", "background-networking", "component-update", "sync")
    with sync.sync_playwright() as p:
        args = ["--no-sandbox", "--disable-gpu", *(f"--disable-{f}" for f in flags)]
        browser = p.chromium.launch(executable_path=chromium, headless=True, args=args)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Opens a page at a width, with a link; fails the test where the page raises or asks the network."""
    faults: list[str] = []

    def go(page: Path, width: int = 1280, link: str = ""):
        tab = browser.new_page(viewport={"width": width, "height": 900})
        tab.on("pageerror", lambda e: faults.append(str(e)))
        tab.on("request", lambda r: faults.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None)
        tab.goto(page.as_uri() + link)
        return tab

    yield go
    assert not faults
