"""The recipe of a run: from words and files, out of a checkpoint, and compared when a run goes on."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from roadcraft.core import __version__
from roadcraft.core.config import build_params, load_config, to_tree
from roadcraft.core.errors import ConfigError
from roadcraft.core.registry import registry
from roadcraft.planners.checkpoint import read_config
from roadcraft.plugins.training.config import TrainConfig

# What a run that goes on may change: how long it goes, where and how fast it runs, and what is looked at on the way.
MAY_CHANGE = (
    "steps", "minutes", "patience", "validate_every", "validation_batches", "save_every", "save_minutes", "select", "out", "data", "format",
    "devices", "nodes", "accumulate", "strategy", "compile", "workers", "threads", "drives",
)  # fmt: skip


def run_config(words: Sequence[str], resume: Path | None = None, overfit: int = 0) -> TrainConfig:
    """The configuration of ``roadcraft train``: from files and ``key=value`` words, over the recipe of a run that is resumed."""
    if resume is None:
        config = load_config(TrainConfig, words).config
        return replace(config, overfit=overfit) if overfit else config
    tree = read_config(resume / "last")
    stored = {"encoder": tree["encoder"], "model": tree["model"], **tree["training"]}
    return load_config(TrainConfig, [*_as_words(stored), *words]).config


def _as_words(tree: dict[str, Any], prefix: str = "") -> list[str]:
    words: list[str] = []
    for k, v in tree.items():
        if isinstance(v, dict) and v and k not in ("params", "tags"):
            words += _as_words(v, f"{prefix}{k}.")
        elif v is not None:
            words.append(f"{prefix}{k}={json.dumps(v)}")
    return words


def check_same(config: TrainConfig, resume: Path) -> None:
    """Raises ConfigError where the run in ``resume`` had another recipe."""
    tree = read_config(resume / "last")
    old = {"encoder": tree["encoder"], "model": tree["model"], **tree["training"]}
    new = json.loads(json.dumps(described(config)))
    differ = [k for k in new if k not in MAY_CHANGE and old.get(k) != new[k]]
    if differ:
        raise ConfigError(f"{resume} was trained with another {', '.join(differ)}; a resumed run keeps its recipe")


def described(config: TrainConfig) -> dict[str, Any]:
    """The configuration as a tree, with every param of encoder and model spelt out, so that a checkpoint outlives a change of defaults."""
    tree = to_tree(config)
    for kind in ("encoder", "model"):
        ref = tree[kind]
        params = to_tree(build_params(registry(), kind, ref["name"], ref["params"]))
        tree[kind] = {"name": ref["name"], "params": params}
    return tree


def versions(config: TrainConfig) -> dict[str, str]:
    """What trained: roadcraft, torch, Python, and the distributions that provide encoder and model."""
    found = (registry().find("encoder", config.encoder.name), registry().find("model", config.model.name))
    own = {"roadcraft": __version__, "torch": torch.__version__, "python": platform.python_version()}
    return own | {p.provider: p.version for p in found}


def plugin_hashes(config: TrainConfig) -> dict[str, str]:
    """A hash of the source files beside the encoder's and the model's, since a version does not tell what was edited since."""
    out = {}
    for kind, name in (("encoder", config.encoder.name), ("model", config.model.name)):
        spec = find_spec(registry().find(kind, name).spec.target.partition(":")[0])
        digest = blake2b(digest_size=8)
        for file in sorted(Path(spec.origin).parent.glob("*.py")) if spec is not None and spec.origin else ():
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        out[f"{kind} {name}"] = digest.hexdigest()
    return out


def git_commit() -> str:
    """Commit of the working tree this package lies in, with ``-dirty`` where files were changed since; empty where there is none."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
