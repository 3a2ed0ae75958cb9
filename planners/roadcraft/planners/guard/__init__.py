"""The planner ``guard``: another planner under supervision."""
