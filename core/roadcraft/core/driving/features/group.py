"""Feature groups: named tensors with their shapes, columns, writer and mirror rule, under one name and one version.

A group is a plugin of kind ``feature``, ours as anybody's: its config dataclass holds its settings, its target is a
class like this one::

    class Gap(FeatureGroup):
        version = 1

        def tensors(self):
            return {"gap": FeatureTensor("gap to the object ahead", (), GapColumn, mirror=Mirror())}

        def write(self, scene, out, b, spec):
            out["gap"][b] = ...

An encoder or model reads ``features["gap"]`` (B, 2) once its ``features()`` asks for the group: ``FeatureSpec({"gap":
{}})``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.config.factory import create
from roadcraft.core.driving.features.columns import FeatureColumn
from roadcraft.core.errors import PluginError
from roadcraft.core.plugins.registry import registry

if TYPE_CHECKING:
    from roadcraft.core.driving.features.scene import SceneArrays
    from roadcraft.core.driving.features.spec import FeatureSpec

Features = dict[str, NDArray[Any]]
"""Feature tensors by name, each with a leading batch dimension."""


@dataclass(frozen=True)
class Mirror:
    """What becomes of a tensor when the world is mirrored left to right (y turns to -y in the ego frame); ``Mirror()``
    leaves it as it is."""

    negate: tuple[int, ...] = ()
    """Columns of the last axis that change sign."""
    swap: tuple[tuple[int, int], ...] = ()
    """Pairs of columns that change places, before that."""
    lines: bool = False
    """Axis 1 holds reference lines (own lane, left, right), of which left and right change places."""


@dataclass(frozen=True)
class FeatureTensor:
    """One tensor of a group, without the leading batch dimension."""

    meaning: str
    """What it holds, in one line."""
    axes: tuple[str | int, ...] = ()
    """Its axes: a setting of a group (``agents.count``), or a fixed size. ``columns`` add the last one."""
    columns: type[FeatureColumn] | None = None
    """Names of the places along the last axis."""
    dtype: str = "float32"
    """NumPy's name of its type."""
    frame: str = "ego"
    """The frame of its geometry: ``ego`` (x forward, y left, rear axle at the origin), ``map``, ...; empty where it has
    none."""
    mirror: Mirror | Callable[[NDArray[Any]], NDArray[Any]] | None = None
    """What a mirror does to it: a rule, or a function of some rows (n, ...) that returns them mirrored. Without one,
    training with ``augment.mirror`` is refused."""
    rows_of: str = ""
    """Where it holds row numbers of another tensor: the setting that counts those rows; numbers beyond what a network
    asked for turn to -1."""

    @property
    def shape(self) -> tuple[str | int, ...]:
        """Axes and columns."""
        return self.axes if self.columns is None else (*self.axes, len(self.columns))


