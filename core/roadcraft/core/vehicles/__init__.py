"""Vehicles as data: the files, their dataclasses, geometry, state and pictures."""
