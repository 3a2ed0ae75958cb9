"""What an encoder or a model sees of features that were built for both: tensors of the capacities that it asked for
itself.

Rows stand nearest first and lines in a fixed order, so the first ones are those it would have got alone; of a history
the last frames are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roadcraft.core.driving.features.spec import FeatureSpec


class FeatureView:
    """Cuts tensors that were built for ``merged`` down to ``own``; called with a batch it answers a batch."""

    def __init__(self, own: FeatureSpec, merged: FeatureSpec) -> None:
        latest = {f"{name}.{setting}" for name, group in merged.providers.items() for setting in group.latest}
        self.cuts: dict[str, tuple[slice, ...]] = {}
        self.links: dict[str, int] = {}
        for name, (group, tensor) in merged.tensors.items():
            if group not in own.groups:
                continue
            axes = [a for a in tensor.axes if isinstance(a, str)]
            smaller = {a: own.size(a) for a in axes if own.size(a) < merged.size(a)}
            if smaller:
                cuts = (_part(smaller[a], a in latest) if a in smaller else slice(None) for a in tensor.axes)
                self.cuts[name] = (slice(None), *cuts)
            if tensor.rows_of and own.size(tensor.rows_of) < merged.size(tensor.rows_of):
                self.links[name] = own.size(tensor.rows_of)

    def __call__(self, features: Mapping[str, Any]) -> Mapping[str, Any]:
        cut = {k: features[k][place].contiguous() for k, place in self.cuts.items() if k in features}
        for k, rows in self.links.items():
            if k in features:
                part = cut.get(k, features[k])
                cut[k] = part.masked_fill(part >= rows, -1)
        return {**features, **cut} if cut else features


def _part(size: int, last: bool) -> slice:
    return slice(-size, None) if last and size else slice(0, size)
