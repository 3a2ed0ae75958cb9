"""Where compiled kernels are kept: in a folder named by the state of all our sources.

Numba's own cache asks only whether a kernel's own file has changed; a kernel that inlines one from another file would go on with old machine code after an
upgrade or an edit, and give old answers. With a folder per state of the sources, any change compiles anew.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from hashlib import blake2b
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"
_ROOMS = ("core", "scenario_io", "planners", "validation", "plugins")
_KEPT = 3


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
    """16 hex digits over path, size and time of every source file of every room."""
    import roadcraft

    digest = blake2b(digest_size=8)
    for room in _ROOMS:
        for root in roadcraft.__path__:
            for path in sorted(Path(root, room).rglob("*.py")):
                stat = path.stat()
                digest.update(f"{path};{stat.st_size};{stat.st_mtime_ns};".encode())
    return digest.hexdigest()
