"""How far plans are from what the log then drove: ``python tests/benchmarks/open_loop.py planner=NAME ... --store STORE --tokens FILE --out FILE``.

One plan per scenario, at its anchor frame. ADE and FDE are of the candidate that would be driven, minADE and minFDE of the nearest of all candidates; positions of
the rear axle every 0.1 s up to 8 s, or to the end of the log or of the plan.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.interfaces import Planner
from roadcraft.core.kernel_cache import use_kernel_cache
from roadcraft.core.registry import create
from roadcraft.core.rollout import Plan
from roadcraft.core.scenario import Ego, Scenario
from roadcraft.core.testing import observe
from roadcraft.scenario_io import ScenarioFilter, find
from roadcraft.scenario_io.open import open_source
from roadcraft.validation.intervals import log_weights, mean_interval
from roadcraft.validation.scoring.score import load_score_config

STEP_US, STEPS = 100_000, 80
GROUP = 32  # scenarios per call of the planner
NAMES = ("ade_m", "fde_m", "min_ade_m", "min_fde_m")


def displacement(plan: Plan, b: int, scenario: Scenario, frame: int) -> F64:
    """Distances (K, T) of the candidates of scenario b from the log, m, best-scored candidate first; T as far as both go."""
    drive = scenario.drive
    length = plan.states.shape[2] if plan.length is None else int(plan.length[b])
    now, ends = drive.time_us[frame], min(plan.time_us[b, length - 1], drive.time_us[-1])
    at = now + STEP_US * np.arange(1, STEPS + 1)
    at = at[at <= ends]
    real = np.flatnonzero(plan.scores[b] > -np.inf)
    order = real[np.argsort(-plan.scores[b, real], kind="stable")]
    driven = np.stack([np.interp(at, drive.time_us, drive.ego[:, c]) for c in (Ego.X, Ego.Y)], -1)
    times, states = plan.time_us[b, :length], plan.states[b, :, :length]
    planned = np.array([[np.interp(at, times, states[k, :, c]) for c in (Ego.X, Ego.Y)] for k in order])
    return np.linalg.norm(planned.transpose(0, 2, 1) - driven, axis=-1)


def errors(planner: Planner, scenarios: Sequence[Scenario], iteration: int) -> F64:
    """Errors (N, 4) of the plans at an iteration, in the order of ``NAMES``, and how far they reach (N,), s, as a fifth column."""
    rows = []
    for first in range(0, len(scenarios), GROUP):
        group = scenarios[first : first + GROUP]
        obs = observe(group, iteration, planner.needs())
        keys = np.array([int(s.token, 16) & (2**63 - 1) for s in group], np.uint64)
        plan, _ = planner.plan(obs, planner.start(obs, keys), keys)
        for b, scenario in enumerate(group):
            gap = displacement(plan, b, scenario, int(scenario.frames[iteration]))
            mean, last = gap.mean(-1), gap[:, -1]
            rows.append([mean[0], last[0], mean.min(), last.min(), 0.1 * gap.shape[1]])
    return np.array(rows, np.float64).reshape(-1, 5)


def summary(found: F64, logs: Sequence[str]) -> dict[str, Any]:
    """Means of the errors with their intervals over logs, and how many scenes they are of."""
    group, draws = log_weights(logs)
    out: dict[str, Any] = {"scenes": len(found), "logs": len(set(logs)), "horizon_s": float(found[:, 4].mean())}
    for k, name in enumerate(NAMES):
        out[name] = float(found[:, k].mean())
        interval = mean_interval(found[:, k], group, draws)
        out[f"{name}_ci"] = None if interval is None else list(interval)
    return out


def measure(planner: Planner, store: Path, chosen: ScenarioFilter, iteration: int) -> dict[str, Any]:
    """The errors on the scenarios of a store that pass the filter, or why there are none."""
    if not store.is_dir():
        return {"skipped": f"no store {store.name} here"}
    source = open_source(store)
    selected = find(source, chosen)
    if not selected:
        return {"skipped": f"the store {store.name} holds no such scenario"}
    scenarios = [source.scenario(s.row, s.type, s.window_us) for s in selected]
    return summary(errors(planner, scenarios, iteration), [s.row.log for s in selected])


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("words", nargs="+", help="the planner, as `roadcraft score` is told it")
    p.add_argument("--store", type=Path, required=True, help="held-out scenarios")
    p.add_argument("--tokens", type=Path, required=True, help="which of them, one token a line")
    p.add_argument("--womd", type=Path, required=True, help="a store of real scenes; left out where it is missing")
    p.add_argument("--out", type=Path, required=True, help="JSON file")
    return p


def main() -> None:
    options = parser().parse_args()
    ref = load_score_config(options.words).config.planner
    planner = create("planner", ref.name, ref.params)
    listed = ScenarioFilter(preset="mapped", tokens_file=str(options.tokens))
    found = {
        "held_out": measure(planner, options.store, listed, 30),  # a mapped window begins 3 s before its anchor
        "womd": measure(planner, options.womd, ScenarioFilter(), 0),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    use_kernel_cache()
    main()
