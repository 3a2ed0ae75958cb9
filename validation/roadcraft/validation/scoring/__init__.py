"""Scores a planner on a suite of scenarios: selection, workers, durable results, tables."""
