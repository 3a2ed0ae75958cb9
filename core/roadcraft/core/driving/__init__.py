"""What rooms share about driving: geometry, map index, motion, features, and kernels for many agents."""
