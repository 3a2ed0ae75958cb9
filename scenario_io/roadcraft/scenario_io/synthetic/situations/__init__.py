"""Situations that made-up worlds are built around, and the stage on which each is set up."""
