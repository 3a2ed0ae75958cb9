"""Settings of the metrics of heavy and articulated vehicles. Every threshold names its source: an engineering choice
has none; what is recalled says that it is unverified. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from roadcraft.core.config.rules import Range, Unit, check
from roadcraft.validation.metrics.common.configs import SpeedLimitConfig, TimeToCollisionConfig


@dataclass(frozen=True)
class AllUnitDrivableAreaConfig:
    """When a unit leaves the drivable area."""

    tolerance_m: Annotated[float, Range(">= 0")] = 0.3
    """Distance by which a point of an outline may stand beyond the drivable area: nuPlan's for corners."""


@dataclass(frozen=True)
class AllUnitTtcConfig(TimeToCollisionConfig):
    """Time to collision of all units: nuPlan's bounds for unit 0."""


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


@dataclass(frozen=True)
class StoppingMarginConfig:
    """What ego is to be able to stop for."""

    reaction_s: Annotated[float, Range(">= 0")] = 0.3
    """Reaction of a machine; engine choice."""
    car_mps2: Annotated[float, Range("> 0")] = 8.0
    """Full braking of a leader; engine choice."""
    truck_mps2: Annotated[float, Range("> 0")] = 5.0
    """The same of a leader longer than 7 m; engine choice. Ego's own is that of its vehicle file."""


@dataclass(frozen=True)
class BrakeDemandConfig:
    """Braking that a leader asks for."""

    good: Annotated[float, Range("(0, 1]")] = 0.5
    """Share of the brakes that is good; engine choice."""


@dataclass(frozen=True)
class HeadwayConfig:
    """Time gaps."""

    law: Literal["cdl", "germany"] = "cdl"
    """The law that the score asks for: cdl of the manuals for commercial drivers in the US, germany of StVO 4(3)."""
    above_mps: Annotated[float, Range(">= 0")] = 5.0
    """Speed above which headway counts; engine choice."""
    grace_s: Annotated[float, Range(">= 0")] = 5.0
    """Time after somebody cut in that does not count; engine choice."""


@dataclass(frozen=True)
class TruckSpeedConfig(SpeedLimitConfig):
    """Speed above the limit of trucks."""

    truck_limit_mps: Annotated[float | None, Range("> 0")] = None
    """Limit of trucks on every road, or none: 24.6 in California (CVC 22406)."""


@dataclass(frozen=True)
class LaneChangeGapConfig:
    """Gaps in lane changes. Human drivers accepted 0.85 s ahead and 0.83 s behind at 17.3 m/s (VTI)."""

    good_mps2: Annotated[float, Range(">= 0")] = 1.5
    """Deceleration imposed on the follower that is good; engine choice."""
    bad_mps2: Annotated[float, Range("> 0")] = 3.0
    """Deceleration at which the score reaches 0; engine choice."""

    def __post_init__(self) -> None:
        check(self, ("bad_mps2", self.bad_mps2 > self.good_mps2, "must be greater than good_mps2"))


@dataclass(frozen=True)
class MergeConfig(LaneChangeGapConfig):
    """Merges from a lane that ends or joins another one; gaps as in lane changes."""

    end_m: Annotated[float, Range("> 0")] = 50.0
    """Length of the rest of the lane on which ego does not wait; engine choice."""
    blocked_m: Annotated[float, Range(">= 0")] = 10.0
    """Gap to who stands ahead within which ego has to wait; engine choice."""
    wait_s: Annotated[float, Range(">= 0")] = 2.0
    """Time for which ego may stand there although it could go; engine choice."""


@dataclass(frozen=True)
class CargoConfig:
    """Accelerations of the payload. Securement must survive 0.8 g forward and 0.5 g to the side; its working load
    limits are the bad bounds (49 CFR 393.102)."""

    braking_good_g: Annotated[float, Range(">= 0"), Unit("g")] = 0.25
    """Braking that is good; engine choice."""
    braking_bad_g: Annotated[float, Range("> 0"), Unit("g")] = 0.435
    """Braking at which the score reaches 0."""
    lateral_good_g: Annotated[float, Range(">= 0"), Unit("g")] = 0.15
    """Lateral acceleration that is good; engine choice."""
    lateral_bad_g: Annotated[float, Range("> 0"), Unit("g")] = 0.25
    """Lateral acceleration at which the score reaches 0."""
    jerk_good: Annotated[float, Range(">= 0"), Unit("m/s³")] = 2.0
    """Longitudinal jerk that is good; engine choice."""
    jerk_bad: Annotated[float, Range("> 0"), Unit("m/s³")] = 8.0
    """Longitudinal jerk at which the score reaches 0; engine choice: full braking within half a second."""

    def __post_init__(self) -> None:
        bad = [p for p in ("braking", "lateral") if getattr(self, f"{p}_bad_g") <= getattr(self, f"{p}_good_g")]
        check(
            self,
            *((f"{p}_bad_g", False, f"must be greater than {p}_good_g") for p in bad),
            ("jerk_bad", self.jerk_bad > self.jerk_good, "must be greater than jerk_good"),
        )


