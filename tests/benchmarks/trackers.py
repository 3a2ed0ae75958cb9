"""How far trucks on the dynamic chain stray from their path with nuPlan's tracker and with ``truck_lqr``.

python tests/benchmarks/trackers.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from truck_runs import DT, back_up, follow_path, lane_change, straight_run, turn

from roadcraft.core.vehicles.vehicle import load_vehicle, vehicle_names

TURNS = [
    ("eu_4x2_13m6", 10.1, 6.0, 2.5),
    ("us_sleeper_53", 11.0, 8.0, 2.5),
    ("us_sleeper_53", 15.0, 8.0, 4.0),
    ("us_sleeper_53", 50.0, 15.0, 8.0),
]
SPEEDS = (8.0, 15.0, 22.0, 25.0, 28.0)


def swings(name: str, load: str, nuplan: bool) -> str:
    """Largest lateral error 10 to 16 s and 34 to 40 s after a step of 0.2 m, m, at the worst of ``SPEEDS``."""
    speed = np.array(SPEEDS)
    run, plan, seen = straight_run(load_vehicle(name, load=load), speed, 0.2), np.zeros((len(speed), 31, 10)), []
    for _ in range(400):
        plan[:, :, 0] = run.ego[:, :1] + speed[:, None] * DT * np.arange(31)
        plan[:, :, 3] = speed[:, None]
        run.follow(plan, nuplan)
        seen.append(np.abs(run.ego[:, 1]))
    early, late = np.max(seen[100:160], axis=0), np.max(seen[340:], axis=0)
    grows = [f"{v:.0f}" for v, a, b in zip(speed, early, late, strict=True) if not b <= a]
    worst = int(np.argmax(np.nan_to_num(late, nan=np.inf)))
    return f"{early[worst]:.4f} -> {late[worst]:.4f}" + (f" (grows at {', '.join(grows)} m/s)" if grows else "")


def main() -> None:
    print("test | lqr | truck_lqr")
    for name, radius, clothoid, speed in TURNS:
        path, seconds = turn(radius, clothoid), (40.0 + radius * np.pi / 2.0 + clothoid) / speed
        errors = [follow_path(name, path, speed, seconds, nuplan).max() for nuplan in (True, False)]
        print(f"{name}, {radius:g} m, {speed:g} m/s | {errors[0]:.3f} | {errors[1]:.3f}")
    for name in ("us_sleeper_53", "se_a_double"):
        runs = [follow_path(name, lane_change(3.5, 150.0), 25.0, 25.0, nuplan) for nuplan in (True, False)]
        print(f"{name}, lane change | " + " | ".join(f"{e.max():.3f}, at last {e[-40:].max():.4f}" for e in runs))
    for name in vehicle_names():
        if load_vehicle(name).has_masses:
            for load in ("empty", "loaded"):
                both = [swings(name, load, nuplan) for nuplan in (True, False)]
                print(f"{name}, {load}, 0.2 m step | {both[0]} | {both[1]}", flush=True)
    print("reverse from 3 m | within 0.10 m for good after, m | largest error after 60 m | joint noise 0.5 | 2 degrees")
    for name in ("us_sleeper_53", "eu_4x2_13m6", "au_b_double", "nordic_25m25", "se_a_double", "us_twins_28"):
        gone, lateral = back_up(name)
        outside = np.flatnonzero(lateral > 0.10)
        runs = [(gone, lateral), *(back_up(name, np.radians(noise)) for noise in (0.5, 2.0))]
        errors = " | ".join(f"{e[g >= 60.0].max(initial=0.0):.3f}" if g[-1] >= 60.0 else "folds" for g, e in runs)
        print(f"{name} | {gone[outside[-1]]:.1f} | {errors}", flush=True)


if __name__ == "__main__":
    main()
