"""The clocks of ``stages.py``."""

from __future__ import annotations

from stages import Timed

from roadcraft.core.config.factory import create
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.testing.world import made_up_scenario
from roadcraft.validation.simulation import simulate


def test_tracker_and_vehicle_model_run_against_their_clocks() -> None:
    timed, scenario = Timed(), made_up_scenario(seconds=2.0)
    (rollout,) = simulate([scenario], create("planner", "idm"), controller=timed.controller, debug=True)
    (plain,) = simulate([scenario], create("planner", "idm"), debug=True)
    assert isinstance(rollout, Rollout)
    assert isinstance(plain, Rollout)
    assert (rollout.drive.ego == plain.drive.ego).all()
    assert min(timed.seconds.values()) > 0.0
