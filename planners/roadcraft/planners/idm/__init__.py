"""The planner ``idm``: the intelligent driver model along the route."""
