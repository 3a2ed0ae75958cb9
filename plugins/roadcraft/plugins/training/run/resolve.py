"""The configuration of a run: from words and files, out of a checkpoint, and compared when a run goes on."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from roadcraft.core import __version__
from roadcraft.core.config.load import Loaded, build_params, load_config, to_tree
from roadcraft.core.driving.features.group import FeatureGroup
from roadcraft.core.driving.features.spec import FeatureSpec, flat_settings
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.plugins.provenance import code_digest
from roadcraft.core.plugins.registry import Provided, registry
from roadcraft.planners.learned.checkpoint import (
    changed_code,
    changed_versions,
    check_features,
    described_parts,
    load_weights,
    read_config,
    warn_of_changes,
)
from roadcraft.planners.learned.checkpoint_writing import settle_folder
from roadcraft.planners.learned.network import Network
from roadcraft.plugins.training.config import StartConfig, TrainConfig

LEARNING_RATE = 2e-3  # where neither the configuration nor the model says one
TUNED = 0.1  # share of it to go on with trained weights
PARTS = ("encoder", "model", "recipe")  # plugins that make a run what it is
# What a run that goes on may change: how long it goes, where and how fast it runs, and what is looked at on the way.
MAY_CHANGE = (
    "steps", "minutes", "patience", "validate_every", "validation_batches", "save_every", "save_minutes", "select",
    "out", "data", "format",
    "devices", "nodes", "accumulate", "strategy", "compile", "workers", "threads", "cached_drives",
)  # fmt: skip


def run_config(words: Sequence[str], resume: Path | None = None, overfit: int = 0) -> Loaded[TrainConfig]:
    """The configuration of ``roadcraft train``: from files and ``key=value`` words, over that of a run that is resumed,
    or over the encoder and model of the checkpoint that ``start`` names."""
    if resume is None:
        named = [w for w in words if w.startswith(("start=", "start."))]
        start = load_config(TrainConfig, named or words).config.start
        loaded = load_config(TrainConfig, [*(_parts_of(start) if start.parts else []), *words])
        return replace(loaded, config=replace(loaded.config, overfit=overfit)) if overfit else loaded
    settle_folder(resume / "last")
    tree = read_run(resume)
    stored = {"encoder": tree["encoder"], "model": tree["model"], **tree["training"]}
    return load_config(TrainConfig, [*_as_words(stored), *words])


def read_run(run: Path) -> dict[str, Any]:
    """The config of a run's last checkpoint. Raises DataError where the folder holds no run, or another version began
    it."""
    if not (run / "last").is_dir():
        holder = run.parent if (run.parent / "last").is_dir() else None
        raise DataError(
            "holds no run that could go on: it has no folder last",
            where=str(run),
            remedy=f"--resume {holder}" if holder else "--resume RUN, the folder that was out=RUN",
        )
    tree = read_config(run / "last")
    wrote = tree.get("versions", {}).get("roadcraft")
    if wrote != __version__:
        raise DataError(
            f"roadcraft {wrote} began this run, this is roadcraft {__version__}: it cannot be resumed",
            where=str(run),
            remedy=f"finish it with that version, or begin a run of its own with start={run / 'last'}",
        )
    return tree


def _parts_of(start: StartConfig) -> list[str]:
    tree = read_config(start.source)
    return _as_words({kind: tree[kind] for kind in start.parts})


def load_start(network: Network, config: TrainConfig) -> None:
    """Fill a network, or its encoder, with the weights of the checkpoint that ``config.start`` names. Raises
    ConfigError where that has another encoder or model, DataError where its weights do not fit or its features are not
    those of the network, naming both sides."""
    folder, parts = config.start.source, config.start.parts
    tree, here = read_config(folder), described(config)
    remedy = f"leave {' and '.join(parts)} out to take the checkpoint's"
    if any(tree[kind]["name"] != here[kind]["name"] for kind in parts):
        raise ConfigError(
            f"start: {folder} holds {described_parts(tree, parts)}, this run asks for {described_parts(here, parts)}; "
            f"{remedy}"
        )
    try:
        load_weights(network, Path(folder), tree, parts)
    except DataError as e:
        differ = [
            f"{kind}.params.{k} is {stored!r} in the checkpoint, {here[kind]['params'][k]!r} here"
            for kind in parts
            for k, stored in (tree[kind].get("params") or {}).items()
            if k in here[kind]["params"] and here[kind]["params"][k] != stored
        ]
        raise DataError(e.what, where=e.where, remedy="; ".join([*differ, remedy]) if differ else e.remedy) from e
    if config.start.checkpoint:
        check_features(network.features, tree, Path(folder))
    elif changed := changed_encoder_features(network.encoder.features(), tree):
        raise DataError(f"its encoder was trained on other features: {changed}", where=folder, remedy=remedy)
    warn_of_changes(folder, tree)


def changed_encoder_features(spec: FeatureSpec, tree: Mapping[str, Any]) -> str:
    """In which groups the features of an encoder are not those it was trained on, in words: their versions, and those
    settings that are no capacities."""
    before = flat_settings(tree["features"])
    differ = [f"{name} version {old} -> {new}" for name, old, new in changed_versions(spec, tree)]
    for name, group in spec.providers.items():
        own = json.loads(json.dumps(asdict(spec.groups[name]))) if isinstance(group, FeatureGroup) else {}
        pairs = [(k, before.get(f"{name}.{k}", v), v) for k, v in own.items() if k not in group.capacities]
        differ += [f"{name}.{k} {old} -> {new}" for k, old, new in pairs if old != new]
    return ", ".join(differ)


def with_rate(config: TrainConfig, model: Any, resume: Path | None = None) -> TrainConfig:
    """The configuration with its learning rate as a number: what it says, else that of the run that goes on, else the
    model's own, a tenth of it where all weights are those of another run."""
    if config.learning_rate is not None:
        return config
    if resume is not None:
        return replace(config, learning_rate=float(read_run(resume)["training"]["learning_rate"]))
    rate = float(getattr(model, "learning_rate", LEARNING_RATE))
    return replace(config, learning_rate=rate * TUNED if config.start.checkpoint else rate)


