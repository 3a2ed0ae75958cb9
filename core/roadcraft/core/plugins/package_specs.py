"""Specs of plugins that are packages of one shape: settings in ``config``, the class in a module named after the
kind."""

from __future__ import annotations

from collections.abc import Mapping

from roadcraft.core.plugins.hookspecs import PluginSpec


def package_specs(kind: str, room: str, summaries: Mapping[str, str]) -> list[PluginSpec]:
    """Specs of plugins of a kind, each a package of its name in the room, whose classes bear the name in camel case: of
    ``hetero_gnn``, ``hetero_gnn.config:HeteroGnnConfig`` and ``hetero_gnn.encoder:HeteroGnn``."""
    words = {name: name.title().replace("_", "") for name in summaries}
    return [
        PluginSpec(kind, name, summary, f"{home}.config:{words[name]}Config", f"{home}.{kind}:{words[name]}")
        for name, summary in summaries.items()
        for home in [f"{room}.{name}"]
    ]
