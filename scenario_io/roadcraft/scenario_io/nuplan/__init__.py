"""nuPlan's log databases and GeoPackage maps, read and written. Public names load on first use."""

from __future__ import annotations

from roadcraft.core.lazy import lazy

_HOME = {
    "NuplanConfig": "roadcraft.scenario_io.nuplan.config",
    "NuplanSource": "roadcraft.scenario_io.nuplan.source",
    "read_map": "roadcraft.scenario_io.nuplan.map_reader",
    "write_drive": "roadcraft.scenario_io.nuplan.log_writer",
    "write_maps": "roadcraft.scenario_io.nuplan.map_writer",
}

__all__ = list(_HOME)

__getattr__, __dir__ = lazy(__name__, _HOME)
