"""TensorBoard's event file, written by whoever logs: TensorBoard's own writer has a thread, in which a full disk ends
with a traceback and the run goes on without a log."""

from __future__ import annotations

import io
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from roadcraft.core.files import disk_error

Event, Summary = event_pb2.Event, summary_pb2.Summary  # type: ignore[attr-defined]


class EventLog:
    """A file of its own each time that a run is begun or resumed, made with the first entry. Raises DiskError naming
    the file; what was logged before is intact."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
        self.file: Any = None

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log values by tag."""
        entries = [Summary.Value(tag=k, simple_value=float(v)) for k, v in values.items()]
        try:
            if self.file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.file = self.path.open("ab", buffering=0)
                self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
            self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=entries)))
        except OSError as e:
            raise disk_error(e, self.path) from e

    def close(self) -> None:
        if self.file is not None:
            self.file.close()

    def _write(self, event: Any) -> None:
        whole = self.file.tell()
        record = io.BytesIO()
        RecordWriter(record).write(event.SerializeToString())
        rest = record.getbuffer()
        try:
            while rest:
                rest = rest[self.file.write(rest) :]
        except OSError:
            self.file.truncate(whole)
            raise
