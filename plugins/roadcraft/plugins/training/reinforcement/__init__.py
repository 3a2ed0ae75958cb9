"""Reinforcement learning: distributions of actions, advantages, losses, sampling of scenes."""
