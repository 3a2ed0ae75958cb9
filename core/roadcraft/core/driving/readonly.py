"""One array type for every kernel: contiguous, read-only views.

numba compiles a kernel anew for read-only arrays, and a store hands out read-only memory maps while a simulation hands
out ordinary arrays.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

# An int in a kernel; numpy's stubs take the element of an index array for an array.
Index: TypeAlias = Any


_FLOAT64 = np.dtype(np.float64)


def frozen(values: Any, dtype: DTypeLike = _FLOAT64) -> NDArray[Any]:
    """A read-only, contiguous, aligned view of ``values`` (a copy only where it is not so already)."""
    flags = values.flags if isinstance(values, np.ndarray) and values.dtype == dtype else None
    if flags is None or not (flags.c_contiguous and flags.aligned):
        values = np.asarray(values, dtype, order="C")
        values = values if values.flags.aligned else values.copy()
        flags = values.flags
    if flags.writeable:
        values = values.view()
        values.setflags(write=False)
    found: NDArray[Any] = values
    return found
