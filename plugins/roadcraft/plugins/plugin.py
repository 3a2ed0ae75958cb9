"""What this room registers. Imports nothing heavy."""

from __future__ import annotations

from roadcraft.core.hookspecs import CommandSpec, PluginSpec, hookimpl


@hookimpl
def roadcraft_plugins() -> list[PluginSpec]:
    here = "roadcraft.plugins"
    return [
        PluginSpec(
            "encoder",
            "vector_transformer",
            "Agents, lanes and crosswalks as tokens of a transformer",
            f"{here}.vector_transformer.config:VectorTransformerConfig",
            f"{here}.vector_transformer.encoder:VectorTransformer",
        ),
        PluginSpec(
            "model",
            "multimodal",
            "Several trajectories along the reference lines ahead, by imitation",
            f"{here}.multimodal.config:MultimodalConfig",
            f"{here}.multimodal.model:Multimodal",
        ),
        PluginSpec(
            "model",
            "diffusion",
            "Drives of ego and neighbours by diffusion or flow matching, steered by commands, goals, speed and style",
            f"{here}.diffusion.config:DiffusionConfig",
            f"{here}.diffusion.model:Diffusion",
        ),
    ]


@hookimpl
def roadcraft_commands() -> list[CommandSpec]:
    return [
        CommandSpec(
            "train", "Train an encoder and a behaviour model from a store", "roadcraft.plugins.training.commands:train"
        )
    ]
