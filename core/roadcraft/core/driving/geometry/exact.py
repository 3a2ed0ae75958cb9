"""Exact signs and single-rounding sums: the floating-point steps on which a yes or a no hangs.

The reference (nuplan-devkit) asks GEOS, whose predicates are exact, and BLAS, whose two-vectors are multiplied with a
fused multiply-add.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba import types
from numba.extending import intrinsic

from roadcraft.core.driving.jit import small_njit

if TYPE_CHECKING:

    def fma(a: float, b: float, c: float) -> float:
        """``a * b + c`` rounded once, on every machine (LLVM's fma; a library call where the processor has none). For
        use in kernels."""
        ...

else:

    @intrinsic
    def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
        """``a * b + c`` rounded once, on every machine (LLVM's fma; a library call where the processor has none). For
        use in kernels."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.fma(*args)

        return types.float64(types.float64, types.float64, types.float64), codegen


@small_njit
def orientation(ax: float, ay: float, bx: float, by: float, cx: float, cy: float) -> int:
    """1 where c lies left of the line a -> b, -1 right of it, 0 on it: exact up to 106 bits, as GEOS decides it
    (CGAlgorithmsDD)."""
    left, right = (ax - cx) * (by - cy), (ay - cy) * (bx - cx)
    det = left - right
    if abs(det) > 1e-15 * (abs(left) + abs(right)):
        return 1 if det > 0.0 else -1
    x1, x1e = _difference(ax, cx)
    y2, y2e = _difference(by, cy)
    y1, y1e = _difference(ay, cy)
    x2, x2e = _difference(bx, cx)
    p, q = x1 * y2, y1 * x2
    pe = fma(x1, y2, -p) + (x1 * y2e + x1e * y2)
    qe = fma(y1, x2, -q) + (y1 * x2e + y1e * x2)
    high, low = _difference(p, q)
    value = high + (low + (pe - qe))
    return 1 if value > 0.0 else (-1 if value < 0.0 else 0)


@small_njit
def _difference(a: float, b: float) -> tuple[float, float]:
    """a - b and its rounding error (two-sum)."""
    s = a - b
    bb = a - s
    return s, (a - (s + bb)) + (bb - b)
