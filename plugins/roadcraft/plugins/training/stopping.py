"""SIGINT and SIGTERM: a run that is told to stop finishes its step, stores what it has and says how to go on (no
torch)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 3  # signals after which the process ends wherever it is


class Stopped(KeyboardInterrupt):
    """A run was told to stop by a signal; the text says what is kept and how to go on."""

    def __init__(self, number: int, text: str = "") -> None:
        super().__init__(text)
        self.number = number

    @property
    def exit_code(self) -> int:
        """130 for SIGINT, 143 for SIGTERM, as shells have it."""
        return 128 + self.number


class StopRequest:
    """The signal that arrived, ``signal`` (0: none). While steps are trained (``patient``) it is only noted, so that
    the step is finished; elsewhere it raises Stopped where the program is. A second one changes nothing, a third one
    ends the process at once."""

    def __init__(self) -> None:
        self.signal, self.count, self.patient = 0, 0, False

    @contextmanager
    def listening(self) -> Iterator[StopRequest]:
        """Take the signals, in the main thread; elsewhere they cannot be taken."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}
        self.listen()
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def listen(self) -> None:
        """Take the signals again, should somebody else have taken them meanwhile."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._receive)

    @contextmanager
    def waiting(self, patient: bool) -> Iterator[None]:
        """Whether a signal is only noted, for a while. One that is there already raises Stopped where it need not wait:
        on entering or, if it was noted meanwhile, on leaving."""
        before, self.patient = self.patient, patient
        try:
            self._act()
            yield
        finally:
            self.patient = before
        self._act()

    def _act(self) -> None:
        if self.signal and not self.patient:
            raise Stopped(self.signal)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        first = self.signal == 0
        self.signal = self.signal or number
        self.count += 1
        if self.count >= PATIENCE:
            os._exit(128 + number)
        if first and not self.patient:
            raise Stopped(number)
