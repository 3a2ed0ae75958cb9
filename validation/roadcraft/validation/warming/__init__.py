"""The kernels of scoring and of the demo, compiled ahead of the first run."""
