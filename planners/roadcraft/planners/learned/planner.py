"""Drives by a trained network: any encoder with any model, from a checkpoint folder."""

from __future__ import annotations

from roadcraft.core.driving.features.conditions import Conditions, read_instruction
from roadcraft.core.errors import ConfigError
from roadcraft.planners.learned.checkpoint import load_checkpoint
from roadcraft.planners.learned.config import LearnedConfig
from roadcraft.planners.learned.network_planner import NetworkPlanner


class Learned(NetworkPlanner):
    """The network of a checkpoint folder. Raises DataError when it cannot be used, ConfigError where conditions are
    given to a network that reads none."""

    def __init__(self, config: LearnedConfig) -> None:
        network, self.about = load_checkpoint(config.checkpoint, config.model)
        super().__init__(network, config.checkpoint, config.micro_batch, config.candidates)
        self.config = config
        c = config
        self.conditions = Conditions(c.instruction, None, c.target_speed_mps or None, c.style)
        words, of_model = self.network.features.instruction_words, self.network.model.features().instruction_words
        if self.conditions != Conditions() and not words:
            raise ConfigError(
                f"{config.checkpoint}: this network reads no instruction, target speed or style; leave them out, or "
                "train a model that does (diffusion), or an encoder that reads instructions (command_words)"
            )
        if self.conditions != Conditions(c.instruction) and not of_model:
            raise ConfigError(
                f"{config.checkpoint}: the encoder reads instructions, but nothing reads target speed or style; leave "
                "them out, or train a model that does (diffusion)"
            )
        read_instruction(c.instruction, words)  # warns of unknown words now
