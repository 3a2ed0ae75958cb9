"""What drives: vehicles as data. Every vehicle constant of the project stands in ``vehicles/*.yaml`` (or a user's own
file)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import read_only
from roadcraft.core.config.load import fill
from roadcraft.core.config.rules import Range, Unit, check
from roadcraft.core.config.yaml_text import read_yaml
from roadcraft.core.errors import ConfigError, DataError

GRAVITY_MPS2 = 9.81
"""Gravity, in m/s2."""


@dataclass(frozen=True)
class UnitLoad:
    """Mass of one rigid unit in one state of load."""

    mass_kg: Annotated[float, Range("(0, 1000000)")]
    """Mass of the unit with what it carries."""
    cog_m: Annotated[float, Range("(-100, 100)")]
    """Place of the center of gravity ahead of the unit's axle reference."""
    cog_height_m: Annotated[float, Range("(0, 20)")]
    """Height of the center of gravity above the ground."""
    yaw_inertia_kgm2: Annotated[float, Range("(0, 1e9)")]
    """Yaw inertia about the center of gravity."""
    srt_g: Annotated[float | None, Range("(0, 2)")] = None
    """Static roll threshold of the units that roll together with this one: the lateral acceleration at which they tip,
    in g."""


@dataclass(frozen=True)
class RigidUnit:
    """One rigid body of a vehicle: the towing unit (row 0) or a trailer. Lengths are measured from its axle reference
    (the rear axle of unit 0, the axle center of a trailer), positive forward."""

    front_m: Annotated[float, Range("(0, 100)")]
    """Distance from the axle to the front end."""
    rear_m: Annotated[float, Range("[0, 100)")]
    """Distance from the axle to the rear end, positive."""
    width_m: Annotated[float, Range("(0, 100)")]
    """Width."""
    height_m: Annotated[float, Range("(0, 100)")]
    """Height."""
    wheel_base_m: Annotated[float, Range("(0, 100)")]
    """Distance from the front to the rear axle; of a trailer, from its hitch (kingpin) to its axle."""
    hitch_m: Annotated[float, Range("(-100, 100)")] = 0.0
    """Place of the next unit's hitch ahead of this unit's axle; a fifth wheel ahead of the axle is positive."""
    kind: Literal["car", "truck", "tractor", "bus", "semitrailer", "dolly", "trailer"] = "car"
    """What the unit is. A semitrailer rolls with what carries its kingpin; a drawbar (dolly, trailer) passes no
    roll on."""
    track_m: Annotated[float | None, Range("(0, 10)")] = None
    """Distance between the centers of the outer tires of an axle."""
    axles_m: Annotated[tuple[float, ...], Range("(-100, 100)")] = (0.0,)
    """Axles that do not steer, ahead of the axle reference, for pictures; motion has them all at the reference."""
    cornering_per_rad: Annotated[float, Range("(0, 100)"), Unit("1/rad")] = 5.5
    """Cornering stiffness of its tires over their static load."""
    joint_limit_rad: Annotated[float, Range("(0, 3.15)")] = 1.5707963267948966
    """Largest angle of the joint at its front end, either way."""
    loads: dict[str, UnitLoad] = field(default_factory=dict, hash=False)
    """Its mass by the vehicle's states of load; a unit that no load changes gives the first alone."""

    def __post_init__(self) -> None:
        check(self)

    @property
    def length_m(self) -> float:
        """Distance from the front end to the rear end."""
        return self.front_m + self.rear_m

    @property
    def axle_to_center_m(self) -> float:
        """Axle to box center, positive forward."""
        return 0.5 * (self.front_m - self.rear_m)


@dataclass(frozen=True)
class VehicleLoad:
    """What a state of load changes of the whole vehicle."""

    brake_mps2: Annotated[float, Range("(0, 15)")]
    """Deceleration of full service braking on a dry level road."""
    launch_mps2: Annotated[float, Range("(0, 10)")]
    """Largest acceleration from rest."""


@dataclass(frozen=True)
class Powertrain:
    """Engine, driveline and what resists."""

    power_W: Annotated[float, Range("(0, 1e7)")]
    """Largest power of the engine."""
    driveline: Annotated[float, Range("(0, 1]")] = 0.85
    """Share of the engine's power that reaches the wheels."""
    drag_area_m2: Annotated[float, Range("(0, 50)")] = 6.0
    """Drag coefficient times frontal area. The default lies amid the bins of 40 CFR 1037.520, not verified."""
    rolling: Annotated[float, Range("[0, 1)")] = 0.0065
    """Coefficient of rolling resistance."""
    rotating_mass_factor: Annotated[float, Range("[1, 2)")] = 1.05
    """Factor of the mass by which turning parts resist acceleration."""
    drive_lag_s: Annotated[float, Range("[0, 10)")] = 0.5
    """Time constant of the drive torque."""
    speed_limiter_mps: Annotated[float | None, Range("(0, 100)")] = None
    """Speed above which the engine gives no power, or none."""


