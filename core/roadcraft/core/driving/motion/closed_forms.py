"""What can be said of heavy vehicles without simulating them: circles, transients of trailers, stopping, heat,
traction, roll, bridges. Scalars in SI units unless a name says otherwise; a grade is rise over run.

Numbers that are recalled, not verified at their source, are those of :func:`gsrs_temperature` and
:func:`bridge_formula`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import atan, cos, exp, hypot, pi, sin, sqrt, tan
from typing import NamedTuple

import numpy as np

from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.core.driving.motion.chain import ChainArrays
from roadcraft.core.driving.motion.single_track import AIR_DENSITY_KGPM3
from roadcraft.core.vehicles.geometry import TurningCircle, circle_of
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2, Brakes, Powertrain


def steady_circle(chain: ChainArrays, steering: float) -> TurningCircle | None:
    """The circle at a steering angle in rad, not 0, its outer radius that of unit 0's front corner; none where the
    trailers fold instead."""
    found = circle_of(chain.wheel_base, chain.hitch, chain.wheel_base[0] / abs(tan(steering)))
    if found is None:
        return None
    radii, joints = found
    steered = hypot(radii[0], chain.wheel_base[0])
    outer = hypot(radii[0] + 0.5 * chain.width[0], chain.front[0])
    inner = float((radii - 0.5 * chain.width).min())
    return TurningCircle(radii, math.copysign(1.0, steering) * joints, steered, outer, inner)


def tractrix(joint: float, wheel_base: float, pull: float) -> tuple[float, float, float]:
    """Joint rad of a trailer after its hitch has gone straight by ``pull`` m (negative: pushed), and where its axle
    then is: m along and to the left of the hitch's way, from where the hitch was."""
    bent = 2.0 * atan(tan(0.5 * joint) * exp(-pull / wheel_base))
    return bent, pull - wheel_base * cos(bent), -wheel_base * sin(bent)


def joint_on_arc(joint: float, wheel_base: float, hitch: float, curvature: float, arc: float) -> float:
    """Joint rad of the first trailer after unit 0's axle has gone ``arc`` m (negative: in reverse) on a circle.

    wheel_base m of the trailer; hitch m ahead of unit 0's axle; curvature 1/m, to the left positive.
    """
    spread = hypot(1.0, hitch * curvature)
    shift = atan(hitch * curvature)
    q, u = wheel_base * curvature / spread, tan(0.5 * (joint - shift))
    way = spread / wheel_base * arc
    if q == 0.0:
        u *= exp(-way)
    elif abs(q) == 1.0:
        u = 1.0 / (1.0 / (u + q) + 0.5 * q * way) - q if u != -q else u
    elif abs(q) < 1.0:
        r = sqrt(1.0 - q * q)
        steady, unstable = -q / (1.0 + r), (-1.0 - r) / q
        z = (u - steady) / (u - unstable) * exp(-r * way) if u != unstable else math.inf
        u = unstable if math.isinf(z) else (steady - unstable * z) / (1.0 - z)
    else:
        r = sqrt(q * q - 1.0)
        u = (r * tan(atan((q * u + 1.0) / r) - 0.5 * r * way) - 1.0) / q
    return float(wrap_array(2.0 * atan(u) + shift))


def equivalent_wheel_base(axles_from_hitch: Sequence[float]) -> float:
    """Distance m from hitch to the point about which a trailer with several unsteered axles of equal stiffness turns at
    low speed, from the axles' distances behind the hitch."""
    return sum(a * a for a in axles_from_hitch) / sum(axles_from_hitch)


def no_return_joint(wheel_base: float, hitch: float, min_radius: float) -> float | None:
    """Joint rad up to which the first trailer can still be straightened in reverse at full lock; none where it always
    can. wheel_base m of the trailer; hitch m ahead of unit 0's axle; min_radius m of unit 0's axle."""
    curvature = 1.0 / min_radius
    sine = wheel_base * curvature / hypot(1.0, hitch * curvature)
    return None if sine >= 1.0 else math.asin(sine) - atan(hitch * curvature)


class Stop(NamedTuple):
    """A stop."""

    time: float
    """s."""
    distance: float
    """m."""


def stopping(speed: float, deceleration: float, dead: float, ramp: float, grade: float = 0.0) -> Stop | None:
    """The stop from a speed: ``dead`` s at the old speed, a deceleration that grows in ``ramp`` s and then stays. The
    grade, uphill positive, acts from the end of the dead time. None where the grade is too steep to stop on."""
    if speed <= 0.0:
        return Stop(0.0, 0.0)
    pull = GRAVITY_MPS2 * grade
    after = speed - pull * ramp - 0.5 * deceleration * ramp
    if after <= 0.0:
        t = 2.0 * speed / (pull + sqrt(pull * pull + 2.0 * deceleration * speed / ramp))
        return Stop(dead + t, speed * dead + t * (speed - t * (0.5 * pull + deceleration * t / (6.0 * ramp))))
    if deceleration + pull <= 0.0:
        return None
    held = speed * (dead + ramp) - ramp * ramp * (0.5 * pull + deceleration / 6.0)
    rest = after / (deceleration + pull)
    return Stop(dead + ramp + rest, held + 0.5 * after * rest)


