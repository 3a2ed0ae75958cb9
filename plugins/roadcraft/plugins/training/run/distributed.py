"""Where a run's processes are, and what they have to agree on: devices, strategy, one clock, weights gathered from
shards."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy, Strategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, distribute_tensor

from roadcraft.planners.learned.network import Network
from roadcraft.plugins.training.config import TrainConfig


def strategy_settings(config: TrainConfig) -> dict[str, Any]:
    """Lightning's ``devices``, ``num_nodes`` and ``strategy``: from torchrun's environment where it is there, else from
    the configuration."""
    devices, nodes = config.devices or max(torch.cuda.device_count(), 1), config.nodes
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    strategy: Strategy | str = "auto"
    if config.strategy == "fsdp":
        strategy = ModelParallelStrategy(data_parallel_size=devices * nodes, tensor_parallel_size=1)
    elif config.strategy == "ddp" or devices * nodes > 1:
        # an encoder or model may have weights that a batch does not touch
        strategy = DDPStrategy(find_unused_parameters=True)
    return {"devices": devices, "num_nodes": nodes, "strategy": strategy}


def shard(network: Network, mesh: DeviceMesh) -> None:
    """Share the weights out over the mesh (FSDP2): each layer of a list by itself, then what is left of the encoder and
    of the model."""
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    for part, methods in ((network.encoder, ("encode",)), (network.model, ("loss", "sample"))):
        for module in part.modules():
            if isinstance(module, nn.ModuleList):
                for layer in module:
                    fully_shard(layer, mesh=mesh)
        fully_shard(part, mesh=mesh)
        for name in methods:
            register_fsdp_forward_method(part, name)


def full_state_dict(state: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors by name with shards put together; every rank has to call it."""
    return {k: v.full_tensor() if isinstance(v, DTensor) else v for k, v in state.items()}


def shard_like(tensor: Tensor, model: Tensor) -> Tensor:
    """A whole tensor on the device and, where ``model`` is a shard of its shape, in the shards of ``model``."""
    if isinstance(model, DTensor) and tensor.shape == model.shape:
        return distribute_tensor(tensor.to(model.device), model.device_mesh, model.placements)
    return tensor


def broadcast_rank0(value: float, device: torch.device) -> float:
    """Rank 0's value."""
    if not (dist.is_available() and dist.is_initialized()):
        return value
    shared = torch.tensor([value], dtype=torch.float64, device=device)
    dist.broadcast(shared, 0)
    return float(shared)


def all_reduce_max(values: Sequence[float], device: torch.device) -> list[float]:
    """The largest of each value over all ranks."""
    if not (dist.is_available() and dist.is_initialized()):
        return list(values)
    shared = torch.tensor(list(values), dtype=torch.float64, device=device)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return list(shared.tolist())


def all_reduce_sum(values: Mapping[str, float], device: torch.device) -> dict[str, float]:
    """Sums over all ranks, by name."""
    if not (dist.is_available() and dist.is_initialized()):
        return dict(values)
    shared = torch.tensor(list(values.values()), dtype=torch.float64, device=device)
    dist.all_reduce(shared)
    return dict(zip(values, shared.tolist(), strict=True))
