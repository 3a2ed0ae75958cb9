"""Worker processes that can be killed: hands out batches, watches every call, and isolates what hangs or crashes."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from roadcraft.core.errors import ConfigError, DataError, DiskError, LoadError, PluginError, RoadcraftError
from roadcraft.validation.scoring.suites import SuiteScenario

WARM_LIMIT_S = 600.0
OTHERS_LIMIT_S = 300.0  # a call of agents or metrics, whatever the planner's limit is
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Batch:
    """Scenarios that one worker drives together, with the modes still wanted of each."""

    items: tuple[SuiteScenario, ...]
    todo: tuple[tuple[str, ...], ...]

    def order(self) -> dict[str, Any]:
        return {"items": [i.to_json() for i in self.items], "todo": [list(t) for t in self.todo]}


@dataclass
class Events:
    """What a caller may want to know while it waits. lost(item, mode, step, stage, error, text): a scenario that could
    not even fail by itself."""

    compiling: Callable[[], None] = lambda: None  # told once
    note: Callable[[str], None] = lambda _: None  # what workers have to say to the user, each text once
    progress: Callable[[float], None] = lambda _: None
    done: Callable[[list[list[str]]], None] = lambda _: None
    lost: Callable[[SuiteScenario, str, int | None, str, str, str], None] = lambda *_: None


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    log: Path
    index: int
    busy: Batch | None = None
    called: float = 0.0
    stage: str = "start"
    step: int | None = None
    limit: float = WARM_LIMIT_S
    pending: bytes = b""
    waiting: bool = False
    steps: int = 0
    warmed: bool = False
    tail_from: int = field(default=0)


class _Gone(RoadcraftError):
    """The worker that was waited for has ended."""


class Pool:
    """Up to ``size`` workers for one run folder. Use as a context manager: leaving it ends them all."""

    def __init__(self, run: Path, size: int, limit_s: float, events: Events, steps: int) -> None:
        self.run_path, self.size, self.limit_s, self.events, self.steps = run, size, limit_s, events, max(steps, 1)
        self.selector = selectors.DefaultSelector()
        self.workers: list[_Worker] = []
        self.started = 0
        self.compiled = False
        self.noted: set[str] = set()
        self.stillborn = 0
        self.warm: SuiteScenario | None = None  # what every new worker drives first; None where that went wrong

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in list(self.workers):
            self._end(worker)
        self.selector.close()

    def run(self, batches: Sequence[Batch]) -> None:
        """Drive all batches. All workers start at once, but the first warms up alone, so that kernels are compiled once
        and not once per process."""
        queue = deque(batches)
        if not queue:
            return
        first, *_ = [self._spawn() for _ in range(min(self.size, len(queue)))]
        self._wait_for(first)
        self._warm_up(first, queue[0].items[0])
        with contextlib.suppress(
            _Gone
        ):  # a planner that hangs in the first scenario is found again, and told, when that one is driven
            self._wait_for(first)
            self.warm = queue[0].items[0]
            for worker in self.workers:
                if worker.waiting and not worker.warmed:
                    self._warm_up(worker, self.warm)
        while queue or any(w.busy for w in self.workers):
            for worker in self.workers:
                if worker.waiting and queue:
                    self._give(worker, queue.popleft())
            if queue and not self.workers:
                self._spawn()
            self._poll(queue)

    # ---- one worker ----------------------------------------------------------------------------------------------

    def _spawn(self) -> _Worker:
        log = self.run_path / "logs" / f"worker{self.started}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        env = {**os.environ, **dict.fromkeys(_THREADS, "1"), "PYTHONUNBUFFERED": "1"}
        with log.open("ab") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "roadcraft.validation.scoring.worker", str(self.run_path), str(self.started)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=err,
                env=env,
                bufsize=0,
            )
        worker = _Worker(process, log, self.started, called=monotonic(), tail_from=log.stat().st_size)
        self.started += 1
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self.selector.register(process.stdout, selectors.EVENT_READ, worker)
        self.workers.append(worker)
        return worker

    def _send(self, worker: _Worker, order: dict[str, Any], batch: Batch | None, limit: float, stage: str) -> None:
        worker.busy, worker.waiting, worker.called, worker.limit, worker.stage = batch, False, monotonic(), limit, stage
        worker.steps, worker.step = 0, None
        assert worker.process.stdin is not None
        with contextlib.suppress(OSError):  # a worker that died is found by its end of output
            worker.process.stdin.write(json.dumps(order).encode() + b"\n")

    def _warm_up(self, worker: _Worker, item: SuiteScenario) -> None:
        """Kernels are compiled, or loaded, and a planner's first call is made before anything counts against its
        limit."""
        worker.warmed = True
        self._send(worker, {"warm": item.to_json()}, None, self._limit("warm"), "warm")

    def _give(self, worker: _Worker, batch: Batch) -> None:
        self._send(worker, batch.order(), batch, WARM_LIMIT_S, "load")

    def _wait_for(self, worker: _Worker) -> None:
        """Until this worker is ready. One that dies before it has driven anything stops the run, since all others would
        as well."""
        while not worker.waiting:
            self._poll(deque())
            if worker not in self.workers:
                raise _Gone(f"the first worker ended before it was ready; its last words:\n{_tail(worker)}")

    def _poll(self, queue: deque[Batch]) -> None:
        for key, _ in self.selector.select(timeout=0.2):
            self._read(key.data, queue)
        now = monotonic()
        for worker in list(self.workers):
            if not worker.waiting and now - worker.called > worker.limit:
                self._hang(worker, queue)
        self.events.progress(sum(_fraction(w, self.steps) for w in self.workers))

    def _read(self, worker: _Worker, queue: deque[Batch]) -> None:
        assert worker.process.stdout is not None
        data = worker.process.stdout.read(1 << 16)
        if data == b"":
            self._lost(worker, queue, "crash")
            return
        *lines, worker.pending = (worker.pending + (data or b"")).split(b"\n")
        for line in lines:
            self._hear(worker, json.loads(line))

    def _hear(self, worker: _Worker, message: dict[str, Any]) -> None:
        worker.called = monotonic()
        if "call" in message:
            worker.stage, worker.step = message["call"], message["step"]
            worker.limit = self._limit(worker.stage)
            worker.steps += worker.stage == "planner.plan"
        elif "ready" in message and self.warm is not None and not worker.warmed:
            self._warm_up(worker, self.warm)
        elif "ready" in message:
            worker.waiting = True
        elif "compiling" in message:
            if not self.compiled:
                self.compiled = True
                self.events.compiling()
        elif "note" in message:
            if message["note"] not in self.noted:
                self.noted.add(message["note"])
                self.events.note(message["note"])
        elif "done" in message:
            worker.busy, worker.waiting = None, True
            self.events.done(message["done"])
        elif "fatal" in message:
            fault = message["fatal"]
            kinds = {k.__name__: k for k in (ConfigError, PluginError, DataError, DiskError, LoadError)}
            if fault["kind"] in kinds:
                raise kinds[fault["kind"]](fault["error"], **fault.get("of", {}))
            raise RoadcraftError(f"a worker cannot go on: {fault['kind']}: {fault['error']}\n{fault['traceback']}")

    def _limit(self, stage: str) -> float:
        if stage == "warm":
            return max(self.limit_s, 30.0)
        if stage.startswith("planner"):
            return self.limit_s
        return OTHERS_LIMIT_S if stage.startswith(("agents", "controller", "metrics")) else WARM_LIMIT_S

    # ---- faults --------------------------------------------------------------------------------------------------

    def _hang(self, worker: _Worker, queue: deque[Batch]) -> None:
        if hasattr(signal, "SIGUSR1"):
            worker.process.send_signal(signal.SIGUSR1)  # its stack goes to its log
            sleep(0.3)
        self._lost(worker, queue, "timeout")

    def _lost(self, worker: _Worker, queue: deque[Batch], why: str) -> None:
        """A worker is gone: its scenarios are driven again one by one; one that is alone and lost again has failed."""
        self._end(worker, kill=True)
        code = worker.process.returncode
        batch = worker.busy
        if batch is None:
            self._lost_idle(worker)
            return
        if sum(len(t) for t in batch.todo) > 1:
            for item, todo in zip(batch.items, batch.todo, strict=True):
                queue.extendleft(Batch((item,), ((mode,),)) for mode in todo)
        else:
            item, step = batch.items[0], worker.step
            place = worker.stage if step is None else f"{worker.stage} at {step * item.interval_s:.1f} s"
            error = (
                f"{place} took longer than {worker.limit:.1f} s"
                if why == "timeout"
                else f"the process ended in {place}, {_ending(code)}"
            )
            self.events.lost(item, batch.todo[0][0], step, why, error, _tail(worker))
        if len(self.workers) < min(self.size, len(queue)):
            self._spawn()

    def _lost_idle(self, worker: _Worker) -> None:
        """A worker is gone that had no scenarios yet: others go on, unless no new one ever gets ready."""
        if worker.stage == "warm":
            self.warm = None
        if worker.stage != "start":
            return
        self.stillborn += 1
        if self.stillborn > 3:
            raise _Gone(f"one worker after the other ends before it is ready; the last words:\n{_tail(worker)}")

    def _end(self, worker: _Worker, kill: bool = False) -> None:
        if worker in self.workers:
            self.workers.remove(worker)
        process = worker.process
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(process.stdout)  # type: ignore[arg-type]
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        if kill or worker.busy is not None:
            process.kill()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _ending(code: int | None) -> str:
    """``killed by SIGSEGV`` or ``with exit code 7``."""
    if code is not None and code < 0:
        names = {s.value: s.name for s in signal.Signals}
        return f"killed by {names.get(-code, f'signal {-code}')}"
    return f"with exit code {code}"


def _fraction(worker: _Worker, steps: int) -> float:
    """How many scenario drives the busy worker has done of its batch, by its steps."""
    if worker.busy is None:
        return 0.0
    total = sum(len(t) for t in worker.busy.todo)
    modes = max((len(t) for t in worker.busy.todo), default=1)
    return min(worker.steps / (steps * modes), 1.0) * total


def _tail(worker: _Worker, size: int = 4000) -> str:
    with worker.log.open("rb") as f:
        f.seek(worker.tail_from)
        return f.read()[-size:].decode(errors="replace")