@dataclass(frozen=True)
class Brakes:
    """Service brakes, retarder and heat."""

    dead_s: Annotated[float, Range("[0, 5)")] = 0.2
    """Time from a brake command to the first deceleration."""
    ramp_s: Annotated[float, Range("[0, 5)")] = 0.4
    """Time in which the deceleration then grows to its full value."""
    lag_s: Annotated[float, Range("[0, 5)")] = 0.2
    """Time constant of the deceleration after the dead time."""
    retarder_W: Annotated[float, Range("[0, 1e7)")] = 0.0
    """Power that the retarder and the engine brake take off, so that the service brakes need not."""
    heat_JpK: Annotated[float, Range("(0, 1e9)")] = 393_000.0
    """Heat capacity of all service brakes. This and the cooling are by default those of FHWA's grade severity rating,
    ten drums, as recalled and not verified."""
    cooling_WpK: Annotated[float, Range("(0, 1e6)")] = 134.0
    """Cooling of the standing vehicle."""
    cooling_JpKm: Annotated[float, Range("[0, 1e6)")] = 6.24
    """Cooling that comes with speed, in W/K per m/s."""


@dataclass(frozen=True)
class Vehicle:
    """An ego vehicle: its units and the limits and lags of its motion."""

    name: str
    """Name of the vehicle; that of the file where it gives none."""
    units: tuple[RigidUnit, ...]
    """Its rigid bodies, the towing unit first."""
    max_steering_rad: Annotated[float, Range("(0, 1.5)")]
    """Largest tire angle, either way."""
    accel_lag_s: Annotated[float, Range("[0, 10)")]
    """Time constant of the first-order lag of the acceleration."""
    steering_lag_s: Annotated[float, Range("[0, 10)")]
    """Time constant of the first-order lag of the steering angle."""
    summary: str = ""
    """A line for listings."""
    max_steering_rate_radps: Annotated[float | None, Range("(0, 100)")] = None
    """Largest rate of the tire angle, or none."""
    loads: dict[str, VehicleLoad] = field(default_factory=dict, hash=False)
    """States of load by name, the first of them the lightest; a vehicle without masses gives none."""
    load: str = ""
    """The state of load that is driven, by default the first."""
    powertrain: Powertrain | None = None
    """Engine and resistances, where they are known."""
    brakes: Brakes | None = None
    """Brakes, where they are known."""

    def __post_init__(self) -> None:
        names = list(self.loads)
        if names and not self.load:
            object.__setattr__(self, "load", names[0])
        known = f"must be one of {', '.join(names)}" if names else "must be left out: the vehicle has no loads"
        strange = [(i, k) for i, u in enumerate(self.units) for k in u.loads if k not in self.loads]
        lacking = [i for i, u in enumerate(self.units) if names and names[0] not in u.loads]
        check(
            self,
            ("units", len(self.units) > 0, "must hold at least one unit"),
            ("load", not self.load or self.load in self.loads, known),
            ("loads", not strange, f"must hold {strange[0][1]!r}, which unit {strange[0][0]} names" if strange else ""),
            ("loads", not lacking, f"unit {lacking[0]} must give {names[0]!r}, the first load" if lacking else ""),
        )

    @property
    def body(self) -> RigidUnit:
        """Unit 0, which nuPlan's metrics read."""
        return self.units[0]

    @property
    def joints(self) -> int:
        """Number J of joints: units behind the towing one."""
        return len(self.units) - 1

    @property
    def has_masses(self) -> bool:
        """Whether the file says all that dynamics need: loads, powertrain, brakes and the rate of steering."""
        return bool(
            self.loads
            and self.powertrain is not None
            and self.brakes is not None
            and self.max_steering_rate_radps is not None
        )

    @cached_property
    def masses(self) -> tuple[UnitLoad, ...]:
        """The masses of the units in the driven state of load; empty for a vehicle without."""
        if not self.loads:
            return ()
        first = next(iter(self.loads))
        return tuple(u.loads.get(self.load, u.loads[first]) for u in self.units)

    @cached_property
    def box(self) -> NDArray[np.float64]:
        """(3,) float64: rear axle to box center, length, width of unit 0, for kernels."""
        u = self.body
        return read_only(np.array([u.axle_to_center_m, u.length_m, u.width_m]))


_FOLDER = Path(__file__).parent


def vehicle_names() -> list[str]:
    """Names of the vehicles that come with roadcraft."""
    return sorted(p.stem for p in _FOLDER.glob("*.yaml"))


def load_vehicle(name: str = "pacifica", file: str | None = None, load: str = "") -> Vehicle:
    """The vehicle of that name, or the one in a user's own YAML file; ``load``: its state of load, by default the
    file's. Raises ConfigError for an unknown name or load or wrong values, DataError for a file that cannot be read."""
    vehicle = read_vehicle(Path(file)) if file else _known(name)
    return replace(vehicle, load=load) if load else vehicle


@lru_cache(maxsize=64)
def _known(name: str) -> Vehicle:
    if name not in vehicle_names():
        near = get_close_matches(name, vehicle_names(), 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(
            f"there is no vehicle {name!r}; {hint}known: {', '.join(vehicle_names())}; a file of your own: "
            "vehicle=my_truck.yaml"
        )
    return read_vehicle(vehicle_file(name))


def vehicle_file(name: str) -> Path:
    """The file of a vehicle that comes with roadcraft."""
    return _FOLDER / f"{name}.yaml"


def read_vehicle(path: Path) -> Vehicle:
    """The vehicle in a YAML file; its name is the file's where it gives none. Raises DataError and ConfigError that
    name file, unit and key."""
    tree = read_yaml(path)
    if not isinstance(tree, dict):
        raise DataError("a vehicle file is a map with a list 'units' of at least one unit", where=str(path))
    return fill(Vehicle, {"name": path.stem, **tree}, str(path))
