"""The environment for learners from outside; each function needs the extra ``rl`` when it is called."""

# pyright: reportMissingImports=false

from __future__ import annotations

from importlib import import_module
from typing import Any

from roadcraft.core.errors import PluginError
from roadcraft.validation.environments.batch_env import BatchEnv

ENVIRONMENT = "roadcraft/Drive-v0"
_HERE = "roadcraft.validation.environments"


def gymnasium_vector(env: BatchEnv, copy: bool = True) -> Any:
    """``env`` as a ``gymnasium.vector.VectorEnv``: SAME_STEP with autoreset, else DISABLED.

    Args:
        env: the environment; a slot is a sub-environment.
        copy: whether what is answered is copied; false: the next step overwrites it.

    Raises:
        PluginError: Gymnasium is not installed.
    """
    return _loaded("gymnasium_vector").GymnasiumVector(env, copy)


def parallel_env(env: BatchEnv) -> Any:
    """``env``, of one slot and without autoreset, as a ``pettingzoo.ParallelEnv`` whose agent is ``ego``. Raises
    PluginError where PettingZoo is not installed, ValueError for more slots."""
    return _loaded("one_world").OneWorldParallel(env)


def register_gymnasium() -> None:
    """Make ``roadcraft/Drive-v0`` known to Gymnasium, so that ``gymnasium.make_vec("roadcraft/Drive-v0", num_envs=16,
    data=STORE)`` makes it; further arguments are settings of ``EnvironmentConfig``. Raises PluginError where Gymnasium
    is not installed."""
    module = _loaded("gymnasium_vector")
    if ENVIRONMENT not in module.gymnasium.registry:
        module.gymnasium.register(ENVIRONMENT, vector_entry_point=f"{_HERE}.gymnasium_vector:make_vector")


def check_vector_env(env: Any, steps: int = 200, seed: int = 0) -> None:
    """Drive random actions and see whether any ``gymnasium.vector.VectorEnv`` keeps what Gymnasium's vector API
    promises; Gymnasium checks single environments alone.

    Args:
        env: of autoreset mode SAME_STEP or DISABLED; it is closed at the end.
        steps: to take, enough for some episodes to end.
        seed: of reset and actions.

    Raises:
        AssertionError: what is not so, in words; PluginError: Gymnasium is not installed.
    """
    _loaded("vector_check").check_vector_env(env, steps, seed)


def _loaded(name: str) -> Any:
    try:
        return import_module(f"{_HERE}.{name}")
    except ModuleNotFoundError as e:
        if e.name not in ("gymnasium", "pettingzoo"):
            raise
        raise PluginError(f"{e.name} is not installed: pip install 'roadcraft[rl]'") from e
