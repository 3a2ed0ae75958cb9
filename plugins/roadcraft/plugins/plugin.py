"""What this room registers. Imports nothing heavy."""

from __future__ import annotations

from roadcraft.core.plugins.hookspecs import CommandSpec, PluginSpec, hookimpl
from roadcraft.core.plugins.package_specs import package_specs


@hookimpl
def roadcraft_plugins() -> list[PluginSpec]:
    here = "roadcraft.plugins"
    encoders = {
        "vector_transformer": "Transformer over vectorized agents, lanes and crosswalks",
        "hetero_gnn": "Heterogeneous graph network of agents, lanes and crosswalks with relative poses; caches map "
        "embeddings",
        "bev_raster": "Convolutional network over a bird's-eye-view raster with terrain and occupancy layers",
    }
    models = {
        "multimodal": "Multimodal trajectories along reference lines, trained by imitation",
        "tokens": "Autoregressive motion tokens of all agents",
        "diffusion": "Joint trajectories of ego and neighbors by diffusion or flow matching, guided by commands and "
        "goals",
        "candidate_choice": "Choice among another model's trajectories, slower copies and braking, learned by driving",
    }
    return [
        *package_specs("encoder", here, encoders),
        *package_specs("model", here, models),
        PluginSpec(
            "agents",
            "tokens",
            "Agents driven by a trained motion-token model",
            f"{here}.tokens.agents.config:TokenAgentsConfig",
            f"{here}.tokens.agents.policy:TokenAgents",
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
            "Train an encoder and a behavior model from a store.",
            f"{here}.commands:train",
            f"{here}.config:TrainConfig",
            preflight=f"{here}.run.preflight:check",
        ),
        CommandSpec("card", "Put closed-loop scores into a checkpoint's model card.", f"{here}.commands:card"),
    ]
