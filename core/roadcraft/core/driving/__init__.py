"""What rooms share about driving: geometry, map index, motion, features, and kernels for many agents."""

from roadcraft.core.kernels.cache import use_kernel_cache

use_kernel_cache()  # before the first kernel is declared