class TensorGroup(ABC):
    """Tensors under one name. Its class attributes say how settings of two networks are merged, and what came before
    it."""

    version: ClassVar[int] = 1
    """Raise it when the meaning of a tensor changes: checkpoints trained with another are then refused."""
    capacities: ClassVar[tuple[str, ...]] = ()
    """Settings of which the larger serves both an encoder and a model; each then sees as much as it asked for. All
    others have to agree."""
    latest: ClassVar[tuple[str, ...]] = ()
    """Settings that count times: who asked for less sees the last ones, not the first."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Groups whose tensors are written before its own, which it may read."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def tensors(self) -> Mapping[str, FeatureTensor]:
        """The tensors by name; none where the settings ask for none."""

    def fingerprint(self, name: str) -> str:
        """What enters ``layout_hash``: name, version, settings, and of each tensor name, axes, type and columns."""
        tensors = [(k, t.axes, t.dtype, [c.name for c in t.columns or ()]) for k, t in self.tensors().items()]
        return f";{name} {self.version} {sorted(asdict(self.config).items())!r} {tensors!r}"

    @classmethod
    def merge(cls, a: Any, b: Any) -> Any:
        """Settings that serve an encoder that asked for ``a`` and a model that asked for ``b``. Raises ValueError
        naming what does not agree."""
        own = {f.name: (getattr(a, f.name), getattr(b, f.name)) for f in fields(a)}
        wrong = [f"{k} is {x} and {y}" for k, (x, y) in own.items() if k not in cls.capacities and x != y]
        if wrong:
            raise ValueError(", ".join(wrong))
        return type(a)(**{k: max(pair) if k in cls.capacities else pair[0] for k, pair in own.items()})


class FeatureGroup(TensorGroup):
    """Tensors that are written of a scene, in driving and training alike."""

    @abstractmethod
    def write(self, scene: SceneArrays, out: Features, b: int, spec: FeatureSpec) -> None:
        """Fill row ``b`` of the group's tensors.

        Args:
            scene: the scene, global frame: ego and its past, objects, lights, route, goal, map (``SceneArrays``).
            out: all tensors by name, (B, ...), zeros at first; those of the groups in ``needs`` are written already
                in row ``b``.
            b: the row.
            spec: all that is asked for; ``self.config`` are the group's own settings.
        """


def ordered(groups: Mapping[str, Any]) -> dict[str, TensorGroup]:
    """The groups of the given settings that have tensors, each after those it needs, else in the order given."""
    made: dict[str, TensorGroup] = {}
    owner: dict[str, str] = {}
    for name, settings in groups.items():
        group = create("feature", name, settings)
        if not isinstance(group, TensorGroup):
            raise PluginError(f"{provided(name)} is a {type(group).__name__}, not a FeatureGroup")
        if not isinstance(group, FeatureGroup) and not registry().find("feature", name).ours:
            raise PluginError(
                f"{provided(name)} is a TensorGroup without write, which driving would not have; derive it from "
                "FeatureGroup"
            )
        if tensors := group.tensors():
            made[name] = group
        for tensor in tensors:
            if tensor in owner:
                raise PluginError(
                    f"{provided(owner[tensor])} and {provided(name)} both have a tensor {tensor!r}; rename one"
                )
            owner[tensor] = name
            if why := _unusable(tensors[tensor]):
                raise PluginError(f"{provided(name)}: tensor {tensor!r}: {why}")
    out: dict[str, TensorGroup] = {}

    def add(name: str, path: Sequence[str]) -> None:
        if name in path:
            raise PluginError(f"feature groups need each other in a circle: {' -> '.join([*path, name])}")
        for before in made[name].needs:
            if before in made:
                add(before, [*path, name])
            elif before not in groups:
                raise PluginError(f"{provided(name)} needs the group {before!r}, which the spec does not ask for")
        out.setdefault(name, made[name])

    for name in made:
        add(name, [])
    return out


def _unusable(tensor: Any) -> str:
    """Why a declared tensor cannot be made; empty where it can."""
    if not isinstance(tensor, FeatureTensor):
        return f"{tensor!r} is not a FeatureTensor"
    try:
        np.dtype(tensor.dtype)
    except TypeError:
        return f"dtype {tensor.dtype!r} is not a type of NumPy, such as float32, int64 or bool"
    if isinstance(tensor.mirror, Mirror) and tensor.columns is not None:
        named = {*tensor.mirror.negate, *(c for pair in tensor.mirror.swap for c in pair)}
        if beyond := sorted(c for c in named if not 0 <= c < len(tensor.columns)):
            return f"mirror names column {beyond[0]}, the columns are 0 to {len(tensor.columns) - 1}"
    return ""


def check_finite(group: str, tensor: str, values: NDArray[Any]) -> None:
    """Raises PluginError naming tensor, group and package where one of the values is not finite."""
    if values.dtype.kind in "fc" and not np.isfinite(values).all():
        bad = values[~np.isfinite(values)][0]
        raise PluginError(f"{provided(group)}: the tensor {tensor!r} holds {bad}; every value must be finite")


def provided(name: str) -> str:
    """A group in words, with the package that it comes from."""
    found = registry().find("feature", name)
    return f"feature group {name!r} of {found.provider}"
