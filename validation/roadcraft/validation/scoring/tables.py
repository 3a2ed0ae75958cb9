"""Results as Parquet: the same bytes whatever the workers, batches and interruptions of the run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from roadcraft.core.files import write_atomic
from roadcraft.validation.config import CHALLENGES

if TYPE_CHECKING:
    from roadcraft.validation.scoring.folder import RunFolder

Record = Mapping[str, Any]


def ordered(records: Iterable[Record]) -> list[Record]:
    """By token, then challenge."""
    return sorted(records, key=lambda r: (r["token"], r["challenge"]))


def metric_names(records: Iterable[Record]) -> list[str]:
    """Metrics that have a score in at least one scenario, sorted."""
    return sorted({m["name"] for r in records for m in r["metrics"] if m["score"] is not None})


def share_names(records: Iterable[Record]) -> list[str]:
    return sorted({name for r in records for name in r["shares"]})


def scores_table(records: Sequence[Record]) -> pa.Table:
    """One row per scenario and challenge: identity, status, score (0 where it failed), metric scores (null where there
    is none), guard shares."""
    rows = ordered(records)
    columns: dict[str, pa.Array] = {
        name: pa.array([r[name] for r in rows], pa.string())
        for name in ("token", "challenge", "type", "log", "map", "status")
    }
    columns["score"] = pa.array([r["score"] for r in rows], pa.float64())
    columns["steps"] = pa.array([r["steps"] for r in rows], pa.int32())
    columns["interval_s"] = pa.array([r["interval_s"] for r in rows], pa.float64())
    columns["nuplan_score"] = pa.array([r["nuplan_score"] for r in rows], pa.float64())
    for name in metric_names(rows):
        columns[name] = pa.array([score_of(r, name) for r in rows], pa.float64())
    for name in share_names(rows):
        columns[name] = pa.array([r["shares"].get(name) for r in rows], pa.float64())
    return pa.table(columns)


def metrics_table(records: Sequence[Record]) -> pa.Table:
    """One row per scenario, challenge and metric, with statistics and events as JSON text."""
    rows = [(r, m) for r in ordered(records) for m in r["metrics"]]
    return pa.table(
        {
            "token": pa.array([r["token"] for r, _ in rows], pa.string()),
            "challenge": pa.array([r["challenge"] for r, _ in rows], pa.string()),
            "metric": pa.array([m["name"] for _, m in rows], pa.string()),
            "score": pa.array([m["score"] for _, m in rows], pa.float64()),
            "role": pa.array([m["role"] for _, m in rows], pa.string()),
            "weight": pa.array([m["weight"] for _, m in rows], pa.float64()),
            "stats": pa.array([json.dumps(m["stats"]) for _, m in rows], pa.string()),
            "events": pa.array([json.dumps(m["events"]) for _, m in rows], pa.string()),
        }
    )


def timings_table(records: Sequence[Record]) -> pa.Table:
    """Wall-clock seconds per scenario and stage (a batch's time shared out evenly)."""
    rows = ordered(records)
    stages = sorted({k for r in rows for k in r["timings"]})
    return pa.table(
        {
            "token": pa.array([r["token"] for r in rows], pa.string()),
            "challenge": pa.array([r["challenge"] for r in rows], pa.string()),
            "steps": pa.array([r["steps"] for r in rows], pa.int32()),
            **{k: pa.array([r["timings"].get(k) for r in rows], pa.float64()) for k in stages},
        }
    )


def write_table(table: pa.Table, path: Path) -> str:
    """Write whole or not at all; the digest of the file's bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return write_atomic(path, [memoryview(sink.getvalue())])[1]


def read_records(folder: RunFolder) -> list[dict[str, Any]]:
    """Records as far as the tables of a finished run hold them (no timings, no tracebacks).

    Raises DataError where the run is not finished, or a table is missing, damaged or of another run.
    """
    modes = {challenge: mode for mode, challenge in CHALLENGES.items()}
    details: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for m in _read(folder, "metrics.parquet"):
        details.setdefault((m["token"], m["challenge"]), []).append(
            {
                "name": m["metric"],
                **{k: m[k] for k in ("score", "role", "weight") if k in m},
                "stats": json.loads(m["stats"]),
                "events": json.loads(m["events"]),
            }
        )
    return [
        folder.as_today(
            {
                **{k: row[k] for k in _IDENTITY if k in row},
                "mode": modes[row["challenge"]],
                "metrics": details.get((row["token"], row["challenge"]), []),
                "shares": {k: v for k, v in row.items() if k.startswith("guard_") and v is not None},
                "timings": {},
            }
        )
        for row in _read(folder, "scores.parquet")
    ]


_IDENTITY = (
    "token",
    "challenge",
    "type",
    "log",
    "map",
    "status",
    "score",
    "nuplan_score",
    "steps",
    "interval_s",
)


def _read(folder: RunFolder, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(pa.BufferReader(folder.read_bytes(name))).to_pylist()
    return rows


def moment(step: int | None, interval_s: float) -> str:
    """``7.8 s``: when in a scenario a step was; nothing where it was before the first."""
    return "" if step is None or step < 0 else f"{step * interval_s:.1f} s"


def score_of(record: Record, name: str) -> float | None:
    """A metric's score of one drive; None where it has none."""
    return next((m["score"] for m in record["metrics"] if m["name"] == name), None)
