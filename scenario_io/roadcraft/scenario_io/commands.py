"""The verb ``ingest``: a thin shell over ``roadcraft.scenario_io.ingest``."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from roadcraft.core.commands.completion import Found, complete_words, names_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadcraft.scenario_io.ingestion import IngestReport, Skipped

SHOWN = 3  # of lines that say the same


def _complete(ctx: typer.Context, incomplete: str) -> Found:
    """Settings of the source that is named."""
    from roadcraft.core.plugins.registry import registry

    format = ctx.params.get("format") or ""
    known = format in registry().names("source")
    return complete_words(ctx, [registry().config_class("source", format)] if known else [], incomplete)


def ingest(
    format: Annotated[
        str,
        typer.Argument(
            help="nuplan, womd, store or another source plugin; auto tells it from the files.",
            autocompletion=lambda: [("auto", "told from the files"), *names_of("source")],
        ),
    ],
    path: Annotated[Path, typer.Argument(help="A log, or a folder of logs.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The store: a new folder, or one to add to.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="Settings of the source, see: roadcraft plugins source FORMAT.",
            metavar="[key=value]...",
            autocompletion=_complete,
        ),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", "-w", help="Processes; 0: one per core.", min=0)] = 0,
    tagged: Annotated[bool, typer.Option("--tagged", help="Index only frames that carry a scenario tag.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Read driving logs into a store. A run that was killed goes on where it stopped when repeated.

    Logs that cannot be read are skipped, impossible parts of the others left out; both are listed, and the exit code is
    then 3.

    Example: roadcraft ingest nuplan PATH/TO/splits/mini --out stores/mini maps_root=PATH/TO/maps
    """
    from dataclasses import asdict

    from roadcraft.scenario_io.ingestion import ingest as run

    report = run(
        None if format == "auto" else format,
        path,
        out,
        parse_params(words or []),
        workers=workers,
        tagged_only=tagged,
        progress=not as_json,
    )
    if as_json:
        print(json.dumps(asdict(report), indent=2))
    else:
        for title, found in (("skipped", report.skipped), ("left out", report.left_out), ("warning", report.warnings)):
            for line in listed(title, found):
                print(line, file=sys.stderr)
        print(last_line(report))
    if report.skipped or report.left_out:
        raise typer.Exit(3 if report.drives or report.already else 4)


def listed(title: str, found: Sequence[Skipped]) -> Iterator[str]:
    """A line each; of many that say the same, the first SHOWN and how many more there are."""
    from roadcraft.core.errors import DataError

    alike = Counter(s.what for s in found)
    seen: Counter[str] = Counter()
    for s in found:
        seen[s.what] += 1
        if seen[s.what] <= SHOWN:
            named = "" if s.log in s.where else f"{s.log}: "
            yield f"{title}: {named}{DataError(s.what, where=s.where, remedy=s.remedy)}"
        elif seen[s.what] == alike[s.what]:
            yield f"{title}: {alike[s.what] - SHOWN} more logs: {s.what}"


def last_line(report: IngestReport) -> str:
    """What an ingest did, in a line; where no scenario came of it, why."""
    parts = [
        f"{report.store}: {report.drives} drives with {report.scenarios} scenarios added ({report.bytes / 1e6:.1f} MB, "
        f"{report.seconds:.1f} s)"
    ]
    if report.already:
        parts.append(f"{report.already} were there already")
    for count, what in ((len(report.skipped), "skipped"), (len(report.left_out), "left out in part")):
        if count:
            parts.append(f"{count} {what}")
    if report.drives and not report.scenarios:
        reasons = Counter(s.what for s in report.left_out) or Counter(("no frame is tagged",))
        parts.append(f"nothing to drive: {reasons.most_common(1)[0][0]}")
    return ", ".join(parts)


def parse_params(words: list[str]) -> dict[str, object]:
    """``key=value`` words as a mapping; the source's config dataclass decides on their types. Raises ConfigError for a
    word without '='."""
    from roadcraft.core.config.load import value_of
    from roadcraft.core.errors import ConfigError

    out: dict[str, object] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ConfigError(f"{word!r}: parameters are written key=value")
        out[key] = value_of(value)
    return out
