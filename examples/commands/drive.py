"""Drives the same scenarios once without and once with each of some text commands, and shows what they changed: a table
here, replays side by side in a report.

    python examples/commands/drive.py runs/diffusion/best --store stores/test --out runs/commands

The checkpoint is one whose model reads commands (``model=diffusion``). Each drive is `roadcraft score` with
``planner.instruction``; others follow the log. A repeated call goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from roadcraft.core import F64, Ego, use_kernel_cache
from roadcraft.scenario_io import open_source
from roadcraft.validation import Step, run_steps

SILENT = "nothing said"
COMMANDS = (
    "change to the left lane", "change to the right lane", "slow down", "speed up", "stop", "pull over",
    "follow the truck",
)  # fmt: skip
TYPES = (
    "medium_magnitude_speed",
    "high_magnitude_speed",
    "following_lane_without_lead",
    "changing_lane_to_left",
    "behind_long_vehicle",
)
AT_REST_MPS, ASIDE_M = 0.3, 2.0


def drive_steps(checkpoint: Path, store: Path, out: Path, commands: Sequence[str], each: int) -> list[Step]:
    """One command of `roadcraft score` for silence and for each instruction, and the report of all."""
    chosen = f"filter={{scenario_types: [{', '.join(TYPES)}], num_scenarios_per_type: {each}}}"
    words = (
        "score",
        "planner=learned",
        f"planner.checkpoint={checkpoint}",
        f"data={store}",
        chosen,
        "modes=[nonreactive]",
    )
    runs = {said: out / said.replace(" ", "-") for said in (SILENT, *commands)}
    made = []
    for said, run in runs.items():
        told = () if said == SILENT else (f'planner.instruction="{said}"',)
        made.append(
            Step(
                run.name,
                f"Drive: {said}.",
                (*words, *told, "--out", str(run)),
                may_fail=True,
                begun=run / "config.yaml",
            )
        )
    report = ("report", *map(str, runs.values()), "--out", str(out / "report.html"), "--title", "What commands change")
    return [*made, Step("report", "Lay the drives side by side.", report)]


def drives(run: Path) -> dict[str, F64]:
    """By scenario, the ego's states (T, 10) in a finished run."""
    store = open_source(run / "rollouts" / "nonreactive")
    return {log: store.drive(log).ego for log in store.logs()}


def aside(path: F64, end: F64) -> float:
    """Meters by which a state (10,) lies to the left of a path (T, 10)."""
    at = int(np.hypot(path[:, Ego.X] - end[Ego.X], path[:, Ego.Y] - end[Ego.Y]).argmin())
    dx, dy, heading = end[Ego.X] - path[at, Ego.X], end[Ego.Y] - path[at, Ego.Y], path[at, Ego.HEADING]
    return float(np.cos(heading) * dy - np.sin(heading) * dx)


def effect(said: dict[str, F64], silent: dict[str, F64]) -> dict[str, float]:
    """What changed beside the silent drives, over the scenarios that both drove: shares that end at rest, that end to
    the left or right of the silent path, mean speed at the end and mean way, m/s and m."""
    both = sorted(said.keys() & silent.keys())
    ends = np.array([said[k][-1] for k in both])
    off = np.array([aside(silent[k], said[k][-1]) for k in both])
    ways = [np.hypot(*np.diff(said[k][:, :2], axis=0).T).sum() for k in both]
    return {
        "scenarios": len(both),
        "at_rest": float((ends[:, Ego.VX] < AT_REST_MPS).mean()),
        "left": float((off > ASIDE_M).mean()),
        "right": float((off < -ASIDE_M).mean()),
        "end_mps": float(ends[:, Ego.VX].mean()),
        "way_m": float(np.mean(ways)),
    }


def table(found: dict[str, dict[str, float]]) -> str:
    """The effects as markdown."""
    lines = [
        "| said | scenarios | at rest | ends left | ends right | speed at the end | way |",
        "|---|---|---|---|---|---|---|",
    ]
    for said, e in found.items():
        lines.append(
            f"| {said} | {e['scenarios']} | {100 * e['at_rest']:.0f} % | {100 * e['left']:.0f} % | "
            f"{100 * e['right']:.0f} % | {e['end_mps']:.1f} m/s | {e['way_m']:.0f} m |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--store", type=Path, required=True, help="where the scenarios are")
    parser.add_argument("--out", type=Path, default=Path("runs/commands"))
    parser.add_argument("--each", type=int, default=5, help="scenarios of each type")
    parser.add_argument(
        "--say", action="append", metavar="COMMAND", help="this command instead of the built-in ones; may be repeated"
    )
    o = parser.parse_args()
    commands = tuple(o.say or COMMANDS)
    run_steps(drive_steps(o.checkpoint, o.store, o.out, commands, o.each), o.out / "done", what="the demonstration")
    ran = {said: drives(o.out / said.replace(" ", "-")) for said in (SILENT, *commands)}
    found = {said: effect(d, ran[SILENT]) for said, d in ran.items()}
    (o.out / "effects.json").write_text(json.dumps(found, indent=1))
    print("\n" + table(found) + f"\n\nreplays: {o.out / 'report.html'}")


if __name__ == "__main__":
    use_kernel_cache()
    main()
