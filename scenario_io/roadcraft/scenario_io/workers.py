"""Worker processes for ingest and synth."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from types import ModuleType
from typing import Any

from roadcraft.core.errors import DataError


class _Pool(ProcessPoolExecutor):
    """Workers do not run the caller's script again: what they are given lives in importable modules, and a script of
    three lines, or one read from standard input, need not guard itself by ``if __name__ == "__main__"``."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        # Spawned processes are told to import the file of whatever stands as __main__ in the moment they are started.
        main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            sys.modules["__main__"] = main


@contextmanager
def worker_pool(count: int, where: str) -> Iterator[ProcessPoolExecutor]:
    """A pool of ``count`` processes; leaving it drops what has not begun and waits for the rest. Raises DataError where
    a process was killed."""
    pool = _Pool(count, mp_context=get_context("spawn"), initializer=_start, initargs=(os.getpid(),))
    try:
        yield pool
    except BrokenProcessPool as e:
        what, remedy = (
            "a worker process was killed (out of memory?)",
            "what was finished is kept: run the same command again",
        )
        raise DataError(what, where=where, remedy=f"{remedy} with fewer processes") from e
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start(parent: int) -> None:
    """Workers leave interrupts to the parent, and end when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
