"""The closed loop: scenarios in, rollouts out."""

from roadcraft.validation.simulation.loop import Failure, simulate

__all__ = ["Failure", "simulate"]
