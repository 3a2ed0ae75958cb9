"""The demo: the whole path in commands anyone can type (``steps``), from made-up logs to a report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from roadcraft.validation.demonstration.steps import Say, Step, run_steps


@dataclass(frozen=True)
class Size:
    """How large a demo is. worlds: drives to train on; held_out: drives to score on, of another seed; minutes: of
    training."""

    worlds: int
    held_out: int
    minutes: float
    replays: int


SIZES = {"full": Size(182, 39, 3.5, 40), "quick": Size(26, 8, 0.5, 8)}
PLANNERS = {
    "log_replay": ("planner=log_replay",),
    "constant_velocity": ("planner=constant_velocity",),
    "idm": ("planner=idm",),
    "pdm_closed": ("planner=pdm_closed",),
    "learned": ("planner=learned", "planner.checkpoint={out}/model/best"),
    "guard": ("planner=guard", "planner.planner={{name: learned, params: {{checkpoint: {out}/model/best}}}}"),
}


def steps(out: Path, size: Size) -> list[Step]:
    """The commands of a demo in ``out``, in order."""
    o = out.as_posix()
    made = [
        Step(
            "synth-train",
            "Make roads, traffic and an expert's drives, as nuPlan logs and maps.",
            ("synth", f"{o}/logs/train", f"worlds={size.worlds}", "seed=1"),
        ),
        Step(
            "synth-test",
            "The same with another seed: worlds that the model never sees.",
            ("synth", f"{o}/logs/test", f"worlds={size.held_out}", "seed=2"),
        ),
        Step(
            "ingest-train",
            "Read the logs into a store.",
            ("ingest", "nuplan", f"{o}/logs/train", "--out", f"{o}/stores/train"),
        ),
        Step(
            "ingest-test", "And the held-out ones.", ("ingest", "nuplan", f"{o}/logs/test", "--out", f"{o}/stores/test")
        ),
        Step(
            "train",
            f"Train a transformer to drive as the expert did, for {size.minutes:g} minutes.",
            (
                "train",
                "encoder=vector_transformer",
                "model=multimodal",
                f"data={o}/stores/train",
                f"out={o}/model",
                f"minutes={size.minutes:g}",
                "ema_decay=0.99",
                "select.by=last",  # a run this short ends at its best
                "threads=2",
            ),
            begun=out / "model" / "last" / "training.json",
            go_on=("--resume", f"{o}/model"),
        ),
    ]
    for name, words in PLANNERS.items():
        made.append(
            Step(
                f"score-{name}",
                f"Drive the held-out scenarios with {name}, others replayed and others reacting.",
                (
                    "score",
                    *(w.format(out=o) for w in words),
                    f"data={o}/stores/test",
                    "filter={preset: mapped}",
                    "modes=[nonreactive, reactive]",
                    "--out",
                    f"{o}/runs/{name}",
                ),
                may_fail=True,
                begun=out / "runs" / name / "config.yaml",
            )
        )
    runs = [f"{o}/runs/{name}" for name in PLANNERS]
    title = "roadcraft demo: six planners on worlds the model never saw"
    made.append(
        Step(
            "report",
            "Write the report.",
            ("report", *runs, "--out", f"{o}/report.html", "--replays", str(size.replays), "--title", title),
        )
    )
    return made


def demo(out: str | Path = "runs/demo", *, size: str = "full", say: Say = print) -> Path:
    """Run the demo in a folder and return its report. Raises RoadcraftError that names the command that failed."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    times = run_steps(steps(folder, SIZES[size]), folder / "done", say, "the demo")
    _print_table([folder / "runs" / name for name in PLANNERS])
    made = sum(v for k, v in times.items() if k.startswith(("synth", "ingest")))
    scored = sum(v for k, v in times.items() if k.startswith("score"))
    say(
        f"\nlogs and stores {made:.0f} s, training {times['train']:.0f} s, scoring {scored:.0f} s, report "
        f"{times['report']:.0f} s; "
        f"this call {time.perf_counter() - began:.0f} s"
    )
    report = folder / "report.html"
    say(f"\nOpen {report} in a browser: tables, and replays of the worst scenarios.")
    return report


def _print_table(runs: Sequence[Path]) -> None:
    from rich.console import Console
    from rich.table import Table

    from roadcraft.validation.reporting.runs import load_runs, modes_of
    from roadcraft.validation.reporting.tables import score_table

    loaded = load_runs(runs)
    modes = modes_of(loaded)
    table = Table(title="Score, with its 95 % interval over logs", title_justify="left")
    table.add_column("planner", no_wrap=True)
    for mode in modes:
        table.add_column(mode, justify="right")
        table.add_column("95 %", justify="right", style="dim")
    guarded: list[str] = []
    for row in score_table(loaded):
        cells: list[str] = []
        for mode in modes:
            c = row["modes"].get(mode)
            cells += (
                [f"{c['score']:.3f}", "{:.2f}-{:.2f}".format(*c["interval"]) if c["interval"] else ""]
                if c
                else ["", ""]
            )
            if c and "guard_changed" in c["shares"]:
                changed, braked = (100 * c["shares"].get(n, 0.0) for n in ("guard_changed", "guard_braked"))
                guarded.append(
                    f"{mode}: {row['label']} changed the choice in {changed:.0f} % of the steps, braked in "
                    f"{braked:.1f} %"
                )
        table.add_row(row["label"], *cells)
    Console().print("", table)
    for line in guarded:
        print(line)
