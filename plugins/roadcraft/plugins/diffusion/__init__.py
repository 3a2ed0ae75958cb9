"""The behavior model ``diffusion``."""
