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
            "Transformer over vectorized agents, lanes and crosswalks",
            f"{here}.vector_transformer.config:VectorTransformerConfig",
            f"{here}.vector_transformer.encoder:VectorTransformer",
        ),
        PluginSpec(
            "encoder",
            "hetero_gnn",
            "Heterogeneous graph network of agents, lanes and crosswalks with relative poses; caches map embeddings",
            f"{here}.hetero_gnn.config:HeteroGnnConfig",
            f"{here}.hetero_gnn.encoder:HeteroGnn",
        ),
        PluginSpec(
            "encoder",
            "bev_raster",
            "Convolutional network over a bird's-eye-view raster with terrain and occupancy layers",
            f"{here}.bev_raster.config:BevRasterConfig",
            f"{here}.bev_raster.encoder:BevRaster",
        ),
        PluginSpec(
            "model",
            "multimodal",
            "Multimodal trajectories along reference lines, trained by imitation",
            f"{here}.multimodal.config:MultimodalConfig",
            f"{here}.multimodal.model:Multimodal",
        ),
        PluginSpec(
            "model",
            "tokens",
            "Autoregressive motion tokens of all agents",
            f"{here}.tokens.config:TokensConfig",
            f"{here}.tokens.model:Tokens",
        ),
        PluginSpec(
            "agents",
            "tokens",
            "Agents driven by a trained motion-token model",
            f"{here}.tokens.agents.config:TokenAgentsConfig",
            f"{here}.tokens.agents.policy:TokenAgents",
        ),
        PluginSpec(
            "model",
            "diffusion",
            "Joint trajectories of ego and neighbors by diffusion or flow matching, guided by commands and goals",
            f"{here}.diffusion.config:DiffusionConfig",
            f"{here}.diffusion.model:Diffusion",
        ),
        PluginSpec(
            "model",
            "candidate_choice",
            "Choice among another model's trajectories, slower copies and braking, learned by driving",
            f"{here}.candidate_choice.config:CandidateChoiceConfig",
            f"{here}.candidate_choice.model:CandidateChoice",
        ),
        PluginSpec(
            "recipe",
            "adamw_cosine",
            "AdamW with linear warm-up, cosine decay and a learning rate per part of the network",
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
            "Train an encoder and a behavior model from a store",
            f"{here}.commands:train",
            f"{here}.config:TrainConfig",
            preflight=f"{here}.run.preflight:check",
        ),
        CommandSpec("card", "Put closed-loop scores into a checkpoint's model card", f"{here}.commands:card"),
    ]
