"""The freight suite by its own score: every situation's expert has at least 0.9, its mistaken driver at most 0.5."""

from __future__ import annotations

import pytest
from freight_drivers import freight_scores
from freight_worlds import SEED, freight_world

from roadcraft.scenario_io.synthetic.config import FREIGHT_SITUATIONS


@pytest.mark.parametrize("situation", FREIGHT_SITUATIONS)
def test_the_expert_scores_and_the_mistake_does_not(situation: str) -> None:
    expert, mistaken = freight_scores(freight_world(situation), SEED)
    assert expert >= 0.9
    assert mistaken <= 0.5
