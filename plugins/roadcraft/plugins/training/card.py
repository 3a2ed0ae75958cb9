"""The model card written beside every checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXT = """# Behaviour model: {model} on {encoder}

Trained by roadcraft {version}; `load_planner("PATH/TO/this folder")` or `planner={{name: learned, params: {{checkpoint: PATH}}}}`.

## Data
{logs} logs ({train_logs} to train on, {validation_logs} held out), {samples} samples, one every {every_s} s.
Sources: {sources}. Map locations: {maps}.
**Licence of the data: {licences}.** Whoever passes this model on has to keep to it.

## Recipe
{parameters:,} parameters; {step} steps of {batch} samples, {minutes:.1f} minutes, seed {seed}; peak learning rate {learning_rate}; perturbed and recovered
with probability {perturbed}. Everything else is in `config.yaml`.

## Scores (open loop, held-out logs)
{scores}
Closed-loop scores, raw and guarded, are made by `roadcraft score planner=learned planner.checkpoint=PATH data=STORE`.

## Limits
Drives the vehicle and the kind of roads of its data; other vehicles, other traffic rules and sensors' errors were not seen. Imitation knows no safety rule:
do not drive it without a guard.
"""


def write_card(config: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Markdown text from a checkpoint's config and metrics."""
    data, training = config["data"], config["training"]
    held = metrics.get("validation", {})
    scores = "\n".join(f"- {k}: {v:.3f}" for k, v in sorted(held.items())) or "- none yet"
    return _TEXT.format(
        model=config["model"]["name"],
        encoder=config["encoder"]["name"],
        version=config["versions"]["roadcraft"],
        logs=data["train_logs"] + data["validation_logs"],
        train_logs=data["train_logs"],
        validation_logs=data["validation_logs"],
        samples=data["samples"],
        every_s=training["every_s"],
        sources=", ".join(data["sources"]),
        maps=", ".join(data["maps"]),
        licences="; ".join(data["licences"]) or "unknown",
        parameters=metrics["parameters"],
        step=metrics["step"],
        batch=training["batch"],
        minutes=metrics["minutes"],
        seed=training["seed"],
        learning_rate=training["learning_rate"],
        perturbed=training["augment"]["probability"],
        scores=scores,
    )
