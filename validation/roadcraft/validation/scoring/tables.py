"""Results as Parquet: the same bytes whatever the workers, batches and interruptions of the run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from roadcraft.core.files import replacing

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
    """One row per scenario and challenge: identity, status, score (0 where it failed), metric scores (null where there is none), guard shares."""
    rows = ordered(records)
    columns: dict[str, pa.Array] = {
        name: pa.array([r[name] for r in rows], pa.string())
        for name in ("token", "challenge", "type", "log", "map", "status")
    }
    columns["score"] = pa.array([r["score"] for r in rows], pa.float64())
    columns["steps"] = pa.array([r["steps"] for r in rows], pa.int32())
    for name in metric_names(rows):
        columns[name] = pa.array([_score_of(r, name) for r in rows], pa.float64())
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


def write_table(table: pa.Table, path: Path) -> None:
    """Write whole or not at all."""
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_records(run: Path) -> list[dict[str, Any]]:
    """Records as far as the finished tables of a run hold them (no timings, no tracebacks)."""
    scores = pq.read_table(run / "scores.parquet").to_pylist()
    details: dict[tuple[str, str], list[dict[str, Any]]] = {}
    if (run / "metrics.parquet").is_file():
        for m in pq.read_table(run / "metrics.parquet").to_pylist():
            key = m["token"], m["challenge"]
            details.setdefault(key, []).append(
                {
                    "name": m["metric"],
                    "score": m["score"],
                    "stats": json.loads(m["stats"]),
                    "events": json.loads(m["events"]),
                }
            )
    identity = {"token", "challenge", "type", "log", "map", "status", "score", "steps"}
    records = []
    for row in scores:
        shares = {k: v for k, v in row.items() if k.startswith("guard_") and v is not None}
        metrics = details.get((row["token"], row["challenge"])) or [
            {"name": k, "score": v, "stats": {}, "events": []}
            for k, v in row.items()
            if k not in identity and k not in shares and v is not None
        ]
        records.append({**{k: row[k] for k in identity}, "metrics": metrics, "shares": shares, "timings": {}})
    return records


def _score_of(record: Record, name: str) -> float | None:
    return next((m["score"] for m in record["metrics"] if m["name"] == name), None)
