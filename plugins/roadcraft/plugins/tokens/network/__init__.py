"""The network of the model ``tokens``: decoder, attention to the scene, relations, loss."""
