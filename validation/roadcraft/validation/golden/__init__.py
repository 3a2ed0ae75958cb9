"""Comparison with the reference simulator, number by number, on a folder of golden drives."""
