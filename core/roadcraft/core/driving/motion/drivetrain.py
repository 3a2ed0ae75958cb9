"""Steering, engine and brakes of a heavy vehicle: what becomes of a command of acceleration and of steering rate.

A command of acceleration is one of the whole vehicle's. What air, tires and the grade leave open of it is asked of the
engine, or of the brakes after their dead time.
"""

from __future__ import annotations

import math
from math import ceil, exp, sqrt
from typing import NamedTuple

from roadcraft.core.driving.jit import small_njit
from roadcraft.core.driving.motion.single_track import AIR_DENSITY_KGPM3
from roadcraft.core.errors import ConfigError
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2, Vehicle

AMBIENT_DEGC = 32.2
"""Temperature of the air (90 F, as in the grade severity rating system; recalled, not verified at its source)."""
START_DEGC = 65.6
"""Temperature of brakes at the start (150 F, of the same)."""
FADE_DEGC, FADE_PER_K, FADE_FLOOR = 200.0, 0.0018, 0.4
"""Brakes fade above the first by the second, down to the third; chosen, no source claims them."""
LATERAL_SHARE = 0.7
"""Share of the free lateral grip that anti-lock brakes keep; chosen, no source claims it."""
LEAST_STEP_S = 0.05
"""Steps shorter than this shorten the dead time of the brakes."""
RELEASED_MPS2 = 0.05
"""Force of brakes over mass below which they count as released."""
REVERSING_MPS2 = 1.0
"""Commands up to this backward release the brakes of a standing vehicle; chosen, no source claims it."""
_STANDING_MPS = 1e-6
_LEAST_SPEED_MPS = 1.0  # below, full power would be more force than any tire carries


class Drivetrain(NamedTuple):
    """Steering, engine and brakes for kernels; powers in W, masses in kg, times in s."""

    mass: float
    """Mass of the whole vehicle."""
    inertia: float
    """The same with what turning parts add."""
    power: float
    """Power at the wheels."""
    drag: float
    """Drag over the square of the speed, kg/m."""
    rolling: float
    """Coefficient of rolling resistance."""
    launch: float
    """Largest drive force over mass and turning parts, m/s2."""
    limiter: float
    """Speed above which the engine gives no power, m/s; infinite for none."""
    drive_lag: float
    """Time constant of the drive torque."""
    brake: float
    """Deceleration of full braking on a dry level road, m/s2."""
    dead: float
    """Dead time of the brakes."""
    brake_lag: float
    """Time constant of the brakes."""
    retarder: float
    """Power that brakes do not have to take."""
    heat: float
    """Heat capacity of the brakes, J/K."""
    cooling: float
    """Cooling at rest, W/K."""
    cooling_speed: float
    """Cooling by speed, W/K per m/s."""
    max_steering: float
    """Largest tire angle, rad."""
    max_steering_rate: float
    """Largest rate of it, rad/s."""
    steering_lag: float
    """Time constant of the steering."""
    ideal: bool
    """Whether commands come true at once, without limits."""


class Wheels(NamedTuple):
    """State of steering, engine and brakes of one vehicle at the end of a step; scalars."""

    speed: float
    """m/s, signed."""
    steering: float
    """rad."""
    steering_rate: float
    """rad/s."""
    drive: float
    """Drive force over mass, m/s2."""
    brake: float
    """Brake force over mass, m/s2."""
    temperature: float
    """Of the brakes, degrees C."""


def drivetrain_of(vehicle: Vehicle, ideal: bool = False) -> Drivetrain:
    """A vehicle's steering, engine and brakes in the driven state of load. Raises ConfigError for a vehicle that lacks
    any of them."""
    engine, brakes, rate = vehicle.powertrain, vehicle.brakes, vehicle.max_steering_rate_radps
    if ideal and not vehicle.has_masses:
        mass = sum(m.mass_kg for m in vehicle.masses)
        return Drivetrain(mass, mass, *(0.0,) * 4, math.inf, *(0.0,) * 5, 1.0, 0.0, 0.0, math.inf, math.inf, 0.0, True)
    if engine is None or brakes is None or rate is None or not vehicle.loads:
        raise ConfigError(
            f"vehicle {vehicle.name!r} cannot be driven with slipping tires: its file must give loads, powertrain, "
            "brakes and max_steering_rate_radps"
        )
    load, mass = vehicle.loads[vehicle.load], sum(m.mass_kg for m in vehicle.masses)
    return Drivetrain(
        mass=mass,
        inertia=engine.rotating_mass_factor * mass,
        power=engine.driveline * engine.power_W,
        drag=0.5 * AIR_DENSITY_KGPM3 * engine.drag_area_m2,
        rolling=engine.rolling,
        launch=load.launch_mps2,
        limiter=math.inf if engine.speed_limiter_mps is None else engine.speed_limiter_mps,
        drive_lag=engine.drive_lag_s,
        brake=load.brake_mps2,
        dead=brakes.dead_s,
        brake_lag=brakes.lag_s,
        retarder=brakes.retarder_W,
        heat=brakes.heat_JpK,
        cooling=brakes.cooling_WpK,
        cooling_speed=brakes.cooling_JpKm,
        max_steering=vehicle.max_steering_rad,
        max_steering_rate=rate,
        steering_lag=vehicle.steering_lag_s,
        ideal=ideal,
    )


