"""The planner ``docking``: reverses a truck to a loading dock."""
