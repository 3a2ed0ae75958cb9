"""Argoverse 2: logs of the sensor and of the motion forecasting data set."""
