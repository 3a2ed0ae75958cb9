"""Helpers for telling why a score was lost."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import I64, Mask
from roadcraft.core.data.scenario import ObjectKind
from roadcraft.core.interfaces import MetricContext
from roadcraft.core.types import Event
from roadcraft.validation.metrics.common.frames import frames


def runs(flags: Mask) -> tuple[I64, I64]:
    """First and last index of every stretch of true values."""
    if not flags.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    edges = np.diff(flags.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1


def span_text(time_us: I64, first: int, last: int) -> str:
    """``4.8 s to 5.6 s``: a stretch of steps as seconds from the start."""
    return " to ".join(f"{(int(time_us[step]) - int(time_us[0])) * 1e-6:.1f} s" for step in (first, last))


def object_event(context: MetricContext, step: int, what: str, row: int) -> Event:
    """An event with the object of row ``row``; ``{kind}`` in ``what`` becomes its kind."""
    f = frames(context)
    kind = ObjectKind(int(f.objects.kind[row])).name.lower().replace("_", " ")
    return Event(step, what.format(kind=kind), int(context.rollout.drive.tracks.id[f.objects.track[row]]))
