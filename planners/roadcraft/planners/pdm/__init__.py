"""The planner ``pdm_closed``: proposals, simulation, choice."""
