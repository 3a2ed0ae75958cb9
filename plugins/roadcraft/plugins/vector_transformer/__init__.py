"""The encoder ``vector_transformer``."""
