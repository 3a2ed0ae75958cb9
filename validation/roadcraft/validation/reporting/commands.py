"""The verbs ``report`` and ``demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders, made by `roadcraft score`, over the same scenarios.", metavar="RUN..."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The file to write.")] = Path("report.html"),
    replays: Annotated[int, typer.Option("--replays", help="Scenarios with a replay, the worst first.", min=0)] = 40,
    title: Annotated[str, typer.Option("--title", help="Headline of the page.", show_default=False)] = "",
) -> None:
    """Write one self-contained HTML page: scores with intervals, by metric and type, and bird's-eye replays of the worst scenarios.

    Example: roadcraft report runs/idm runs/pdm_closed --out report.html
    """
    from rich.progress import Progress

    from roadcraft.validation.reporting.write import report as write

    with Progress(transient=True) as bar:
        task = bar.add_task("packing replays", total=replays or 1)
        path = write(
            runs,
            out,
            replays=replays,
            title=title,
            progress=lambda done, total: bar.update(task, completed=done, total=max(total, 1)),
        )
    print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB): open it in a browser")


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything the demo makes.")] = Path("runs/demo"),
    quick: Annotated[bool, typer.Option("--quick", help="A small one, to see that everything works.")] = False,
) -> None:
    """Synthesise logs, ingest them, train a transformer, score six planners on held-out worlds, write a report.

    About ten minutes on two cores. A demo that was stopped goes on where it was. Every step is a command you can type yourself.
    """
    from roadcraft.validation.demonstration.run import demo as run

    run(out, size="quick" if quick else "full")
