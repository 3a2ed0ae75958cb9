"""What compiling from nothing costs: ``python tests/benchmarks/cold.py STORE`` drives one scenario of a store with the
planners that ``score`` is mostly asked for, other cars from the log and reactive, with an empty kernel cache, and
prints CPU seconds and kernels, costliest first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time
from typing import Any

PLANNERS = ("log_replay", "constant_velocity", "idm", "pdm_closed")
MODES = ("nonreactive", "reactive")


def measure(data: str | Path) -> dict[str, Any]:
    """CPU seconds of a process that starts with an empty cache of its own, and its kernels as ``[seconds, kernel,
    signature]``."""
    with tempfile.TemporaryDirectory() as cache:
        out = subprocess.run(
            [sys.executable, __file__, "--here", str(data)],
            env={**os.environ, "NUMBA_CACHE_DIR": cache, "OMP_NUM_THREADS": "1"},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return result


def _here(data: str) -> dict[str, Any]:
    from numba.core import event

    from roadcraft.core.config.load import load_config
    from roadcraft.core.kernels.warming import collect_rarely
    from roadcraft.validation.config import ScoreConfig
    from roadcraft.validation.scoring.job import Job
    from roadcraft.validation.scoring.suites import open_data, select_items

    kernels: list[tuple[float, str, str]] = []
    open_calls: list[list[float]] = []

    class Clock(event.Listener):  # type: ignore[misc]
        """CPU time of each compilation less that of the compilations it began."""

        def on_start(self, event: Any) -> None:
            open_calls.append([process_time(), 0.0])

        def on_end(self, event: Any) -> None:
            begun, inner = open_calls.pop()
            spent = process_time() - begun
            if open_calls:
                open_calls[-1][1] += spent
            f = event.data["dispatcher"].py_func
            kernels.append((spent - inner, f"{f.__module__}.{f.__qualname__}", str(event.data["args"])))

    collect_rarely()  # as the workers of a run do
    event.register("numba:compile", Clock())
    for planner in PLANNERS:
        words = [f"planner={planner}", f"data={data}", f"modes=[{','.join(MODES)}]"]
        config = load_config(ScoreConfig, words, short=ScoreConfig.SHORT).config
        (item, *_) = select_items(config.suite, open_data(config.suite))
        Job(config, None, debug=True).run([item], [MODES])
    return {"cpu_s": process_time(), "compile_s": sum(k[0] for k in kernels), "kernels": sorted(kernels, reverse=True)}


def show(result: dict[str, Any], most: int = 40) -> None:
    """The costliest kernels, and those compiled for more than one signature."""
    kernels = result["kernels"]
    for seconds, name, signature in kernels[:most]:
        print(f"{seconds:7.2f}  {name}  {signature[:160]}")
    names = [k[1] for k in kernels]
    for name in sorted({n for n in names if names.count(n) > 1}):
        print(f"several signatures: {name}")
        for seconds, _, signature in [k for k in kernels if k[1] == name]:
            print(f"{seconds:11.2f}  {signature}")
    print(f"cold: {result['cpu_s']:.1f} CPU s, of them {result['compile_s']:.1f} s compiling {len(kernels)} kernels")


if __name__ == "__main__":
    if sys.argv[1] == "--here":
        print(json.dumps(_here(sys.argv[2])))
    else:
        show(measure(sys.argv[1]))
