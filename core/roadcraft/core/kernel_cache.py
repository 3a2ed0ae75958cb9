"""Where compiled kernels are kept: in a folder named by the state of the sources that they are made of.

Numba's own cache asks only whether a kernel's own file has changed; a kernel that inlines one from another file would go on with old machine code after an
upgrade or an edit, and give old answers. With a folder per state of the sources, a change of anything a kernel can read compiles anew.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"
_ROOMS = ("core", "scenario_io", "planners", "validation", "plugins")
_KEPT = 3
_KERNELS = re.compile(rb"\b(?:njit|leaf|vectorize|guvectorize|cfunc)\b")
_IMPORT = re.compile(
    rb"^[ \t]*(?:from (roadcraft[\w.]*) import (\([^)]*\)|[^\n]*)|import (roadcraft[\w.]*))", re.MULTILINE
)


def use_kernel_cache() -> None:
    """Point numba (in this process and its children) to the folder of the present sources, unless the user names one in NUMBA_CACHE_DIR.

    Call it before numba is imported. Where the folder cannot be made, numba's default (beside the sources) stays.
    """
    if os.environ.get(VARIABLE):
        return
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "roadcraft" / "kernels"
    folder = home / _state_of_sources()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.touch()
    except OSError:
        return
    os.environ[VARIABLE] = str(folder)
    with contextlib.suppress(OSError):
        for old in sorted((p for p in home.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)


def _state_of_sources() -> str:
    """16 hex digits over what compiled code can depend on: every source file with kernels, and whatever it imports of ours, directly or not."""
    import roadcraft

    files: dict[str, Path] = {}
    for root in map(Path, roadcraft.__path__):
        for room in _ROOMS:
            for path in (root / room).rglob("*.py"):
                name = ".".join(("roadcraft", *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
                files.setdefault(name, path)
    sources = {name: path.read_bytes() for name, path in files.items()}
    reached: set[str] = set()
    ahead = [name for name, text in sources.items() if _KERNELS.search(text)]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += _imports(sources[name], files)
    digest = blake2b(digest_size=8)
    for name in sorted(reached):
        digest.update(name.encode() + b";" + blake2b(sources[name]).digest())
    return digest.hexdigest()


def _imports(text: bytes, known: Mapping[str, Path]) -> list[str]:
    """The modules of ours that a source file imports, at its head or within its functions."""
    found = []
    for home, names, module in _IMPORT.findall(text):
        names_of = [f"{home.decode()}.{n.decode()}" for n in re.findall(rb"\w+", names)]
        found += [n for n in (home.decode(), module.decode(), *names_of) if n in known]
    return found
