"""What drives: vehicles as data. Every vehicle constant of the project stands in ``vehicles/*.yaml`` (or a user's own
file)."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import read_only
from roadcraft.core.config import fill
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.rules import Range, check
from roadcraft.core.yaml_text import read_yaml


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

    def __post_init__(self) -> None:
        check(self)

    @property
    def length_m(self) -> float:
        """Distance from the front end to the rear end."""
        return self.front_m + self.rear_m

    @property
    def axle_to_center_m(self) -> float:
        """Axle to box centre, positive forward."""
        return 0.5 * (self.front_m - self.rear_m)


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

    def __post_init__(self) -> None:
        check(self, ("units", len(self.units) > 0, "must hold at least one unit"))

    @property
    def body(self) -> RigidUnit:
        """Unit 0, which nuPlan's metrics read."""
        return self.units[0]

    @cached_property
    def box(self) -> NDArray[np.float64]:
        """(3,) float64: rear axle to box centre, length, width of unit 0, for kernels."""
        u = self.body
        return read_only(np.array([u.axle_to_center_m, u.length_m, u.width_m]))


_FOLDER = Path(__file__).parent / "vehicles"


def vehicle_names() -> list[str]:
    """Names of the vehicles that come with roadcraft."""
    return sorted(p.stem for p in _FOLDER.glob("*.yaml"))


def load_vehicle(name: str = "pacifica", file: str | None = None) -> Vehicle:
    """The vehicle of that name, or the one in a user's own YAML file. Raises ConfigError for an unknown name or wrong
    values, DataError for a file that cannot be read."""
    return read_vehicle(Path(file)) if file else _known(name)


@lru_cache(maxsize=64)
def _known(name: str) -> Vehicle:
    if name not in vehicle_names():
        near = get_close_matches(name, vehicle_names(), 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(
            f"there is no vehicle {name!r}; {hint}known: {', '.join(vehicle_names())}; a file of your own: "
            "vehicle=my_truck.yaml"
        )
    return read_vehicle(_FOLDER / f"{name}.yaml")


def read_vehicle(path: Path) -> Vehicle:
    """The vehicle in a YAML file; its name is the file's where it gives none. Raises DataError and ConfigError that
    name file, unit and key."""
    tree = read_yaml(path)
    if not isinstance(tree, dict):
        raise DataError("a vehicle file is a map with a list 'units' of at least one unit", where=str(path))
    return fill(Vehicle, {"name": path.stem, **tree}, str(path))
