"""The behaviour model ``diffusion``: contract, solvers against closed forms, randomness, guidance, and what it is told."""

from __future__ import annotations

from roadcraft.core.testing import ModelConformance


class TestDiffusion(ModelConformance):
    name = "diffusion"


class TestFlow(ModelConformance):
    name = "diffusion"
    params = {"process": "flow", "emphasis": 2.0, "guidance": {"collision": 1.0, "drivable": 1.0, "speed": 1.0, "comfort": 1.0}}
