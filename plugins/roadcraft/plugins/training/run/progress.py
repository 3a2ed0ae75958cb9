"""A progress bar that knows how far a run is, whether steps or the clock end it."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

EVERY = 10  # steps between redraws


class ProgressBar(pl.Callback):
    """Draws on stderr; where that is no terminal, one line per tenth of the run. Of several processes the first one
    draws."""

    def __init__(self) -> None:
        self.bar = Progress(
            TextColumn("training"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"), console=Console(stderr=True),
        )  # fmt: skip
        self.printed_tenths = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.bar.disable = not trainer.is_global_zero
        self.bar.console.quiet = self.bar.disable
        self.task = self.bar.add_task("", total=1.0, completed=pl_module.progress, note="")
        if self.bar.console.is_terminal:
            self.bar.start()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        m = pl_module
        if m.done % EVERY:
            return
        note = f"step {m.done}  loss {sum(float(v) for v in m.latest.terms.values()):.3f}"
        note += "".join(f"  {k} {float(v):.3f}" for k, v in m.latest.diagnostics.items())
        if m.scores:
            note += f"  {'training' if m.config.overfit else 'held-out'} ADE {m.scores['ade_m']:.2f} m"
        self.bar.update(self.task, completed=min(m.progress, 1.0), note=note)
        if not self.bar.console.is_terminal and int(m.progress * 10) > self.printed_tenths:
            self.printed_tenths = int(m.progress * 10)
            self.bar.console.print(f"training {min(m.progress, 1.0):.0%}  {note}", highlight=False)

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if self.bar.console.is_terminal:
            self.bar.update(self.task, completed=min(pl_module.progress, 1.0))
            self.bar.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        if self.bar.console.is_terminal:
            self.bar.stop()
