"""Run folders with results made up for a test, written by the very code that writes a run's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from roadcraft.core.config.load import load_config, to_tree
from roadcraft.core.data.scenario import ScenarioRow
from roadcraft.validation.config import CHALLENGES, ScoreConfig
from roadcraft.validation.scoring.folder import RunFolder
from roadcraft.validation.scoring.job import part_path
from roadcraft.validation.scoring.score import finish
from roadcraft.validation.scoring.sealed import RecordFile
from roadcraft.validation.scoring.suites import SuiteScenario
from roadcraft.validation.scoring.summary import versions


def metric(
    name: str, score: float | None, role: str = "multiplier", weight: float = 0.0, **more: Any
) -> dict[str, Any]:
    return {"name": name, "score": score, "stats": {}, "events": [], "role": role, "weight": weight, **more}


def result(number: int, score: float, mode: str = "nonreactive", *, log: str = "", **more: Any) -> dict[str, Any]:
    """The record of scenario ``number``: two per log, types and maps by turns."""
    status = more.pop("status", "ok")
    record = {
        "token": f"{number:016x}",
        "mode": mode,
        "challenge": CHALLENGES[mode],
        "log": log or f"log{number // 2:02d}",
        "map": ("boston", "singapore")[number // 2 % 2],
        "type": ("following", "turning")[number % 2],
        "interval_s": 0.1,
        "status": status,
        "score": score,
        "nuplan_score": score if status == "ok" else None,
        "steps": 100,
        "metrics": [metric("no_ego_at_fault_collisions", float(score > 0.0))] if status == "ok" else [],
        "shares": {},
        "timings": {},
    }
    if status != "ok":
        record["failure"] = {"step": 12, "stage": "plan", "error": "ValueError: no", "traceback": "Traceback: no"}
    return {**record, **more}


def make_run(
    path: Path, records: Sequence[Mapping[str, Any]], *words: str, digests: Mapping[str, str] | None = None
) -> Path:
    """A finished run with these results. words: of its configuration; digests: of what it names."""
    modes = sorted({r["mode"] for r in records})
    config = load_config(
        ScoreConfig,
        ["data=some/store", f"modes=[{','.join(modes)}]", f"out={path}", *words],
        short=ScoreConfig.SHORT,
    ).config
    folder, tree = RunFolder(path), to_tree(config)
    first = {r["token"]: r for r in records}
    items = [
        SuiteScenario(
            ScenarioRow(
                token=r["token"], tags=(r["type"],), log=r["log"], split="test", map_name=r["map"],
                source=r.get("source", "made up"),
                licence="none", anchor_us=0, interval_us=50_000, stride=2, has_goal=True, first_us=0,
                last_us=10_000_000,
            ),
            r["type"],
            (0, 10_000_000),
        )
        for r in first.values()
    ]  # fmt: skip
    folder.create(tree, items, versions(), {} if digests is None else digests)
    with RecordFile(part_path(folder, 0)) as part:
        for r in records:
            part.add(r)
        part.commit()
    finish(config, tree, folder, items)
    return path


class Made:
    """Makes runs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, name: str, records: Sequence[Mapping[str, Any]], *words: str, **more: Any) -> Path:
        return make_run(self.folder / name, records, *words, **more)

    def scored(self, name: str, scores: Sequence[float], *words: str, **more: Any) -> Path:
        """A run of which scenario i scored ``scores[i]``."""
        return self.run(name, [result(i, float(v), **more) for i, v in enumerate(scores)], *words)

    result, metric = staticmethod(result), staticmethod(metric)
