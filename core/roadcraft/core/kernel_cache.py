"""Where compiled kernels are kept: those of each module in a folder named by the contents of the module and of what it
imports.

Numba's own cache asks only whether a kernel's own file has changed; a kernel that inlines one from another file would
go on with old machine code after an upgrade or an edit, and give old answers. Here an edit compiles the kernels of that
module and of those that import it, and no others; a copy of the sources at another place finds what is compiled
already.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from functools import cache
from hashlib import blake2b
from pathlib import Path

from roadcraft.core.lazy import listed

VARIABLE, LOCATOR = "NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES"
_LOCATOR = "roadcraft.core.kernel_files.Locator"
_KEPT, _IN_USE_S, _FORGOTTEN_S = 3, 3600.0, 30 * 86400.0
_IMPORT = re.compile(
    rb"\n[ \t]*(?:from +([\w.]+) +import +(\((?:[^)#]|#.*)*\)|(?:[^\n\\]|\\\n)*)|import +(\w[\w., ]*))"
)
_FOR_TYPES = re.compile(rb"^if TYPE_CHECKING:\n(?:[ \t]+.*\n|\n)+", re.MULTILINE)


def use_kernel_cache() -> str:
    """Point numba (in this process and its children) to the user's compiled kernels, unless the user names a folder in
    NUMBA_CACHE_DIR.

    Call it before numba is imported. Where the user's cache folder cannot be written, one below the temporary folder
    serves, or none. Returns what a person should know of that, "" where all is well.
    """
    os.environ.setdefault(LOCATOR, _LOCATOR)
    if os.environ.get(VARIABLE):
        return ""
    first = Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache") / "roadcraft" / "kernels"
    for home in (first, _temporary()):
        if _make_own(home / "modules"):
            os.environ[VARIABLE] = str(home / "modules")
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
        with tempfile.TemporaryFile(dir=folder):
            pass
        return not hasattr(os, "getuid") or all(
            p.stat().st_uid in (os.getuid(), 0) for p in (folder, folder.parent, folder.parent.parent)
        )
    except OSError:
        return False


def drop_old(folder: Path) -> None:
    """Make room for a new folder ``MODULE-STATE`` beside the others of its home.

    Of a module's states the three used last stay, as does what was used within the hour, since checkouts with different
    sources may share a home. What no process has used for a month goes, whichever module it is of.
    """
    module, now = folder.name.rpartition("-")[0], time.time()
    with contextlib.suppress(OSError):
        ages = sorted((now - p.stat().st_mtime, p) for p in folder.parent.iterdir() if p != folder)
        older = [p for _, p in ages if p.name.rpartition("-")[0] == module][_KEPT - 1 :]
        for age, path in ages:
            if age > _FORGOTTEN_S or (age > _IN_USE_S and path in older):
                shutil.rmtree(path, ignore_errors=True)


def state_of(module: str, file: str) -> str:
    """16 hex digits over the sources that compiled code of a module can depend on.

    These are the module's own ``file`` and what it imports of its own package and of ours, at its head or within
    functions, directly or not.
    """
    contents: dict[str, bytes] = {}
    ahead = [(module, file)]
    while ahead:
        name, path = ahead.pop()
        if name not in contents:
            stat = os.stat(path)
            contents[name], imports = _read(name, path, stat.st_mtime_ns, stat.st_size)
            ahead += imports
    digest = blake2b(digest_size=8)
    for name in sorted(contents):
        digest.update(name.encode() + b";" + contents[name])
    return digest.hexdigest()


@cache
def _read(module: str, path: str, mtime_ns: int, size: int) -> tuple[bytes, list[tuple[str, str]]]:
    """A digest of a source file, and the modules that it imports. Its time and size are arguments since a file may
    change while a process runs."""
    text = Path(path).read_bytes()
    package = module if path.endswith("__init__.py") else module.rpartition(".")[0]
    followed = ("roadcraft", module.partition(".")[0])
    found: set[str] = set()
    for home, names, modules in _IMPORT.findall(b"\n" + _FOR_TYPES.sub(b"", text)):
        found.update(re.findall(r"[\w.]+", modules.decode()))
        if home and (name := _absolute(home.decode(), package)).startswith(followed):
            found.add(name)
            if not _file_of(name).endswith(f"{name.rpartition('.')[2]}.py"):  # a package: each name may be a module
                for public in re.findall(rb"\w+", re.sub(rb"#.*", b"", names)):
                    found.update((f"{name}.{public.decode()}", *_lazily(name, public)))
    return blake2b(text).digest(), [(n, p) for n in found if n.partition(".")[0] in followed and (p := _file_of(n))]


def _absolute(name: str, package: str) -> str:
    """``name``, which may begin with dots, as an import in ``package`` reads it."""
    rest = name.lstrip(".")
    above = len(name) - len(rest) - 1
    return name if above < 0 else ".".join([*package.split(".")[: len(package.split(".")) - above], rest]).rstrip(".")


def _lazily(package: str, name: bytes) -> list[str]:
    """The module that a package loads a public name from on first use, if its stub says one."""
    path = _file_of(package)
    homes = listed(path) if path and Path(path).with_suffix(".pyi").is_file() else {}
    return [homes[name.decode()]] if name.decode() in homes else []


@cache
def _file_of(module: str) -> str:
    """The source of a module, "" where there is none. Nothing is imported for it."""
    top, *rest = module.split(".")
    home = sys.modules.get(top)
    for root in getattr(home, "__path__", ()):
        for path in (f"{os.path.join(root, *rest)}.py", os.path.join(root, *rest, "__init__.py")):
            if os.path.isfile(path):
                return path
    return ""
