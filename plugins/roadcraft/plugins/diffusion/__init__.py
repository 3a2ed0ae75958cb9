"""The behaviour model ``diffusion``."""
