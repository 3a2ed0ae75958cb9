"""Rows of the comparison: one JSON file per model or baseline, filled part by part, in as many sittings and on as many
machines as it takes.

A row holds its recipe and the parts measured so far (``train``, ``raw``, ``guarded``, ``open_loop``, ``latency``), each
with the machine, versions and commit that made it. A row made by another recipe is refused, and so is a part measured
on other weights than those that the row was trained as.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from comparing.machine import provenance
from comparing.recipe import MODES, digest
from roadcraft.core.config.load import flat
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.files import write_atomic
from roadcraft.validation.comparing.compare import compare
from roadcraft.validation.config import CHALLENGES

NEEDED = ("format", "name", "recipe", "recipe_hash", "parts")


class RowFile:
    """The row of one model or baseline in a folder. Raises ConfigError when it was made by another recipe, DataError
    when it cannot be read."""

    def __init__(self, folder: Path, slug: str, name: str, recipe: Mapping[str, Any]) -> None:
        self.path = folder / f"{slug}.json"
        self.row = {
            "format": recipe["format"],
            "name": name,
            "recipe": dict(recipe),
            "recipe_hash": digest(recipe),
            "parts": {},
        }
        if self.path.is_file():
            found = read_row(self.path)
            refuse_other(found, recipe, self.path)
            self.row = found

    def has(self, part: str) -> bool:
        return part in self.row["parts"]

    def add(self, part: str, figures: Mapping[str, Any]) -> None:
        """Put a finished part into the file."""
        self.row["parts"][part] = {**figures, "made_by": provenance()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path, json.dumps(self.row, indent=1))

    def same_weights(self, checkpoint: Path) -> None:
        """Raise DataError unless the checkpoint is the one that the row was trained as."""
        if self.row["parts"]["train"]["weights"] != weights_hash(checkpoint):
            raise DataError(
                "is not the checkpoint that this row was trained as",
                where=str(checkpoint),
                remedy=f"copy it from where {self.path.name} was trained, or delete {self.path} to train again",
            )


def read_row(path: Path) -> dict[str, Any]:
    """A row from its file. Raises DataError when the file is damaged."""
    try:
        row = json.loads(path.read_text())
    except (OSError, ValueError) as e:
        raise DataError(f"cannot be read: {e}", where=str(path), remedy="delete it, and measure again") from e
    absent = [k for k in NEEDED if not isinstance(row, dict) or k not in row]
    if absent:
        raise DataError(f"keys {', '.join(absent)} missing", where=str(path), remedy="delete it, and measure again")
    return dict(row)


def refuse_other(row: Mapping[str, Any], recipe: Mapping[str, Any], path: Path) -> None:
    """Raise ConfigError, naming what differs, where a row was made by another recipe."""
    if row["recipe_hash"] == digest(recipe):
        return
    a, b = flat(row["recipe"]), flat(recipe)
    differ = [f"{k}: {a.get(k, 'nothing')} -> {b.get(k, 'nothing')}" for k in sorted({*a, *b}) if a.get(k) != b.get(k)]
    raise ConfigError(
        f"{path} was made by another recipe ({'; '.join(differ)}); delete it to measure again, or choose another --out"
    )


def read_rows(folder: Path) -> dict[str, dict[str, Any]]:
    """All rows of a folder by name. Raises DataError where rows of the same recipe saw different scenarios."""
    rows = {row["name"]: row for row in map(read_row, sorted(folder.glob("*.json")))}
    lists: dict[int, tuple[str, str]] = {}
    for name, row in rows.items():
        for part in ("raw", "guarded"):
            if part in row["parts"]:
                found = row["parts"][part]["scenario_list_hash"]
                first, known = lists.setdefault(row["recipe"]["scenarios"], (name, found))
                if known != found:
                    raise DataError(f"{name} and {first} were not scored on the same scenarios", where=str(folder))
    return rows


def weights_hash(checkpoint: Path) -> str:
    """16 hex digits of a checkpoint's weights; empty where there are none."""
    path = checkpoint / "model.safetensors"
    return blake2b(path.read_bytes(), digest_size=8).hexdigest() if path.is_file() else ""


def training_part(run: Path, device: str) -> dict[str, Any]:
    """What a training run came to: size, time, pace, errors on logs held out of training, and its curves. device: what
    it ran on."""
    from comparing.curves import read_curves

    best = json.loads((run / "best" / "metrics.json").read_text())
    last = json.loads((run / "last" / "metrics.json").read_text())
    kept = ("parameters", "git", "data")
    return {
        **{k: best[k] for k in kept},
        **{k: last[k] for k in ("step", "samples_seen", "minutes", "samples_per_s")},
        "best_step": best["step"],
        "validation": best["validation"],
        "device": device,
        "weights": weights_hash(run / "best"),
        "curves": read_curves(run / "tensorboard"),
    }


def score_part(run: Path, against: Mapping[str, Path]) -> dict[str, Any]:
    """Scores of a run in both modes with intervals over worlds, and paired differences from other runs by name where
    those are finished."""
    summary = json.loads((run / "summary.json").read_text())
    modes = {}
    for mode in MODES:
        c = summary["challenges"][CHALLENGES[mode]]
        kept = {k: c[k] for k in ("score", "ci", "nuplan_score", "scenarios", "failed")}
        modes[mode] = {**kept, "shares": c.get("shares", {})}
    return {
        "scenario_list_hash": summary["scenario_list_hash"],
        "logs": summary["logs"],
        "modes": modes,
        "paired": {name: paired(other, run) for name, other in against.items()},
    }


def paired(a: Path, b: Path) -> dict[str, Any]:
    """By mode, the mean difference b - a over the scenarios that both drove, and its interval over worlds."""
    found = compare(a, b)["challenges"]
    return {
        mode: {k: found[CHALLENGES[mode]]["score"][k] for k in ("difference", "ci", "scenarios", "better", "worse")}
        for mode in MODES
    }


def placed(rows: Mapping[str, Mapping[str, Any]], order: Sequence[str]) -> list[Mapping[str, Any]]:
    """Rows in the order of the given names, then those that no name is given for."""
    return [rows[n] for n in (*[n for n in order if n in rows], *[n for n in rows if n not in order])]
