"""The ego's own history, for networks that want it."""
