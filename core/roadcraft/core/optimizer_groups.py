"""What an optimizer keeps beside its parameters' tensors, in ``param_groups`` (the step count of a schedule-free one,
the distance of Prodigy): as text, to be stored and put back. Standard library only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from roadcraft.core.errors import PluginError

if TYPE_CHECKING:
    from torch.optim import Optimizer

# Those that a run sets anew: the parameters, their rates, and how torch computes on the devices that are there.
_SET_ANEW = ("params", "param_names", "lr", "initial_lr", "foreach", "fused", "capturable", "differentiable")


def groups_to_text(optimizer: Optimizer) -> str:
    """The plain values of an optimizer's parameter groups. Raises PluginError naming one that could not be stored."""
    groups = [{k: v for k, v in group.items() if k not in _SET_ANEW} for group in optimizer.param_groups]
    for k, v in ((k, v) for group in groups for k, v in group.items()):
        if not _plain(v):
            raise PluginError(
                f"the recipe's optimizer keeps {k} in its param_groups, a {type(v).__name__}: a run could not be "
                "resumed; keep numbers, bools, strings, None and tuples of them there, tensors in its state"
            )
    return json.dumps(groups)


def groups_from_text(optimizer: Optimizer, text: str) -> None:
    """Put back what ``groups_to_text`` gave of the same optimizer."""
    for group, values in zip(optimizer.param_groups, json.loads(text), strict=True):
        group.update({k: _tuples(v) for k, v in values.items()})


def _plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
