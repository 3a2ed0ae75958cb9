"""The behavior model ``multimodal``."""
