"""The model card beside every checkpoint: data and its licence, recipe, scores in open and in closed loop, limits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from roadcraft.core.config.renamed import current_tree
from roadcraft.core.errors import DataError
from roadcraft.core.files import write_atomic
from roadcraft.planners.learned.checkpoint import CARD, METRICS, read_config, read_metrics
from roadcraft.planners.learned.checkpoint_writing import json_text
from roadcraft.plugins.training.config import TrainConfig

SUMMARY = "summary.json"  # of a run of ``roadcraft score``
MANY, SOME_M = (
    1.5,
    0.5,
)  # times, and meters more than, the error of constant velocity, from which on a network is warned of
_TEXT = """# Behavior model: {model} on {encoder}

Trained by roadcraft {version}; `load_planner("PATH/TO/this folder")` or `planner={{name: learned, params: {{checkpoint: PATH}}}}`.

## Data
{logs} logs, {hours} h ({train_logs} to train on, {validation_logs} held out), {samples:,} samples, one every {every_s} s.
Sources: {sources}. Map locations: {maps}. Hash: {hash}.
**Licence of the data: {licences}.** Whoever passes this model on has to keep to it.

## Recipe
{parameters:,} parameters; {step:,} steps of {batch:,} samples on {devices} device(s), {minutes:.1f} minutes, {pace:.0f} samples/s, seed {seed}.
{recipe} Everything else is in `config.yaml`; commit {git}.

## Scores
Open loop, {held_out}:

{open_loop}{warning}

Closed loop:

{closed_loop}

## Limits
Drives the vehicle and the kind of roads of its data; other vehicles, other traffic rules and sensors' errors were not seen. Imitation knows no safety rule:
do not drive it without a guard.
"""
_NO_SCORES = (
    "None yet. `roadcraft score planner=learned planner.checkpoint=PATH data=STORE out=RUN`, once more with "
    "`planner=guard`, then `roadcraft card PATH RUN RUN`."
)


def write_card(config: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Markdown text from a checkpoint's config and metrics."""
    data, training = config["data"], current_tree(TrainConfig, config["training"])
    held = metrics.get("validation", {})
    many = 20  # a Waymo store has a map per scenario
    return _TEXT.format(
        model=config["model"]["name"],
        encoder=config["encoder"]["name"],
        version=config["versions"]["roadcraft"],
        logs=data["train_logs"] + data["validation_logs"],
        hours=data["hours"],
        train_logs=data["train_logs"],
        validation_logs=data["validation_logs"],
        samples=data["samples"],
        every_s=training["sample_interval_s"],
        sources=", ".join(data["sources"]),
        maps=", ".join(data["maps"][:many])
        + (f" and {len(data['maps']) - many} more" if len(data["maps"]) > many else ""),
        hash=data["hash"],
        licences="; ".join(data["licences"]) or "unknown",
        parameters=metrics["parameters"],
        step=metrics["step"],
        batch=training["batch"],
        devices=metrics["devices"],
        minutes=metrics["minutes"],
        pace=metrics["samples_per_s"],
        seed=training["seed"],
        recipe=_recipe(training),
        git=metrics["git"] or "unknown",
        held_out=f"the {training['overfit']} samples trained on" if training["overfit"] else "held-out logs",
        open_loop="\n".join(f"- {k}: {v:.3f}" for k, v in sorted(held.items()) if v is not None) or "- none yet",
        warning="\n\n**" + warned + ".**" if (warned := warning(held)) else "",
        closed_loop=_table(metrics.get("closed_loop", [])) or _NO_SCORES,
    )


def warning(held: Mapping[str, float | None]) -> str:
    """What is to be said of errors far above those of driving straight on at the present speed; nothing where they are
    not."""
    near, steady = held.get("near_ade_m"), held.get("constant_velocity_near_ade_m")
    if near is None or steady is None or near < MANY * steady + SOME_M:
        return ""
    return (
        f"the first 3 s are {near:.2f} m off, those of driving straight on at constant velocity {steady:.2f} m: this "
        "network has not learned to drive; "
        "train it longer, or with a lower learning_rate"
    )


