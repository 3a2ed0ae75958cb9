"""An unmodified PPO from outside (Stable-Baselines3, in the extra ``rl``) learns to drive a store's scenario.

    python examples/outside_learner/ppo.py stores/test --decisions 9000

Every half a second it chooses among twelve maneuvers (a line and a speed); the reward is the difference of nuPlan's
running score. Printed is the score of choices drawn at random, and of the likeliest ones after learning.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from roadcraft.core import use_kernel_cache

use_kernel_cache()  # before anything imports numba

import gymnasium  # noqa: E402
import torch  # noqa: E402
from stable_baselines3 import PPO  # noqa: E402
from stable_baselines3.common.vec_env import VecEnv  # noqa: E402

from roadcraft.validation import SCORE_PARTS, register_gymnasium  # noqa: E402

DRIVES = 48
SETTINGS: dict[str, Any] = {
    "action": {"kind": "maneuver", "repeat": 5},  # of steps of 0.1 s
    "log_end": "terminate",
    "end_at_failure": False,  # all drives are equally long, so that all are stepped together
}


class StableVecEnv(VecEnv):
    """A ``gymnasium.vector.VectorEnv`` of mode SAME_STEP as Stable-Baselines3 takes them: one info per row, which holds
    what was seen last where an episode ended."""

    def __init__(self, vector: Any) -> None:
        self.vector = vector
        super().__init__(vector.num_envs, vector.single_observation_space, vector.single_action_space)
        self.actions = np.zeros(0)

    def reset(self) -> Any:
        """Begin the first episodes."""
        return self.vector.reset(seed=0)[0]

    def step_async(self, actions: Any) -> None:
        """Keep the actions for ``step_wait``."""
        self.actions = actions

    def step_wait(self) -> Any:
        """Drive one decision."""
        seen, reward, terminated, truncated, infos = self.vector.step(self.actions)
        over = terminated | truncated
        rows: list[dict[str, Any]] = [{"TimeLimit.truncated": bool(t)} for t in truncated]
        for r in np.flatnonzero(over):
            rows[r]["terminal_observation"] = infos["final_obs"][r]
            rows[r]["score"] = float(infos["final_info"]["parts"][r, SCORE_PARTS.index("score")])
        return seen, reward, over, rows

    def close(self) -> None:
        """Close the environment."""
        self.vector.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The environment's own attribute, for each of the rows asked for."""
        return [getattr(self.vector, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refused: the rows have no attributes of their own."""
        raise AttributeError(f"rows of one environment share {attr_name!r}: set it where the environment is made")

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Refused: the rows have no methods of their own."""
        raise AttributeError(f"rows of one environment have no method {method_name!r} of their own")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No row is wrapped."""
        return [False] * len(list(self._get_indices(indices)))


def scores(env: StableVecEnv, choose: Any) -> list[float]:
    """Scores of one episode of every row."""
    seen, found = env.reset(), list[float]()
    while len(found) < env.num_envs:
        env.step_async(choose(seen))
        seen, _, _, infos = env.step_wait()
        found += [info["score"] for info in infos if "score" in info]
    return found


def learn(store: Path, token: str | None = None, decisions: int = 9_000, seed: int = 0) -> tuple[float, float]:
    """Mean scores of choices at random, and of the likeliest ones after ``decisions`` of PPO, in the scenario
    ``token``, by default the first one."""
    register_gymnasium()
    torch.set_num_threads(1)  # which is fastest for small networks
    chosen = {"limit_total_scenarios": 1} if token is None else {"scenario_tokens": [token]}
    vector = gymnasium.make_vec("roadcraft/Drive-v0", num_envs=DRIVES, data=str(store), filter=chosen, **SETTINGS)
    env, chance = StableVecEnv(vector), np.random.default_rng(seed)
    count = vector.single_action_space.n  # type: ignore[attr-defined]
    random = scores(env, lambda seen: chance.integers(count, size=DRIVES))
    model = PPO(
        "MlpPolicy", env, n_steps=30, batch_size=144, n_epochs=16, gamma=0.95, gae_lambda=0.9, clip_range=0.4,
        learning_rate=2e-3, seed=seed, device="cpu",
    )  # fmt: skip
    model.learn(decisions)
    driven = scores(env, lambda seen: model.predict(seen, deterministic=True)[0])
    return float(np.mean(random)), float(np.mean(driven))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, help="made by roadcraft ingest")
    parser.add_argument("--token", help="of the scenario; by default the first one")
    parser.add_argument("--decisions", type=int, default=9_000, help="choices to learn from, of all drives")
    parser.add_argument("--seed", type=int, default=0, help="of the learner")
    args = parser.parse_args()
    random, driven = learn(args.store, args.token, args.decisions, args.seed)
    print(f"score of random choices {random:.3f}, after {args.decisions} decisions {driven:.3f}")


if __name__ == "__main__":
    main()
