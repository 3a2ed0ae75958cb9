"""Long work as commands anyone can type: each runs in a process of its own, is printed before it runs and leaves a note
when it is done.

Work that was stopped goes on where it was: a step whose note names the same command is not repeated, a step that was
cut off is resumed where its command can be.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadcraft.core.errors import RoadcraftError
from roadcraft.core.files import write_atomic

Say = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """One command of some long work."""

    name: str
    """Name of the note that says that it is done."""
    why: str
    """What it does, for a newcomer."""
    words: tuple[str, ...]
    """Words of the command."""
    may_fail: bool = False
    """Exit code 1 (some scenario failed) is a result."""
    begun: Path | None = None
    """A file that exists where the command was interrupted and can be resumed; None for a command that always starts
    anew."""
    go_on: tuple[str, ...] = ("--resume",)
    """Words that are added to the command to resume it."""
    script: Path | None = None
    """A Python file that is run instead of ``roadcraft``."""

    @property
    def line(self) -> str:
        """The command as it is typed."""
        program = "roadcraft" if self.script is None else f"python {self.script}"
        return f"{program} {' '.join(_quoted(w) for w in self.words)}"

    @property
    def program(self) -> list[str]:
        """What is run, without the words."""
        return [sys.executable, *(["-m", "roadcraft.core.cli"] if self.script is None else [str(self.script)])]


def run_steps(steps: Sequence[Step], notes: Path, say: Say = print, what: str = "the work") -> dict[str, float]:
    """Run the steps in order and return the seconds of each, those of earlier calls included.

    notes: folder of the notes. Raises RoadcraftError that names the command that failed and says that ``what`` may be
    repeated.
    """
    notes.mkdir(parents=True, exist_ok=True)
    for number, step in enumerate(steps, 1):
        say(f"\n[{number}/{len(steps)}] {step.why}\n    $ {step.line}")
        note = notes / f"{step.name}.json"
        if _noted(note).get("words") == list(step.words):
            say("    done before")
            continue
        resumed = step.go_on if step.begun is not None and step.begun.is_file() else ()
        began = time.perf_counter()
        code = subprocess.run([*step.program, *step.words, *resumed], check=False).returncode
        if code != 0 and not (step.may_fail and code == 1):
            raise RoadcraftError(f"{what} stopped: `{step.line}` ended with exit code {code}; run it again to go on")
        seconds = round(time.perf_counter() - began, 1)
        write_atomic(note, json.dumps({"words": list(step.words), "seconds": seconds}))
    return {s.name: float(_noted(notes / f"{s.name}.json")["seconds"]) for s in steps}


def _noted(note: Path) -> dict[str, Any]:
    try:
        found = json.loads(note.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _quoted(word: str) -> str:
    return f"'{word}'" if any(c in word for c in " {}[]") else word
