"""Scores of simulated trajectories, which ``pdm_closed`` and ``guard`` share."""
