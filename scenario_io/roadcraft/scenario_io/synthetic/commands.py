"""The verb ``synth``: a thin shell over ``roadcraft.scenario_io.synth``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from roadcraft.core.commands.completion import complete_settings


def synth(
    out: Annotated[Path, typer.Argument(help="Folder to write: logs into splits/, maps into maps/.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="Settings, such as worlds=60 seed=7, or a YAML file.",
            metavar="[key=value]...",
            autocompletion=complete_settings,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Make worlds, traffic and an expert's drives from a seed, written as nuPlan logs and maps.

    The same seed gives the same files, whatever the number of processes.

    Example: roadcraft synth logs/demo worlds=60 seed=7
    """
    from dataclasses import asdict

    from roadcraft.core.config.load import load_config
    from roadcraft.scenario_io.synthetic.config import SynthConfig
    from roadcraft.scenario_io.synthetic.synthesize import synth as run

    config = load_config(SynthConfig, words or []).config
    if as_json:
        print(json.dumps(asdict(run(out, config)), indent=2))
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("worlds", total=config.worlds)
        report = run(out, config, lambda done, total: bar.update(task, completed=done, total=total))
    print(
        f"{report.logs}: {report.worlds} drives, {report.tagged_frames} tagged frames, {len(report.situations)} "
        "situations; "
        f"maps in {report.maps} ({report.seconds:.1f} s)"
    )
    if config.suite:
        for name, kept in report.situations.items():
            drawn = report.drawn[name]
            share = (drawn - kept) / drawn
            line = f"  {name}: {drawn} drawn, {drawn - kept} dropped ({100 * share:.0f} %), {kept} kept"
            if name in report.density:
                mean = report.density[name]
                line += f"; {mean.per_km:.1f} vehicles per km and lane, {100 * mean.trucks:.0f} % trucks"
            print(line)
