"""What the truck planner makes of a shoulder on which it is told to stand."""

from __future__ import annotations

import numpy as np
from freight_drivers import scenario_of
from freight_worlds import SEED, freight_world

from roadcraft.core.config.factory import create
from roadcraft.core.data.instructions import PULL_OVER
from roadcraft.core.testing.world import observe
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.planners.freight_pdm.config import FreightPdmConfig
from roadcraft.planners.freight_pdm.pace import truck_of
from roadcraft.planners.freight_pdm.pull_over import way_onto_shoulder


def test_on_the_way_to_the_shoulder_no_lane_is_beside() -> None:
    """Else it would go back to the lanes for a car that is parked on the shoulder's end."""
    s = scenario_of(freight_world("shoulder_stop"), SEED)
    vehicle, c = load_vehicle(s.drive.vehicle, load=s.drive.load), FreightPdmConfig()
    obs = observe([s], 0, vehicle=vehicle)
    state = create("planner", "freight_pdm").start(obs, np.zeros(1, np.uint64))[0]
    truck = truck_of(vehicle, c.max_accel_mps2, c.brake_mps2)
    assert s.drive.instructions.text == (PULL_OVER,)
    found = way_onto_shoulder(state.route, state.offset, state.station, 15.0, truck, c)
    assert found is not None
    route, _ = found
    halt = int(route.road.halt)
    np.testing.assert_array_equal(route.edges.same[halt], route.edges.own[halt])
    assert np.ptp(route.edges.own[halt]) > np.ptp(state.route.edges.own[halt]) + 2.5