def _as_words(tree: dict[str, Any], prefix: str = "") -> list[str]:
    words: list[str] = []
    for k, v in tree.items():
        if isinstance(v, dict) and v and k not in ("params", "tags"):
            words += _as_words(v, f"{prefix}{k}.")
        elif v is not None:
            words.append(f"{prefix}{k}={json.dumps(v)}")
    return words


def check_same(config: TrainConfig, resume: Path) -> None:
    """Raises ConfigError where the run in ``resume`` had another configuration, or other code."""
    tree = read_run(resume)
    old_recipe, recipe = tree["training"]["recipe"]["name"], config.recipe.name
    if old_recipe != recipe:
        raise ConfigError(
            f"{resume} was trained by recipe {old_recipe}, not {recipe}; a resumed run keeps it: leave recipe= out"
        )
    changed = changed_code(tree, PARTS)
    if changed:
        raise ConfigError(
            f"{resume}: {'; '.join(changed)}; a resumed run keeps its code: put the source back, or begin a run of its "
            f"own with start={resume / 'last'}"
        )
    old = {"encoder": tree["encoder"], "model": tree["model"], **tree["training"]}
    new = json.loads(json.dumps(described(config)))
    if new["learning_rate"] is None:
        new["learning_rate"] = old.get("learning_rate")
    differ = [k for k in new if k not in MAY_CHANGE and old.get(k) != new[k]]
    if differ:
        raise ConfigError(
            f"{resume} was trained with another {', '.join(differ)}; a resumed run keeps its configuration"
        )


def described(config: TrainConfig) -> dict[str, Any]:
    """The configuration as a tree, with every param of encoder, model and recipe spelt out, so that a checkpoint
    outlives a change of defaults."""
    tree = to_tree(config)
    for kind in PARTS:
        ref = tree[kind]
        params = to_tree(build_params(registry(), kind, ref["name"], ref["params"]))
        tree[kind] = {"name": ref["name"], "params": params}
    return tree


def _plugins(config: TrainConfig, features: FeatureSpec) -> list[Provided]:
    """Encoder, model and recipe, and the feature groups of third parties."""
    groups = [registry().find("feature", name) for name in features.providers]
    return [registry().find(kind, getattr(config, kind).name) for kind in PARTS] + [p for p in groups if not p.ours]


def versions(config: TrainConfig, features: FeatureSpec) -> dict[str, str]:
    """What trained: roadcraft, torch, Python, and the distributions that provide its plugins."""
    own = {"roadcraft": __version__, "torch": torch.__version__, "python": platform.python_version()}
    return {p.provider: p.version for p in _plugins(config, features)} | own


def code_digests(config: TrainConfig, features: FeatureSpec) -> dict[str, str]:
    """Digests of the sources of encoder, model, recipe and the feature groups of third parties."""
    specs = [p.spec for p in _plugins(config, features)]
    return {f"{s.kind} {s.name}": code_digest(s.kind, s.name) for s in specs}


def git_commit() -> str:
    """Commit of the working tree this package lies in, with ``-dirty`` where files were changed since; empty where
    there is none."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
