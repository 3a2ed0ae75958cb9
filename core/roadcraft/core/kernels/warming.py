"""Compiles kernels ahead, each part in one of several processes, and notes what was compiled, so that a second call has
nothing to do."""

from __future__ import annotations

import gc
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import roadcraft
from roadcraft.core.cores import usable_cores
from roadcraft.core.errors import DiskError
from roadcraft.core.files import write_atomic
from roadcraft.core.kernels.cache import VARIABLE, drop_old, use_kernel_cache

FILES = "files.json"
"""What the note of finished warming lists: the files of its kernels."""
_REMEDY = f"free some space, or name another folder in XDG_CACHE_HOME or {VARIABLE}"


@dataclass(frozen=True)
class Part:
    """What one process compiles. name: as a person reads it; call: a function of a module, which calls every kernel of
    the part; needs: packages without which it is left out."""

    name: str
    call: Callable[[], None]
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Packages that it needs and that are not installed."""
        return [p for p in self.needs if find_spec(p) is None]


def warm(parts: Sequence[Part], say: Callable[[str], None] = print, processes: int = 0) -> bool:
    """Compile all parts, costliest first, and return whether there was anything to do.

    processes: how many at once, 0 for one per core. Raises DiskError where compiled kernels cannot be kept.
    """
    note = use_kernel_cache()
    home = os.environ.get(VARIABLE, "")
    if not home:
        raise DiskError(note, remedy=_REMEDY)
    if note:
        say(f"note: {note}")
    wanted = [p for p in parts if not p.missing]
    done = Path(home) / f"warm-{_state([p.name for p in wanted])}"
    if _is_whole(done):
        say(f"all kernels are compiled already; they are kept in {home}")
        return False
    _try_writing(Path(home))
    for part in parts:
        if part.missing:
            say(f"left out: {part.name}, without {', '.join(part.missing)}")
    files = _compile(wanted, processes or usable_cores(), say)
    done.mkdir(parents=True, exist_ok=True)
    write_atomic(done / FILES, json.dumps(sorted(files)))
    drop_old(done)
    say(f"compiled kernels are kept in {home}")
    return True


def _compile(parts: list[Part], processes: int, say: Callable[[str], None]) -> set[str]:
    """Compile the parts and return the files, below the cache's folder, that hold their kernels."""
    files: set[str] = set()
    began = time.perf_counter()
    say(f"compiling kernels on {min(processes, len(parts))} cores, about a minute ...")
    with ProcessPoolExecutor(min(processes, len(parts)), mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(_compile_part, part): part for part in parts}
        for number, future in enumerate(as_completed(waiting), 1):
            compiled, notes = future.result()
            if notes or not compiled:
                pool.shutdown(wait=True, cancel_futures=True)
                raise DiskError(
                    notes[0] if notes else "compiled kernels cannot be kept: sources have changed meanwhile",
                    remedy=_REMEDY if notes else "call it again",
                )
            files |= compiled
            say(f"[{number}/{len(parts)}] {waiting[future].name}, after {time.perf_counter() - began:.0f} s")
    return files


def _compile_part(part: Part) -> tuple[set[str], list[str]]:
    """Compile a part in this process. Returns the files of its kernels, none where some have nowhere to be kept, and
    what was said of files that could not be written or read."""
    from roadcraft.core.kernels import files as kernel_files

    notes: list[str] = []
    kernel_files.report = notes.append
    collect_rarely()
    part.call()
    return set() if kernel_files.has_homeless() else kernel_files.files_in_use(), notes


def collect_rarely() -> None:
    """Compilers make objects by the million, nearly all of them to stay: looking for cycles among them at Python's own
    pace takes a tenth of the time of compiling. Costs about 90 MB."""
    gc.set_threshold(400_000, 20, 100)


def _try_writing(home: Path) -> None:
    """Raises DiskError where files of some size cannot be written, before a minute is spent."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as f:
            f.write(bytes(1 << 20))
    except OSError as e:
        raise DiskError(f"compiled kernels cannot be kept in {home}: {e.strerror or e}", remedy=_REMEDY) from e


def _is_whole(done: Path) -> bool:
    """Whether the note is there, and every file that it names; what is used is not old."""
    with suppress(OSError, ValueError):
        files = [done.parent / name for name in json.loads((done / FILES).read_text())]
        for folder in {done, *(f.parent for f in files)}:
            os.utime(folder)
        return all(f.is_file() for f in files)
    return False


def _state(names: list[str]) -> str:
    """16 hex digits over the parts' names and what compiled code depends on: our sources, numba, Python, the
    processor."""
    import llvmlite.binding as llvm

    digest = blake2b(digest_size=8)
    rooms: dict[str, Path] = {}
    for root in roadcraft.__path__:
        for room in Path(root).iterdir():
            rooms.setdefault(room.name, room)  # the first found is the one imported
    for _, room in sorted(rooms.items()):
        for path in sorted(room.rglob("*.py")):
            digest.update(f"{path.relative_to(room.parent)};".encode() + path.read_bytes())
    versions = (version("numba"), version("numpy"), platform.python_version())
    digest.update(
        repr((sorted(names), versions, llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())).encode()
    )
    return digest.hexdigest()
