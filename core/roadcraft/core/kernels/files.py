"""How numba reads and writes the files of compiled kernels: what is damaged is compiled anew, and a disk that refuses
costs no run. The first kernel that a person waits for is told of.

Numba imports the class named in NUMBA_CACHE_LOCATOR_CLASSES, which ``cache`` sets, when the first kernel is
declared. Every file ends with a digest of what stands before it.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import io
import multiprocessing
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numba
from numba.core import caching, config
from numba.core.compiler_lock import global_compiler_lock
from numba.core.serialize import dumps

from roadcraft.core.kernels.cache import drop_old, state_of

QUIET = "ROADCRAFT_QUIET"
_DIGEST = 16
_PATIENCE_S, _LOOK_S = 120.0, 0.02


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


report: Callable[[str], None] = _print
"""Who is told of files that cannot be used; a worker puts its own channel here."""
_reported: set[str] = set()
_folders: dict[str, tuple[Any, str]] = {}
_files: set[str] = set()
_sources: dict[str, tuple[str, str]] = {}
"""The module and the file whose compiled kernels a folder holds."""
_claimed: list[tuple[int, int]] = []
_depth = 0
"""How many kernels this process is about to compile, each for the one before."""


class Locator(caching.UserProvidedCacheLocator):
    """Puts a kernel's files into ``MODULE-STATE`` below NUMBA_CACHE_DIR, where STATE follows the contents of the module
    and of what it imports.

    A module of another package has numba's own name, made of the folder that it is in. Where NUMBA_CACHE_DIR is unset
    there is no place for files, and each process compiles what it needs; so does a process older than its sources.
    """

    def __init__(self, py_func: Any, py_file: str) -> None:
        super().__init__(py_func, py_file)
        self._cache_path = _folder(py_func.__module__, py_file) if _home() else ""

    def get_source_stamp(self) -> str:
        """The same for every source: the name of the folder tells them apart."""
        return ""

    def ensure_cache_path(self) -> None:
        """Nothing: whether a file can be written shows when it is, not at every declaration of a kernel."""

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        return cls(py_func, py_file) if os.path.exists(py_file) else None


def _folder(module: str, file: str) -> str:
    """Where a module's files are, "" for nowhere; asked for each kernel and found once for each time that the module is
    loaded."""
    loaded = getattr(sys.modules.get(module), "__spec__", None)
    known = _folders.get(file)
    if loaded and known and known[0] is loaded:
        return known[1]
    ours = module.startswith("roadcraft.")
    name = module if ours else f"{Locator.get_suitable_cache_subpath(file)}.{os.path.basename(file)}"
    state = state_of(module, file)
    folder = os.path.join(_home(), f"{name}-{state}") if state else ""
    with contextlib.suppress(OSError):
        os.utime(folder)  # what is used is not old
    _folders[file], _sources[folder] = (loaded, folder), (module, file)
    return folder


def has_homeless() -> bool:
    """Whether kernels that this process has declared have no folder to be kept in."""
    return any(not folder for _, folder in _folders.values())


def files_in_use() -> set[str]:
    """The files with the compiled kernels that this process has read or written, each below its folder."""
    return set(_files)


@contextlib.contextmanager
def one_process_at_a_time() -> Iterator[None]:
    """Within, a kernel that is not kept yet is compiled by one process alone: who wants it meanwhile waits, and reads
    what that one keeps."""
    global _depth
    with global_compiler_lock:
        before, _depth = len(_claimed), _depth + 1
        try:
            yield
        finally:
            _depth -= 1
            while len(_claimed) > before:
                file, place = _claimed.pop()
                with contextlib.suppress(OSError):
                    fcntl.lockf(file, fcntl.LOCK_UN, 1, place)


def _claim(path: str) -> None:
    """Wait until no other process compiles what ``path`` is to hold, but not for ever: one that is stopped may not stop
    all others. Where files cannot be locked nobody waits."""
    until, place = time.monotonic() + _PATIENCE_S, int.from_bytes(_digest(path.encode())[:7])
    with contextlib.suppress(OSError):
        file = _lock_file(_home())
        while (file, place) not in _claimed and time.monotonic() < until:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
                _claimed.append((file, place))
            except (BlockingIOError, PermissionError):
                time.sleep(_LOOK_S)


@cache
def _lock_file(home: str) -> int:
    """A file of which processes lock a byte for each kernel that they compile; never closed, which would give up all
    locks on it."""
    os.makedirs(home, exist_ok=True)
    return os.open(os.path.join(home, "compiling"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


class CacheFile:
    """The files of one kernel, each with its code for one signature; numba makes one of these for every kernel.

    A file is named by a digest of the signature, so that nobody keeps a list which processes that compile at the same
    time would overwrite. One that is not whole is as if it were not there.
    """

    def __init__(self, cache_path: str, filename_base: str, source_stamp: str) -> None:
        self._folder, self._base, self._stamp = cache_path, filename_base, source_stamp

    def flush(self) -> None:
        """Remove the code for all signatures."""
        for path in Path(self._folder).glob(f"{glob.escape(self._base)}.*.nbc"):
            path.unlink(missing_ok=True)

    def load(self, key: Any) -> Any:
        """What was saved for a signature, None where nothing was."""
        found = self._read(key)
        if found is None and _is_watched():
            kept = f"once (they are kept in {_home()})" if self._folder else "which takes about a minute"
            _once(f"note: compiling kernels, {kept}; {QUIET}=1 hides this")
        if found is None and self._folder and _depth:
            _claim(self._path(key))
            found = self._read(key)  # which another process may have compiled meanwhile
        return found

    def save(self, key: Any, data: Any) -> None:
        """Keep the code for a signature."""
        if not self._folder or not self._is_current():
            return
        try:
            if not os.path.isdir(self._folder):
                os.makedirs(self._folder, exist_ok=True)
                drop_old(Path(self._folder))
            path = self._path(key)
            _write(path, dumps(key) + dumps(data))
            self._note(path)
        except OSError as e:
            _once(
                f"note: compiled kernels cannot be kept in {_home()}: {e.strerror or e}; they are compiled again next "
                "time"
            )

    def _is_current(self) -> bool:
        """Whether the sources are still those that the folder is named by: a module may have been imported since."""
        sources = _sources.get(self._folder)
        return sources is None or bool(state_of(*sources))

    def _read(self, key: Any) -> Any:
        path = self._path(key) if self._folder else ""
        content = _whole(path) if path else None
        if content is None:
            return None
        stream = io.BytesIO(content)
        if pickle.load(stream) != key:  # another signature that is written the same
            return None
        self._note(path)
        return pickle.load(stream)

    def _path(self, key: Any) -> str:
        name = _digest(repr((numba.__version__, self._stamp, key)).encode()).hex()
        return os.path.join(self._folder, f"{self._base}.{name}.nbc")

    def _note(self, path: str) -> None:
        _files.add(os.path.join(os.path.basename(self._folder), os.path.basename(path)))


def _is_watched() -> bool:
    """Whether a person reads the standard error of this process: a terminal's or a notebook's, and not of a worker,
    whose parent tells it."""
    shown = sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel.")
    mine = report is _print and multiprocessing.parent_process() is None
    return shown and mine and os.environ.get(QUIET, "") in ("", "0")


def _whole(path: str) -> bytes | None:
    """The content of a file before the digest that it ends with, None where it is not there or not whole."""
    try:
        with open(path, "rb") as f:
            content = f.read()
    except OSError:
        return None
    if _digest(content[:-_DIGEST]) == content[-_DIGEST:]:
        return content[:-_DIGEST]
    _once(f"note: compiled kernels in {_home()} are damaged; they are compiled anew")
    return None


def _write(path: str, content: bytes) -> None:
    """Write a file whole or not at all."""
    whole = f"{path}.{os.urandom(8).hex()}.tmp"
    try:
        with open(whole, "wb") as f:
            f.write(content + _digest(content))
        os.replace(whole, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(whole)
        raise


def _home() -> str:
    """NUMBA_CACHE_DIR, as numba has read it."""
    return str(vars(config)["CACHE_DIR"])


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=_DIGEST).digest()


def _once(text: str) -> None:
    if text not in _reported:
        _reported.add(text)
        report(text)


caching.IndexDataCacheFile = CacheFile  # what numba makes for every kernel that is declared from now on
