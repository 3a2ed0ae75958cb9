"""Features: what networks read of a scene, built by one set of kernels for training and driving alike.

Fixed capacities (``FeatureSpec``), float32 in the ego frame (x forward, y left, rear axle at the origin) but for what
its group says. ``roadcraft features`` lists the tensors, their shapes and columns; the groups that are our own are in
``groups``."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.features.group import Features, check_finite, provided
from roadcraft.core.driving.features.kernels import agent_targets_into
from roadcraft.core.driving.features.scene import LogScenes, SceneArrays
from roadcraft.core.driving.features.spec import FeatureSpec
from roadcraft.core.errors import PluginError
from roadcraft.core.plugins.registry import registry

LAYOUT = 3  # of all groups together; a single group has a version of its own
F32 = NDArray[np.float32]


def layout_hash(spec: FeatureSpec) -> str:
    """Identifies the features' layout: settings and versions of the groups that have tensors. Stored in checkpoints and
    compared when they are loaded."""
    groups = "".join(group.fingerprint(name) for name, group in spec.providers.items())
    return blake2b(f"{LAYOUT}:{spec.schema_hash()}{groups}".encode(), digest_size=8).hexdigest()


def merge_specs(a: FeatureSpec, b: FeatureSpec) -> FeatureSpec:
    """The features that serve an encoder ``a`` and a model ``b``: of each group's capacities the larger (each then sees
    its own: ``views``). Raises PluginError where other settings differ."""
    merged, wrong = dict(a.groups), []
    for name, settings in b.groups.items():
        if name in merged:
            try:
                merged[name] = registry().target("feature", name).merge(merged[name], settings)
            except ValueError as e:
                wrong.append(f"{name}: {e}")
        else:
            merged[name] = settings
    if wrong:
        raise PluginError(f"encoder and model ask for features on different grids: {'; '.join(wrong)}")
    return FeatureSpec(merged)


def allocate(spec: FeatureSpec, batch: int, targets: bool = False) -> Features:
    """Zeroed arrays for ``batch`` scenes: features, and ``targets`` too."""
    return {
        name: np.zeros((batch, *shape), dtype)
        for name, (shape, dtype) in spec.arrays.items()
        if targets or name in spec.written
    }


def build_features(spec: FeatureSpec, scenes: Sequence[SceneArrays]) -> Features:
    """Features of B scenes."""
    out = allocate(spec, len(scenes))
    for b, scene in enumerate(scenes):
        write_features(spec, scene, out, b)
    return out


def write_features(spec: FeatureSpec, scene: SceneArrays, out: Features, b: int) -> None:
    """Fill row ``b`` of ``out``. Raises PluginError naming tensor, group and package where a third party's group
    replaces an array or writes what is not finite."""
    for name, group in spec._writers.items():
        if name not in spec._third_party:
            group.write(scene, out, b, spec)
            continue
        before = dict(out)
        group.write(scene, out, b, spec)
        if other := [k for k in {**before, **out} if out.get(k) is not before.get(k)]:
            raise PluginError(
                f"{provided(name)}: write puts an array of its own in the place of the tensor {other[0]!r}; it must "
                f"fill row b of the one that is there: out[{other[0]!r}][b] = ..."
            )
        for tensor in group.tensors():
            check_finite(name, tensor, out[tensor][b])


def write_agent_future(scenes: LogScenes, frame: int, ego: F64, ids: I64, out: F32, seen: NDArray[np.bool_]) -> None:
    """Futures of the agents with the given track ids into out (A, T, 4), columns ``AgentFutureColumn`` in the frame of
    ``ego`` (10,), and where they are known into seen (A, T)."""
    objects = scenes.drive.objects
    index, valid = scenes.future(frame)
    frames = np.empty((len(index), 2), np.int64)
    frames[:, 0], frames[:, 1] = objects.offsets[index], np.where(valid, objects.offsets[index + 1], 0)
    agent_targets_into(out, seen, ego, scenes.key, objects.box, frames, ids)
