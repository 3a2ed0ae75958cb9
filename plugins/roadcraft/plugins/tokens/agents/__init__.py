"""The agent policy ``tokens``: everybody but the ego driven by a trained model."""
