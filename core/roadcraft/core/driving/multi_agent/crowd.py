"""A crowd: many scenarios in which every vehicle is driven, or replayed, together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F32, F64, I64, Mask
from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import LightState
from roadcraft.core.driving.held import Held
from roadcraft.core.driving.multi_agent.collisions import CrowdChecks
from roadcraft.core.driving.multi_agent.following import RowPlaces
from roadcraft.core.driving.multi_agent.lane_field import LaneField, lane_field
from roadcraft.core.driving.multi_agent.observation import OBSERVATION_SIZE, observe_into
from roadcraft.core.driving.multi_agent.road_grid import RoadField, road_field
from roadcraft.core.driving.multi_agent.rows import CrowdRows, UnitRows
from roadcraft.core.driving.multi_agent.step import clip_actions, step_rows
from roadcraft.core.driving.readonly import frozen


class CrowdMaps(NamedTuple):
    """The maps that a crowd's scenarios are on."""

    road: RoadField
    """Where the road ends."""
    lanes: LaneField
    """Their lanes."""


class CrowdState(NamedTuple):
    """Copies of all that a crowd remembers."""

    rows: CrowdRows
    """What stands where."""
    places: RowPlaces
    """Places on routes, and lights."""
    checks: CrowdChecks
    """What was found last."""
    actions: F64
    """(B, N, 2): what rows were asked for last."""


def crowd_maps(maps: Sequence[MapData]) -> CrowdMaps:
    """The maps of a crowd. Raises DataError for one with neither road edges nor a drivable area."""
    return CrowdMaps(road_field(maps), lane_field(maps))


