"""Worlds, traffic and an expert's drives made from a seed, written as nuPlan logs and maps."""
