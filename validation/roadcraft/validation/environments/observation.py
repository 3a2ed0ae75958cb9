"""What a policy sees: tensors of a fixed shape, written row by row into buffers that are allocated once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F32, I64
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.driving.features.build import allocate, write_features
from roadcraft.core.driving.features.scene import scenes_of
from roadcraft.core.driving.features.spec import FeatureSpec
from roadcraft.core.types import PlannerNeeds

Blocks = Mapping[str, NDArray[Any]]
"""Buffers by name, each (slots, ...)."""


class ObservationWriter(Protocol):
    """Turns what the simulator shows into what a policy sees."""

    @property
    def blocks(self) -> Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Shape of a row and dtype of each block, by name."""
        ...

    def needs(self) -> PlannerNeeds:
        """What must be observed."""
        ...

    def write(self, obs: ObservationBatch, slots: I64, out: Blocks) -> None:
        """Write scenario r of an observation into row ``slots[r]`` of every block."""
        ...


class FeatureObservation:
    """The features that a network reads (``Network.features``), to the bit as the planner ``learned`` builds them."""

    spec: FeatureSpec
    """The features."""

    def __init__(self, spec: FeatureSpec) -> None:
        self.spec = spec

    @property
    def blocks(self) -> Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Each tensor is a block."""
        arrays = self.spec.arrays
        return {name: (tuple(arrays[name][0]), np.dtype(arrays[name][1])) for name in self.spec.written}

    def needs(self) -> PlannerNeeds:
        """The object history that the features look at."""
        return PlannerNeeds(object_past=self.spec.past_steps)

    def write(self, obs: ObservationBatch, slots: I64, out: Blocks) -> None:
        """The features of scenario r into rows ``slots[r]``."""
        buffers = dict(out)
        for block in buffers.values():
            block[slots] = 0  # the kernels fill rows that are 0
        for scene, slot in zip(scenes_of(obs, self.spec), slots.tolist(), strict=True):
            write_features(self.spec, scene, buffers, slot)


FLAT = FeatureSpec(
    agents=12, past_steps=1, lanes=0, route_lanes=0, crosswalks=0, static=4,
    reference_lines=3, reference_points=12, reference_interval_m=4.0,
)  # fmt: skip
"""Features of ``FlatObservation``: the lines that the ego may follow (its lane, and those to the left and right), with
limits, lights and stops; the 12 nearest moving objects and 4 that stand."""
_TENSORS = (
    "ego", "vehicle", "reference_info", "reference_valid", "reference", "agent", "agent_size", "agent_valid", "static",
    "static_mask",
)  # fmt: skip
_SCALE = {"m": 0.02, "m/s": 0.05, "m/s2": 0.2, "s": 0.5}  # by unit, so that values are about 1
_LARGEST = 10.0


class FlatObservation:
    """One vector for small networks: block ``observation`` (D,) float32, features of the ego frame one after the other,
    m times 0.02, m/s times 0.05, m/s2 times 0.2, s times 0.5, clipped to [-10, 10]. ``names`` (D) says which number is
    which."""

    features: FeatureObservation
    """What is flattened."""
    names: list[str]
    """(D) tensor, places and column of each number, as ``agent.0.0.x``."""

    def __init__(self, spec: FeatureSpec = FLAT) -> None:
        """spec: capacities of the groups scene, agents, static and reference_lines."""
        self.features = FeatureObservation(spec)
        self.names = []
        self._parts: list[tuple[str, slice, F32]] = []
        for name in _TENSORS:
            shape, columns = spec.arrays[name][0], spec.tensors[name][1].columns
            scale = np.ones(shape, np.float32)
            if columns is not None:
                scale[...] = [_SCALE.get(c.unit, 1.0) for c in columns]
            for place in np.ndindex(*shape):
                last = columns(place[-1]).name.lower() if columns is not None else ""
                self.names.append(".".join([name, *map(str, place[:-1] if last else place), *([last] if last else [])]))
            self._parts.append((name, slice(len(self.names) - scale.size, len(self.names)), scale.reshape(-1)))
        self._rows: dict[str, NDArray[Any]] = {}

    @property
    def blocks(self) -> Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """One block, ``observation``."""
        return {"observation": ((len(self.names),), np.dtype(np.float32))}

    def needs(self) -> PlannerNeeds:
        """Those of the features."""
        return self.features.needs()

    def write(self, obs: ObservationBatch, slots: I64, out: Blocks) -> None:
        """The vector of scenario r into row ``slots[r]``."""
        block = out["observation"]
        if not self._rows or len(next(iter(self._rows.values()))) < len(slots):
            self._rows = allocate(self.features.spec, len(block))
        self.features.write(obs, np.arange(len(slots)), self._rows)
        for name, part, scale in self._parts:
            block[slots, part] = self._rows[name][: len(slots)].reshape(len(slots), -1) * scale
        block[slots] = np.clip(block[slots], -_LARGEST, _LARGEST)
