"""Public names of ``roadcraft.validation.devkit``, each with the module that it is loaded from on first use."""

from roadcraft.validation.devkit.inward import DevkitPlanner as DevkitPlanner
from roadcraft.validation.devkit.outward import RoadcraftOracle as RoadcraftOracle, RoadcraftPlanner as RoadcraftPlanner

def available() -> bool: ...
