"""Metrics of heavy and articulated vehicles: all units, load, stopping, cargo. Nothing here is loaded unless asked
for."""
