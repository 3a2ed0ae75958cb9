"""What this room registers. Imports nothing heavy."""

from __future__ import annotations

from roadcraft.core.plugins.hookspecs import CommandSpec, PluginSpec, hookimpl


@hookimpl
def roadcraft_plugins() -> list[PluginSpec]:
    room = "roadcraft.scenario_io"
    return [
        PluginSpec(
            "source",
            "argoverse2",
            "Argoverse 2 logs: sensor and motion forecasting data sets",
            f"{room}.argoverse2.config:Argoverse2Config",
            f"{room}.argoverse2.source:Argoverse2Source",
        ),
        PluginSpec(
            "source",
            "nuplan",
            "nuPlan log databases and GeoPackage maps",
            f"{room}.nuplan.config:NuplanConfig",
            f"{room}.nuplan.source:NuplanSource",
        ),
        PluginSpec(
            "source",
            "store",
            "A roadcraft store: drives, maps and scenarios, memory-mapped",
            f"{room}.store.config:StoreConfig",
            f"{room}.store.store:from_config",
        ),
        PluginSpec(
            "source",
            "womd",
            "Waymo Open Motion scenarios (TFRecords)",
            f"{room}.womd.config:WomdConfig",
            f"{room}.womd.source:WomdSource",
        ),
    ]


@hookimpl
def roadcraft_commands() -> list[CommandSpec]:
    return [
        CommandSpec(
            "synth",
            "Generate synthetic worlds and drives from a seed, as nuPlan logs and maps.",
            "roadcraft.scenario_io.synthetic.commands:synth",
            "roadcraft.scenario_io.synthetic.config:SynthConfig",
        ),
        CommandSpec("ingest", "Read driving logs into a store.", "roadcraft.scenario_io.commands:ingest"),
    ]
