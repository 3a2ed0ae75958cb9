"""What a run needs to go on exactly where it stopped, beside the weights: optimiser, averaged weights, random state, counters. No pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from roadcraft.core.errors import DataError
from roadcraft.planners.checkpoint import read_tensors

TENSORS, COUNTERS = "training.safetensors", "training.json"


def save_state(
    folder: Path, optimizer: torch.optim.Optimizer, average: dict[str, Any] | None, counters: dict[str, Any]
) -> None:
    """Write the state into a checkpoint folder."""
    from safetensors.torch import save_file

    tensors = {"rng": torch.get_rng_state()}
    for i, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{k}": v.detach().cpu().contiguous() for k, v in values.items()}
    tensors |= {f"average.{k}": v.cpu().contiguous() for k, v in (average or {}).items()}
    save_file(tensors, folder / TENSORS)
    (folder / COUNTERS).write_text(json.dumps(counters, indent=1) + "\n")


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
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as e:
        raise DataError(f"not valid JSON: {e}", where=str(path)) from e


def load_state(folder: Path, optimizer: torch.optim.Optimizer) -> dict[str, Any] | None:
    """Restore optimiser and random state; returns the averaged weights, if any. Raises DataError when the file is damaged."""
    tensors = read_tensors(folder / TENSORS)
    state = optimizer.state_dict()
    values: dict[int, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, i, name = key.split(".", 2)
            values.setdefault(int(i), {})[name] = tensor
    optimizer.load_state_dict({"state": values, "param_groups": state["param_groups"]})
    torch.set_rng_state(tensors["rng"])
    average = {k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")}
    return average or None