class Crowd:
    """Steps B scenarios of N rows. Its arrays are allocated once and are the same ones at every step; between steps
    rows come and go (:meth:`spawn`, :meth:`remove`), scenarios change their maps (:meth:`clear`), lights change
    (``places.light``), and what is replayed is written to ``rows.state``. Nothing that happens in a scenario depends on
    the others.

    :param scenarios: B.
    :param rows: N, a row for each rigid unit.
    :param maps: the maps that scenarios may be on.
    :param route_lanes: lanes that a route may have at most.
    :param lights: lanes with a light that a scenario may have at most.
    :param reverse: whether vehicles may drive backwards; where not, who would stands still instead.
    """

    def __init__(
        self, scenarios: int, rows: int, maps: CrowdMaps, *, route_lanes: int = 64, lights: int = 64,
        reverse: bool = False,
    ) -> None:  # fmt: skip
        self.maps, self.reverse = maps, reverse
        self.rows = CrowdRows.empty(scenarios, rows)
        """What stands where."""
        self.places = RowPlaces.empty(scenarios, rows, route_lanes, lights)
        """Where rows are on their routes, red lights that they ran, and the lights."""
        self.checks = CrowdChecks.empty(scenarios, rows)
        """Boxes, corners, whom each row touches, which of its corners are off the road."""
        self.actions = np.zeros((scenarios, rows, 2))
        """(B, N, 2): what rows were asked for last, clipped to their bounds."""
        self.observations: F32 = np.zeros((scenarios, rows, OBSERVATION_SIZE), np.float32)
        """What :meth:`observe` found last."""
        self._near = np.zeros((4, rows))
        self._held = Held(self.rows), Held(self.places), Held(self.checks)
        self._road, self._lanes = Held(maps.road), Held(maps.lanes)

    @property
    def touched(self) -> NDArray[np.int32]:
        """(B, N): the lowest row that each row touches, or -1."""
        return self.checks.touched

    @property
    def off(self) -> Mask:
        """(B, N, 4): corners that are off the road."""
        return self.checks.off

    @property
    def ran_red(self) -> Mask:
        """(B, N): whose front came past the beginning of a lane with a red light in the last step."""
        return self.places.ran_red

    def clear(self, scenario: int, place: int, governed: Sequence[int] | I64 = ()) -> None:
        """Take all rows out of a scenario and put it on another map.

        :param scenario: which scenario.
        :param place: number of the map.
        :param governed: lanes of that map that have a light, rows of ``Lanes``.

        Raises ValueError, and changes nothing, for a scenario, map or lanes that are not there, or more lights than
        there is room for.
        """
        self._check_scenario(scenario)
        lane_at, room = self.maps.lanes.lane_at, self.places.governed.shape[1]
        if not 0 <= place < len(lane_at) - 1:
            raise ValueError(f"map {place} of {len(lane_at) - 1}")
        lanes = self._lanes_of(place, governed, "governed")
        if len(lanes) > room:
            raise ValueError(f"governed: {len(lanes)} lanes, room for {room}")
        self.rows.there[scenario], self.rows.place[scenario] = False, place
        self.rows.towed[scenario], self.actions[scenario], self.places.route[scenario] = 0.0, 0.0, -1
        self.places.light[scenario] = LightState.UNKNOWN
        _write_lanes(lanes, self.places.governed[scenario])

    def spawn(
        self, scenario: int, row: int, units: UnitRows, state: F64, *, driven: bool = True,
        route: Sequence[int] | I64 = (),
    ) -> None:  # fmt: skip
        """Put a vehicle into the world.

        :param scenario: which scenario.
        :param row: row of its first unit; its trailers take the rows after it.
        :param units: what its n units are (:func:`unit_rows`).
        :param state: (n, 10) where they are, columns ``Ego``.
        :param driven: whether actions move it; otherwise who writes ``rows.state``.
        :param route: lanes of its route, rows of ``Lanes``, in driving order; none: it has no place on lanes and sees
            none. The first ones that there is room for count.

        Raises ValueError, and changes nothing, where rows are taken or not there, no such scenario or lane is, or
        numbers are not finite or not possible.
        """
        self._check_scenario(scenario)
        n, last = len(units.body), row + len(units.body)
        if not (row >= 0 and last <= self.rows.there.shape[1]):
            raise ValueError(f"rows {row} to {last - 1} of {self.rows.there.shape[1]}")
        if self.rows.there[scenario, row:last].any():
            raise ValueError(f"rows {row} to {last - 1} of scenario {scenario} are taken: remove who is there first")
        state = np.asarray(state, np.float64)
        if state.shape != (n, 10) or not (np.isfinite(state).all() and all(np.isfinite(u).all() for u in units)):
            raise ValueError(f"state {state.shape}: expected ({n}, 10), and all numbers finite")
        sizes = (units.body[:, 1:] > 0.0).all() and (units.motion[:, 0] > 0.0).all()
        if not sizes or units.towed[0].any() or (driven and (units.towed[1:, 0] <= 0.0).any()):
            raise ValueError(
                "sizes and wheel bases are positive; unit 0 is not towed, the others of a driven vehicle are"
            )
        if state[0, 3] < 0.0 and driven and not self.reverse:
            raise ValueError(f"the vehicle drives backwards at {state[0, 3]:g} m/s, which this crowd does not let it")
        at = (scenario, slice(row, last))
        _write_lanes(self._lanes_of(int(self.rows.place[scenario]), route, "route"), self.places.route[scenario, row])
        self.rows.state[at] = state
        self.rows.body[at], self.rows.motion[at], self.rows.bounds[at], self.rows.towed[at] = units
        self.rows.vehicle[at], self.rows.there[at], self.rows.driven[at] = row, True, driven
        self.places.route[scenario, row + 1 : last] = -1
        self.places.lane[at], self.places.ran_red[at], self.actions[at] = -1, False, 0.0

    def remove(self, scenario: int, row: int) -> None:
        """Take the whole vehicle that a row belongs to out of the world; nothing where nobody is there. Raises
        ValueError for a scenario or row that the crowd does not have."""
        self._check_scenario(scenario)
        if not 0 <= row < self.rows.there.shape[1]:
            raise ValueError(f"row {row} of {self.rows.there.shape[1]}")
        if self.rows.there[scenario, row]:
            gone = self.rows.there[scenario] & (self.rows.vehicle[scenario] == self.rows.vehicle[scenario, row])
            self.rows.there[scenario, gone], self.rows.towed[scenario, gone] = False, 0.0
            self.places.route[scenario, gone], self.actions[scenario, gone] = -1, 0.0

    def step(self, controls: F64, dt_s: float) -> None:
        """Move who is driven, check all, and find their places.

        :param controls: (B, N, 2) acceleration m/s2 and steering rate rad/s of the first units of driven vehicles,
            clipped to ``rows.bounds``; those of other rows are not looked at.
        :param dt_s: time of the step, s.

        Raises ValueError, and moves nobody, where shapes differ, the time is not positive and finite, or an action is
        not finite.
        """
        if controls.shape != self.actions.shape or not 0.0 < dt_s < math.inf:
            raise ValueError(
                f"controls {controls.shape}, dt {dt_s}: expected {self.actions.shape} and a positive, finite time"
            )
        rows, _, _ = self._held
        bad = clip_actions(rows, frozen(controls), self.actions)
        if bad >= 0:
            b, i = divmod(bad, controls.shape[1])
            raise ValueError(f"the action of row {i} of scenario {b} is not finite: {controls[b, i]}")
        self._run(float(dt_s))

    def check(self) -> None:
        """Check all and find their places as ``rows`` are now, moving nobody; nobody runs a red light by it."""
        self._run(0.0)

    def _run(self, dt_s: float) -> None:
        rows, places, checks = self._held
        step_rows(rows, self.actions, dt_s, self.reverse, self._road, self._lanes, places, checks)

    def observe(self, given: bool = False) -> F32:
        """What the first units of driven vehicles see as of the last :meth:`step` or :meth:`check`, and those of others
        where ``given``: (B, N, OBSERVATION_SIZE) float32, 0 in all other rows, the same array every time. Columns are
        those of ``observation_columns``."""
        rows, places, checks = self._held
        observe_into(rows, self._lanes, places, checks, self.actions, given, self._near, self.observations)
        return self.observations

    def state(self) -> CrowdState:
        """A copy of all that steps depend on, and of what they found."""
        return CrowdState(
            CrowdRows._make(a.copy() for a in self.rows), RowPlaces._make(a.copy() for a in self.places),
            CrowdChecks._make(a.copy() for a in self.checks), self.actions.copy(),
        )  # fmt: skip

    def set_state(self, state: CrowdState) -> None:
        """Go back to a copy. Raises ValueError where it is of a crowd of another shape."""
        own: list[NDArray[Any]] = [*self.rows, *self.places, *self.checks, self.actions]
        kept: list[NDArray[Any]] = [*state.rows, *state.places, *state.checks, state.actions]
        if any(a.shape != k.shape for a, k in zip(own, kept, strict=True)):
            raise ValueError("the state is that of a crowd of another shape")
        for a, k in zip(own, kept, strict=True):
            a[...] = k

    def _check_scenario(self, scenario: int) -> None:
        if not 0 <= scenario < len(self.rows.place):
            raise ValueError(f"scenario {scenario} of {len(self.rows.place)}")

    def _lanes_of(self, place: int, lanes: Sequence[int] | I64, what: str) -> I64:
        """Lanes of a map as rows of ``LaneField``."""
        first, last = self.maps.lanes.lane_at[place:][:2].tolist()
        given = np.asarray(lanes, np.int64)
        if given.size and not (given.min() >= 0 and given.max() < last - first):
            raise ValueError(f"{what}: lanes {given.min()} to {given.max()} of {last - first}")
        return given + first


def _write_lanes(lanes: I64, out: NDArray[np.int32]) -> None:
    """As many lanes as there is room for, then -1."""
    kept = lanes[: len(out)]
    out[: len(kept)], out[len(kept) :] = kept, -1