class Descent(NamedTuple):
    """Brakes on a downgrade."""

    power: float
    """Power that the service brakes take, W."""
    temperature: float
    """Temperature of the brakes at the end, degrees C."""


class Slope(NamedTuple):
    """A downgrade driven at one speed."""

    grade_down: float
    """Fall over run."""
    distance: float
    """m."""
    speed: float
    """m/s."""
    ambient: float
    """Temperature of the air, degrees C."""


def brake_temperature(mass: float, start: float, slope: Slope, engine: Powertrain, brakes: Brakes) -> Descent:
    """The brakes at the end of a downgrade. mass kg; start: their temperature at its start, degrees C."""
    v, angle = slope.speed, atan(slope.grade_down)
    held = mass * GRAVITY_MPS2 * (sin(angle) - engine.rolling * cos(angle))
    held -= 0.5 * AIR_DENSITY_KGPM3 * engine.drag_area_m2 * v * v
    power = max(0.0, held * v - brakes.retarder_W)
    cooling = brakes.cooling_WpK + brakes.cooling_JpKm * v
    end = slope.ambient + power / cooling
    return Descent(power, end + (start - end) * exp(-cooling * slope.distance / v / brakes.heat_JpK))


class GsrsDescent(NamedTuple):
    """Brakes on a downgrade by the grade severity rating system, in US units."""

    power_hp: float
    """Power that the brakes take."""
    temperature_F: float
    """Temperature at the end of the grade."""
    emergency_stop_F: float
    """What an emergency stop adds."""

    @property
    def total_F(self) -> float:
        """Temperature after an emergency stop at the end of the grade; the system's limit is 500 F."""
        return self.temperature_F + self.emergency_stop_F


def gsrs_temperature(weight_lb: float, grade_down: float, speed_mph: float, length_mi: float) -> GsrsDescent:
    """The brakes at the end of a downgrade after FHWA's grade severity rating system. Its coefficients are recalled,
    not verified at their source."""
    fall = sin(atan(grade_down))
    power = max(0.0, (weight_lb * fall - 450.0 - 17.25 * speed_mph) * speed_mph / 375.0 - 73.0)
    rate, heating = 1.23 + 0.0256 * speed_mph, 1.0 / (0.100 + 0.00208 * speed_mph)
    rise = (90.0 - 150.0 + heating * power) * (1.0 - exp(-rate * length_mi / speed_mph))
    return GsrsDescent(power, 150.0 + rise, 3.11e-7 * weight_lb * speed_mph**2)


GSRS_LIMIT_F = 500.0
"""Temperature that brakes may come to by the grade severity rating system (recalled, not verified at its source)."""
GSRS_TOP_MPH = 70
"""No advisory above this; chosen."""


def gsrs_advised_speed(weight_lb: float, grade_down: float, length_mi: float) -> float:
    """Weight-specific advisory of a downgrade, mph: the largest whole speed up to which brakes that stop the vehicle at
    its end come to no more than ``GSRS_LIMIT_F`` by :func:`gsrs_temperature`. Infinite where every speed up to
    ``GSRS_TOP_MPH`` does, at least 1."""
    for mph in range(1, GSRS_TOP_MPH + 1):
        if gsrs_temperature(weight_lb, grade_down, float(mph), length_mi).total_F > GSRS_LIMIT_F:
            return float(max(mph - 1, 1))
    return math.inf


class Pull(NamedTuple):
    """What a vehicle's engine and driven tires can do on a road."""

    acceleration: float
    """m/s2 at the given speed."""
    steady_speed: float
    """Speed m/s at which the engine, or the grip of the driven tires, is used up; 0 where the vehicle cannot start."""


class RoadGrip(NamedTuple):
    """A road to pull on."""

    grade: float = 0.0
    """Rise over run."""
    friction: float = 0.8
    """Friction of the tires."""


def traction(mass: float, drive_share: float, speed: float, engine: Powertrain, road: RoadGrip) -> Pull:
    """Full power at a speed in m/s. mass kg; drive_share: share of the weight on driven axles. No launch limit."""
    angle, power = atan(road.grade), engine.driveline * engine.power_W
    grip = road.friction * drive_share * mass * GRAVITY_MPS2 * cos(angle)
    steady = mass * GRAVITY_MPS2 * (engine.rolling * cos(angle) + sin(angle))
    drag = 0.5 * AIR_DENSITY_KGPM3 * engine.drag_area_m2
    force = min(grip, power / speed) if speed > 0.0 else grip
    inertia = engine.rotating_mass_factor * mass
    acceleration = (force - steady - drag * speed * speed) / inertia
    if grip <= steady:
        return Pull(acceleration, 0.0)
    roots = np.roots([drag, 0.0, steady, -power])
    v = float(roots[np.abs(roots.imag) < 1e-6 * np.abs(roots)].real.max())
    for _ in range(3):
        v -= (drag * v**3 + steady * v - power) / (3.0 * drag * v * v + steady)
    return Pull(acceleration, min(v, sqrt((grip - steady) / drag)))


