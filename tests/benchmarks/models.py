"""Compares encoders and behaviour models fairly: ``python tests/benchmarks/models.py``, or ``make bench-models``.

Every model is trained on the same worlds for the same time, then drives held-out worlds that none has seen, raw and
guarded, others replayed and reacting; plans are compared with the log, on held-out and on real scenes, and timed on one
core. Each step is a command in a process of its own, printed before it runs. Stop it whenever you like: a repeated call
goes on where it was, a training from its last checkpoint; several calls with other ``--only`` may run side by side,
baselines first, since models are compared with them. Finished parts lie in OUT/rows, one JSON file per model; copy
those files together (with OUT/work, where a model's other parts are to be measured elsewhere) and the table is filled
on several machines. A row made by another recipe is refused. OUT/table.md and OUT/curves.png are written anew after
every part.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from comparing.curves import draw
from comparing.machine import gpu
from comparing.recipe import (
    BASELINES,
    CELLS,
    SIZES,
    WOMD,
    Cell,
    Places,
    Size,
    data_steps,
    latency_step,
    open_loop_step,
    planner_words,
    recipe,
    score_step,
    train_step,
    womd_step,
)
from comparing.rows import RowFile, placed, read_rows, score_part, training_part
from comparing.table import bars, markdown

from roadcraft.core.errors import RoadcraftError
from roadcraft.core.files import write_atomic
from roadcraft.core.kernels.cache import use_kernel_cache
from roadcraft.core.plugins.registry import registry
from roadcraft.validation.demonstration.steps import Step, run_steps

ORDER = (*BASELINES, *(c.name for c in CELLS))
WHAT = "the comparison"


@dataclass(frozen=True)
class Part:
    """A part of a row: the command that makes it, and how its figures are read when it is done."""

    name: str
    step: Step
    read: Callable[[], dict[str, Any]]


def baseline_parts(at: Places, name: str) -> list[Part]:
    """How a baseline planner is scored, and how far its plans are from the log."""
    words, run = (f"planner={name}",), at.folder(name) / "raw"
    made = [Part("raw", score_step(at, name, "raw", words), lambda: score_part(run, {}))]
    if name != "log_replay":  # its plan is the log
        truly = ("planner.max_speed_mps=100",) if name == "constant_velocity" else ()  # nuPlan's slows down to 5 m/s
        made.append(_measured("open_loop", open_loop_step(at, name, words + truly)))
    return made


def cell_parts(at: Places, cell: Cell) -> list[Part]:
    """How a model is trained, scored raw and guarded, compared with the log and timed."""
    card, run = gpu(), at.folder(cell) / "model"
    step = train_step(at, cell, at.size.gpu_minutes if card else at.size.cpu_minutes)
    made = [Part("train", step, lambda: {**training_part(run, card or "CPU"), "added": added(cell)})]
    others = {n: at.folder(n) / "raw" for n in ("log_replay", "pdm_closed")}
    words = planner_words(at, cell)
    for kind, planner in words.items():
        scored = at.folder(cell) / kind
        read = lambda scored=scored: score_part(scored, _finished(others))  # noqa: E731
        made.append(Part(kind, score_step(at, cell, kind, planner), read))
    made.append(_measured("open_loop", open_loop_step(at, cell, words["raw"][:2])))
    made.append(_measured("latency", latency_step(at, cell)))
    return made


def _finished(runs: dict[str, Path]) -> dict[str, Path]:
    return {name: run for name, run in runs.items() if (run / "scores.parquet").is_file()}


def _measured(name: str, step: Step) -> Part:
    """A part whose command writes its figures itself."""
    written = Path(step.words[step.words.index("--out") + 1])
    return Part(name, step, lambda: json.loads(written.read_text()))


def added(cell: Cell) -> dict[str, int]:
    """How many files of code, and lines in them, the part of a cell that is not the common encoder took."""
    kind, name = ("model", cell.model) if cell.encoder == "vector_transformer" else ("encoder", cell.encoder)
    package = registry().find(kind, name).spec.target.partition(":")[0].rpartition(".")[0]
    spec = find_spec(package)
    files = [f for p in (spec.submodule_search_locations or () if spec else ()) for f in sorted(Path(p).glob("*.py"))]
    return {"files": len(files), "lines": sum(len(f.read_text().splitlines()) for f in files)}


def spread(tokens: Sequence[str], count: int) -> list[str]:
    """So many of the tokens, evenly spaced; all where there are fewer."""
    n = min(count, len(tokens))
    return [tokens[i * len(tokens) // n] for i in range(n)]


def choose_scenarios(at: Places) -> None:
    """Write the lists of held-out scenarios: evenly spaced over those of nuPlan's types, the ablations' list a part of
    the other."""
    from roadcraft.scenario_io import ScenarioFilter, find
    from roadcraft.scenario_io.open import open_source

    chosen = find(open_source(at.store("test")), ScenarioFilter(preset="mapped"))
    tokens = [s.row.token for s in sorted(chosen, key=lambda s: (s.type, s.row.token))]
    for count in (at.size.scenarios, at.size.ablation):
        tokens = spread(tokens, count)
        at.tokens(count).parent.mkdir(exist_ok=True)
        write_atomic(at.tokens(count), "\n".join(tokens) + "\n")


class Comparison:
    """One call of the command, in a folder. ``faults`` gathers what could not be done, by name."""

    def __init__(self, out: Path, size: Size, only: Sequence[str]) -> None:
        self.at, self.faults = Places(out, size), dict[str, str]()
        self.baselines = [b for b in BASELINES if not only or b in only]
        self.cells = [c for c in CELLS if not only or c.name in only or c.slug in only]
        self.skipped = {c.name: why for c in self.cells if (why := c.missing())}

    def run(self) -> None:
        """Do what is not done yet."""
        self.at.out.mkdir(parents=True, exist_ok=True)
        run_steps(data_steps(self.at), self.at.notes, what=WHAT)
        choose_scenarios(self.at)
        if WOMD.is_dir():
            self._try("womd", lambda: run_steps([womd_step(self.at)], self.at.notes, what=WHAT))
        for name in self.baselines:
            self._try(name, lambda name=name: self._fill(name, name, name, baseline_parts(self.at, name)))
        for cell in self.cells:
            if cell.name in self.skipped:
                print(f"\n{cell.name}: skipped: {self.skipped[cell.name]}")
                continue
            parts = cell_parts(self.at, cell)
            self._try(cell.name, lambda c=cell, p=parts: self._fill(c.slug, c.name, c, p))

    def commands(self) -> list[Step]:
        """Every command of the comparison, done or not."""
        real = [womd_step(self.at)] if WOMD.is_dir() else []
        parts = [p for name in self.baselines for p in baseline_parts(self.at, name)]
        parts += [p for c in self.cells if c.name not in self.skipped for p in cell_parts(self.at, c)]
        return [*data_steps(self.at), *real, *(p.step for p in parts)]

    def _try(self, name: str, work: Callable[[], Any]) -> None:
        try:
            work()
        except RoadcraftError as e:
            self.faults[name] = str(e)
            print(f"\n{name}: {e}", file=sys.stderr)

    def _fill(self, slug: str, name: str, what: Cell | str, parts: Sequence[Part]) -> None:
        row = RowFile(self.at.rows, slug, name, recipe(what, self.at.size))
        for part in parts:
            if row.has(part.name):
                continue
            if row.has("train"):
                row.same_weights(self.at.folder(what) / "model" / "best")
            run_steps([part.step], self.at.notes, what=WHAT)
            row.add(part.name, part.read())
            self.write()

    def rows(self) -> list[Any]:
        """Finished rows in the order of the table; those of another recipe are left out and named in ``faults``."""
        found = read_rows(self.at.rows)
        for what in (*BASELINES, *(c for c in CELLS if not c.missing())):
            name, slug = (what, what) if isinstance(what, str) else (what.name, what.slug)
            if name in found:
                try:
                    RowFile(self.at.rows, slug, name, recipe(what, self.at.size))
                except RoadcraftError as e:
                    self.faults[name] = str(e)
                    del found[name]
        return placed(found, ORDER)

    def write(self) -> str:
        """The tables as they stand, also written to ``table.md``, and the curves beside it."""
        rows = self.rows()
        text = markdown(rows)
        write_atomic(self.at.out / "table.md", text)
        try:
            draw(rows, self.at.out / "curves.png")
        except ModuleNotFoundError as e:
            print(f"no learning curves are drawn: {e}", file=sys.stderr)
        return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder (runs/bench-models, with --quick runs/bench-models-quick)")
    parser.add_argument("--quick", action="store_true", help="a small one, to see that everything works")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="this model or baseline alone; may be repeated"
    )
    parser.add_argument("--minutes", type=float, help="of training, instead of 25 on a CPU and 4 on a graphics card")
    parser.add_argument("--table", action="store_true", help="print the tables as they stand, and do nothing else")
    parser.add_argument("--dry-run", action="store_true", help="print every command, and do nothing else")
    parser.add_argument("--json", type=Path, help="write all rows there")
    options = parser.parse_args()
    size = SIZES["quick" if options.quick else "full"]
    if options.minutes:
        size = size.lasting(options.minutes)
    unknown = [n for n in options.only if n not in {*BASELINES, *(x for c in CELLS for x in (c.name, c.slug))}]
    if unknown:
        parser.error(f"there is no {unknown[0]!r}; known: {', '.join(ORDER)}")
    out = options.out or Path("runs") / ("bench-models-quick" if options.quick else "bench-models")
    comparison = Comparison(out, size, options.only)
    if options.dry_run:
        print("\n".join(s.line for s in comparison.commands()))
    elif not options.table:
        try:
            comparison.run()
        except RoadcraftError as e:
            sys.exit(f"error: {e}")
        except KeyboardInterrupt:
            sys.exit("interrupted: run the same command again to go on")
    if not options.dry_run:
        print("\n" + comparison.write() + "\n" + "\n".join(map(str, bars(comparison.rows()))))
    for name, why in comparison.skipped.items():
        print(f"skipped  {name}: {why}")
    if options.json:
        options.json.write_text(json.dumps(comparison.rows(), indent=1))
    for name, why in comparison.faults.items():
        print(f"failed   {name}: {why}", file=sys.stderr)
    sys.exit(1 if comparison.faults else 0)


if __name__ == "__main__":
    use_kernel_cache()
    main()
