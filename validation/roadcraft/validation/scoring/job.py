"""What a worker does: load scenarios, drive them in every mode, judge the rollouts, write down the results."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.config.factory import create
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import Scenario
from roadcraft.core.errors import DataError, LoadError, PluginError, RoadcraftError, ScenarioError
from roadcraft.core.plugins.hookspecs import PluginRef, extras_of
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.scenario_io.store.rollouts import write_rollout
from roadcraft.scenario_io.store.writer import StoreWriter
from roadcraft.validation.config import CHALLENGES, ScoreConfig
from roadcraft.validation.metrics.common.challenges import FREIGHT_ROLES
from roadcraft.validation.metrics.common.evaluation import challenge_metrics, evaluate, freight_metrics
from roadcraft.validation.metrics.common.result_check import check_role
from roadcraft.validation.scoring.folder import RunFolder
from roadcraft.validation.scoring.suites import SuiteScenario, open_data
from roadcraft.validation.simulation.closed_loop import Failure, Watch, make_controller
from roadcraft.validation.simulation.isolation import error_text, is_fault
from roadcraft.validation.simulation.loop import simulate

WARM_STEPS = 5


class Job:
    """Planner, data and agents of one configuration, built once per process. Raises what their construction raises."""

    def __init__(
        self, config: ScoreConfig, folder: RunFolder | None, *, debug: bool = False, metrics_only: bool = False
    ) -> None:
        self.config, self.debug, self.folder = config, debug, folder
        self.vehicle = None if config.vehicle.of_log else config.vehicle.read()
        self.believed = config.planner_vehicle.read() if config.planner_vehicle else None
        self.source = open_data(config.suite)
        self._writers: dict[str, StoreWriter] = {}
        self.metrics = {mode: challenge_metrics(CHALLENGES[mode]) for mode in config.suite.modes}
        freight = config.score == "freight"
        self.roles = FREIGHT_ROLES if freight else None
        self.further = freight_metrics() if freight else {}
        self.further |= {m.name: _built("metric", m) for m in config.metrics}
        if metrics_only:
            return
        self.planner = _built("planner", config.planner)
        reactive = "reactive" in config.suite.modes
        self.agents = {
            "reactive": _built("agents", config.suite.agents) if reactive else None,
            "other": create("agents", "log"),
        }

    def simulation(self, mode: str) -> Any:
        return replace(self.config.simulation, controller="log") if mode == "open_loop" else self.config.simulation

    def run(
        self,
        items: Sequence[SuiteScenario],
        todo: Sequence[Sequence[str]],
        on_call: Callable[[str, int | None], None] | None = None,
    ) -> list[dict[str, Any]]:
        """Results of the items in the modes ``todo`` names for each, in order of mode, then item. Rollouts are durable
        when this returns."""
        started = perf_counter()
        scenarios, broken = self._load(items)
        load_s = (perf_counter() - started) / max(len(items), 1)
        records: list[dict[str, Any]] = []
        for mode in self.config.suite.modes:
            rows = [i for i in range(len(items)) if mode in todo[i]]
            records += [_failed(items[i], mode, broken[i]) for i in rows if i in broken]
            rows = [i for i in rows if i not in broken]
            if rows:
                records += self._drive([items[i] for i in rows], [scenarios[i] for i in rows], mode, load_s, on_call)
        for writer in self._writers.values():
            writer.flush()
        self.source.release()
        return records

    def _load(self, items: Sequence[SuiteScenario]) -> tuple[dict[int, Scenario], dict[int, Failure]]:
        """Scenarios, and what their source raised instead, by place. Raises LoadError where the data cannot be read."""
        scenarios: dict[int, Scenario] = {}
        broken: dict[int, Failure] = {}
        for i, item in enumerate(items):
            try:
                scenarios[i] = self.source.scenario(item.row, item.type, item.window_us)
            except DataError as e:
                raise LoadError(e.what, where=e.where, remedy=e.remedy) from e
            except BaseException as e:
                if not is_fault(e):
                    raise
                if self.debug:
                    raise ScenarioError(f"scenario {item.row.token}, load: {error_text(e)}") from e
                text = "".join(traceback.format_exception(e))
                broken[i] = Failure(None, item.row.token, None, "load", error_text(e), text)
        return scenarios, broken

    def _drive(
        self,
        items: Sequence[SuiteScenario],
        scenarios: Sequence[Scenario],
        mode: str,
        load_s: float,
        on_call: Callable[[str, int | None], None] | None,
    ) -> list[dict[str, Any]]:
        watch = Watch(on_call)
        results = self._simulated(scenarios, mode, watch)
        share = {f"{k}_s": v / len(scenarios) for k, v in watch.seconds.items()}
        records = []
        for item, result in zip(items, results, strict=True):
            watch.call("metrics", None)
            begun = perf_counter()
            record = self.score_rollout(item, result, mode)
            timings = {**share, "load_s": load_s, "metrics_s": perf_counter() - begun}
            record["timings"] = timings | latency(watch.latency_s.get(item.row.token))
            if isinstance(result, Rollout) and self.folder is not None and self.config.rollouts:
                begun = perf_counter()
                self._keep(result, item, mode)
                record["timings"]["write_s"] = perf_counter() - begun
            records.append(record)
        return records

    def _simulated(self, scenarios: Sequence[Scenario], mode: str, watch: Watch) -> list[Rollout | Failure]:
        """Every scenario driven, all of one vehicle together; results in the order of the scenarios."""
        together: dict[Vehicle, list[int]] = {}
        for i, s in enumerate(scenarios):
            together.setdefault(self.vehicle or self.config.vehicle.read(s.drive), []).append(i)
        results: dict[int, Rollout | Failure] = {}
        for vehicle, rows in together.items():
            found = simulate(
                [scenarios[i] for i in rows],
                self.planner,
                self.simulation(mode),
                agents=self.agents["reactive" if mode == "reactive" else "other"],
                controller=make_controller(self.simulation(mode)),
                vehicle=vehicle,
                believed=self.believed,
                seed=self.config.seed,
                watch=watch,
                debug=self.debug,
            )
            results |= dict(zip(rows, found, strict=True))
        return [results[i] for i in range(len(scenarios))]

    def score_rollout(self, item: SuiteScenario, result: Rollout | Failure, mode: str) -> dict[str, Any]:
        """The record of one result; metrics that raise make the scenario a failed one."""
        if isinstance(result, Failure):
            return _failed(item, mode, result)
        try:
            result_of_metrics = evaluate(
                result, CHALLENGES[mode], self.further, metrics=self.metrics[mode], roles=self.roles
            )
        except RoadcraftError as e:
            if self.debug:
                raise ScenarioError(f"scenario {item.row.token}, metrics: {e}") from e
            text = "".join(traceback.format_exception(e))
            failed = _failed(item, mode, Failure(None, item.row.token, None, "metrics", str(e), text))
            return {**failed, "nuplan_score": getattr(e, "nuplan_score", None)}
        return {
            **_identity(item, mode),
            "status": "ok",
            "score": float(result_of_metrics.score),
            "nuplan_score": float(result_of_metrics.nuplan_score),
            "steps": len(result),
            "metrics": [
                {
                    "name": m.name,
                    "role": result_of_metrics.counting[m.name][0],
                    "weight": result_of_metrics.counting[m.name][1],
                    "score": m.score,
                    "stats": dict(m.stats),
                    "events": [
                        [e.step, e.what, None if e.object_id is None else f"{e.object_id:016x}"] for e in m.events
                    ],
                }
                for m in result_of_metrics.metrics
            ],
            "shares": shares(result),
        }

    def _keep(self, rollout: Rollout, item: SuiteScenario, mode: str) -> None:
        assert self.folder is not None
        writer = self._writers.get(mode)
        if writer is None:
            # The map's spatial index stays with the logs' own store: rollouts are drawn and judged, not searched.
            writer = self._writers[mode] = StoreWriter(self.folder.rollouts(mode), spatial_index=False)
        if item.row.token not in writer.done:
            write_rollout(writer, rollout, log=item.row.log)

    def warm_up(self, item: SuiteScenario) -> None:
        """Drive a few steps of one scenario in every mode, so that kernels are compiled (or loaded) before anything is
        timed or guarded."""
        scenarios, _ = self._load([item])
        if not scenarios:  # told when its turn comes
            return
        scenario = scenarios[0]
        short = replace(scenario, last=scenario.first + min(WARM_STEPS, len(scenario) - 1) * scenario.stride)
        for mode in self.config.suite.modes:
            for result in self._simulated([short], mode, Watch()):
                self.score_rollout(item, result, mode)


def shares(rollout: Rollout) -> dict[str, float]:
    """Mean of each channel named ``guard_*`` (0 or 1 per step): the share of steps in which it held."""
    found = {}
    for name, values in zip(rollout.channel_names, rollout.channels, strict=True):
        if name.startswith("guard_") and np.isfinite(values).any():
            found[name] = float(np.nanmean(values))
    return found


def latency(calls_s: NDArray[np.float64] | None) -> dict[str, float]:
    """Median and 99th percentile of how long the planner's calls took in which a scenario took part (each is for a
    whole batch of scenarios: ``batch=1`` measures one alone)."""
    calls = np.zeros(0) if calls_s is None else np.sort(calls_s[np.isfinite(calls_s)])
    if not len(calls):
        return {}
    return {f"plan_call_p{q}_s": float(calls[min(len(calls) * q // 100, len(calls) - 1)]) for q in (50, 99)}


def _built(kind: str, ref: PluginRef) -> Any:
    """The plugin. Raises what its construction raises; a SystemExit or the like, which would end the process without a
    word, as PluginError."""
    try:
        made = create(kind, ref.name, ref.params)
        if kind == "planner":
            made.needs()
        for name, value in extras_of(ref).items():  # a metric's role and weight
            setattr(made, name, value)
        if kind == "metric":
            check_role(ref.name, made)
        return made
    except BaseException as e:
        if isinstance(e, Exception) or not is_fault(e):
            raise
        raise PluginError(f"{kind} {ref.name!r} cannot be built: {error_text(e)}") from e


def failed_record(
    item: SuiteScenario, mode: str, step: int | None, stage: str, error: str, text: str = ""
) -> dict[str, Any]:
    """The record of a scenario that could not be driven: score 0."""
    return _failed(item, mode, Failure(None, item.row.token, step, stage, error, text))


def _failed(item: SuiteScenario, mode: str, failure: Failure) -> dict[str, Any]:
    return {
        **_identity(item, mode),
        "status": "failed",
        "score": 0.0,
        "nuplan_score": None,
        "steps": failure.step or 0,
        "metrics": [],
        "shares": {},
        "timings": {},
        "failure": {
            "step": failure.step,
            "time_s": None if failure.step is None else round(failure.step * item.interval_s, 6),
            "stage": failure.stage,
            "error": failure.error,
            "traceback": failure.traceback,
        },
    }


def _identity(item: SuiteScenario, mode: str) -> dict[str, Any]:
    row = item.row
    return {
        "token": row.token,
        "mode": mode,
        "challenge": CHALLENGES[mode],
        "log": row.log,
        "map": row.map_name,
        "type": item.type,
        "interval_s": item.interval_s,
    }


def part_path(folder: RunFolder, worker: int) -> Path:
    """A new file for a worker's results."""
    n = 0
    while (path := folder.parts / f"worker{worker}-{n}.jsonl").exists():
        n += 1
    return path
