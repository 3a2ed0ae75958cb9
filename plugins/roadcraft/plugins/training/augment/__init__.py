"""Augmentation of training samples: perturbed egos, late starts, agent dropout, maneuvers, commands."""
