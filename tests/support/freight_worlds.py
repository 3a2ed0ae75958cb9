"""Worlds of the freight suite that several test modules look at, each made once in a process."""

from __future__ import annotations

from functools import cache

from roadcraft.scenario_io.synthetic.config import SynthConfig
from roadcraft.scenario_io.synthetic.freight.world import FreightWorld
from roadcraft.scenario_io.synthetic.synthesize import world_of

SEED = 2


@cache
def freight_world(situation: str, number: int = 0) -> FreightWorld:
    return world_of(SynthConfig(suite="freight", seed=SEED, situations=(situation,)), number)
