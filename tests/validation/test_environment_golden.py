"""What the environment pays for scripted drives is what their scores were, in this process and in another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from golden_returns import DRIVERS, GOLDEN, golden_scenarios

from roadcraft.validation import ActionConfig, BatchEnv, EnvironmentConfig

WANT = json.loads(GOLDEN.read_text())
SETTINGS = EnvironmentConfig(
    slots=20,
    autoreset=False,
    end_at_failure=False,
    action=ActionConfig(max_acceleration_mps2=4.0, max_braking_mps2=4.0, max_steering_rate_radps=0.5),
)
HASHED = """
import hashlib, sys
import numpy as np
from golden_returns import golden_scenarios
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.validation import BatchEnv, EnvironmentConfig

env = BatchEnv(golden_scenarios()[::3], EnvironmentConfig(slots=3, agents=PluginRef("idm"), seed=4))
env.reset(9)
found, random = hashlib.sha256(), np.random.default_rng(0)
for _ in range(100):
    env.step(random.uniform(-0.4, 0.6, (3, 2)))
    for a in (env.obs["observation"], env.reward, env.parts, env.terminated, env.truncated, env.token, env.episode):
        found.update(a.tobytes())
print(found.hexdigest(), int(env.episode.sum()))
"""


@pytest.mark.parametrize("name", DRIVERS)
def test_returns_are_the_scores_that_the_file_holds(name: str) -> None:
    env = BatchEnv(golden_scenarios(), SETTINGS)
    env.reset(scenarios=np.arange(20))
    begun, total = env.parts[:, 0].copy(), np.zeros(20)
    while env.alive.any():
        (cohort,) = env.cohorts
        obs, actions = cohort.loop.obs, np.zeros((20, 2))
        for r, slot in enumerate(cohort.running.tolist()):
            accel, turn = DRIVERS[name](int(obs.iteration[r]), obs.ego[r])
            actions[slot] = accel / 4.0, turn / 0.5
        env.step(actions)
        total += env.reward
    want = np.array(WANT[name])
    np.testing.assert_allclose(env.final_parts[:, : want.shape[1]], want, rtol=0.0, atol=1e-9)
    np.testing.assert_allclose(total, want[:, 0] - begun, rtol=0.0, atol=1e-5)  # float32 rewards, one by one


def test_the_file_tells_drivers_apart() -> None:
    scores = np.array([WANT[name] for name in DRIVERS])[:, :, 0]
    assert scores.shape == (4, 20)
    assert (np.ptp(scores, axis=0) > 0.05).sum() >= 15
    assert 0.0 <= scores.min() < 0.2 < 0.8 < scores.max() <= 1.0


def test_other_processes_drive_the_same() -> None:
    """Two that begin on their own, one with more threads: equal observations, rewards and ends, to the bit."""
    found = set()
    for threads in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", HASHED],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[1] / "support",
            env={**os.environ, "NUMBA_NUM_THREADS": threads, "PYTHONHASHSEED": threads},
        )
        found.add(run.stdout.strip())
    (one,) = found
    assert int(one.split()[1]) >= 3, "several episodes ended on the way"
