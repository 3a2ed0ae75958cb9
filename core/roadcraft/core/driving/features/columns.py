"""Columns of the features: places along the last axis of a tensor, each with its meaning and unit.

Members are integers: ``features["ego"][:, EgoColumn.VX]``; they work inside numba kernels too. Standard library only.
"""

from __future__ import annotations

from enum import IntEnum

RATIO = ""  # the unit of what has none


class FeatureColumn(IntEnum):
    """Columns in order; a member is written as ``NAME = "meaning", "unit"``.

    A package's own tensors are described the same way::

        class GapColumn(FeatureColumn):
            AHEAD_M = "distance to the object ahead", "m"
            RATE_MPS = "its rate", "m/s"
    """

    meaning: str
    """What the column holds."""
    unit: str
    """Unit of its values; '' for a ratio."""

    def __new__(cls, meaning: str, unit: str = RATIO) -> FeatureColumn:
        member = int.__new__(cls, len(cls.__members__))
        member._value_ = len(cls.__members__)
        member.meaning, member.unit = meaning, unit
        return member


class EgoColumn(FeatureColumn):
    """The ego's present state, in its body axes (x forward, y left) at the rear axle."""

    VX = "velocity forward", "m/s"
    VY = "velocity to the left", "m/s"
    AX = "acceleration forward", "m/s2"
    AY = "acceleration to the left", "m/s2"
    STEERING = "steering angle of the front wheels, left positive", "rad"
    YAW_RATE = "rate of the heading, left positive", "rad/s"
    STOPPED_TIME_S = "time for which it has just stood still, of the last 2 s", "s"


class VehicleColumn(FeatureColumn):
    """The ego vehicle's size."""

    REAR_AXLE_TO_CENTER = "rear axle to the center of the box", "m"
    LENGTH = "length", "m"
    WIDTH = "width", "m"
    WHEEL_BASE = "wheel base", "m"


class EgoUnitColumn(FeatureColumn):
    """A rigid unit of the ego, its box seen from unit 0's rear axle; 0 where masses are unknown."""

    X = "center, forward", "m"
    Y = "center, to the left", "m"
    COS = "cosine of its heading"
    SIN = "sine of its heading"
    LENGTH = "length", "m"
    WIDTH = "width", "m"
    JOINT = "angle to the unit before it, left positive; 0 for the first", "rad"
    MASS = "mass with its load", "t"
    COG_HEIGHT = "height of its center of gravity", "m"
    ROLL_THRESHOLD = "lateral acceleration at which it tips, 0 where unknown", "g"


class EgoLoadColumn(FeatureColumn):
    """What the ego's state of load leaves it; 0 where unknown."""

    MASS = "mass of all units", "t"
    POWER_PER_MASS = "power of the engine over mass", "W/kg"
    BRAKE = "deceleration of full braking on a dry level road", "m/s2"
    LAUNCH = "largest acceleration from rest", "m/s2"
    LOAD = "load: 0 in the lightest state of load, 1 in the heaviest"


class PlaceColumn(FeatureColumn):
    """A place of the map (``PlaceKind``); 0 where a kind has no such value, masses in t, at most 1000 of each unit: the
    second value of a clearance without a sag, and of a limit of axles without one of their groups."""

    X = "where it begins, forward", "m"
    Y = "where it begins, to the left", "m"
    COS = "cosine of the driving direction there, 0 for an area without a lane"
    SIN = "sine of the driving direction there, 0 for an area without a lane"
    LENGTH = "length along its lane", "m"
    VALUE = "its value; of wind the speed along the ego's x axis"
    SECOND = "its second value where that has no side"
    ACROSS = "what points to the left: bank, side of a curb or shoulder, speed of the air along the ego's y axis"
    ACROSS_END = "bank where it ends"
    CLOSED = "1 where the ego may not pass: closed to it, too low, or it is too heavy"


class AgentColumn(FeatureColumn):
    """A moving object in one frame."""

    X = "center, forward", "m"
    Y = "center, to the left", "m"
    COS = "cosine of its heading"
    SIN = "sine of its heading"
    VX = "velocity over ground along the ego's x axis", "m/s"
    VY = "velocity over ground along the ego's y axis", "m/s"


