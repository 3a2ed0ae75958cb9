"""The world reflected left to right: what becomes of every feature and target when y turns to -y in the ego frame.

Each tensor's own rule says it (``FeatureTensor.mirror``); a tensor without one is refused. Two things do not lie in the
geometry: traffic keeps to the other side of the road afterwards, and the words of a command may name a side."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from roadcraft.core.arrays import I64
from roadcraft.core.driving.features.group import Features, Mirror, check_finite, provided
from roadcraft.core.driving.features.spec import FeatureSpec
from roadcraft.core.errors import PluginError


def check_mirror(spec: FeatureSpec) -> None:
    """Raises PluginError naming group and package of a tensor without a mirror rule, and for two reference lines, which
    have a left neighbor but no right one."""
    for name, (group, tensor) in spec.tensors.items():
        if tensor.mirror is None:
            raise PluginError(
                f"{provided(group)} does not say how to mirror {name!r}: give its FeatureTensor a rule "
                "(mirror=Mirror(negate=...), or Mirror() where it stays as it is), "
                "or train with augment.mirror=0"
            )
        if isinstance(tensor.mirror, Mirror) and tensor.mirror.lines and spec.arrays[name][0][0] == 2:
            raise PluginError("two reference lines cannot be mirrored: ask for 1 or 3 (own lane, left, right)")


def mirror(spec: FeatureSpec, arrays: Features, rows: I64) -> None:
    """Mirror the given rows of a batch of features and targets, in place. Raises as ``check_mirror``."""
    check_mirror(spec)
    for name, array in arrays.items():
        group, tensor = spec.tensors[name]
        rule = tensor.mirror
        if rule == Mirror() or not array.size:
            continue
        part = array[rows]
        if isinstance(rule, Mirror):
            array[rows] = reflected(part, rule)
        else:
            array[rows] = rule(part)  # type: ignore[misc]
            check_finite(group, name, array[rows])


def reflected(part: NDArray[Any], rule: Mirror) -> NDArray[Any]:
    """Some rows of a tensor, mirrored by a rule; ``part`` itself is changed."""
    if rule.lines and part.shape[1] > 1:
        part[:, [1, 2]] = part[:, [2, 1]]
    for a, b in rule.swap:
        part[..., [a, b]] = part[..., [b, a]]
    for column in rule.negate:
        part[..., column] *= -1  # not np.negative(..., out=): numpy 2.4.6 gets rows of four float32 wrong in place
    return part
