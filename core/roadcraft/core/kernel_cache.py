"""Where compiled kernels are kept: in a folder named by the state of the sources that they are made of.

Numba's own cache asks only whether a kernel's own file has changed; a kernel that inlines one from another file would go on with old machine code after an
upgrade or an edit, and give old answers. With a folder per state of the sources, a change of anything a kernel can read compiles anew.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

VARIABLE, LOCATOR = "NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES"
_LOCATOR = "roadcraft.core.kernel_files.Locator"
_ROOMS = ("core", "scenario_io", "planners", "validation", "plugins")
_KEPT = 3
_KERNELS = re.compile(rb"\b(?:njit|leaf|vectorize|guvectorize|cfunc)\b")
_IMPORT = re.compile(
    rb"^[ \t]*(?:from (roadcraft[\w.]*) import (\([^)]*\)|[^\n]*)|import (roadcraft[\w.]*))", re.MULTILINE
)


def use_kernel_cache() -> str:
    """Point numba (in this process and its children) to the folder of the present sources, unless the user names one in NUMBA_CACHE_DIR.

    Call it before numba is imported. Where the user's cache folder cannot be written, one below the temporary folder serves, or none. Returns what a person
    should know of that, "" where all is well.
    """
    os.environ.setdefault(LOCATOR, _LOCATOR)
    if os.environ.get(VARIABLE):
        return ""
    first = Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache") / "roadcraft" / "kernels"
    state = _state_of_sources()
    for home in (first, _temporary()):
        if _make_own(home / state):
            os.environ[VARIABLE] = str(home / state)
            _drop_old(home)
            return "" if home == first else f"{first} cannot be written; compiled kernels are kept in {home}"
    return f"neither {first} nor {_temporary()} can be written; kernels are compiled anew by each process"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # no HOME, and no entry for the user
        return Path("/")


def _temporary() -> Path:
    """A folder of this user's own: compiled code is executed, so nobody else may have put it there."""
    return Path(tempfile.gettempdir()) / f"roadcraft-{os.getuid() if hasattr(os, 'getuid') else 'kernels'}" / "kernels"


def _make_own(folder: Path) -> bool:
    """Whether the folder is there, is this user's, and can be written."""
    try:
        for missing in [p for p in (folder, *folder.parents) if not p.exists()][::-1]:
            missing.mkdir(mode=0o700, exist_ok=True)
        folder.touch()
        with tempfile.TemporaryFile(dir=folder):
            pass
        return not hasattr(os, "getuid") or all(
            p.stat().st_uid in (os.getuid(), 0) for p in (folder, folder.parent, folder.parent.parent)
        )
    except OSError:
        return False


def _drop_old(home: Path) -> None:
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
