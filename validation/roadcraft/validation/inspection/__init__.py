"""What a run holds and why a scenario scored as it did (``roadcraft show``)."""
