"""What a truck's planner loses by what it does not know or think of: ``python tests/benchmarks/beliefs.py STORE``.

STORE holds freight worlds (``roadcraft synth OUT suite=freight``). Each is driven with its own vehicle and load by
``dynamic_chain`` and ``truck_lqr``, and the planner takes the vehicle for another one (axles of the last trailer,
mass), measures its joints badly or not at all, or lacks one of its parts (``--ablations``). Printed: mean freight
score, and its difference from the first row with a 95 % interval over worlds (bootstrap).
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from roadcraft.core.config.factory import create
from roadcraft.core.cores import usable_cores
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.vehicles.vehicle import Vehicle, load_vehicle
from roadcraft.scenario_io import ScenarioFilter, Selected, find, open_source
from roadcraft.validation import FREIGHT_ROLES, SimulationConfig, evaluate, freight_metrics, simulate
from roadcraft.validation.config import CHALLENGES

SLID_M, MASS = 0.7, 0.2
DRIVEN = SimulationConfig(vehicle_model=PluginRef("dynamic_chain"), tracker=PluginRef("truck_lqr"), batch=1)


def slid(vehicle: Vehicle, back_m: float) -> Vehicle:
    """The vehicle with the last trailer's axles ``back_m`` farther back under the same box."""
    *first, last = vehicle.units
    if not first:
        return vehicle
    loads = {k: replace(u, cog_m=u.cog_m + back_m) for k, u in last.loads.items()}
    moved = replace(
        last,
        wheel_base_m=last.wheel_base_m + back_m,
        front_m=last.front_m + back_m,
        rear_m=last.rear_m - back_m,
        loads=loads,
    )
    return replace(vehicle, units=(*first, moved), name=f"{vehicle.name} slid by {back_m:g} m")


def weighed(vehicle: Vehicle, factor: float) -> Vehicle:
    """The vehicle with another mass, engine and brakes as they are."""

    def of(unit: Any) -> Any:
        loads = {k: replace(u, mass_kg=u.mass_kg * factor) for k, u in unit.loads.items()}
        return replace(unit, loads=loads)

    return replace(vehicle, units=tuple(of(u) for u in vehicle.units), name=f"{vehicle.name} times {factor:g}")


@dataclass(frozen=True)
class Variant:
    """What differs from knowing all."""

    believed: Callable[[Vehicle], Vehicle] | None = None
    """What planner and tracker take the vehicle for."""
    simulation: dict[str, Any] = field(default_factory=dict)
    """Settings of the simulation."""
    planner: dict[str, Any] = field(default_factory=dict)
    """Settings of the planner."""


BELIEFS = {
    "all is known": Variant(),
    f"axles of the last trailer believed {SLID_M:g} m farther back": Variant(lambda v: slid(v, SLID_M)),
    f"axles of the last trailer believed {SLID_M:g} m farther ahead": Variant(lambda v: slid(v, -SLID_M)),
    f"mass believed {MASS:.0%} too small": Variant(lambda v: weighed(v, 1.0 - MASS)),
    f"mass believed {MASS:.0%} too large": Variant(lambda v: weighed(v, 1.0 + MASS)),
    "joint noise of 0.5 degrees": Variant(simulation={"joint_noise_rad": math.radians(0.5)}),
    "joint noise of 2 degrees": Variant(simulation={"joint_noise_rad": math.radians(2.0)}),
    "joints not measured": Variant(simulation={"joint_measured": False}),
}
ABLATIONS = {
    "freight_pdm": Variant(),
    "unit 0 is centered": Variant(planner={"center_by_swept_path": False}),
    "no roll threshold": Variant(planner={"roll_share": None}),
    "no practice drive": Variant(planner={"practice": False}),
    "neither": Variant(planner={"roll_share": None, "practice": False}),
    "driven by kinematic_chain": Variant(simulation={"vehicle_model": PluginRef("kinematic_chain")}),
}


TABLES = {"beliefs": BELIEFS, "ablations": ABLATIONS}


def driven(store: str, item: Selected, planner: str, table: str) -> list[float]:
    """The freight scores of one scenario, variant by variant; 0 where a drive fails, as in ``roadcraft score``."""
    scenario = open_source(store).scenario(item.row, item.type, item.window_us)
    vehicle = load_vehicle(scenario.drive.vehicle, load=scenario.drive.load)
    scores = []
    for variant in TABLES[table].values():
        believed = variant.believed(vehicle) if variant.believed else None
        configured, config = create("planner", planner, variant.planner), replace(DRIVEN, **variant.simulation)
        (rollout,) = simulate([scenario], configured, config, vehicle=vehicle, believed=believed)
        if not isinstance(rollout, Rollout):
            scores.append(0.0)
            continue
        result = evaluate(rollout, CHALLENGES["nonreactive"], freight_metrics(), roles=FREIGHT_ROLES)
        scores.append(result.score)
    return scores


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("store")
    words.add_argument("--planner", default="freight_pdm")
    words.add_argument("--ablations", action="store_true", help="leave out parts of freight_pdm instead")
    words.add_argument("--worlds", type=int, default=0, help="so many of each situation (0: all)")
    given = words.parse_args()
    table = "ablations" if given.ablations else "beliefs"
    chosen = find(open_source(given.store), ScenarioFilter(num_scenarios_per_type=given.worlds or None))
    chosen = [item for item in chosen if item.type.startswith("freight_")]
    if not chosen:
        raise SystemExit(f"{given.store} holds no freight worlds; make some: roadcraft synth OUT suite=freight")
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(usable_cores(), mp_context=spawn) as pool:
        jobs = [pool.submit(driven, given.store, item, given.planner, table) for item in chosen]
        scores = np.array([job.result() for job in jobs])
    print(f"{len(chosen)} worlds, {given.planner}: mean freight score; difference from the first row, 95 % of worlds")
    random = np.random.default_rng(0)
    rows = random.integers(0, len(scores), (2000, len(scores)))
    for name, own in zip(TABLES[table], scores.T, strict=True):
        gap = own - scores[:, 0]
        low, high = np.quantile(gap[rows].mean(axis=1), (0.025, 0.975))
        print(f"{name} | {own.mean():.3f} | {gap.mean():+.3f} ({low:+.3f} to {high:+.3f})")


if __name__ == "__main__":
    main()
