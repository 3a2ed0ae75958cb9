"""A suite as large as nuPlan's val14, scored from a store: ``python tests/benchmarks/suite.py`` (``make bench-suite``).

About as many scenarios of 15 s (1,113; val14 has 1,118), made up by ``roadcraft synth`` with about 40 objects around
ego and all roads in one map (more lanes than any of nuPlan's cities has), are driven by pdm_closed among reactive
agents, on all cores. Printed: wall and CPU time, the largest process, the same for half of the scenarios (cost by
count), and for some of them in a map that holds their own roads only (cost by map size; their scores must be equal).
Logs and stores are made once, in the folder given by ``--out``; ``--json FILE`` writes all figures.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from comparing.machine import machine

from roadcraft.scenario_io import ScenarioFilter, find
from roadcraft.scenario_io.open import open_source

SITUATIONS = (
    "crawling", "dense_traffic", "stop_and_go", "right_turn", "car_following", "red_light", "signal_straight", "cut_in",
    "pedestrian_crossing", "slow_lead", "stop_behind_lead", "protected_left", "all_way_stop",
)  # fmt: skip
WORLDS, FEW = 559, 39  # two tagged scenarios each


def roadcraft(*words: str) -> dict[str, float]:
    """Run a command; its wall and CPU seconds, and the largest of its processes in MiB."""
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "roadcraft.core.cli", *words], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)  # of this command and its workers alone
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)
    wall = time.perf_counter() - begun
    return {"wall_s": wall, "cpu_s": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss / 1024}


def made(out: Path, name: str, worlds: int) -> Path:
    """The store of the first ``worlds`` worlds, made if need be. World k is the same whatever their number."""
    logs, store = out / f"{name}-logs", out / f"{name}-store"
    if not (store / "store.json").is_file():
        situations = f"situations=[{','.join(SITUATIONS)}]"
        roadcraft("synth", str(logs), f"worlds={worlds}", "seed=14", "locations=1", "traffic=2.5", situations)
        roadcraft("ingest", "nuplan", str(logs), "--out", str(store))
    return store


def scored(store: Path, run: Path, *words: str) -> dict[str, Any]:
    """Score tagged scenarios of a store, with compiled kernels: times, count, stages, and the scores by token."""
    shutil.rmtree(run, ignore_errors=True)
    row: dict[str, Any] = roadcraft(
        "score", "planner=pdm_closed", f"data={store}", "modes=[reactive]", "rollouts=false", *words, "--out", str(run)
    )
    table = pq.read_table(run / "scores.parquet").to_pylist()
    stages = pq.read_table(run / "timings.parquet")
    row["scenarios"] = len(table)
    row["cpu_ms_per_scenario"] = 1e3 * row["cpu_s"] / len(table)
    row["stage_ms"] = {
        k.removesuffix("_s"): 1e3 * sum(stages[k].to_pylist()) / len(table)
        for k in stages.column_names
        if k.endswith("_s")
    }
    row["scores"] = {r["token"]: r["score"] for r in table}
    return row


def about(store: Path) -> dict[str, Any]:
    """What the suite holds: scenarios, lanes of the map, objects per frame."""
    source = open_source(store)
    drives = [source.drive(log) for log in source.logs()[:FEW]]
    objects = sum(len(d.objects.track) for d in drives) / sum(len(d) for d in drives)
    return {
        "scenarios": len(list(find(source, ScenarioFilter(preset="mapped")))),
        "lanes": len(source.map(source.logs()[0]).lanes),
        "objects": objects,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-suite"))
    parser.add_argument("--json", type=Path, help="write all figures there")
    options = parser.parse_args()
    large, small = made(options.out, "city", WORLDS), made(options.out, "few", FEW)
    result: dict[str, Any] = {"machine": machine(), "city": about(large), "few": about(small)}
    print(result["machine"])
    for name in ("city", "few"):
        h = result[name]
        print(f"{name}: {h['scenarios']} scenarios, {h['objects']:.1f} objects per frame, {h['lanes']:,} lanes")
    logs = f"filter={{preset: mapped, log_names: [{','.join(open_source(small).logs())}]}}"
    runs = {
        "warm-up": (small, "filter={preset: mapped, limit_total_scenarios: 2}"),
        "all": (large, "filter={preset: mapped}"),
        "half": (large, f"filter={{preset: mapped, limit_total_scenarios: {WORLDS}}}"),
        "some, in the city": (large, logs),
        "some, on their own": (small, logs),
    }
    for name, (store, words) in runs.items():
        row = scored(store, options.out / "run", words)
        if name != "warm-up":
            print(
                f"{name:20} {row['scenarios']:5} scenarios {row['wall_s']:7.1f} s wall {row['cpu_s']:7.1f} s CPU "
                f"{row['cpu_ms_per_scenario']:6.0f} ms CPU per scenario {row['peak_mib']:6.0f} MiB"
            )
            print("    wall ms per scenario:", "  ".join(f"{k} {v:.1f}" for k, v in row["stage_ms"].items()))
        result[name] = row
    shutil.rmtree(options.out / "run", ignore_errors=True)
    if result["some, in the city"].pop("scores") != result["some, on their own"].pop("scores"):
        raise SystemExit("the size of the map changed a score")
    for name in ("warm-up", "all", "half"):
        result[name].pop("scores")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
