"""Public names of this room, loaded on first use (PEP 562)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME: dict[str, str] = {  # public name -> module that defines it
    "Failure": "roadcraft.validation.simulation.loop",
    "SimulationConfig": "roadcraft.validation.config",
    "demo": "roadcraft.validation.demonstration",
    "report": "roadcraft.validation.reporting.write",
    "compare": "roadcraft.validation.comparison",
    "rescore": "roadcraft.validation.rescoring",
    "score": "roadcraft.validation.scoring.score",
    "write_junit": "roadcraft.validation.junit",
    "ScoreConfig": "roadcraft.validation.config",
    "describe_run": "roadcraft.validation.show",
    "simulate": "roadcraft.validation.simulation.loop",
    "evaluate": "roadcraft.validation.metrics.evaluation",
    "conformance": "roadcraft.validation.conforming.run",
    "aggregate": "roadcraft.validation.metrics.aggregation",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