def remembered_demands(vehicle: Vehicle) -> int:
    """How many brake demands, the present one among them, the dead time of a vehicle's brakes asks to remember."""
    return 1 + ceil((0.0 if vehicle.brakes is None else vehicle.brakes.dead_s) / LEAST_STEP_S - 1e-9)


@small_njit
def demand(command, speed, slope, released, drive):  # type: ignore[no-untyped-def]
    """What a commanded acceleration m/s2 asks for: the direction of driving (1 or -1), force over mass (m/s2) of the
    engine and of the brakes, and whether the vehicle is to stand.

    slope: sine of the grade, uphill positive; released: whether the brakes are. A standing vehicle drives backward
    where the command is negative and the brakes are released; a command down to -``REVERSING_MPS2`` releases them, a
    stronger one keeps braking. It stands, whatever the grade, where the command is 0.
    """
    standing = abs(speed) < _STANDING_MPS
    way = 1.0
    if (speed < 0.0 and not standing) or (standing and command < 0.0 and released):
        way = -1.0
    if standing and (command == 0.0 or (-REVERSING_MPS2 <= command < 0.0 and not released)):
        return way, 0.0, 0.0, True
    asked = (drive.inertia * way * command + _resistance(abs(speed), way * slope, drive)) / drive.mass
    if standing and way * command <= 0.0:
        asked = min(asked, 0.0)
    return way, max(asked, 0.0), max(-asked, 0.0), False


@small_njit
def _resistance(speed, slope, drive):  # type: ignore[no-untyped-def]
    """Rolling resistance, drag and grade, N against the direction of driving."""
    weight = drive.mass * GRAVITY_MPS2
    return weight * (drive.rolling * sqrt(1.0 - slope * slope) + slope) + drive.drag * speed * speed


@small_njit
def _closer(value, target, dt, lag):  # type: ignore[no-untyped-def]
    return target if lag <= 0.0 else target + (value - target) * exp(-dt / lag)


@small_njit
def actuate(wheels, asked, rate, road, load, drive, along):  # type: ignore[no-untyped-def]
    """Speed, steering, engine and brakes after a short step.

    wheels: :class:`Wheels`; asked: direction, engine and brakes as :func:`demand` gives them and the brakes' with their
    dead time, whether to stand, and length of the step s; rate: commanded steering rate rad/s; road: sine of the grade
    and friction (1 + n,); load (1 + n,) N. Fills along (1 + n,): forces on axles, N forward.
    """
    way, wanted, delayed, stands, dt = asked
    slope, friction = road
    speed = way * wheels.speed
    resisted = _resistance(speed, way * slope, drive)
    # engine: power, traction of the driven group, launch, limiter
    wanted = min(wanted, drive.power / (drive.mass * max(speed, _LEAST_SPEED_MPS)))
    wanted = min(wanted, drive.launch * drive.inertia / drive.mass)
    if drive.limiter < math.inf:
        room = drive.inertia * (drive.limiter - speed) / max(drive.drive_lag, dt)
        wanted = min(wanted, max(0.0, (resisted + room) / drive.mass))
    engine = _closer(wheels.drive, wanted, dt, drive.drive_lag)
    pushed = min(0.5 * (wheels.drive + engine) * drive.mass, friction[1] * load[1] * sqrt(1.0 - slope * slope))
    # brakes: fade, anti-lock on every axle group
    hot = max(0.0, wheels.temperature - FADE_DEGC)
    most = drive.inertia * drive.brake / drive.mass - drive.rolling * GRAVITY_MPS2
    most *= max(FADE_FLOOR, 1.0 - FADE_PER_K * hot)
    brake = _closer(wheels.brake, min(delayed, most), dt, drive.brake_lag)
    braked, weight, longitudinal = 0.0, drive.mass * GRAVITY_MPS2, sqrt(1.0 - LATERAL_SHARE * LATERAL_SHARE)
    for k in range(len(load)):
        force = min(0.5 * (wheels.brake + brake) * drive.mass * load[k] / weight, longitudinal * friction[k] * load[k])
        along[k] = -way * force
        braked += force
    along[1] += way * pushed
    accel = (pushed - braked - resisted) / drive.inertia
    after = 0.0 if stands else max(0.0, speed + accel * dt)
    heating = max(0.0, braked * 0.5 * (speed + after) - drive.retarder)
    cooling = drive.cooling + drive.cooling_speed * speed
    even = AMBIENT_DEGC + (heating / cooling if cooling > 0.0 else 0.0)
    temperature = even + (wheels.temperature - even) * exp(-cooling * dt / drive.heat)
    # steering: limited rate, first-order lag, limited angle
    rate = min(max(rate, -drive.max_steering_rate), drive.max_steering_rate)
    turning = _closer(wheels.steering_rate, rate, dt, drive.steering_lag)
    angle = wheels.steering + rate * dt + (wheels.steering_rate - turning) * drive.steering_lag
    if abs(angle) > drive.max_steering:
        angle, turning = math.copysign(drive.max_steering, angle), 0.0
    return Wheels(way * after, angle, turning, engine, brake, temperature)
