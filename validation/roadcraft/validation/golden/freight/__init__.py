"""Comparison with golden numbers for articulated vehicles: motion, linear models, swept paths, closed forms."""
