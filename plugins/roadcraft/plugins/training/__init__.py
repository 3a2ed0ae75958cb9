"""Training of any encoder with any model, by Lightning."""
