"""Public names of ``roadcraft.scenario_io.nuplan``, each with the module that it is loaded from on first use."""

from roadcraft.scenario_io.nuplan.config import NuplanConfig as NuplanConfig
from roadcraft.scenario_io.nuplan.log_writer import write_drive as write_drive
from roadcraft.scenario_io.nuplan.map_reader import read_map as read_map
from roadcraft.scenario_io.nuplan.map_writer import write_maps as write_maps
from roadcraft.scenario_io.nuplan.source import NuplanSource as NuplanSource
