"""Where the time of scoring goes: ``python tests/benchmarks/stages.py`` prints CPU microseconds per scenario-step for
every stage.

Synthetic scenarios are made on the spot; where reference values lie beside the checkout (../shared/golden), the
reference's own three scenarios are driven too and, on a processor that the reference was timed on, compared with its
published times. Everything is read from a store and straight from the ``.db``. Kernels are compiled and files cached
before anything is measured; ``--cold`` adds what compiling costs; ``--json FILE`` writes all figures.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any
from unittest.mock import patch

import numpy as np
from cold import measure as measure_cold, show as show_cold
from comparing.machine import machine

from roadcraft.core.config.factory import create
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import ObjectKind
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.scenario_io import ScenarioFilter, StoreWriter, find, ingest
from roadcraft.scenario_io.open import open_source
from roadcraft.scenario_io.store.rollouts import write_rollout
from roadcraft.scenario_io.synthetic.config import SynthConfig
from roadcraft.scenario_io.synthetic.synthesize import synth
from roadcraft.validation.agents.idm_exact import exact_leads
from roadcraft.validation.config import CHALLENGES, SimulationConfig
from roadcraft.validation.metrics import challenge_metrics, evaluate
from roadcraft.validation.simulation import simulate
from roadcraft.validation.simulation.closed_loop import Watch
from roadcraft.validation.simulation.controllers import TwoStage

STAGES = ("load", "pack", "observe", "plan", "track", "step", "agents", "record", "metrics", "write")
CASES = (
    ("constant_velocity", "nonreactive"),
    ("idm", "nonreactive"),
    ("idm", "reactive"),
    ("pdm_closed", "reactive"),
)
# CPU seconds per 15 s scenario of the reference (nuplan-devkit e924167, simulation and metrics without saving), one row
# per processor that it was run on, in the order of CASES; published with the reference values. Ratios are of one
# machine.
REFERENCE = {
    "AMD EPYC": (3.02, 5.74, 7.96, 25.18),
    "Intel(R) Xeon(R) Processor @ 2.50GHz": (4.44, 8.84, 12.80, 45.50),
}
REFERENCE_LOG = "2021.06.14.10.19.00_veh-14_00021_00168"
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "golden" / "nuplan"


class Timed:
    """Tracker and vehicle model of the default controller, each with a clock."""

    def __init__(self) -> None:
        config = SimulationConfig()
        self.seconds = {"track": 0.0, "step": 0.0}
        tracker = create("tracker", config.tracker.name, config.tracker.params)
        model = create("vehicle_model", config.vehicle_model.name, config.vehicle_model.params)
        tracker.follow = self._clocked("track", tracker.follow)
        model.advance = self._clocked("step", model.advance)
        self.controller = TwoStage(tracker, model)

    def _clocked(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            begun = process_time()
            out = call(*args)
            self.seconds[stage] += process_time() - begun
            return out

        return timed


@contextmanager
def exact_decisions() -> Iterator[dict[str, float]]:
    """How many decisions of reactive agents are left to exact geometry meanwhile, and the CPU seconds they take."""
    tally = {"count": 0.0, "seconds": 0.0}

    def timed(world: Any, moment: Any, turns: Any, stopped: Any) -> None:
        begun = process_time()
        exact_leads(world, moment, turns, stopped)
        tally["seconds"] += process_time() - begun
        tally["count"] += len(stopped)

    with patch("roadcraft.validation.agents.idm.exact_leads", timed):
        yield tally


@dataclass(frozen=True)
class Case:
    """What is measured: scenarios of a source, and who drives them."""

    data: str
    source: str
    planner: str
    mode: str


def drive(source: ScenarioSource, chosen: list[Any], case: Case) -> dict[str, Any]:
    """CPU seconds per stage of one run of all scenarios, and its counts."""
    planner, agents = create("planner", case.planner), create("agents", "idm" if case.mode == "reactive" else "log")
    challenge = CHALLENGES[case.mode]  # type: ignore[index]
    metrics, watch, timed = challenge_metrics(challenge), Watch(), Timed()
    with patch(
        "roadcraft.validation.simulation.closed_loop.perf_counter", process_time
    ):  # CPU time, whatever else runs here
        marks = [process_time()]
        scenarios = [source.scenario(c.row, c.type, c.window_us) for c in chosen]
        marks.append(process_time())
        with exact_decisions() as exact:
            results = simulate(scenarios, planner, agents=agents, controller=timed.controller, watch=watch, debug=True)
        rollouts = [r for r in results if isinstance(r, Rollout)]
        marks.append(process_time())
        for r in rollouts:
            evaluate(r, challenge, metrics=metrics)
        marks.append(process_time())
        with tempfile.TemporaryDirectory() as folder:
            marks.append(process_time())
            with StoreWriter(folder, spatial_index=False) as out:
                for c, r in zip(chosen, rollouts, strict=True):
                    write_rollout(out, r, log=c.row.log)
            marks.append(process_time())
    seconds = {"load": marks[1] - marks[0], "metrics": marks[3] - marks[2], "write": marks[5] - marks[4]}
    seconds |= {k: v for k, v in watch.seconds.items() if k != "control"} | timed.seconds
    # what the loop does around tracker and model counts as the step's
    seconds["step"] += watch.seconds["control"] - sum(timed.seconds.values())
    objects = sum(len(r.drive.objects.track) for r in rollouts)
    run: dict[str, Any] = {"seconds": seconds, "steps": watch.scenario_steps, "objects": objects / watch.scenario_steps}
    if case.mode == "reactive":
        shown = [d.tracks.kind[d.objects.track[d.objects.offsets[1] :]] for d in (r.drive for r in rollouts)]
        run["decisions"] = sum(int((k == ObjectKind.VEHICLE).sum()) for k in shown)
        run["exact"] = exact
    return run


def opening(path: Path, chosen: list[Any]) -> float:
    """CPU ms, once per process, of opening a source and taking its first scenario, its map included."""
    begun, c = process_time(), chosen[0]
    scenario = open_source(path).scenario(c.row, c.type, c.window_us)
    assert len(scenario.map.lanes)
    return 1e3 * (process_time() - begun)


def measure(source: ScenarioSource, chosen: list[Any], case: Case, rounds: int) -> dict[str, Any]:
    """The median round by total time, per scenario-step and per scenario."""
    drive(source, chosen, case)
    runs = sorted((drive(source, chosen, case) for _ in range(rounds)), key=lambda r: sum(r["seconds"].values()))
    run = runs[len(runs) // 2]
    total, count = sum(run["seconds"].values()), len(chosen)
    row: dict[str, Any] = {**vars(case), "scenarios": count, "objects": round(run["objects"], 1)}
    row["us_per_scenario_step"] = {k: 1e6 * run["seconds"].get(k, 0.0) / run["steps"] for k in STAGES}
    row["cpu_ms_per_scenario"] = 1e3 * (total - run["seconds"]["write"]) / count
    row["cpu_ms_per_scenario_with_write"] = 1e3 * total / count
    if case.mode == "reactive":
        row["exact_share"] = run["exact"]["count"] / run["decisions"]
        row["exact_us_per_scenario_step"] = 1e6 * run["exact"]["seconds"] / run["steps"]
    if case.data == "reference" and (published := REFERENCE.get(machine()["cpu"])):
        row["reference_cpu_s"] = published[CASES.index((case.planner, case.mode))]
        row["times_faster"] = row["reference_cpu_s"] / (1e-3 * row["cpu_ms_per_scenario"])
    return row


@contextmanager
def sources(folder: Path) -> Any:
    """Folders of logs and the stores made of them, by name: ``{data: (logs, store)}``."""
    synth(folder / "synthetic", SynthConfig(worlds=4, seed=7, locations=1, situations=("dense_traffic", "cut_in")))
    found = {"synthetic": folder / "synthetic"}
    if SHARED.is_dir():
        (folder / "reference" / "logs").mkdir(parents=True)
        (folder / "reference" / "logs" / f"{REFERENCE_LOG}.db").symlink_to(SHARED / "logs" / f"{REFERENCE_LOG}.db")
        (folder / "reference" / "maps").symlink_to(SHARED / "maps")
        found["reference"] = folder / "reference"
    for name, logs in found.items():
        ingest(None, logs, folder / f"{name}-store", workers=1)
    yield {name: (logs, folder / f"{name}-store") for name, logs in found.items()}


def busiest(source: ScenarioSource, data: str) -> list[Any]:
    """The tagged scenarios driven: all synthetic ones; of the reference's log the three whose frame has the most
    objects."""
    tagged = [c for c in find(source, ScenarioFilter()) if c.row.tags]
    if data != "reference":
        return tagged

    def objects(c: Any) -> int:
        d = source.drive(c.row.log)
        at = int(np.searchsorted(d.time_us, c.row.anchor_us))
        return int(d.objects.offsets[at + 1] - d.objects.offsets[at])

    return sorted(tagged, key=objects, reverse=True)[:3]


def show(rows: list[dict[str, Any]]) -> None:
    """The table: microseconds of CPU time per scenario-step, milliseconds per scenario."""
    print(
        f"{'CPU us per scenario-step':44}"
        + "".join(f"{s:>9}" for s in STAGES)
        + "   ms/scen  +write   open  reference x"
    )
    for r in rows:
        name = f"{r['data']} {r['source']}: {r['planner']} {r['mode']}"
        stages = "".join(f"{r['us_per_scenario_step'][s]:9.1f}" for s in STAGES)
        times = f"{r['times_faster']:6.0f}" if "times_faster" in r else ""
        print(
            f"{name:44}{stages} {r['cpu_ms_per_scenario']:9.1f} {r['cpu_ms_per_scenario_with_write']:7.1f} "
            f"{r['open_cpu_ms_once']:6.1f}  {times}"
        )
    for r in rows:
        if r["mode"] == "reactive":
            print(
                f"{r['data']} {r['source']}: {r['planner']}: agents leave {r['exact_share']:.3%} of their decisions to "
                f"exact geometry, {r['exact_us_per_scenario_step']:.1f} us per scenario-step"
            )
    cpu = machine()["cpu"]
    if any("times_faster" in r for r in rows):
        print(f"reference x: the reference's CPU time on {cpu}, {REFERENCE[cpu]} s by case, over ms/scen")
    else:
        print(f"no ratio to the reference: it was timed on {' and on '.join(REFERENCE)}, not on {cpu}")
    print("open: once per process, the first scenario and the map included")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--cold", action="store_true", help="measure compiling from nothing too (about a minute)")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, sources(Path(folder)) as data:
        for name, paths in data.items():
            for path, kind in zip(paths, ("db", "store"), strict=True):
                source = open_source(path)
                chosen = busiest(source, name)
                opened = opening(path, chosen)
                for planner, mode in CASES:
                    rows.append(measure(source, chosen, Case(name, kind, planner, mode), options.rounds))
                    rows[-1]["open_cpu_ms_once"] = opened
        show(rows)
        result: dict[str, Any] = {"machine": machine(), "stages": rows}
        print(result["machine"])
        if options.cold:
            result["cold"] = measure_cold(data["synthetic"][1])
            show_cold(result["cold"], 20)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
