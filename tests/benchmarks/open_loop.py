"""How far plans are from what the log then drove: ``python tests/benchmarks/open_loop.py planner=NAME ... --store STORE
--tokens FILE --out FILE``.

One plan per scenario, at its anchor frame. ADE and FDE are of the candidate that would be driven, minADE and minFDE of
the nearest of all candidates; positions of the rear axle every 0.1 s up to 8 s, or to the end of the log or of the
plan. Where the planner predicts others, the errors of its forecasts of moving vehicles stand beside those of constant
velocity.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.config.factory import create
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import Ego, ObjectKind, Scenario
from roadcraft.core.interfaces import Planner
from roadcraft.core.kernels.cache import use_kernel_cache
from roadcraft.core.testing import observe
from roadcraft.scenario_io import ScenarioFilter, find
from roadcraft.scenario_io.open import open_source
from roadcraft.validation.intervals import mean_interval
from roadcraft.validation.scoring.score import load_score_config

STEP_US, STEPS = 100_000, 80
GROUP = 32  # scenarios per call of the planner
NAMES = ("ade_m", "fde_m", "min_ade_m", "min_fde_m")
AHEAD_S = (1.0, 2.0, 4.0)  # at which forecasts are looked at
MOVING_MPS = 0.5


def displacement(plan: Plan, b: int, scenario: Scenario, frame: int) -> F64:
    """Distances (K, T) of the candidates of scenario b from the log, m, best-scored candidate first; T as far as both
    go."""
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


def foretold(
    plan: Plan, obs: ObservationBatch, b: int, scenario: Scenario, frame: int
) -> list[tuple[float, float, float]]:
    """Of each vehicle of scenario b that moves and is predicted, at each of ``AHEAD_S`` at which the log shows it: that
    time, and how far from the log the forecast and constant velocity are, m."""
    forecast, drive, rows = plan.forecast, scenario.drive, obs.objects.rows(b)
    if forecast is None:
        return []
    now = dict(zip(obs.objects.id[rows].tolist(), range(rows.start, rows.stop), strict=True))
    found = []
    for seconds in AHEAD_S:
        at = drive.time_us[frame] + round(seconds * 1e6)
        later = int(np.abs(drive.time_us - at).argmin())
        if abs(drive.time_us[later] - at) > STEP_US // 2 or at > forecast.time_us[b, -1]:
            continue
        there = drive.objects.rows(later)
        seen = dict(
            zip(drive.tracks.id[drive.objects.track[there]].tolist(), drive.objects.box[there, :2], strict=True)
        )
        for a in np.flatnonzero(forecast.known[b]):
            who = int(forecast.id[b, a])
            row = now.get(who)
            if row is None or who not in seen or obs.objects.kind[row] != ObjectKind.VEHICLE:
                continue
            velocity = obs.objects.velocity[row]
            if np.hypot(*velocity) > MOVING_MPS:
                pose = [np.interp(at, forecast.time_us[b], forecast.pose[b, a, :, c]) for c in (0, 1)]
                drifted = obs.objects.box[row, :2] + seconds * velocity
                found.append((seconds, float(np.hypot(*(pose - seen[who]))), float(np.hypot(*(drifted - seen[who])))))
    return found


def errors(
    planner: Planner, scenarios: Sequence[Scenario], iteration: int
) -> tuple[F64, list[tuple[float, float, float]]]:
    """Errors (N, 4) of the plans at an iteration, in the order of ``NAMES``, and how far they reach, s, as a fifth
    column; and those of all forecasts (``foretold``)."""
    rows, forecasts = [], []
    for first in range(0, len(scenarios), GROUP):
        group = scenarios[first : first + GROUP]
        obs = observe(group, iteration, planner.needs())
        keys = np.array([int(s.token, 16) & (2**63 - 1) for s in group], np.uint64)
        plan, _ = planner.plan(obs, planner.start(obs, keys), keys)
        for b, scenario in enumerate(group):
            frame = int(scenario.frames[iteration])
            gap = displacement(plan, b, scenario, frame)
            mean, last = gap.mean(-1), gap[:, -1]
            rows.append([mean[0], last[0], mean.min(), last.min(), 0.1 * gap.shape[1]])
            forecasts += foretold(plan, obs, b, scenario, frame)
    return np.array(rows, np.float64).reshape(-1, 5), forecasts


def forecast_summary(found: Sequence[tuple[float, float, float]]) -> list[dict[str, Any]]:
    """Means of the forecasts' errors at each time, beside those of constant velocity."""
    out = []
    for seconds in AHEAD_S:
        gaps = np.array([f[1:] for f in found if f[0] == seconds])
        if len(gaps):
            mean, drifting = gaps.mean(0)
            out.append(
                {"ahead_s": seconds, "vehicles": len(gaps), "error_m": float(mean), "drifting_m": float(drifting)}
            )
    return out


def summary(found: F64, logs: Sequence[str]) -> dict[str, Any]:
    """Means of the errors with their intervals over logs, and how many scenes they are of."""
    out: dict[str, Any] = {"scenes": len(found), "logs": len(set(logs)), "horizon_s": float(found[:, 4].mean())}
    for k, name in enumerate(NAMES):
        out[name] = float(found[:, k].mean())
        interval = mean_interval(found[:, k], logs)
        out[f"{name}_ci"] = None if interval is None else interval.pair
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
    found, forecasts = errors(planner, scenarios, iteration)
    return {**summary(found, [s.row.log for s in selected]), "forecasts": forecast_summary(forecasts)}


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
