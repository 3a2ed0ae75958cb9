"""``BatchEnv`` as a vector environment of Gymnasium (extra ``rl``)."""

# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Space
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from roadcraft.core.config.load import load_config
from roadcraft.validation.environments.batch_env import BatchEnv
from roadcraft.validation.environments.config import EnvironmentConfig


class GymnasiumVector(VectorEnv[Any, Any, Any]):
    """Slots are the sub-environments: an observation is the block itself where there is one block, else a dict of them;
    actions are (B, A) float32, of maneuvers (B,) int64. ``autoreset`` of the settings says whether an episode is
    followed by the next in the same step (SAME_STEP) or waits for ``reset(options={"reset_mask": mask})`` (DISABLED).

    ``infos``: ``parts`` (B, 10), columns ``SCORE_PARTS``, of the drive so far; ``reward_terms`` (B, P), what the reward
    is made of; ``token`` (B,), number of the scenario; where an episode ended in a step that begins the next,
    ``final_obs`` and ``final_info``, with the masks ``_final_obs`` and ``_final_info``. All are dense arrays: rows that
    a mask leaves out mean nothing. Arrays are copies unless ``copy`` is false: then the next step overwrites them.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (as Gymnasium declares it)

    def __init__(self, env: BatchEnv, copy: bool = True) -> None:
        self.env, self.copy = env, copy
        self.num_envs, self.render_mode = env.slots, None
        mode = AutoresetMode.SAME_STEP if env.config.autoreset else AutoresetMode.DISABLED
        self.metadata = {**type(self).metadata, "autoreset_mode": mode}
        spaces = {name: _space(block) for name, block in env.obs.items()}
        single: Space[Any] = next(iter(spaces.values())) if len(spaces) == 1 else Dict(spaces)
        bound, count = 1.0 if env.config.action.kind == "controls" else np.inf, env.action_count
        self.single_observation_space = single
        numbers: Space[Any] = Box(-bound, bound, (env.action_size,), np.float32)
        self.single_action_space = Discrete(count) if count else numbers
        self.observation_space = batch_space(single, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin the next episode in all slots, or in those of ``options["reset_mask"]`` (B,) bool alone; with a seed,
        the first episodes of that seed. ``options["scenarios"]`` (B,): numbers of scenarios instead of the sampler's.

        seed: an int. Raises ValueError for a list of seeds, since which scenario a slot drives follows from one seed
        and the number of the slot, and for a seed beside a mask.
        """
        self._check_open()
        options = options or {}
        if isinstance(seed, list):
            raise ValueError("one seed for all slots, not a list: give seed=INT")
        if seed is not None and "reset_mask" in options:
            raise ValueError("a seed is of all slots: give it without reset_mask")
        if seed is None and ("reset_mask" in options or (self.env.episode >= 0).all()):
            mask = options.get("reset_mask", np.ones(self.num_envs, np.bool_))
            self.env.reset_rows(mask, options.get("scenarios"))
        else:
            self.env.reset(seed, options.get("scenarios"))
        return self._seen(self.env.obs), self._infos()

    def step(self, actions: Any) -> tuple[Any, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Drive one step."""
        self._check_open()
        env = self.env
        if not env.config.autoreset and not env.alive.all():
            raise RuntimeError(
                f"the episodes of slots {np.flatnonzero(~env.alive)[:8].tolist()} are over: "
                "reset(options={'reset_mask': mask}) begins the next"
            )
        env.step(actions)
        infos, done = self._infos(), env.terminated | env.truncated
        if env.config.autoreset and done.any():
            infos |= {"final_obs": self._seen(env.final_obs), "_final_obs": done.copy(), "_final_info": done.copy()}
            infos["final_info"] = {"parts": self._own(env.final_parts), "_parts": done.copy()}
        return self._seen(env.obs), self._own(env.reward), self._own(env.terminated), self._own(env.truncated), infos

    def close_extras(self, **kwargs: Any) -> None:
        """Nothing is held that must be given back."""

    def _infos(self) -> dict[str, Any]:
        whole = np.ones(self.num_envs, np.bool_)
        return {
            "parts": self._own(self.env.parts),
            "_parts": whole,
            "reward_terms": self._own(self.env.reward_terms),
            "_reward_terms": whole.copy(),
            "token": self._own(self.env.token),
            "_token": whole.copy(),
        }

    def _seen(self, blocks: Mapping[str, NDArray[Any]]) -> Any:
        own = {name: self._own(block) for name, block in blocks.items()}
        return next(iter(own.values())) if len(own) == 1 else own

    def _own(self, values: NDArray[Any]) -> NDArray[Any]:
        return values.copy() if self.copy else values

    def _check_open(self) -> None:
        if self.closed:
            raise gymnasium.error.ClosedEnvironmentError("the environment is closed")


def _space(block: NDArray[Any]) -> Box:
    shape, dtype = block.shape[1:], block.dtype
    if dtype == np.bool_:
        return Box(0, 1, shape, np.bool_)  # type: ignore[arg-type]
    if dtype.kind in "iu":
        return Box(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype.type)
    return Box(-np.inf, np.inf, shape, dtype.type)


def make_vector(num_envs: int = 16, copy: bool = True, **settings: Any) -> GymnasiumVector:
    """What ``gymnasium.make_vec("roadcraft/Drive-v0", num_envs, data=STORE, ...)`` makes; ``settings`` are those of
    ``EnvironmentConfig``, nested ones as dicts (``action={"kind": "trajectory"}``) or with dots in their names
    (``**{"action.kind": "trajectory"}``)."""
    config = load_config(EnvironmentConfig, [{**settings, "slots": num_envs}]).config
    return GymnasiumVector(BatchEnv(config=config), copy)
