"""A run's folder: what is in it, and how it survives a kill.

config.yaml          the whole configuration            scenarios.json   the list of scenarios
parts/*.jsonl        results as they come, one line per scenario and mode; a torn last line is as if it were not there
rollouts/<mode>/     the drives, a store of its own     logs/            what the workers said
scores.parquet  metrics.parquet  timings.parquet  summary.json  failures.json     written at the end, from the parts
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.files import write_atomic
from roadcraft.validation.suites import Item

FORMAT = 1


class RunFolder:
    """The folder of one scoring run."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config, self.scenarios, self.parts = (
            self.path / "config.yaml",
            self.path / "scenarios.json",
            self.path / "parts",
        )
        self.scores, self.metrics, self.timings = (self.path / f"{n}.parquet" for n in ("scores", "metrics", "timings"))
        self.summary, self.failures, self.logs = (
            self.path / "summary.json",
            self.path / "failures.json",
            self.path / "logs",
        )

    @property
    def exists(self) -> bool:
        return self.config.is_file() and self.scenarios.is_file()

    def rollouts(self, mode: str) -> Path:
        return self.path / "rollouts" / mode

    def create(self, tree: Mapping[str, Any], items: list[Item], versions: Mapping[str, str]) -> None:
        from roadcraft.core.config import to_yaml

        shutil.rmtree(
            self.path / "rollouts", ignore_errors=True
        )  # left by a run that was killed before its first result
        for folder in (self.path, self.parts, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        listed = {"format": FORMAT, "versions": dict(versions), "scenarios": [i.to_json() for i in items]}
        write_atomic(self.scenarios, json.dumps(listed))
        write_atomic(self.config, to_yaml(dict(tree)))

    def items(self) -> list[Item]:
        return [Item.from_json(i) for i in self._listed()["scenarios"]]

    def versions(self) -> dict[str, str]:
        versions: dict[str, str] = self._listed()["versions"]
        return versions

    def _listed(self) -> dict[str, Any]:
        try:
            data: dict[str, Any] = json.loads(self.scenarios.read_text())
        except (OSError, ValueError) as e:
            raise DataError(f"the list of scenarios cannot be read: {e}", where=str(self.scenarios)) from e
        if data.get("format") != FORMAT:
            raise DataError(
                f"this run is of format {data.get('format')}, not {FORMAT}", where=str(self.path), remedy="score again"
            )
        return data

    def tree(self) -> dict[str, Any]:
        """The run's configuration as plain maps. Raises DataError where there is none."""
        import yaml

        if not self.exists:
            raise DataError(
                "no scoring run here",
                where=str(self.path),
                remedy="a run is made by: roadcraft score planner=... data=STORE out=RUN",
            )
        tree: dict[str, Any] = yaml.safe_load(self.config.read_text())
        return tree

    def records(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Results so far, by (token, mode)."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for part in sorted(self.parts.glob("*.jsonl")):
            for line in part.read_bytes().split(b"\n"):
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    record = json.loads(line)
                    found[record["token"], record["mode"]] = record
        return found

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time. Raises ConfigError when another one is at work here."""
        import fcntl

        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as f:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ConfigError(f"another process is writing to {self.path}; choose another out=") from None
            yield


class Part:
    """An append-only file of results. ``add`` then ``commit``: what was committed survives a kill."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")

    def add(self, record: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(record, default=_plain).encode() + b"\n")

    def commit(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def refuse_changes(before: Mapping[str, Any], now: Mapping[str, Any], free: tuple[str, ...], where: Path) -> None:
    """Raise ConfigError that names every key in which a resumed run's configuration differs from the one it began with."""
    a, b = flatten(before), flatten(now)
    changed = [
        f"{k}: began with {a.get(k, 'nothing')!r}, now {b.get(k, 'nothing')!r}"
        for k in sorted({*a, *b})
        if a.get(k) != b.get(k) and not any(k == f or k.startswith(f + ".") for f in free)
    ]
    if changed:
        raise ConfigError(
            f"{where} cannot be resumed with another configuration:\n" + "\n".join(f"  - {c}" for c in changed)
        )


def flatten(tree: Mapping[str, Any], at: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for k, v in tree.items():
        out.update(flatten(v, f"{at}{k}.") if isinstance(v, Mapping) and v else {f"{at}{k}": v})
    return out


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written to a result")
