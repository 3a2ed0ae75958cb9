"""The verb ``conformance``: a thin shell over the function of the same name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def conformance(  # noqa: PLR0913 (the command's options)
    folder: Annotated[
        Path,
        typer.Argument(
            help="Golden drives: a folder with drives/, logs/ and maps/; or a folder of freight goldens.",
            metavar="GOLDEN_DIR",
        ),
    ],
    only: Annotated[
        str, typer.Option("--only", help="Only drives with this in their name; * and ? as in a shell.")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="A line for every drive and quantity.")] = False,
    metrics_only: Annotated[
        bool, typer.Option("--metrics-only", help="Judge the reference's own drives, without driving them again.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="What only rounding explains counts as different.")] = False,
    logs: Annotated[Path | None, typer.Option("--logs", help="Folder of the logs, where not beside drives/.")] = None,
    maps: Annotated[Path | None, typer.Option("--maps", help="Folder of the maps, where not beside drives/.")] = None,
    workers: Annotated[int, typer.Option("--workers", help="Processes; 0 for one per core.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Compare roadcraft with the reference simulator, number by number, on drives the reference made.

    Every metric on the reference's own drives; planner, vehicle and agents on the reference's own states, step by step;
    then each drive again in our closed loop, and its metrics. Each drive is equal, explained by rounding, or DIFFERENT.
    Rounding explains what ends as in the reference when ego is moved by a nanometer or less; it is no fault unless
    --strict is given.

    A folder of freight goldens (JSON files of format freight-golden-1) is recognized by its files: motion of
    articulated vehicles, linear models, swept paths and closed forms, a line for every file and quantity.

    Example: roadcraft conformance golden/nuplan --only idm

    Exit codes: 0 everything lies within its tolerance; 1 something differs, or a drive could not be compared; 4 the
    folder cannot be used.
    """
    from roadcraft.validation.golden.run import conformance as compare
    from roadcraft.validation.golden.table import print_report, to_json

    report = compare(folder, only=only, loop=not metrics_only, logs=logs, maps=maps, workers=workers, progress=True)
    if as_json:
        print(json.dumps(to_json(report, every), indent=1))
    else:
        print_report(report, every)
    raise typer.Exit(0 if report.ok and not (strict and report.rounding) else 1)
