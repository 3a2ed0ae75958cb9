"""A run's folder: what is in it, and how it survives a kill and tells damage.

config.yaml          the whole configuration            scenarios.json   the list of scenarios, versions, digests of
what the configuration names parts/*.jsonl        results as they come, one line per scenario and mode, each with a
checksum; a torn line is as if it were not there rollouts/<mode>/     the drives, a store of its own     logs/
what the workers said scores.parquet  metrics.parquet  timings.parquet  failures.json     written at the end, from the
parts summary.json         written last, with the digests of those: a run is finished when it is there
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from roadcraft.core._version import __version__
from roadcraft.core.config.load import flat
from roadcraft.core.config.yaml_text import parse_yaml, read_yaml, resolved
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.files import disk_error, write_atomic
from roadcraft.scenario_io.store.store import Store
from roadcraft.scenario_io.store.writer import clean
from roadcraft.validation.scoring import former
from roadcraft.validation.scoring.sealed import RecordFile, read_lines, read_sealed, write_sealed
from roadcraft.validation.scoring.suites import SuiteScenario

FORMAT = 2
TABLES = ("scores.parquet", "metrics.parquet", "timings.parquet", "failures.json")
_OWN = {"config.yaml", "scenarios.json", "parts", "rollouts", "logs", "summary.json", *TABLES}


class RunFolder:
    """The folder of one scoring run."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config, self.scenarios, self.summary = (
            self.path / n for n in ("config.yaml", "scenarios.json", "summary.json")
        )
        self.scores, self.metrics, self.timings, self.failures = (self.path / n for n in TABLES)
        self.parts, self.logs = self.path / "parts", self.path / "logs"
        self._read: dict[str, Any] = {}

    @property
    def exists(self) -> bool:
        return self.config.is_file() and self.scenarios.is_file()

    @property
    def resume(self) -> str:
        """What to type to go on with this run."""
        return f"roadcraft score --resume --out {self.path}"

    # ---- beginning -------------------------------------------------------------------------------------------------

    def refuse_others(self) -> None:
        """Raise ConfigError unless a run may be written here: the folder is absent, empty, or a run."""
        remedy = "name a new folder with out="
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"out: {self.path} is a file; {remedy}")
        if (self.path / "store.json").is_file():
            raise ConfigError(f"out: {self.path} is a store; {remedy}")
        others = sorted({p.name for p in self.path.glob("*") if not p.name.startswith(".")} - _OWN)
        if others and not self.exists:
            some = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
            raise ConfigError(f"out: {self.path} is no run and holds other files ({some}); {remedy}")

    def refuse_results(self, resume: bool) -> None:
        """Raise ConfigError where the folder holds results and the run is not to be resumed, DataError where they are
        of no whole run."""
        if not self.records():
            return
        if lost := [p.name for p in (self.config, self.scenarios) if not p.is_file()]:
            raise DataError(
                f"holds results, but {' and '.join(lost)} is missing",
                where=str(self.path),
                remedy="copy it again from where it came, or choose another out=",
            )
        if not resume:
            raise ConfigError(f"{self.path} holds a run already; add --resume to go on with it, or choose another out=")

    def create(
        self,
        tree: Mapping[str, Any],
        items: Sequence[SuiteScenario],
        versions: Mapping[str, str],
        digests: Mapping[str, str],
        driven_in: Path | None = None,
    ) -> None:
        """Begin a run. digests: of what the configuration names (``provenance.digests_of``); driven_in: the run whose
        rollouts are judged, if not this."""
        from roadcraft.core.config.load import to_yaml

        self._read.clear()
        shutil.rmtree(
            self.path / "rollouts", ignore_errors=True
        )  # left by a run that was killed before its first result
        try:
            for folder in (self.path, self.parts, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise disk_error(e, self.path) from e
        self.summary.unlink(missing_ok=True)
        _, config = write_atomic(self.config, to_yaml(dict(tree)))
        listed = {
            "format": FORMAT,
            "versions": dict(versions),
            "config": config,
            "digests": dict(digests),
            "driven_in": None if driven_in is None else str(driven_in.resolve()),
            "scenarios": [i.to_json() for i in items],
        }
        write_sealed(self.scenarios, listed)

    # ---- reading ---------------------------------------------------------------------------------------------------

    @property
    def former(self) -> bool:
        """Whether the run is of a format that can be read, but carries no checksums and no digests."""
        return self.exists and bool(self._listed()["format"] == former.FORMAT)

    def as_today(self, record: dict[str, Any]) -> dict[str, Any]:
        """A result as this format writes it."""
        if not self.former:
            return record
        if "items" not in self._read:
            self._read["items"] = {i.row.token: i for i in self.items()}
        return former.record(record, self._read["items"][record["token"]])

    def items(self) -> list[SuiteScenario]:
        return [SuiteScenario.from_json(i) for i in self._listed()["scenarios"]]

    def versions(self) -> dict[str, str]:
        return dict(self._listed()["versions"])

    def digests(self) -> dict[str, str]:
        """Digests of what the configuration names, by dotted key (see ``provenance.digests_of``)."""
        return dict(self._listed()["digests"])

    def tree(self) -> dict[str, Any]:
        """The run's configuration as plain maps. Raises DataError where there is none, or it is not the one that was
        written."""
        written = self._listed()["config"]
        if self.former:
            return former.tree(resolved(read_yaml(self.config)))
        text = self.config.read_bytes()
        if blake2b(text, digest_size=16).hexdigest() != written:
            raise DataError(
                "damaged or edited: it is not what was written when the run began",
                where=str(self.config),
                remedy="copy it again from where it came, or score again",
            )
        tree: dict[str, Any] = resolved(parse_yaml(text.decode(), str(self.config)))
        return tree if self.versions().get("roadcraft") == __version__ else former.tree(tree)

    def require_same_version(self) -> None:
        """Raise DataError where another version of roadcraft began this run."""
        wrote = self.versions().get("roadcraft")
        if wrote != __version__:
            raise DataError(
                f"roadcraft {wrote} began this run, this is roadcraft {__version__}: it cannot be resumed",
                where=str(self.path),
                remedy="finish it with that version, or score into another folder",
            )

    def _listed(self) -> dict[str, Any]:
        if "scenarios" not in self._read:
            if not self.exists:
                raise DataError(
                    "no scoring run here",
                    where=str(self.path),
                    remedy="a run is made by: roadcraft score planner=... data=STORE out=RUN",
                )
            remedy = "copy it again from where it came, or score again"
            data = read_sealed(self.scenarios, FORMAT, remedy, unsealed=former.FORMAT)
            if data["format"] == former.FORMAT:
                former.warn(self.path)
                data = former.listed(data)
            self._read["scenarios"] = data
        found: dict[str, Any] = self._read["scenarios"]
        return found

    def records(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Results so far, by (token, mode)."""
        return {(r["token"], r["mode"]): self.as_today(r) for _, r in self._lines() if r is not None}

    def damaged_parts(self) -> dict[str, int]:
        """Damaged lines by file; they count as if they were not there, so that --resume drives their scenarios
        again."""
        found: dict[str, int] = {}
        for file, record in self._lines():
            if record is None:
                found[file] = found.get(file, 0) + 1
        return found

    def _lines(self) -> Iterator[tuple[str, dict[str, Any] | None]]:
        for part in sorted(self.parts.glob("*.jsonl")):
            for record in read_lines(part, checked=not self.former):
                yield f"parts/{part.name}", record

    # ---- a finished run --------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        return self.exists and self.summary.is_file()

    def require_finished(self) -> None:
        """Raise DataError unless this is a run with all its results, saying how many there are."""
        listed = self._listed()
        if not self.summary.is_file():
            modes = len(self.tree()["suite"]["modes"])
            raise DataError(
                f"this run is not finished: {len(self.records())} of {len(listed['scenarios']) * modes} drives are "
                "kept",
                where=str(self.path),
                remedy=f"finish it with: {self.resume}",
            )

    def read_summary(self) -> dict[str, Any]:
        """The content of ``summary.json``. Raises DataError where the run is not finished or the file is damaged."""
        self.require_finished()
        if "summary" not in self._read:
            self._read["summary"] = (
                former.summary(self) if self.former else read_sealed(self.summary, FORMAT, self._again)
            )
        found: dict[str, Any] = self._read["summary"]
        return found

    def read_bytes(self, name: str) -> bytes:
        """One of TABLES, compared with the digest in the summary. Raises DataError where it is missing or not what was
        written."""
        path = self.path / name
        written = None if self.former else self.read_summary()["tables"].get(name)
        try:
            data = path.read_bytes()
        except OSError as e:
            raise DataError(f"cannot be read: {e.strerror}", where=str(path), remedy=self._again) from e
        if not self.former and blake2b(data, digest_size=16).hexdigest() != written:
            raise DataError("damaged: not what was written for this run", where=str(path), remedy=self._again)
        return data

    def read_failures(self) -> list[dict[str, Any]]:
        """Scenarios that could not be driven, with their tracebacks."""
        found: list[dict[str, Any]] = json.loads(self.read_bytes("failures.json"))
        return found

    @property
    def _again(self) -> str:
        return f"make it again from parts/ with: {self.resume}"

    # ---- drives ----------------------------------------------------------------------------------------------------

    def rollouts(self, mode: str) -> Path:
        """Where this run writes its drives."""
        return self.path / "rollouts" / mode

    def replays(self, mode: str) -> Path:
        """Where this run's drives lie: for one that only judged again, in the run that drove.

        Raises DataError where they were not kept, are gone, or are not those that were judged.
        """
        origin = self._listed()["driven_in"]
        if origin is not None:
            if not RunFolder(origin).exists:
                raise DataError(
                    "the run that drove is gone", where=origin, remedy=f"{self.path} only judged its drives"
                )
            return RunFolder(origin).replays(mode)
        found, written = self.rollouts(mode), self.read_summary()["tables"].get(f"rollouts/{mode}")
        if not found.is_dir() or (written is None and not self.former):
            raise DataError(
                "this run did not keep its rollouts", where=str(found), remedy="score again with rollouts=true"
            )
        if not self.former and self.drives_digest(mode) != written:
            raise DataError(
                "these are not the drives that were judged", where=str(found), remedy="copy the whole run again"
            )
        return found

    def drives_digest(self, mode: str) -> str:
        """Digest of the checksums of all drives of a mode, from their store's index."""
        shards = sorted(f"{s.file} {s.digest}" for s in Store(self.rollouts(mode)).index.shards.values())
        return blake2b("\n".join(shards).encode(), digest_size=16).hexdigest()

    def clean(self) -> None:
        """Remove what a writer of drives that is gone left half made."""
        for store in (self.path / "rollouts").glob("*/store.json"):
            with contextlib.suppress(DataError):  # a full disk: what is left is found again
                clean(store.parent)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time. Raises ConfigError when another one is at work here, DiskError where nothing can be
        written."""
        import fcntl

        try:
            self.path.mkdir(parents=True, exist_ok=True)
            f = (self.path / ".lock").open("w")
        except OSError as e:
            raise disk_error(e, self.path) from e
        with f:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ConfigError(f"another process is writing to {self.path}; choose another out=") from None
            yield


def refuse_changes(before: Mapping[str, Any], now: Mapping[str, Any], free: tuple[str, ...], where: Path) -> None:
    """Raise ConfigError that names every key in which a resumed run's configuration differs from the one it began
    with."""
    a, b = flat(before), flat(now)
    changed = [
        f"{k}: began with {a.get(k, 'nothing')!r}, now {b.get(k, 'nothing')!r}"
        for k in sorted({*a, *b})
        if a.get(k) != b.get(k) and not any(k == f or k.startswith(f + ".") for f in free)
    ]
    if changed:
        raise ConfigError(
            f"{where} cannot be resumed with another configuration:\n" + "\n".join(f"  - {c}" for c in changed)
        )


__all__ = ["FORMAT", "TABLES", "RecordFile", "RunFolder", "refuse_changes"]
