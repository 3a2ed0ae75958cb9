"""The verb ``report``."""

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
    """Write one self-contained HTML page: scores with intervals, by metric and type, and bird's-eye replays of the
    worst scenarios.

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
