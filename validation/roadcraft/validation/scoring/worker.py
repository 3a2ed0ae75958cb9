"""A scoring process: ``python -m roadcraft.validation.scoring.worker RUN INDEX``, driven by JSON lines on standard
input, answering on standard output.

In:  {"warm": item} or {"items": [item...], "todo": [[mode...]...]}; end of input ends the process. Out: {"ready":
true}, {"compiling": true}, {"note": text}, {"call": stage, "step": i or null}, {"done": [[token, mode]...]}, {"fatal":
{"kind", "error", "traceback"}}. It is a process so that it can be killed: a planner that hangs or crashes takes nothing
but its own scenario with it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import sys
import traceback
from typing import Any


def main() -> None:
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever plugins print goes to the log, not between our answers
    faulthandler.enable()
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1, all_threads=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    _die_with_parent()

    def say(message: dict[str, Any]) -> None:
        channel.write(json.dumps(message) + "\n")

    try:
        serve(sys.argv[1], int(sys.argv[2]), say)
    except BrokenPipeError:
        os._exit(1)
    except BaseException as e:
        with contextlib.suppress(OSError):
            say({"fatal": _fault(e)})
        sys.exit(1)


def _fault(e: BaseException) -> dict[str, Any]:
    from roadcraft.core.errors import DataError

    parts = {"error": e.what, "of": {"where": e.where, "remedy": e.remedy}} if isinstance(e, DataError) else {}
    return {"kind": type(e).__name__, "error": str(e), "traceback": traceback.format_exc(), **parts}


def serve(run: str, index: int, say: Any) -> None:
    import gc

    from roadcraft.core.config.load import load_config
    from roadcraft.core.kernels.warming import collect_rarely
    from roadcraft.validation.config import ScoreConfig
    from roadcraft.validation.scoring.folder import RecordFile, RunFolder
    from roadcraft.validation.scoring.job import Job, part_path
    from roadcraft.validation.scoring.provenance import digests_of, refuse_differences
    from roadcraft.validation.scoring.suites import SuiteScenario

    collect_rarely()
    _announce_compiling(say)
    folder = RunFolder(run)
    config = load_config(ScoreConfig, [str(folder.config)]).config
    job = Job(config, folder)
    # After everything is loaded: a checkpoint that is replaced while the run goes on must not drive a part of it.
    refuse_differences(folder.digests(), digests_of(config, job.source, folder.items()), folder.path, "cannot go on")
    one_torch_thread()
    part: RecordFile | None = None
    say({"ready": True})

    def on_call(stage: str, step: int | None) -> None:
        say({"call": stage, "step": step})

    for line in sys.stdin:
        order = json.loads(line)
        if "warm" in order:
            say({"call": "warm", "step": None})
            job.warm_up(SuiteScenario.from_json(order["warm"]))
            say({"ready": True})
            continue
        items = [SuiteScenario.from_json(i) for i in order["items"]]
        records = job.run(items, order["todo"], on_call)
        part = part or RecordFile(part_path(folder, index))
        for record in records:
            part.add(record)
        part.commit()
        say({"done": [[r["token"], r["mode"], r["status"]] for r in records]})
        gc.collect()


def _announce_compiling(say: Any) -> None:
    """Every compilation is told as it begins and ends: the first one is news for the user, all of them are signs of
    life. So are kernels that cannot be kept or read."""
    from numba.core import event as events

    from roadcraft.core.kernels import files as kernel_files

    kernel_files.report = lambda text: say({"note": text})

    class Teller(events.Listener):
        def on_start(self, event: Any) -> None:
            say({"compiling": True})

        def on_end(self, event: Any) -> None:
            say({"compiling": True})

    events.register("numba:compile", Teller())


def one_torch_thread() -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _die_with_parent() -> None:
    """On Linux, end with the process that started us, even if that one is killed."""
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)


if __name__ == "__main__":
    main()
