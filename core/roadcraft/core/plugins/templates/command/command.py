"""The command ``roadcraft __NAME__``. ``--help`` loads this module, so what is heavy is imported in the
function."""

from pathlib import Path
from typing import Annotated

import typer


def __NAME__(
    data: Annotated[Path, typer.Argument(help="A store, or raw logs.")],
    least: Annotated[int, typer.Option("--least", help="Leave types with fewer scenarios out.", min=1)] = 1,
) -> None:
    """Count the scenarios of each type.

    Example: roadcraft __NAME__ stores/demo --least 10
    """
    from collections import Counter

    from roadcraft.scenario_io import open_source

    found = Counter(tag for row in open_source(data).iter_rows() for tag in row.tags)
    for tag, count in found.most_common():
        if count >= least:
            print(f"{count:8}  {tag}")
