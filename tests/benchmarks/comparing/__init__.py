"""The parts of ``models.py``: the comparison of encoders and behaviour models under one recipe."""
