"""A checker of vector environments: Gymnasium has one for single environments alone."""

# pyright: reportMissingImports=false

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv


def check_vector_env(env: VectorEnv[Any, Any, Any], steps: int = 200, seed: int = 0) -> None:
    """Drive random actions and see whether a vector environment keeps what Gymnasium's vector API promises.

    env: with autoreset mode SAME_STEP or DISABLED; it is closed at the end. steps: to take, enough for some episodes to
    end. Asked are: batched spaces that go with the single ones; observations in their space, of its dtype and shape;
    rewards and flags of shape (num_envs,), and flags of bool; a mask ``_key`` (num_envs,) bool for every key of infos,
    at any depth; the same again after a reset with the same seed; in SAME_STEP mode ``final_obs``, in its space, where
    and only where an episode ends; in DISABLED mode a ``reset_mask`` that leaves other rows alone; an error for a step
    after close.

    Raises:
        AssertionError: what is not so, in words.
    """
    mode = env.metadata.get("autoreset_mode")
    assert mode in (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED), f"metadata['autoreset_mode'] is {mode}"
    assert env.observation_space.shape is None or env.observation_space.shape[:1] == (env.num_envs,), (
        f"observation_space {env.observation_space} is not of {env.num_envs} environments"
    )
    first = _drive(env, steps, seed, mode)
    again = _drive(env, steps, seed, mode)
    assert first == again, "the same seed and actions give another episode"
    env.close()
    try:
        env.step(env.action_space.sample())
    except Exception:
        return
    raise AssertionError("a step after close raises nothing")


def _drive(env: VectorEnv[Any, Any, Any], steps: int, seed: int, mode: AutoresetMode) -> list[bytes]:
    env.action_space.seed(seed)
    obs, infos = env.reset(seed=seed)
    _check_obs(env, obs, "reset")
    _check_infos(env, infos, "reset")
    seen, ended = [], 0
    for k in range(steps):
        obs, reward, terminated, truncated, infos = env.step(env.action_space.sample())
        where = f"step {k}"
        _check_obs(env, obs, where)
        _check_infos(env, infos, where)
        for name, values in (("reward", reward), ("terminated", terminated), ("truncated", truncated)):
            assert np.shape(values) == (env.num_envs,), f"{where}: {name} has shape {np.shape(values)}"
            kind = np.asarray(values).dtype.kind
            assert kind == ("f" if name == "reward" else "b"), f"{where}: {name} is {np.asarray(values).dtype}"
        assert np.isfinite(reward).all(), f"{where}: a reward is not finite"
        done = np.asarray(terminated) | np.asarray(truncated)
        ended += int(done.sum())
        if mode is AutoresetMode.SAME_STEP:
            mask = infos.get("_final_obs", np.zeros(env.num_envs, np.bool_))
            assert (mask == done).all(), f"{where}: _final_obs is {mask}, episodes end in {done}"
            if done.any():
                _check_obs(env, infos["final_obs"], f"{where}, final_obs", done)
        elif done.any():
            after, infos = env.reset(options={"reset_mask": done})
            _check_obs(env, after, f"{where}, after reset_mask")
            for left, right in zip(_leaves(obs), _leaves(after), strict=True):
                assert (left[~done] == right[~done]).all(), f"{where}: reset_mask touches other rows"
            obs = after
        seen.append(b"".join(a.tobytes() for a in (*_leaves(obs), reward, terminated, truncated)))
    assert ended, f"no episode ends within {steps} steps: nothing is known of what happens then; take more"
    return seen


def _leaves(obs: Any) -> list[np.ndarray]:
    return [a for v in obs.values() for a in _leaves(v)] if isinstance(obs, dict) else [np.asarray(obs)]


def _check_obs(env: VectorEnv[Any, Any, Any], obs: Any, where: str, rows: np.ndarray | None = None) -> None:
    space: Any = env.observation_space
    pairs = [(space[k], v, f".{k}") for k, v in obs.items()] if isinstance(obs, dict) else [(space, obs, "")]
    for part, values, name in pairs:
        assert isinstance(values, np.ndarray), f"{where}: observation{name} is a {type(values).__name__}"
        assert values.shape == part.shape, f"{where}: observation{name} has shape {values.shape}, not {part.shape}"
        assert values.dtype == part.dtype, f"{where}: observation{name} is {values.dtype}, not {part.dtype}"
        assert values.flags.c_contiguous, f"{where}: observation{name} is not contiguous"
        own = values if rows is None else values[rows]
        low, high = (part.low, part.high) if rows is None else (part.low[rows], part.high[rows])
        assert not np.isnan(own.astype(np.float64)).any(), f"{where}: observation{name} holds NaN"
        assert ((own >= low) & (own <= high)).all(), f"{where}: observation{name} is outside its space"


def _check_infos(env: VectorEnv[Any, Any, Any], infos: dict[str, Any], where: str) -> None:
    for key, value in infos.items():
        if key.startswith("_"):
            continue
        mask = infos.get(f"_{key}")
        assert isinstance(mask, np.ndarray), f"{where}: infos[{key!r}] has no mask _{key}"
        assert mask.shape == (env.num_envs,) and mask.dtype == np.bool_, f"{where}: infos['_{key}'] is {mask!r}"  # noqa: PT018
        if isinstance(value, dict) and key != "final_obs":
            _check_infos(env, value, f"{where}, {key}")
        elif isinstance(value, np.ndarray):
            assert len(value) == env.num_envs, f"{where}: infos[{key!r}] has {len(value)} rows"
