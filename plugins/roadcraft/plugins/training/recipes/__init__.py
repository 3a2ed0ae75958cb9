"""The built-in training recipe."""
