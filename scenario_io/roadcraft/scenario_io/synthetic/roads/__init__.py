"""Roads and junctions of made-up worlds, and the paths that drivers follow on them."""
