"""What a run needs to go on exactly where it stopped, beside the weights: optimizer, raw weights, counters. No pickle.

A checkpoint's own weights are those in training; averaged ones lie beside them. Order of the samples and random numbers
follow from seed and step. Shards are put together on writing and cut again on reading, so that a run may go on with
other devices or another strategy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from roadcraft.core.errors import DataError, PluginError
from roadcraft.core.files import digest_of
from roadcraft.core.optimizer_groups import groups_from_text
from roadcraft.planners.learned.checkpoint import read_tensors
from roadcraft.planners.learned.checkpoint_writing import json_text, write_tensors, write_text
from roadcraft.plugins.training.run.distributed import full_state_dict, shard_like

TENSORS, COUNTERS = "training.safetensors", "training.json"


def gather_state(optimizer: torch.optim.Optimizer, average: Mapping[str, Any] | None) -> dict[str, Tensor]:
    """The optimizer's state and the averaged weights, whole, on the CPU. Every rank has to call it."""
    tensors: dict[str, Any] = {}
    for i, values in optimizer.state_dict()["state"].items():
        if odd := [k for k, v in values.items() if not isinstance(v, Tensor | None)]:
            raise PluginError(f"the recipe's optimizer keeps {odd[0]}, which is no tensor: a run could not be resumed")
        tensors |= {f"optimizer.{i}.{k}": v for k, v in values.items() if v is not None}
    tensors |= {f"average.{k}": v for k, v in (average or {}).items()}
    return {k: v.detach().cpu().contiguous() for k, v in full_state_dict(tensors).items()}


def save_state(folder: Path, tensors: Mapping[str, Tensor], counters: Mapping[str, Any]) -> None:
    """Write the state into a checkpoint folder. Raises DiskError."""
    write_tensors(folder / TENSORS, tensors)
    write_text(folder / COUNTERS, json_text({**counters, "tensors": digest_of(folder / TENSORS)}))


def load_counters(folder: Path) -> dict[str, Any]:
    """The counters of a checkpoint folder. Raises DataError when it cannot be resumed."""
    path = folder / COUNTERS
    if not path.is_file() or not (folder / TENSORS).is_file():
        raise DataError(
            f"{COUNTERS} or {TENSORS} missing: this run cannot be resumed",
            where=str(folder),
            remedy="--resume RUN, with RUN/last",
        )
    try:
        counters = dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as e:
        raise DataError(f"not valid JSON: {e}", where=str(path), remedy=f"begin anew with start={folder}") from e
    absent = [
        k for k in ("step", "seconds", "best", "stale", "rounds", "scores", "data", "callbacks") if k not in counters
    ]
    if absent:
        raise DataError(f"{', '.join(absent)} missing", where=str(path), remedy=f"begin anew with start={folder}")
    return counters


def load_state(
    folder: Path, optimizer: torch.optim.Optimizer, weights: Mapping[str, Tensor]
) -> dict[str, Tensor] | None:
    """Restore the optimizer; returns the averaged weights, if any, laid out like ``weights``. Raises DataError when the
    file is damaged."""
    counters = load_counters(folder)
    tensors = read_tensors(folder / TENSORS, counters.get("tensors"))
    params = [p for group in optimizer.param_groups for p in group["params"]]
    values: dict[int, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, i, name = key.split(".", 2)
            values.setdefault(int(i), {})[name] = shard_like(tensor, params[int(i)])
    if text := counters.get("groups"):
        groups_from_text(optimizer, text)
    optimizer.load_state_dict({"state": values, "param_groups": optimizer.state_dict()["param_groups"]})
    stored = {k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")}
    return {k: shard_like(v, weights[k]).to(weights[k].device) for k, v in stored.items()} or None
