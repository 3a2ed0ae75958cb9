"""What a run must reach for its command to end with 0: ``--fail-below`` and ``--fail-on``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from roadcraft.core.errors import ConfigError
from roadcraft.validation.config import CHALLENGES, ScoreConfig
from roadcraft.validation.metrics.common.challenges import CHALLENGE_METRICS
from roadcraft.validation.metrics.common.specs import FREIGHT_TABLE
from roadcraft.validation.scoring.tables import score_of


@dataclass(frozen=True)
class Gate:
    """below: the least overall score of a challenge, in [0, 1]; metrics: those that must be 1 in every scenario."""

    below: float | None = None
    metrics: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.below is not None or bool(self.metrics)

    def check(self, config: ScoreConfig) -> None:
        """Raise ConfigError for a metric that no mode of this run computes."""
        known = {m.name for m in config.metrics}
        known |= {name for name, *_ in FREIGHT_TABLE if config.score == "freight"}
        known |= {name for mode in config.suite.modes for name in CHALLENGE_METRICS[CHALLENGES[mode]]}
        for name in self.metrics:
            if name not in known:
                near = get_close_matches(name, known, 1, 0.5) or [k for k in sorted(known) if name in k]
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise ConfigError(
                    f"--fail-on (command line): no metric {name!r}; {hint}known: {', '.join(sorted(known))}"
                )

    def overall(self, summary: Mapping[str, Any], challenge: str) -> str | None:
        """Why a challenge as a whole does not pass."""
        score = summary["challenges"][challenge]["score"]
        return None if self.below is None or score >= self.below else f"the score is {score:.4f}, below {self.below:g}"

    def scenario(self, record: Mapping[str, Any]) -> list[str]:
        """Metrics that keep a driven scenario from passing; without any rule, a score of 0 does."""
        if not self:
            return ["score 0"] if record["score"] == 0.0 else []
        scores = {m["name"]: m["score"] for m in record["metrics"]}
        return [f"{n} is {scores[n]:.4f}" for n in self.metrics if scores.get(n) is not None and scores[n] < 1.0]

    def reasons(self, summary: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> list[str]:
        """Why a run does not pass, one line each; none where it does."""
        lines = [f"{c}: {why}" for c in summary["challenges"] if (why := self.overall(summary, c))]
        for name in self.metrics:
            scores = {(r["token"], r["challenge"]): score_of(r, name) for r in records}
            counted = {k: v for k, v in scores.items() if v is not None}
            bad = [f"{token} ({challenge})" for (token, challenge), v in counted.items() if v < 1.0]
            if bad:
                some = ", ".join(bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
                lines.append(f"{name} is below 1 in {len(bad)} of {len(counted)} drives: {some}")
            elif not counted:
                lines.append(f"{name} has a score in no drive")
        return lines
