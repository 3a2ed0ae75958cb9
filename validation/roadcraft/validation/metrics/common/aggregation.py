"""Tables of scores: per scenario, per scenario type, and the final score.

Rows and sums are those of nuPlan's aggregator (reference: nuplan-devkit e924167,
weighted_average_metric_aggregator.py): a type's score is the mean of its scenarios', its metric columns are sums; the
final score is the mean over all scenarios, whatever their types, its metric columns are the sums divided by all
scenarios. There, a failed scenario simply is not there. Ours counts it as 0; both stand side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Row:
    """A row of the table. scenario: token, type, or 'final_score'; log: of a scenario; type; number: of scenarios (None
    for a scenario's own row); metrics: score or sum per metric, None where nothing has one; score: nuPlan's (failed
    scenarios left out); failed: number of failed scenarios; counted: the score with each failed scenario as 0."""

    scenario: str
    log: str | None
    type: str
    number: int | None
    metrics: Mapping[str, float | None]
    score: float | None
    failed: int = 0
    counted: float = 0.0


@dataclass(frozen=True)
class Entry:
    """What is aggregated: one scenario; ``scores`` by metric and its score, both empty where it failed."""

    scenario: str
    log: str
    type: str
    scores: Mapping[str, float | None] = field(default_factory=dict)
    score: float | None = None

    @property
    def failed(self) -> bool:
        return self.score is None


@dataclass(frozen=True)
class Table:
    """Rows in nuPlan's order: scenarios that did not fail, then types by first appearance, then 'final_score';
    ``metrics`` are the columns, sorted.

    score: mean over all scenarios, failed ones as 0; nuplan_score: the reference's, None where every scenario failed.
    """

    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    score: float
    nuplan_score: float | None
    failed: int

    @property
    def types(self) -> tuple[Row, ...]:
        return tuple(r for r in self.rows if r.number is not None and r.scenario != "final_score")


def aggregate(entries: Sequence[Entry]) -> Table:
    """The table of the given scenarios, which must be of one challenge and one planner. An empty sequence gives an
    empty table with score 0."""
    done = [e for e in entries if not e.failed]
    columns = tuple(sorted({name for e in done for name in e.scores}))
    rows = [
        Row(e.scenario, e.log, e.type, None, {c: e.scores.get(c) for c in columns}, e.score, 0, float(e.score or 0.0))
        for e in done
    ]
    kinds: dict[str, list[Entry]] = {}
    for e in [*done, *(e for e in entries if e.failed)]:
        kinds.setdefault(e.type, []).append(e)
    types = [_type_row(kind, group, columns) for kind, group in kinds.items()]
    final = _final_row(types, columns)
    counted = final.counted if entries else 0.0
    return Table(columns, (*rows, *types, final), counted, final.score, len(entries) - len(done))


def _type_row(kind: str, group: Sequence[Entry], columns: Sequence[str]) -> Row:
    done = [e for e in group if not e.failed]
    sums = {c: _sum([e.scores.get(c) for e in done]) for c in columns}
    total = _sum([e.score for e in done])
    score = None if total is None else total / len(done)
    return Row(kind, None, kind, len(done), sums, score, len(group) - len(done), (total or 0.0) / len(group))


def _final_row(types: Sequence[Row], columns: Sequence[str]) -> Row:
    number, failed = sum(r.number or 0 for r in types), sum(r.failed for r in types)
    means = {c: _mean(_sum([r.metrics[c] for r in types]), number) for c in columns}
    total = _sum([None if r.score is None else r.score * (r.number or 0) for r in types])
    counted = (total or 0.0) / (number + failed) if number + failed else 0.0
    return Row("final_score", None, "final_score", number, means, _mean(total, number), failed, counted)


def _mean(total: float | None, number: int) -> float | None:
    return None if total is None or number == 0 else total / number


def _sum(values: Sequence[float | None]) -> float | None:
    found = [v for v in values if v is not None]
    return float(np.sum(np.asarray(found, np.float64))) if found else None
