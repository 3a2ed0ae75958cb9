"""What drives: vehicles as data. Every vehicle constant of the project stands in ``vehicles/*.yaml`` (or a user's own file)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.errors import DataError


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

    @property
    def body(self) -> RigidUnit:
        """Unit 0, which nuPlan's metrics read."""
        return self.units[0]

    @cached_property
    def box(self) -> NDArray[np.float64]:
        """(3,) float64: rear axle to box centre, length, width of unit 0, for kernels."""
        u = self.body
        return np.array([u.axle_to_center_m, u.length_m, u.width_m])


_UNIT_KEYS = {f.name for f in fields(RigidUnit)}
_KEYS = {f.name for f in fields(Vehicle)}
_FOLDER = Path(__file__).parent / "vehicles"


def vehicle_names() -> list[str]:
    """Names of the vehicles that come with roadcraft."""
    return sorted(p.stem for p in _FOLDER.glob("*.yaml"))


@lru_cache(maxsize=64)
def load_vehicle(name: str = "pacifica", file: str | None = None) -> Vehicle:
    """The vehicle of that name, or the one in a user's own YAML file. Raises DataError naming file and key."""
    import yaml

    path = Path(file) if file else _FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise DataError(
            "no such vehicle",
            where=str(path),
            remedy=f"known: {', '.join(vehicle_names())}; or vehicle={{file: my_truck.yaml}}",
        )
    try:
        data: dict[str, Any] = yaml.safe_load(path.read_text())
    except yaml.YAMLError as e:
        raise DataError(f"not valid YAML: {e}", where=str(path)) from e
    return _build(data, path)


def _build(data: Any, path: Path) -> Vehicle:
    if not isinstance(data, dict) or not isinstance(data.get("units"), list) or not data["units"]:
        raise DataError("a vehicle file is a map with a list 'units' of at least one unit", where=str(path))
    wrong = [k for k in data if k not in _KEYS] + [
        f"units.{i}.{k}" for i, u in enumerate(data["units"]) for k in u if k not in _UNIT_KEYS
    ]
    if wrong:
        raise DataError(
            f"unknown keys {wrong}", where=str(path), remedy=f"known: {sorted(_KEYS)}, per unit {sorted(_UNIT_KEYS)}"
        )
    try:
        units = tuple(RigidUnit(**{k: float(v) for k, v in u.items()}) for u in data["units"])
        rest = {k: float(v) for k, v in data.items() if k not in ("name", "units", "summary")}
        vehicle = Vehicle(
            name=str(data.get("name", path.stem)), units=units, summary=str(data.get("summary", "")), **rest
        )
    except (TypeError, ValueError) as e:
        raise DataError(str(e), where=str(path)) from e
    for i, u in enumerate(vehicle.units):
        for key in ("front_m", "width_m", "height_m", "wheel_base_m"):
            if not 0.0 < getattr(u, key) < 100.0:
                raise DataError(
                    f"units.{i}.{key} = {getattr(u, key)} is not a plausible length",
                    where=str(path),
                    remedy="0 < metres < 100",
                )
    return vehicle
