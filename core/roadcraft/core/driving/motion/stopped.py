"""Speeds up to which ego or an object stands, by what is asked (reference: nuplan-devkit e924167, metrics)."""

from __future__ import annotations

STOPPED_MPS = 0.05  # whose fault a collision is
PROJECTED_MPS = 0.005  # when it would come to one
