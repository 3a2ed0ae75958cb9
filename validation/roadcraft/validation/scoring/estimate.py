"""How large a run will be: its scenarios by type and place, and time and disk from a few that are really driven."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from time import perf_counter
from typing import Any

from roadcraft.core.cores import usable_cores
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.scoring.folder import RunFolder
from roadcraft.validation.scoring.job import Job
from roadcraft.validation.scoring.preflight import preflight, warn
from roadcraft.validation.scoring.present import counted, duration
from roadcraft.validation.scoring.sealed import RecordFile
from roadcraft.validation.scoring.suites import SuiteScenario
from roadcraft.validation.scoring.worker import one_torch_thread

DRIVEN = 8  # scenarios, evenly spread over the list


def dry_run(config: ScoreConfig) -> dict[str, Any]:
    """What a run of this configuration would be, without making it: counts by type and map, and time and disk where
    ``DRIVEN`` scenarios could be driven in every mode in this process (kernels compiled before). Raises what ``score``
    raises before it begins."""
    ready = preflight(config, resume=True)  # nothing is written there
    items, missing = ready.items, ready.missing
    warn(config, missing)
    drives = len(items) * len(config.suite.modes)
    workers = min(config.workers or usable_cores(), drives)
    seconds, size, failed = _measure(config, items[:: ceil(len(items) / DRIVEN)])
    return {
        "scenarios": len(items),
        "logs": len({i.row.log for i in items}),
        "drives": drives,
        "types": dict(Counter(i.type for i in items).most_common()),
        "maps": dict(Counter(i.row.map_name for i in items).most_common()),
        "missing": {m.key: list(m.names) for m in missing},
        "workers": workers,
        "failed": failed,
        "estimate": {
            "seconds_per_drive": seconds,
            "bytes_per_drive": size,
            "seconds": seconds * drives / workers,
            "bytes": size * drives,
        },
    }


def _measure(config: ScoreConfig, items: Sequence[SuiteScenario]) -> tuple[float, float, list[str]]:
    """Seconds and bytes of one drive, and why some could not be driven."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = RunFolder(Path(scratch) / "run")
        folder.parts.mkdir(parents=True)
        job = Job(config, folder)
        one_torch_thread()
        job.warm_up(items[0])
        begun = perf_counter()
        records = job.run(items, [config.suite.modes] * len(items))
        seconds = (perf_counter() - begun) / len(records)
        with RecordFile(folder.parts / "sample.jsonl") as part:
            for record in records:
                part.add(record)
            part.commit()
        size = sum(p.stat().st_size for p in folder.path.rglob("*") if p.is_file())
    faults = [f"{r['token']}, {r['failure']['stage']}: {r['failure']['error']}" for r in records if "failure" in r]
    return seconds, size / len(records), faults


def print_dry_run(found: Mapping[str, Any]) -> None:
    """Counts and estimate as tables."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    size = [counted(found[key], key.removesuffix("s")) for key in ("scenarios", "logs", "drives")]
    console.print("{} of {}, {}".format(*size))
    for head, key in (("scenario type", "types"), ("map", "maps")):
        table = Table()
        table.add_column(head, overflow="fold")
        table.add_column("n", justify="right", no_wrap=True)
        for name, count in found[key].items():
            table.add_row(name, str(count))
        console.print(table)
    console.print(estimate_text(found))
    if faults := found["failed"]:
        warning = f"warning: {len(faults)} of these drives could not be driven, the first: {faults[0]}"
        console.print(warning, markup=False, soft_wrap=True)


def estimate_text(found: Mapping[str, Any]) -> str:
    """``about 12 min on 2 workers and 340 MB (from drives of 8 scenarios)``."""
    e = found["estimate"]
    driven = min(DRIVEN, found["scenarios"])
    size = e["bytes"] / 1e6
    disk = f"{size:.0f} MB" if size < 1000 else f"{size / 1000:.1f} GB"
    return (
        f"about {duration(e['seconds'])} on {counted(found['workers'], 'worker')} and {disk} of disk "
        f"(from driving {driven} of them; compiling kernels not counted)"
    )
