"""The verbs ``train`` and ``card``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from roadcraft.core.commands.completion import complete_settings
from roadcraft.plugins.training.stopping import Stopped, StopRequest


def train(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE | FILE.yaml]...",
            autocompletion=complete_settings,
            help="Settings, such as data=STORE encoder=NAME model=NAME out=RUN minutes=5.",
        ),
    ] = None,
    overfit: Annotated[
        int, typer.Option(help="Train on so many samples only: a quick check that a network can learn.")
    ] = 0,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the run in this folder, exactly where it stopped.")
    ] = None,
) -> None:
    """Train an encoder and a behavior model from a store.

    Writes RUN/best and RUN/last (checkpoints: config.yaml, model.safetensors, metrics.json, model card) and
    RUN/tensorboard.

    Example: roadcraft train encoder=vector_transformer model=multimodal data=stores/demo out=runs/a minutes=5
    """
    with StopRequest().listening():
        try:
            _train(words or [], overfit, resume)
        except Stopped as e:
            code = e.exit_code if not os.environ.get("LOCAL_RANK", "0").strip("0") else 0
            print(e or f"stopped by {signal.Signals(e.number).name} before the first step", file=sys.stderr, flush=True)
            os._exit(code)  # without waiting for threads that may compile kernels for a minute


def _train(words: list[str], overfit: int, resume: Path | None) -> None:
    from lightning_fabric.utilities.rank_zero import rank_zero_only

    from roadcraft.core.config.preflight import given_by
    from roadcraft.plugins.training.run.card import warning
    from roadcraft.plugins.training.run.fit import train as run
    from roadcraft.plugins.training.run.resolve import run_config

    loaded = run_config(words, resume, overfit)
    with given_by(loaded.origins):
        done = run(loaded.config, resume=resume)
    if rank_zero_only.rank:
        return
    held = done.metrics["validation"]
    print(
        f"{done.best}: step {done.metrics['step']}, {done.metrics['minutes']:.1f} min, "
        f"{done.metrics['samples_per_s']:.0f} samples/s, "
        f"{'training' if loaded.config.overfit else 'held-out'} ADE {held['ade_m']:.3f} m, FDE {held['fde_m']:.3f} m, "
        f"best of all modes {held['min_ade_m']:.3f} m"
    )
    if said := warning(held):
        print(f"warning: {said}", file=sys.stderr)


def card(
    checkpoint: Annotated[Path, typer.Argument(help="Folder of a checkpoint, such as RUN/best.")],
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of runs of `roadcraft score` that drove it, raw and guarded.")
    ],
) -> None:
    """Put the scores of runs into a checkpoint's metrics.json and model card (README.md), and print the card.

    Example: roadcraft card runs/a/best runs/score-raw runs/score-guarded
    """
    from roadcraft.plugins.training.run.card import add_scores

    print(add_scores(checkpoint, runs))
