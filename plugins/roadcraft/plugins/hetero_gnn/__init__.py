"""The encoder ``hetero_gnn``."""