def _recipe(training: Mapping[str, Any]) -> str:
    a, b = training["augment"], training["balance"]
    parts = [
        f"Peak learning rate {training['learning_rate']}",
        training["precision"],
        f"averaged with decay {training['ema_decay']}" if training["ema_decay"] else "not averaged",
        f"perturbed and recovered with probability {a['perturbation']}, started late with {a['late_start']}, mirrored "
        f"with {a['mirror']}, "
        f"agents dropped with {a['agent_dropout']}",
        f"balanced by pattern with {b['pattern']}" if b["pattern"] else "all samples equally often",
        f"best by {training['select']['by']}",
    ]
    return "; ".join(parts) + "."


def _table(scores: Sequence[Mapping[str, Any]]) -> str:
    """One row per scored planner and challenge."""
    rows = []
    for s in scores:
        interval = f" [{100 * s['ci'][0]:.1f}, {100 * s['ci'][1]:.1f}]" if s["ci"] else ""
        shares = ", ".join(f"{k} {v:.1%}" for k, v in s["shares"].items()) or "-"
        rows.append(
            f"| {s['planner']} | {s['challenge']} | {100 * s['score']:.1f}{interval} | {s['scenarios']} | "
            f"{s['failed']} | {shares} | {s['scenario_list']} |"
        )
    head = (
        "| planner | challenge | score [95 %] | scenarios | failed | share of steps | scenario list "
        "|\n|---|---|---|---|---|---|---|\n"
    )
    return head + "\n".join(rows) if rows else ""


def add_scores(checkpoint: str | Path, runs: Sequence[str | Path]) -> str:
    """Put the results of ``roadcraft score`` runs into a checkpoint's metrics.json (``closed_loop``) and model card, in
    place of earlier ones of the same planner, challenge and scenarios; returns the card.

    A planner's label says whether it was raw (``learned ...``) or guarded (``guard(learned ...)``). Raises DataError
    for a run that is not finished or that drove no planner with a checkpoint.
    """
    folder = Path(checkpoint)
    config = read_config(folder)
    metrics = read_metrics(folder)
    found = {(s["planner"], s["challenge"], s["scenario_list"]): s for s in metrics.get("closed_loop", [])}
    for run in runs:
        for s in read_scores(Path(run), folder):
            found[s["planner"], s["challenge"], s["scenario_list"]] = s
    metrics["closed_loop"] = [found[k] for k in sorted(found)]
    card = write_card(config, metrics)
    for name, text in ((METRICS, json_text(metrics)), (CARD, card)):
        write_atomic(folder / name, text)
    return card


def read_scores(run: Path, checkpoint: Path) -> list[dict[str, Any]]:
    """What a card tells of a scoring run, one entry per challenge."""
    try:
        summary = json.loads((run / SUMMARY).read_text())
        driven = _checkpoint(summary["config"]["planner"])
        challenges = summary["challenges"].items()
        out = [
            {
                "planner": summary["planner"], "challenge": name, "score": c["score"], "ci": c["ci"],
                "scenarios": c["scenarios"],
                "failed": c["failed"], "shares": c.get("shares", {}), "scenario_list": summary["scenario_list_hash"],
                "seed": summary["seed"],
            }
            for name, c in challenges
        ]  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise DataError(
            f"no finished scoring run ({type(e).__name__}: {e})",
            where=str(run / SUMMARY),
            remedy="roadcraft score ... out=RUN",
        ) from e
    if driven is None:
        raise DataError(f"was driven by {summary['planner']}, not by a checkpoint", where=str(run))
    if driven.exists() and driven.resolve() != checkpoint.resolve():
        raise DataError(
            f"was driven by another checkpoint, {driven}", where=str(run), remedy=f"roadcraft card {driven} {run}"
        )
    return out


def _checkpoint(planner: Any) -> Path | None:
    """The checkpoint that a planner's ``{name, params}`` names, be it inside another planner's."""
    if isinstance(planner, dict):
        for key, value in planner.items():
            found = Path(value) if key == "checkpoint" and isinstance(value, str) and value else _checkpoint(value)
            if found is not None:
                return found
    return None
