"""The behaviour model ``multimodal``."""
