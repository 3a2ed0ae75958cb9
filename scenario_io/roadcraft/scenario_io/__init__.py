"""Public names of this room, loaded on first use (PEP 562)."""

from __future__ import annotations

from roadcraft.core.lazy import lazy

_HOME: dict[str, str] = {  # public name -> module that defines it
    "NuplanSource": "roadcraft.scenario_io.nuplan.source",
    "write_drive": "roadcraft.scenario_io.nuplan.log_writer",
    "write_maps": "roadcraft.scenario_io.nuplan.map_writer",
    "ScenarioFilter": "roadcraft.scenario_io.filter_config",
    "Selected": "roadcraft.scenario_io.filters",
    "find": "roadcraft.scenario_io.filters",
    "preset_names": "roadcraft.scenario_io.filters",
    "resolve": "roadcraft.scenario_io.filters",
    "select": "roadcraft.scenario_io.filters",
    "window_of": "roadcraft.scenario_io.filters",
    "IngestReport": "roadcraft.scenario_io.ingestion",
    "ingest": "roadcraft.scenario_io.ingestion",
    "open_source": "roadcraft.scenario_io.open",
    "SynthConfig": "roadcraft.scenario_io.synthetic.config",
    "synth": "roadcraft.scenario_io.synthetic.synthesize",
    "synthesise": "roadcraft.scenario_io.synthetic.synthesize",
    "Store": "roadcraft.scenario_io.store.store",
    "StoreWriter": "roadcraft.scenario_io.store.writer",
    "Shard": "roadcraft.scenario_io.store.shard",
    "load_drive": "roadcraft.scenario_io.store.shard",
    "save_drive": "roadcraft.scenario_io.store.shard",
    "read_rollout": "roadcraft.scenario_io.store.rollouts",
    "rollout_meta": "roadcraft.scenario_io.store.rollouts",
    "write_rollout": "roadcraft.scenario_io.store.rollouts",
}

__all__ = list(_HOME)

__getattr__, __dir__ = lazy(__name__, _HOME)
