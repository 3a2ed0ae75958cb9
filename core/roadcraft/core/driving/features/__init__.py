"""Features: what networks read of a scene, in groups that any package can add to."""
