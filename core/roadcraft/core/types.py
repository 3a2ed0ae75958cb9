"""What passes through the interfaces of plugins: results of metrics, features, scene encodings and predictions.

Shapes: B scenarios, K candidates or modes, T times, A agents, N tokens, D features, S columns of a state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.features.spec import FeatureSpec as FeatureSpec

if TYPE_CHECKING:
    from torch import Tensor

Keys = NDArray[np.uint64]
"""Random keys of B scenarios: (B,) uint64."""


@dataclass(frozen=True)
class PlannerNeeds:
    """What a planner asks of the simulator."""

    object_past: int = 0
    """Frames of object history, the present one included; 0: none."""
    log: bool = False
    """The logged scenario itself (oracles only)."""


@dataclass(frozen=True)
class Series:
    """A metric over time."""

    time_us: I64
    """(n,) int64."""
    values: F64
    """(n,) or (n, C) float64."""
    unit: str = ""
    """Their unit."""
    names: tuple[str, ...] = ()
    """(C) names of the columns, where there are several."""


@dataclass(frozen=True)
class Event:
    """What cost a scenario its score."""

    step: int
    """The step of the rollout."""
    what: str
    """What happened, in words."""
    object_id: int | None = None
    """Track id of the object involved, if there is one."""


@dataclass(frozen=True)
class MetricResult:
    """One metric of one rollout."""

    name: str
    """The metric's own name."""
    score: float | None
    """In [0, 1], or None where this rollout has none; of a metric that is only reported any finite number."""
    stats: Mapping[str, float | int | bool | None] = field(default_factory=dict)
    """Named values, each a finite number, true, false, or None where there is no such value (nobody to collide with,
    say)."""
    series: Series | None = None
    """The metric over time, for the report."""
    events: tuple[Event, ...] = ()
    """What cost the score, each at a step of the rollout."""


class TokenKind(IntEnum):
    """Codes of ``SceneEncoding.kind``, by which a model knows what a token stands for."""

    EGO = 0
    """The ego."""
    AGENT = 1
    """A row of the feature ``agent``."""
    STATIC = 2
    """A row of the feature ``static``."""
    LANE = 3
    """A row of the feature ``lane``."""
    CROSSWALK = 4
    """A row of the feature ``crosswalk``."""
    GRID = 5
    """A cell of a raster."""


@dataclass
class SceneEncoding:
    """What an encoder makes of B scenes."""

    tokens: Tensor
    """(B, N, D), finite where real."""
    mask: Tensor
    """(B, N) bool, true where a token is real."""
    pose: Tensor
    """(B, N, 3): x, y, heading in the ego frame."""
    kind: Tensor
    """(B, N) int64, codes of ``TokenKind``, the same in every scene. Tokens of kind AGENT stand together, row by row
    those of the feature ``agent`` from its first on; an encoder without such tokens has none."""
    ego: Tensor
    """(B,) int64: index of the ego's token, which is real and of kind EGO."""


@dataclass
class Prediction:
    """What a model predicts, in the ego frame. A model may return a subclass that holds more for its own ``loss``."""

    ego: Tensor
    """(B, K, T, S): S >= 4 columns x, y, cos, sin of the rear axle (a unit vector), then speed."""
    logits: Tensor
    """(B, K), finite: a candidate that is none has the lowest number of its type."""
    agents: Tensor | None
    """(B, A, K', T, S) of the first A = ``future_agents`` rows of the feature ``agent``, or None: K' = K where each
    candidate goes with futures of its own (joint modes), else 1."""
    time_s: Tensor
    """(T,) from now, rising, T = ``future_steps`` in ``sample``."""
    extras: Mapping[str, Tensor] = field(default_factory=dict, kw_only=True)
    """Whatever else belongs to a prediction, by name: finite tensors (B, K or 1, ...), such as the scale of a Laplace
    distribution (B, K, T, 2). ``loss`` reads them; the planner ``learned`` hands them on as ``Plan.debug``, candidates
    in the order of the plan's."""


class Losses(NamedTuple):
    """What ``loss`` gives a model that also reports diagnostics; both map names to tensors of one number."""

    terms: Mapping[str, Tensor]
    """Terms, each already weighted; training minimizes their sum."""
    diagnostics: Mapping[str, Tensor] = {}
    """Numbers that are logged (TensorBoard, progress, metrics.json) and not summed, such as the entropy of a choice."""

    @staticmethod
    def of(found: Losses | Mapping[str, Tensor]) -> Losses:
        """The same for a ``loss`` that gives terms alone."""
        return found if isinstance(found, Losses) else Losses(found)


TARGETS = ("ego_future", "ego_future_valid", "agent_future", "agent_future_valid")  # what a batch holds beside features
"""Tensors that a training batch holds in addition to the features."""
