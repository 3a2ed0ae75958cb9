"""Configuration for nuplan-devkit's hydra: put ``pkg://roadcraft.validation.devkit.config`` on its search path."""