class RollBody(NamedTuple):
    """A unit that rolls on its suspension."""

    track: float
    """Distance between the centers of the outer tires, m."""
    cog_height: float
    """m."""
    sprung_fraction: float
    """Share of the mass that is sprung."""
    sprung_lever: float
    """Roll center to center of gravity of the sprung mass, m."""
    roll_per_g: float
    """Roll angle at 1 g, rad."""
    frequency: float
    """Of roll, Hz."""
    damping: float
    """Damping ratio of roll."""

    @property
    def threshold_g(self) -> float:
        """Static roll threshold, g."""
        return 0.5 * self.track / (self.cog_height + self.sprung_fraction * self.sprung_lever * self.roll_per_g)


class RollStep(NamedTuple):
    """Answer to a step of lateral acceleration from rest."""

    roll: float
    """rad."""
    roll_rate: float
    """rad/s."""
    load_transfer: float
    """Load transfer ratio."""


def roll_step(body: RollBody, ay: float, time: float) -> RollStep:
    """The roll ``time`` s after a step of lateral acceleration to ``ay`` m/s2. In the end the load transfer ratio is
    ``ay`` over the static roll threshold."""
    wave, zeta = 2.0 * pi * body.frequency, body.damping
    swing, end = wave * sqrt(1.0 - zeta * zeta), body.roll_per_g * ay / GRAVITY_MPS2
    c, s, left = cos(swing * time), sin(swing * time), exp(-zeta * wave * time)
    roll = end * (1.0 - left * (c + zeta * wave / swing * s))
    rate = end * left * wave * wave / swing * s
    sprung = body.sprung_fraction * body.sprung_lever
    stiffness = sprung * GRAVITY_MPS2 * (1.0 / body.roll_per_g + 1.0)
    moment = ay * (body.cog_height - sprung) + stiffness * (roll + 2.0 * zeta / wave * rate)
    return RollStep(roll, rate, 2.0 / (GRAVITY_MPS2 * body.track) * moment)


class BridgeVerdict(NamedTuple):
    """Axle weights against the bridge formula; margins in lb, negative where a limit is exceeded."""

    worst_group: tuple[int, int]
    """First and last axle of the consecutive axles with the least margin."""
    group_margin: float
    """Their margin."""
    axle_margin: float
    """Margin of the heaviest axle."""
    gross_margin: float
    """Margin of the whole vehicle."""

    @property
    def compliant(self) -> bool:
        """Whether no limit is exceeded."""
        return min(self.group_margin, self.axle_margin, self.gross_margin) >= 0.0


_TANDEM_FT, _TANDEM_LB = 8.0, 34_000.0


def bridge_formula(position_ft: Sequence[float], weight_lb: Sequence[float]) -> BridgeVerdict:
    """Axles, front to rear, against the US federal bridge formula (23 CFR 658.17(e), recalled, not verified at its
    source): positions in ft, weights in lb, of at least two axles. Lengths round to whole feet and limits to 500 lb;
    two tandems whose outer axles are 36 ft or more apart may bear 34,000 lb each."""
    worst, margin = (0, 1), math.inf
    for i in range(len(position_ft)):
        for j in range(i + 1, len(position_ft)):
            length, count = abs(position_ft[j] - position_ft[i]), j - i + 1
            feet = math.floor(length + 0.5)
            limit = 500.0 * math.floor(feet * count / (count - 1) + 12.0 * count + 36.0 + 0.5)
            if count == 2 and length <= _TANDEM_FT:
                limit = _TANDEM_LB
            elif count == 4 and feet >= 36:
                pairs = abs(position_ft[i + 1] - position_ft[i]), abs(position_ft[j] - position_ft[j - 1])
                limit = max(limit, 2.0 * _TANDEM_LB) if max(pairs) <= _TANDEM_FT else limit
            left = limit - sum(weight_lb[i : j + 1])
            if left < margin:
                worst, margin = (i, j), left
    return BridgeVerdict(worst, margin, 20_000.0 - max(weight_lb), 80_000.0 - sum(weight_lb))


def sag_rise(behind: float, ahead: float, sag_radius: float) -> float:
    """How far a point of a vehicle is lifted, m, in a sag of the road: ``behind`` and ``ahead`` m are its distances to
    the axles on either side."""
    return 0.5 * behind * ahead / sag_radius


def curve_speed(radius: float, superelevation: float, threshold_g: float, share: float) -> float:
    """Speed m/s at which a curve takes a share of the static roll threshold (g). radius m; superelevation: rise of the
    outer side over run."""
    return sqrt(max(0.0, radius * GRAVITY_MPS2 * tan(atan(share * threshold_g) + atan(superelevation))))
