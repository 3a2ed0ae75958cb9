"""One array type for every kernel: contiguous, read-only views.

numba compiles a kernel anew for read-only arrays, and a store hands out read-only memory maps while a simulation hands out ordinary arrays.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

# An int in a kernel; numpy's stubs take the element of an index array for an array.
Index: TypeAlias = Any


def frozen(values: Any, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """A read-only, contiguous, aligned view of ``values`` (a copy only where it is not so already)."""
    a: NDArray[Any] = np.require(values, dtype, ["C", "A"])
    if a.flags.writeable:
        a = a.view()
        a.flags.writeable = False
    return a
