"""How metrics enter a score, as their records say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Role = tuple[str, float]  # 'multiplier', 'weighted' or 'report', and the weight


def role_of(metric: Mapping[str, Any]) -> Role:
    """Of a metric's record; 'report' where the record does not say."""
    role = metric["role"] or "report"
    return role, float(metric["weight"]) if role == "weighted" else 0.0


def counts(metric: Mapping[str, Any]) -> bool:
    """Whether the score depends on it."""
    return role_of(metric)[0] != "report"


def role_text(role: Role | None) -> str:
    """``multiplier``, ``weight 5`` or ``reported``; ``absent`` for None."""
    if role is None:
        return "absent"
    return {"weighted": f"weight {role[1]:g}", "multiplier": "multiplier"}.get(role[0], "reported")


def roles_of(records: Iterable[Mapping[str, Any]]) -> dict[str, Role]:
    """Of every metric of the records, multipliers first, then by falling weight, then those that are only reported."""
    found = {m["name"]: role_of(m) for r in records for m in r["metrics"]}
    order = ("multiplier", "weighted", "report")
    return dict(sorted(found.items(), key=lambda f: (order.index(f[1][0]), -f[1][1])))


def costs(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The metrics that cost a result its score: those that count and are below 1."""
    return [m for m in record["metrics"] if counts(m) and m["score"] is not None and m["score"] < 1.0]
