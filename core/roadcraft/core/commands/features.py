"""The verb ``features``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from roadcraft.core.commands.completion import Found, complete_words
from roadcraft.core.config.load import load_config, path_field
from roadcraft.core.errors import ConfigError
from roadcraft.core.plugins.hookspecs import PluginRef, plugin_field


@dataclass(frozen=True)
class FeaturesConfig:
    """The network whose features are listed; all installed groups where nothing is given."""

    encoder: PluginRef | None = plugin_field("encoder", None)
    """Encoder of the network."""
    model: PluginRef | None = plugin_field("model", None)
    """Model of the network, which needs an encoder."""
    checkpoint: str = path_field()
    """Checkpoint of a network; takes the place of encoder and model."""


def _complete(ctx: typer.Context, incomplete: str) -> Found:
    return complete_words(ctx, [FeaturesConfig], incomplete)


def features(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ENCODER [MODEL] | CHECKPOINT] [KEY=VALUE]...",
            help="Whose features to list; encoder.KEY=VALUE and model.KEY=VALUE set what shapes them.",
            autocompletion=_complete,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """List the features that networks read: groups, tensors, shapes, types, frames, columns and their units.

    Examples: roadcraft features

    roadcraft features vector_transformer multimodal encoder.agents=20

    roadcraft features runs/a/best

    Without names all installed groups are listed, with the settings that give the shapes; `roadcraft plugins feature
    NAME` lists the settings of one."""
    from roadcraft.core.driving.features.listing import feature_lines, feature_rows, size_of

    spec = _spec_of(load_config(FeaturesConfig, _as_settings(words or [])).config)
    rows = feature_rows(spec)
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    print("\n".join(feature_lines(rows)))
    if spec is not None:
        print(f"\n{size_of(rows):,} bytes per scene, targets not counted")


def _as_settings(words: list[str]) -> list[str]:
    """Bare words as settings: a checkpoint's folder, or an encoder and a model. Raises ConfigError for further ones."""
    keys, out = iter(("encoder", "model")), []
    for word in words:
        if "=" in word or word.endswith((".yaml", ".yml")):
            out.append(word)
        elif (Path(word) / "config.yaml").is_file():
            out.append(f"checkpoint={word}")
        elif key := next(keys, ""):
            out.append(f"{key}={word}")
        else:
            raise ConfigError(f"{word!r} is one name too many: give an encoder and a model, or a checkpoint")
    return out


def _spec_of(config: FeaturesConfig) -> Any:
    """The features of a network, None where none is given. Raises ConfigError for a contradiction."""
    if config.checkpoint:
        if config.encoder or config.model:
            raise ConfigError("checkpoint: has an encoder and a model of its own; leave encoder and model out")
        from roadcraft.core.interfaces import load_planner

        planner: Any = load_planner(config.checkpoint)
        return planner.network.features
    if config.encoder is None:
        if config.model is not None:
            raise ConfigError("model: needs an encoder beside it; give encoder=NAME, too")
        return None
    from roadcraft.core.config.factory import create
    from roadcraft.core.driving.features.build import merge_specs

    encoder = create("encoder", config.encoder.name, config.encoder.params)
    spec = encoder.features()
    if config.model is not None:
        model = create("model", config.model.name, config.model.params, dim=encoder.dim, features=spec)
        spec = merge_specs(spec, model.features())
    return spec
