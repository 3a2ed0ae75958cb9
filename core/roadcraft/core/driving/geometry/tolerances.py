"""Lengths that mean "surely apart" and "nothing yet" in the kernels of geometry."""

from __future__ import annotations

CLEAR_M = 1e-6  # gaps beyond this are far above the rounding of coordinates up to 1e7 m, and far below a cell
FAR = 1e30  # a distance before any was found; finite, so that sums with it stay ordered
