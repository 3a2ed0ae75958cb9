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
            "encoder",
            "hetero_gnn",
            "A graph of agents, lanes and crosswalks with relative poses; what it makes of the map is kept across steps",
            f"{here}.hetero_gnn.config:HeteroGnnConfig",
            f"{here}.hetero_gnn.encoder:HeteroGnn",
        ),
        PluginSpec(
            "encoder",
            "bev_raster",
            "A bird's-eye picture, terrain and occupancy layers included, through a small convolutional network",
            f"{here}.bev_raster.config:BevRasterConfig",
            f"{here}.bev_raster.encoder:BevRaster",
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
            "tokens",
            "Motion tokens of all road users, foretold one after the other",
            f"{here}.tokens.config:TokensConfig",
            f"{here}.tokens.model:Tokens",
        ),
        PluginSpec(
            "agents",
            "tokens",
            "Road users driven by a trained model of motion tokens",
            f"{here}.tokens.agents.config:TokenAgentsConfig",
            f"{here}.tokens.agents.policy:TokenAgents",
        ),
        PluginSpec(
            "model",
            "diffusion",
            "Drives of ego and neighbours by diffusion or flow matching, steered by commands, goals, speed and style",
            f"{here}.diffusion.config:DiffusionConfig",
            f"{here}.diffusion.model:Diffusion",
        ),
        PluginSpec(
            "recipe",
            "adamw_cosine",
            "AdamW, linear warm-up, cosine decay, learning rates by part of the network",
            f"{here}.training.recipes.config:AdamWCosineConfig",
            f"{here}.training.recipes.adamw_cosine:AdamWCosine",
        ),
    ]


@hookimpl
def roadcraft_commands() -> list[CommandSpec]:
    here = "roadcraft.plugins.training"
    return [
        CommandSpec(
            "train",
            "Train an encoder and a behaviour model from a store",
            f"{here}.commands:train",
            f"{here}.config:TrainConfig",
            preflight=f"{here}.run.preflight:check",
        ),
        CommandSpec("card", "Put closed-loop scores into a checkpoint's model card", f"{here}.commands:card"),
    ]
