"""The planner ``learned``: drives by a trained network; checkpoints."""
