"""Public names of ``roadcraft.scenario_io``, each with the module that it is loaded from on first use."""

from roadcraft.scenario_io.filter_config import ScenarioFilter as ScenarioFilter
from roadcraft.scenario_io.filters import (
    Selected as Selected,
    find as find,
    preset_names as preset_names,
    resolve as resolve,
    select as select,
    window_of as window_of,
)
from roadcraft.scenario_io.ingestion import IngestReport as IngestReport, ingest as ingest
from roadcraft.scenario_io.nuplan.log_writer import write_drive as write_drive
from roadcraft.scenario_io.nuplan.map_writer import write_maps as write_maps
from roadcraft.scenario_io.nuplan.source import NuplanSource as NuplanSource
from roadcraft.scenario_io.open import open_source as open_source
from roadcraft.scenario_io.store.rollouts import (
    read_rollout as read_rollout,
    rollout_meta as rollout_meta,
    write_rollout as write_rollout,
)
from roadcraft.scenario_io.store.shard import Shard as Shard, load_drive as load_drive, save_drive as save_drive
from roadcraft.scenario_io.store.store import Store as Store
from roadcraft.scenario_io.store.writer import StoreWriter as StoreWriter
from roadcraft.scenario_io.synthetic.config import SynthConfig as SynthConfig
from roadcraft.scenario_io.synthetic.synthesize import synth as synth, synthesize as synthesize
