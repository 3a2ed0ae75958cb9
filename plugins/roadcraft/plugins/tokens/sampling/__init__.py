"""How tokens are drawn and smoothed."""
