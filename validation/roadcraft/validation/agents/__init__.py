"""Policies that drive everybody but the ego: replay of the log, and the intelligent driver model."""
