"""Calibration columns of ``lidar`` and ``camera``: the reference stores them pickled, so these few constant bytes are
composed by hand.

Protocol 0 of the pickle format, lists of floats only: ``(lp0 F1.0 a ... .`` Nothing here or in the reader ever loads a
pickle.
"""

from __future__ import annotations

from collections.abc import Sequence

# Mounting of a roof lidar and of eight cameras around the car: x, y, z in meters from the rear axle, and the direction
# each looks in.
LIDAR_TRANSLATION = (1.5, 0.0, 1.8)
CAMERAS = (
    ("CAM_F0", (1.6, 0.0, 1.6), (0.5, -0.5, 0.5, -0.5)),
    ("CAM_B0", (0.0, 0.0, 1.6), (0.5, -0.5, -0.5, 0.5)),
    ("CAM_L0", (1.5, 0.4, 1.6), (0.6532814824381883, -0.6532814824381883, 0.2705980500730985, -0.2705980500730985)),
    ("CAM_L1", (1.1, 0.5, 1.6), (0.7071067811865476, -0.7071067811865476, 0.0, 0.0)),
    ("CAM_L2", (0.3, 0.4, 1.6), (0.6532814824381883, -0.6532814824381883, -0.2705980500730985, 0.2705980500730985)),
    ("CAM_R0", (1.5, -0.4, 1.6), (0.2705980500730985, -0.2705980500730985, 0.6532814824381883, -0.6532814824381883)),
    ("CAM_R1", (1.1, -0.5, 1.6), (0.0, 0.0, 0.7071067811865476, -0.7071067811865476)),
    ("CAM_R2", (0.3, -0.4, 1.6), (0.2705980500730985, -0.2705980500730985, -0.6532814824381883, 0.6532814824381883)),
)
IMAGE_SIZE = (1920, 1080)
INTRINSIC = ((1545.0, 0.0, 960.0), (0.0, 1545.0, 560.0), (0.0, 0.0, 1.0))
DISTORTION = (0.0, 0.0, 0.0, 0.0, 0.0)


def pickled(values: Sequence[float] | Sequence[Sequence[float]]) -> bytes:
    """Protocol-0 pickle of a list of floats, or of a list of such lists."""
    return _list(values) + b"."


def _list(values: Sequence[float] | Sequence[Sequence[float]]) -> bytes:
    items = [b"F" + repr(float(v)).encode() + b"\n" if isinstance(v, (int, float)) else _list(v) for v in values]
    return b"(l" + b"".join(item + b"a" for item in items)