class SizeColumn(FeatureColumn):
    """The size of a box."""

    LENGTH = "length", "m"
    WIDTH = "width", "m"


class StaticColumn(FeatureColumn):
    """An object that never moves."""

    X = "center, forward", "m"
    Y = "center, to the left", "m"
    COS = "cosine of its heading"
    SIN = "sine of its heading"
    LENGTH = "length", "m"
    WIDTH = "width", "m"


class LaneColumn(FeatureColumn):
    """A point along a piece of a lane, and those beside it on the lane's edges."""

    X = "centerline, forward", "m"
    Y = "centerline, to the left", "m"
    LEFT_X = "left edge, forward", "m"
    LEFT_Y = "left edge, to the left", "m"
    RIGHT_X = "right edge, forward", "m"
    RIGHT_Y = "right edge, to the left", "m"


class LaneInfoColumn(FeatureColumn):
    """What holds for a whole piece of a lane."""

    SPEED_LIMIT = "speed limit, 0 where unknown", "m/s"
    ON_ROUTE = "1 on the route, else 0"
    CONNECTOR = "1 for a connector within a junction, else 0"
    STOP_SIGN = "1 behind a stop sign, else 0"


class PointColumn(FeatureColumn):
    """A point of an outline."""

    X = "forward", "m"
    Y = "to the left", "m"


class PoseColumn(FeatureColumn):
    """A pose in the map's frame."""

    X = "x", "m"
    Y = "y", "m"
    HEADING = "heading", "rad"


class ReferenceColumn(FeatureColumn):
    """A point of a reference line."""

    X = "forward", "m"
    Y = "to the left", "m"
    COS = "cosine of the line's heading"
    SIN = "sine of the line's heading"
    LIMIT = "speed limit, 0 where unknown", "m/s"
    ON_ROUTE = "1 on the route, else 0"
    RED = "1 under a red light, 0.5 under a yellow one, else 0"
    GREEN = "1 under a green light, else 0"
    STOP = "1 behind a stop sign, else 0"
    CONNECTOR = "1 within a junction, else 0"


class ReferenceInfoColumn(FeatureColumn):
    """Where the ego lies beside a reference line, and what lies ahead on it; 200 m stand for "none ahead"."""

    LATERAL = "the ego's offset from the line, left positive", "m"
    HEADING_SIN = "sine of the ego's heading against the line's"
    HEADING_COS = "its cosine"
    TO_RED = "distance to the first red light", "m"
    TO_YELLOW = "distance to the first yellow light", "m"
    TO_STOP = "distance to the first stop sign", "m"
    TO_ROUTE_END = "distance for which the line stays on the route", "m"
    LIMIT_HERE = "speed limit at the ego, 0 where unknown", "m/s"


class FrenetColumn(FeatureColumn):
    """An object beside a reference line, in the line's own coordinates."""

    ALONG = "arc length of its center", "m"
    OFFSET = "offset of its center, left positive", "m"
    ALONG_RATE = "velocity along the line", "m/s"
    OFFSET_RATE = "velocity across the line, left positive", "m/s"
    HALF_ALONG = "half its extent along the line", "m"
    HALF_ACROSS = "half its extent across the line", "m"


class GoalColumn(FeatureColumn):
    """The pose to be reached."""

    X = "forward", "m"
    Y = "to the left", "m"
    COS = "cosine of the heading"
    SIN = "sine of the heading"


class TargetSpeedColumn(FeatureColumn):
    """The speed asked for."""

    SPEED = "speed", "m/s"


class EgoFutureColumn(FeatureColumn):
    """The ego's rear axle at a later time."""

    X = "forward", "m"
    Y = "to the left", "m"
    COS = "cosine of the heading"
    SIN = "sine of the heading"
    SPEED = "speed", "m/s"


class AgentFutureColumn(FeatureColumn):
    """The center of an agent's box at a later time."""

    X = "forward", "m"
    Y = "to the left", "m"
    COS = "cosine of the heading"
    SIN = "sine of the heading"
