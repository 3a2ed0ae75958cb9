"""The closed loop: scenarios in, rollouts out."""

from roadcraft.validation.simulation.closed_loop import Failure
from roadcraft.validation.simulation.loop import simulate

__all__ = ["Failure", "simulate"]
