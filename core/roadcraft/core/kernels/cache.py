"""Where compiled kernels are kept: those of each module in a folder named by the contents of the module and of what it
imports.

Numba's own cache asks only whether a kernel's own file has changed; a kernel that inlines one from another file would
go on with old machine code after an upgrade or an edit, and give old answers. Here an edit compiles the kernels of that
module and of those that import it, and no others; a copy of the sources at another place finds what is compiled
already.
"""

from __future__ import annotations

import contextlib
import importlib.util
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
_LOCATOR = "roadcraft.core.kernels.files.Locator,IPythonCacheLocator"  # numba's own is for cells of notebooks
_VERSIONS, _IN_USE_S, _FORGOTTEN_S = 3, 3600.0, 30 * 86400.0
_IMPORT = re.compile(
    rb"\n[ \t]*(?:from +([\w.]+) +import +(\((?:[^)#]|#.*)*\)|(?:[^\n\\]|\\\n)*)|import +(\w[\w., ]*))"
)
_WITHOUT_KERNELS = {*sys.stdlib_module_names, "numba", "numpy"}
_TICK_NS, _COARSE_TICK_NS = 20_000_000, 2_000_000_000
"""By how much a file's time must be earlier than a process's beginning for the file to be older: two ticks of a slow
system's clock; for a time in whole seconds, FAT's two."""


def _began_ns() -> int:
    """When this process began, which may be long before this module is imported; where /proc does not say, now."""
    with contextlib.suppress(OSError, ValueError, IndexError, AttributeError):
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME) + ticks * 10**9 // os.sysconf("SC_CLK_TCK")
    return time.time_ns()


_BEGAN_NS = _began_ns()


def use_kernel_cache() -> str:
    """Point numba (in this process and its children) to the user's compiled kernels, unless the user names a folder in
    NUMBA_CACHE_DIR.

    It holds for the kernels that are declared from then on; rooms call it before the first of theirs. Where the user's
    cache folder cannot be written, one below the temporary folder serves, or none. Returns what a person should know of
    that, "" where all is well.
    """
    os.environ.setdefault(LOCATOR, _LOCATOR)
    note = _choose_folder()
    if numba := sys.modules.get("numba.core.config"):  # it has read the variables, and looks here at each declaration
        for name, variable in (("CACHE_DIR", VARIABLE), ("CACHE_LOCATOR_CLASSES", LOCATOR)):
            vars(numba)[name] = vars(numba).get(name) or os.environ.get(variable, "")
    return note


def _choose_folder() -> str:
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
        older = [p for _, p in ages if p.name.rpartition("-")[0] == module][_VERSIONS - 1 :]
        for age, path in ages:
            if age > _FORGOTTEN_S or (age > _IN_USE_S and path in older):
                shutil.rmtree(path, ignore_errors=True)


def state_of(module: str, file: str) -> str:
    """16 hex digits over the sources that compiled code of a module can depend on.

    These are the module's own ``file`` and what it imports at its head, for types or within functions, directly or not;
    of a published package without kernels the version counts. "" where a source has changed since this process began:
    what is imported may then be older than what the files say.
    """
    contents: dict[str, bytes] = {}
    ahead = [(module, file)]
    while ahead:
        name, path = ahead.pop()
        if name not in contents:
            try:
                stat = os.stat(path)
                written = max(stat.st_mtime_ns, stat.st_ctime_ns)  # installers may set the first
                if written > _BEGAN_NS - (_TICK_NS if written % 10**9 else _COARSE_TICK_NS):
                    return ""
                contents[name], imports = _read(name, path, stat.st_mtime_ns, stat.st_size)
            except OSError:
                return ""
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
    found: set[str] = set()
    for home, names, modules in _IMPORT.findall(b"\n" + text):
        found.update(re.findall(r"[\w.]+", re.sub(r" as +\w+", "", modules.decode())))
        if home:
            name = _absolute(home.decode(), package)
            found.add(name)
            if _is_followed(name) and not _file_of(name).endswith(f"{name.rpartition('.')[2]}.py"):
                for public in re.findall(rb"\w+", re.sub(rb"#.*", b"", names)):  # each may be a module of the package
                    found.update((f"{name}.{public.decode()}", *_lazily(name, public)))
    releases = sorted({f"{top} {_release(top)}" for n in found if (top := n.partition(".")[0]) not in _WITHOUT_KERNELS})
    digest = blake2b(text + ";".join(releases).encode()).digest()
    return digest, [(n, p) for n in found if _is_followed(n) and (p := _file_of(n))]


def _is_followed(module: str) -> bool:
    top = module.partition(".")[0]
    return top not in _WITHOUT_KERNELS and not _release(top)


@cache
def _release(package: str) -> str:
    """The version of a package that was installed from an index and has no use for numba; "" for any other, whose
    sources may change, or matter, under one version."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        found = distribution(package)
    except (PackageNotFoundError, ValueError):
        return ""
    about = found.metadata
    needs = re.compile(r"(numba|roadcraft)\b(?!.*\bextra\b)")
    if found.read_text("direct_url.json") or any(map(needs.match, about.get_all("Requires-Dist") or ())):
        return ""
    return about["Version"]


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
    home, file = getattr(sys.modules.get(top), "__path__", None), ""
    if home is None:
        with contextlib.suppress(ImportError, ValueError):  # e.g. of a script, which has no spec
            if spec := importlib.util.find_spec(top):
                home, file = spec.submodule_search_locations, spec.origin or ""
    if home is None:
        return file if not rest and file.endswith(".py") else ""
    for root in home:
        for path in (f"{os.path.join(root, *rest)}.py", os.path.join(root, *rest, "__init__.py")):
            if os.path.isfile(path):
                return path
    return ""
