"""How numba reads and writes the files of compiled kernels: what is damaged is compiled anew, and a disk that refuses
costs no run. The first kernel that a person waits for is told of.

Numba imports the class named in NUMBA_CACHE_LOCATOR_CLASSES, which ``kernel_cache`` sets, when the first kernel is
declared. Every file ends with a digest of what stands before it; pickle stops reading where its own stream ends.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from numba.core import caching, config

from roadcraft.core.kernel_cache import drop_old, state_of

QUIET = "ROADCRAFT_QUIET"
_DIGEST = 16


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


report: Callable[[str], None] = _print
"""Who is told of files that cannot be used; a worker puts its own channel here."""
_reported: set[str] = set()
_folders: dict[str, tuple[Any, str]] = {}
_files: set[str] = set()
_sources: dict[str, tuple[str, str]] = {}
"""The module and the file whose compiled kernels a folder holds."""


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


class CacheFile(caching.IndexDataCacheFile):
    """Numba's index and data files with digests. A file that is not whole is as if it were not there."""

    def load(self, key: Any) -> Any:
        found = super().load(key)
        if found is None and _is_watched():
            kept = f"once (they are kept in {_home()})" if self._cache_path else "which takes about a minute"
            _once(f"note: compiling kernels, {kept}; {QUIET}=1 hides this")
        return found

    def save(self, key: Any, data: Any) -> None:
        if not self._cache_path or not self._is_current():
            return
        try:
            if not os.path.isdir(self._cache_path):
                os.makedirs(self._cache_path, exist_ok=True)
                drop_old(Path(self._cache_path))
            # numba counts its files; two processes at once would give one number to two signatures
            name = self._data_name(int.from_bytes(_digest(repr(key).encode())))
            self._save_data(name, data)
            self._save_index(self._load_index() | {key: name})
            self._note(name)
        except OSError as e:
            _once(
                f"note: compiled kernels cannot be kept in {_home()}: {e.strerror or e}; they are compiled again next "
                "time"
            )

    def _is_current(self) -> bool:
        """Whether the sources are still those that the folder is named by: a module may have been imported since."""
        sources = _sources.get(self._cache_path)
        return sources is None or bool(state_of(*sources))

    def _load_index(self) -> dict[Any, str]:
        overloads: dict[Any, str] = super()._load_index() if self._cache_path and _is_whole(self._index_path) else {}
        return overloads

    def _load_data(self, name: str) -> Any:
        if not _is_whole(self._data_path(name)):
            raise FileNotFoundError(name)  # numba then compiles, and writes this file again
        data = super()._load_data(name)
        self._note(name)
        return data

    def _note(self, name: str) -> None:
        folder = os.path.basename(self._cache_path)
        _files.update(os.path.join(folder, n) for n in (os.path.basename(self._index_path), name))

    @contextlib.contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[Any]:
        content = io.BytesIO()
        yield content
        with super()._open_for_write(filepath) as f:
            f.write(content.getvalue() + _digest(content.getvalue()))


def _is_watched() -> bool:
    """Whether a person reads the standard error of this process: a terminal's or a notebook's, and not of a worker,
    whose parent tells it."""
    shown = sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel.")
    mine = report is _print and multiprocessing.parent_process() is None
    return shown and mine and os.environ.get(QUIET, "") in ("", "0")


def _is_whole(path: str) -> bool:
    """Whether the file is there and ends with the digest of the rest."""
    try:
        with open(path, "rb") as f:
            content = f.read()
    except OSError:
        return False
    if _digest(content[:-_DIGEST]) == content[-_DIGEST:]:
        return True
    _once(f"note: compiled kernels in {_home()} are damaged; they are compiled anew")
    return False


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
