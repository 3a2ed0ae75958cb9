"""A third-party roadcraft package: the planner ``cautious`` and the metric ``hard_braking``."""