@dataclass(frozen=True)
class BrakeHeatConfig:
    """Temperatures of service brakes."""

    warn_degC: float = 200.0
    """Temperature up to which the score is 1; engine choice, above it brakes fade."""
    limit_degC: float = 260.0
    """Temperature at which the score reaches 0: FHWA's grade severity rating, as recalled and unverified."""
    rise_K: Annotated[float, Range(">= 0")] = 20.0
    """Rise over the start below which nothing is judged; engine choice."""

    def __post_init__(self) -> None:
        check(self, ("limit_degC", self.limit_degC > self.warn_degC, "must be greater than warn_degC"))


@dataclass(frozen=True)
class EnergyConfig:
    """From power at the wheels to fuel; all engine choices."""

    driveline: Annotated[float, Range("(0, 1]")] = 0.95
    """Efficiency of the driveline."""
    engine: Annotated[float, Range("(0, 1]")] = 0.43
    """Efficiency of the engine."""
    idle_W: Annotated[float, Range(">= 0")] = 12_000.0
    """Fuel power of idling and of what runs beside."""
    fuel_Jpl: Annotated[float, Range("> 0")] = 35.8e6
    """Energy of a liter of diesel."""


@dataclass(frozen=True)
class RollbackConfig:
    """Rolling back."""

    most_m: Annotated[float, Range(">= 0")] = 0.3
    """Way that is good; engine choice."""


@dataclass(frozen=True)
class VruSideConfig:
    """Room for people and cyclists beside the units."""

    turning_m: Annotated[float, Range("> 0")] = 1.0
    """Room asked for in turns; engine choice."""
    passing_m: Annotated[float, Range("> 0")] = 1.5
    """Room asked for else; engine choice."""
    turn_radps: Annotated[float, Range("> 0")] = 0.05
    """Yaw rate from which on ego turns; engine choice."""
    near_m: Annotated[float, Range("> 0")] = 4.0
    """Room beyond which nobody is beside a unit; engine choice."""


@dataclass(frozen=True)
class MoveOverConfig:
    """Vehicles that stand at the roadside (Texas Transportation Code 545.157; other states have the like,
    unverified)."""

    lane_m: Annotated[float, Range("> 0")] = 3.66
    """Room that is a lane: 12 ft."""
    slower_mps: Annotated[float, Range(">= 0")] = 8.94
    """How far below the limit is slow: 20 mph."""
    fast_limit_mps: Annotated[float, Range(">= 0")] = 11.176
    """Limit from which on that holds: 25 mph."""
    slow_mps: Annotated[float, Range(">= 0")] = 2.235
    """What is slow below: 5 mph."""
    per_mps: Annotated[float, Range(">= 0"), Unit("s")] = 0.1
    """Room asked for beyond 1 m, for each m/s; engine choice."""
    from_mps: Annotated[float, Range(">= 0")] = 17.8
    """Least limit of roads on which vehicles at the side are not parked; engine choice."""


@dataclass(frozen=True)
class ShoulderStopConfig:
    """How ego stops where it is told to pull over; all engine choices."""

    within_s: Annotated[float, Range("> 0")] = 30.0
    """Time until it stands that is good."""
    late_s: Annotated[float, Range("> 0")] = 45.0
    """Time at which the score reaches 0."""
    good_mps2: Annotated[float, Range(">= 0")] = 3.0
    """Braking that is good."""
    bad_mps2: Annotated[float, Range("> 0")] = 4.5
    """Braking at which the score reaches 0."""
    clear_m: Annotated[float, Range(">= 0")] = 0.1
    """Reach into a lane that is let pass."""

    def __post_init__(self) -> None:
        check(
            self,
            ("late_s", self.late_s > self.within_s, "must be greater than within_s"),
            ("bad_mps2", self.bad_mps2 > self.good_mps2, "must be greater than good_mps2"),
        )


@dataclass(frozen=True)
class JunctionBlockedConfig:
    """Standing in junctions."""

    most_s: Annotated[float, Range(">= 0")] = 3.0
    """Time that is good; engine choice."""
