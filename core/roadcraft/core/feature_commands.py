"""The verb ``features``."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def features(
    encoder: Annotated[str, typer.Argument(help="Name of an encoder: what it reads.")] = "",
    model: Annotated[str, typer.Argument(help="Name of a model: what both read.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """List the features that networks read: groups, tensors, shapes, types, frames, columns and their units.

    Examples: roadcraft features

    roadcraft features vector_transformer multimodal

    Without names all installed groups are listed, with the settings that give the shapes; `roadcraft plugins feature
    NAME` lists the settings of one."""
    from roadcraft.core.driving.features.listing import feature_lines, feature_rows, size_of

    spec = None
    if encoder:
        from roadcraft.core.driving.features.build import merge_specs
        from roadcraft.core.factory import create

        first = create("encoder", encoder)
        spec = first.features()
        if model:
            spec = merge_specs(spec, create("model", model, dim=first.dim, features=spec).features())
    rows = feature_rows(spec)
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    print("\n".join(feature_lines(rows)))
    if spec is not None:
        print(f"\n{size_of(rows):,} bytes per scene, targets not counted")
