"""The verb ``demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything the demo makes.")] = Path("runs/demo"),
    quick: Annotated[bool, typer.Option("--quick", help="A small one, to see that everything works.")] = False,
) -> None:
    """Synthesise logs, ingest them, train a transformer, score six planners on held-out worlds, write a report.

    About eight minutes on two cores, install included. A demo that was stopped goes on where it was. Every step is a
    command you can type yourself.
    """
    from roadcraft.validation.demonstration.run import demo as run

    run(out, size="quick" if quick else "full")
