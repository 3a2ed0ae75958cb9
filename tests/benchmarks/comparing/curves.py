"""Learning curves: read from TensorBoard logs into a row, drawn from rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SHOWN = ("validation/near_ade_m", "validation/ade_m", "validation/min_ade_m", "validation/loss")
PANELS = {
    "validation/near_ade_m": "error of the first 3 s, m",
    "validation/ade_m": "error over 8 s, m",
}


def read_curves(folder: Path) -> dict[str, list[list[float]]]:
    """Curves ``{name: [[step, value], ...]}`` of a run's logs, all sittings together; where a step was logged twice the
    later value counts."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    log.Reload()
    known = set(log.Tags()["scalars"])
    events = {name: sorted(log.Scalars(name), key=lambda e: e.wall_time) for name in SHOWN if name in known}
    return {
        name: [[float(step), value] for step, value in sorted({e.step: e.value for e in found}.items())]
        for name, found in events.items()
    }


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> bool:
    """Draw the held-out errors of all trained rows over the share of their time, one panel per error, into a picture.
    False where no row has a curve."""
    trained = [r for r in rows if r["parts"].get("train", {}).get("curves")]
    if not trained:
        return False
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(PANELS), figsize=(11, 4), constrained_layout=True)
    for axis, (name, title) in zip(axes, PANELS.items(), strict=True):
        for row in trained:
            part = row["parts"]["train"]
            points = part["curves"].get(name, [])
            minutes = [p[0] / part["step"] * part["minutes"] for p in points]
            axis.plot(minutes, [p[1] for p in points], label=row["name"], linewidth=1.4, marker=".", markersize=3)
        axis.set(title=title, xlabel="minutes of training", yscale="log")
        axis.grid(True, which="both", alpha=0.25)
    axes[-1].legend(fontsize=8, frameon=False)
    figure.suptitle("Held-out drives, averaged over their samples")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return True
