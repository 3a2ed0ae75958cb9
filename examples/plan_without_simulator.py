"""Any planner on an observation made of plain arrays: ``python examples/plan_without_simulator.py [PLANNER or
CHECKPOINT]``."""

import sys
from pathlib import Path

import numpy as np

from roadcraft.core import Ego, create, load_planner
from roadcraft.core.testing import made_up_scenario, observe

name = sys.argv[1] if len(sys.argv) > 1 else "constant_velocity"
planner = load_planner(name) if Path(name).is_dir() else create("planner", name)

# In a vehicle, fill ObservationBatch from your own perception: arrays of ego states, boxes, lights, and the map. Here a
# made-up scene stands in.
obs = observe([made_up_scenario(speed_mps=8.0)], iteration=30, needs=planner.needs())
keys = np.array([42], np.uint64)  # explicit randomness: equal keys, equal plans
state = planner.start(obs, keys)
plan, state = planner.plan(obs, state, keys)

best = plan.states[0, int(np.argmax(plan.scores[0]))]
for t_us, s in list(zip(plan.time_us[0], best, strict=True))[:: max(len(best) // 5, 1)]:
    x, y = s[: Ego.HEADING] - obs.ego[0, : Ego.HEADING]
    print(f"t = {(t_us - obs.time_us[0]) / 1e6:4.1f} s   x = {x:6.2f} m   y = {y:5.2f} m   v = {s[Ego.VX]:5.2f} m/s")
