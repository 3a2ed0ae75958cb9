"""How a run that learns by driving begins: with a choice around what imitation learned."""

from __future__ import annotations

from dataclasses import replace

from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.planners.learned.checkpoint import read_config
from roadcraft.planners.learned.network import Network
from roadcraft.plugins.training.config import TrainConfig

MODEL, RATE = "candidate_choice", 1e-3


def with_choice(config: TrainConfig) -> TrainConfig:
    """The configuration of a run of ppo or vdgrpo: its model inside ``candidate_choice``, all but the choice frozen,
    the best weights chosen by driving. One of imitation is returned as it is."""
    if config.method == "imitation":
        return config
    model, select = config.model, config.select
    if model.name != MODEL:
        model = PluginRef(MODEL, {"model": {"name": model.name, "params": dict(model.params)}})
    if select.by == "near_ade_m":
        select = replace(select, by="closed_loop")
    frozen = ("encoder", "model.inner")
    return replace(config, model=model, select=select, freeze=frozen, learning_rate=config.learning_rate or RATE)


def started_part(network: Network, config: TrainConfig) -> tuple[Network, TrainConfig]:
    """What of a network the checkpoint that ``config.start`` names fills, and the configuration of that part: where the
    checkpoint knows no choice, the model inside."""
    inside = config.method != "imitation" and read_config(config.start.source)["model"]["name"] != MODEL
    if not inside:
        return network, config
    ref = config.model.params["model"]
    part = Network(network.encoder, network.model.inner, network.features)
    return part, replace(config, model=PluginRef(ref["name"], ref["params"]))
