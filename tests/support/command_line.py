"""The command line in tests: in the process of the test, or in one of its own where that is the point."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

from roadcraft.core.cli import main

ROOT = Path(__file__).resolve().parents[2]
ROOMS = [ROOT / room for room in ("core", "plugins", "scenario_io", "planners", "validation")]
MAIN = "from roadcraft.core.cli import main; main()"
Done = subprocess.CompletedProcess[str]


def roadcraft(*words: object, cwd: Path | None = None, together: bool = False, **env: str) -> Done:
    """``roadcraft WORDS`` in this process, 80 columns wide: exit code, stdout, stderr. together: all in stdout, as it
    comes; env: more variables."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        redirected(out, out if together else err),
        contextlib.chdir(cwd or "."),
        patch.dict(os.environ, {"COLUMNS": "80", **env}),
    ):
        try:
            main([str(w) for w in words])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def redirected(out: io.StringIO, err: io.StringIO) -> Iterator[None]:
    """What is printed, and the warnings that a process prints which is told nothing of them."""

    def tell(*warning: Any, **more: Any) -> None:
        print(warnings.formatwarning(*warning[:4]), end="", file=sys.stderr)

    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
        warnings.showwarning = tell
        yield


def process(*words: object, code: str = MAIN, timeout: float = 400, **options: Any) -> Done:
    """``python -c CODE WORDS``, without more the command line, in a process of its own; options: of
    ``subprocess.run``."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        **{"capture_output": True, "text": True, "env": environment(), "timeout": timeout, **options},
    )


def environment(*first: Path, **more: str) -> dict[str, str]:
    """Of a process, 80 columns wide, that finds modules and plugins in the folders ``first``, then those of this
    checkout; more: variables."""
    path = os.pathsep.join(filter(None, [*map(str, (*first, *ROOMS)), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "80", **more}


def install(site: Path, name: str, entries: Mapping[str, str], version: str = "1.0") -> Path:
    """Make the folder ``site`` hold a distribution with these entry points of ours; modules are the test's to write."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[roadcraft]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items()))
    return site
