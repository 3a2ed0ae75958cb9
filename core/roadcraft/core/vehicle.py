"""What drives: vehicles as data. Every vehicle constant of the project stands in ``vehicles/*.yaml`` (or a user's own file)."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import read_only
from roadcraft.core.config import fill
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.rules import check
from roadcraft.core.yaml_text import read_yaml


@dataclass(frozen=True)
class RigidUnit:
    """One rigid body of a vehicle: the towing unit (row 0) or a trailer. Lengths in metres from its axle reference (the rear axle of unit 0, the
    axle centre of a trailer), positive forward.

    front_m: axle to front end; rear_m: axle to rear end (both positive); width_m; height_m;
    wheel_base_m: unit 0: front to rear axle; a trailer: hitch (kingpin) to axle;
    hitch_m: the hitch of the **next** unit, measured forward from this unit's axle (a fifth wheel ahead of the axle is positive).
    """

    front_m: float
    rear_m: float
    width_m: float
    height_m: float
    wheel_base_m: float
    hitch_m: float = 0.0

    def __post_init__(self) -> None:
        check(
            self, {"(0, 100)": "front_m width_m height_m wheel_base_m", "[0, 100)": "rear_m", "(-100, 100)": "hitch_m"}
        )

    @property
    def length_m(self) -> float:
        return self.front_m + self.rear_m

    @property
    def axle_to_center_m(self) -> float:
        """Axle to box centre, positive forward."""
        return 0.5 * (self.front_m - self.rear_m)


@dataclass(frozen=True)
class Vehicle:
    """An ego vehicle: its units and the limits and lags of its motion.

    max_steering_rad: tire angle; accel_lag_s, steering_lag_s: first-order time constants of the actuators.
    """

    name: str
    units: tuple[RigidUnit, ...]
    max_steering_rad: float
    accel_lag_s: float
    steering_lag_s: float
    summary: str = ""

    def __post_init__(self) -> None:
        check(
            self,
            {"(0, 1.5)": "max_steering_rad", "[0, 10)": "accel_lag_s steering_lag_s"},
            ("units", len(self.units) > 0, "must hold at least one unit"),
        )

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
    """The vehicle of that name, or the one in a user's own YAML file. Raises ConfigError for an unknown name or wrong values, DataError for a file that
    cannot be read."""
    return read_vehicle(Path(file)) if file else _known(name)


@lru_cache(maxsize=64)
def _known(name: str) -> Vehicle:
    if name not in vehicle_names():
        near = get_close_matches(name, vehicle_names(), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"there is no vehicle {name!r}{hint} known: {', '.join(vehicle_names())}; a file of your own: vehicle=my_truck.yaml"
        )
    return read_vehicle(_FOLDER / f"{name}.yaml")


def read_vehicle(path: Path) -> Vehicle:
    """The vehicle in a YAML file; its name is the file's where it gives none. Raises DataError and ConfigError that name file, unit and key."""
    tree = read_yaml(path)
    if not isinstance(tree, dict):
        raise DataError("a vehicle file is a map with a list 'units' of at least one unit", where=str(path))
    return fill(Vehicle, {"name": path.stem, **tree}, str(path))
