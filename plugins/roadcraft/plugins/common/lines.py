"""Embeds reference lines: their shape, the rules along them, and the objects beside them in the line's own
coordinates."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from roadcraft.core.data.scenario import ObjectKind
from roadcraft.core.driving.features.reference_lines import HEADING_COS, HEADING_SIN, LATERAL
from roadcraft.plugins.common.kernels import array, compiled
from roadcraft.plugins.common.layers import mlp
from roadcraft.plugins.common.line_inputs import INFO_COLUMNS, describe_info, describe_objects
from roadcraft.plugins.common.line_kernels import info_into, objects_into
from roadcraft.plugins.common.line_model_config import LineModelConfig

POINT_STRIDE = 4  # points that are embedded: every 8 m is enough to tell a bend
NEVER = -1e30  # what is not real never is the maximum
LINEAR_FROM_M = 0.05  # of the error across, in a loss


class LineEncoder(nn.Module):
    """One embedding per reference line."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.point, self.shape = mlp(11, dim, dim), nn.Linear(dim, dim)
        self.info = mlp(INFO_COLUMNS, dim, dim)
        self.lead = mlp(8, dim, dim)
        self.objects, self.kind = mlp(17, dim, dim), nn.Embedding(len(ObjectKind), dim)
        self.object = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, f: Mapping[str, Tensor]) -> Tensor:
        """(B, R, D)."""
        speed = f["ego"][:, :1].clamp_min(0.0)
        return self.norm(self._shape(f) + self._info(f, speed) + self._objects(f, speed))

    def _shape(self, f: Mapping[str, Tensor]) -> Tensor:
        line, mask = f["reference"][:, :, ::POINT_STRIDE], f["reference_mask"][:, :, ::POINT_STRIDE]
        scale = line.new_tensor([1 / 50, 1 / 50, 1, 1, 1 / 15, 1, 1, 1, 1, 1])
        points = torch.cat([line * scale, mask[..., None].to(line.dtype)], -1)
        return self.shape(self.point(points).amax(2))

    def _info(self, f: Mapping[str, Tensor], speed: Tensor) -> Tensor:
        info, stood = f["reference_info"], f["ego"][:, 6:]
        if not compiled(info):
            return self.info(describe_info(info, speed, stood))
        rows = torch.empty(*info.shape[:2], INFO_COLUMNS)
        info_into(*map(array, (info, speed, stood)), rows.numpy())
        return self.info(rows)

    def _objects(self, f: Mapping[str, Tensor], speed: Tensor) -> Tensor:
        objects = torch.cat([f["reference_agent"], f["reference_static"]], 2)
        kind = self.kind(torch.cat([f["agent_kind"], f["static_kind"]], 1))
        real = torch.cat([f["agent_valid"][..., -1], f["static_mask"]], 1)
        if compiled(objects):
            rows, lead = torch.empty(*objects.shape[:3], 17), torch.empty(*objects.shape[:2], 8)
            objects_into(*map(array, (objects, real, speed, f["vehicle"])), rows.numpy(), lead.numpy())
        else:
            rows, lead = describe_objects(objects, real, speed, f["vehicle"])
        tokens = self.objects(rows) + kind.masked_fill(~real[..., None], NEVER)[:, None]
        top = tokens.amax(2) * real.any(-1)[:, None, None]
        return self.object(top) + self.lead(lead)


def nearest_line(targets: Mapping[str, Tensor]) -> Tensor:
    """The reference line (B,) nearest to where the expert was last seen."""
    b = len(targets["ego_future"])
    rows = torch.arange(b, device=targets["ego_future"].device)
    last = (targets["ego_future_valid"].sum(-1) - 1).clamp_min(0)
    end = targets["ego_future"][rows, last, :2]
    line = targets["reference"]
    gap = end[:, None, None] - line[..., :2]
    at = gap.square().sum(-1).argmin(-1)[..., None]
    gap = gap.gather(2, at[..., None].expand(-1, -1, -1, 2))[:, :, 0]
    ahead = line[..., 2:4].gather(2, at[..., None].expand(-1, -1, -1, 2))[:, :, 0]
    across = (ahead[..., 0] * gap[..., 1] - ahead[..., 1] * gap[..., 0]).abs()
    along = (ahead * gap).sum(-1).abs()
    far = (across + (along - 2.0).clamp_min(0.0)).masked_fill(~targets["reference_valid"], torch.inf)
    return far.argmin(-1)


def lateral_state(info: Tensor) -> tuple[Tensor, Tensor]:
    """The ego's offset (m) and slope beside lines, (...), of their ``reference_info`` (..., I)."""
    slope = (info[..., HEADING_SIN] / info[..., HEADING_COS].clamp_min(0.3)).clamp(-1.5, 1.5)
    return info[..., LATERAL], slope


def near_weights(valid: Tensor, time_s: Tensor, config: LineModelConfig) -> Tensor:
    """Weights (B, T) in the loss of poses at ``time_s`` (T,), known where ``valid`` (B, T): they sum to 1."""
    weight = valid / (1.0 + time_s / config.time_discount_s)
    return weight / weight.sum(-1, keepdim=True).clamp_min(1e-6)


def pose_error(drive: Tensor, goal: Tensor, config: LineModelConfig) -> Tensor:
    """What poses (..., 5) x, y, cos, sin, speed lack to those of ``goal``, in position, heading and speed, and in the
    distance across the goal's heading: (...)."""
    error = functional.smooth_l1_loss(drive, goal, reduction="none")
    heading, speed = config.heading_weight * error[..., 2:4].sum(-1), config.speed_weight * error[..., 4]
    out = error[..., :2].sum(-1) + heading + speed
    if config.lateral_weight == 0.0:
        return out
    gap = drive[..., :2] - goal[..., :2]
    across = goal[..., 2] * gap[..., 1] - goal[..., 3] * gap[..., 0]
    return out + config.lateral_weight * functional.smooth_l1_loss(
        across, torch.zeros_like(across), reduction="none", beta=LINEAR_FROM_M
    )
