"""Settings of the metrics of heavy and articulated vehicles. Every threshold names its source: an engineering choice
has none; what is recalled says that it is unverified. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.rules import Range, Unit, check


@dataclass(frozen=True)
class AllUnitDrivableAreaConfig:
    """When a unit leaves the drivable area."""

    tolerance_m: Annotated[float, Range(">= 0")] = 0.3
    """Distance by which a point of an outline may stand beyond the drivable area: nuPlan's for corners."""


@dataclass(frozen=True)
class LaneKeepingConfig:
    """When units leave the lanes that unit 0 uses."""

    noticed_m: Annotated[float, Range(">= 0")] = 0.1
    """Excess that counts as time out of the lanes; engine choice."""
    max_m: Annotated[float, Range("> 0")] = 0.5
    """Excess at which the score reaches 0; engine choice."""
    oncoming_s: Annotated[float, Range(">= 0")] = 6.0
    """Time until an oncoming road user arrives up to which an excess into its lane costs the whole score; engine
    choice."""


@dataclass(frozen=True)
class ArticulationConfig:
    """When joints tell of a jackknife or a swinging trailer."""

    slip_rad: Annotated[float, Range("> 0")] = 0.13962634015954636
    """Slip angle (8 degrees) of a truck tire past its peak; engine choice, dry tires saturate at 4 to 6."""
    slip_mps: Annotated[float, Range(">= 0")] = 3.0
    """Speed above which slip counts; engine choice."""
    off_rad: Annotated[float, Range("> 0")] = 0.3490658503988659
    """Distance (20 degrees) of a joint from the expected one that is a jackknife; engine choice."""
    off_mps: Annotated[float, Range(">= 0")] = 5.0
    """Speed above which that counts; engine choice."""
    bent_rad: Annotated[float, Range("> 0")] = 0.35
    """Joint whose share of time above ``off_mps`` is told."""
    max_rate_radps: Annotated[float, Range("> 0")] = 0.3490658503988659
    """Largest joint rate (20 degrees per second) above ``swift_mps``; engine choice."""
    swift_mps: Annotated[float, Range(">= 0")] = 10.0
    """Speed above which the joint rate is judged; engine choice."""


@dataclass(frozen=True)
class RolloverConfig:
    """When a vehicle tips over."""

    tipping_s: Annotated[float, Range(">= 0")] = 0.2
    """Time without load on one side beyond which it tips; engine choice."""


@dataclass(frozen=True)
class LoadTransferConfig:
    """Load transfer ratios."""

    good: Annotated[float, Range("[0, 1)")] = 0.6
    """Ratio up to which the score is 1: the limit of Canada's RTAC, as recalled and unverified."""
    high: Annotated[float, Range("[0, 1]")] = 0.8
    """Ratio whose share of time is told."""
    bad: Annotated[float, Range("(0, 1]")] = 1.0
    """Ratio at which the score reaches 0: a side without load."""
    margin: Annotated[float, Range("[0, 1]")] = 0.3
    """Good share of the static roll threshold that is left; engine choice."""

    def __post_init__(self) -> None:
        check(self, ("bad", self.bad > self.good, "must be greater than good"))


@dataclass(frozen=True)
class RearwardAmplificationConfig:
    """Lateral acceleration of the last unit against the first in lane changes."""

    per_threshold: Annotated[float, Range("> 0"), Unit("1/g")] = 5.7
    """Bound over the static roll threshold of the last units: Australia's PBS, as recalled and unverified."""
    after_s: Annotated[float, Range(">= 0")] = 3.0
    """Time after the last lateral motion that still counts."""
    least_mps2: Annotated[float, Range("> 0")] = 0.05
    """Lateral acceleration of the steered axle below which a lane change tells nothing; engine choice."""


@dataclass(frozen=True)
class YawDampingConfig:
    """Decay of the joints' motion."""

    least_ratio: Annotated[float, Range("[0, 1]")] = 0.15
    """Least damping ratio: Australia's PBS, as recalled and unverified."""
    rest_rad: Annotated[float, Range("> 0")] = 0.003
    """Distance of the tire angle from its last value within which the steering rests; engine choice."""
    least_radps: Annotated[float, Range("> 0")] = 0.002
    """Least peak of a joint rate that counts; engine choice."""


@dataclass(frozen=True)
class FrictionUseConfig:
    """Share of the friction circle."""

    most: Annotated[float, Range("> 0")] = 0.8
    """Largest share that is good; engine choice, and what Australia's PBS allows steered tires in a slow turn, as
    recalled and unverified."""


@dataclass(frozen=True)
class LowSpeedOfftrackingConfig:
    """Off-tracking at low speed."""

    below_mps: Annotated[float, Range("> 0")] = 5.6
    """Speed below which it is taken."""


@dataclass(frozen=True)
class HighSpeedOfftrackingConfig:
    """Off-tracking at high speed."""

    above_mps: Annotated[float, Range("> 0")] = 16.0
    """Speed above which it is taken."""
    curved_mps2: Annotated[float, Range(">= 0")] = 0.3
    """Lateral acceleration from which on a road is a curve; engine choice."""
    even_radps2: Annotated[float, Range("> 0")] = 0.02
    """Yaw acceleration below which a curve is steady; engine choice."""
    even_radps: Annotated[float, Range("> 0")] = 0.004
    """Difference of the yaw rates of the first and the last unit below which it is; engine choice."""
    steady_m: Annotated[float, Range("> 0")] = 0.46
    """Bound in steady curves: Canada's RTAC at 0.2 g, as recalled and unverified."""
    transient_m: Annotated[float, Range("> 0")] = 0.8
    """Bound in lane changes: Canada's RTAC, as recalled and unverified."""


@dataclass(frozen=True)
class TailSwingConfig:
    """Swing of rear corners at the begin of turns."""

    straight_rad: Annotated[float, Range("> 0")] = 0.02
    """Tire angle below which the steering is straight."""
    most_m: Annotated[float, Range("> 0")] = 0.3
    """Bound: level 1 of Australia's PBS, as recalled and unverified (type approval of the EU: 0.80, unverified)."""


@dataclass(frozen=True)
class FrontalSwingConfig:
    """Swing of front corners at the end of turns."""

    straight_rad: Annotated[float, Range("> 0")] = 0.02
    """Tire angle below which the steering is straight."""
    most_m: Annotated[float, Range("> 0")] = 0.7
    """Bound: Australia's PBS, as recalled and unverified."""


@dataclass(frozen=True)
class FeasibleProgressConfig:
    """The reference against which progress is measured."""

    share_of_threshold: Annotated[float, Range("(0, 1]")] = 0.5
    """Share of the static roll threshold at which it takes curves; engine choice."""
    slowing_mps2: Annotated[float, Range("> 0")] = 1.0
    """Deceleration before curves and lower limits; engine choice."""
    floor_m: Annotated[float, Range("> 0")] = 2.0
    """Progress of the reference below which there was nowhere to go: nuPlan's noise."""


@dataclass(frozen=True)
class MakesFeasibleProgressConfig:
    """Whether ego makes progress at all."""

    min_ratio: Annotated[float, Range("[0, 1]")] = 0.2
    """Least share of the reference's progress: nuPlan's."""
