"""One of several processes that train together; ``test_training_processes`` starts them as torchrun would.

The command line names a JSON file: {"folder": ..., "runs": [{"name": ..., "words": [...], "resume": run or null,
"stop_at": step, "signal_at": step at which the last process, and it alone, is told to stop}]}. Each process writes down
what it ended with, ``<name>.<rank>.json``: the steps done and a digest of the weights.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Any

from roadcraft.core.kernels.cache import use_kernel_cache

use_kernel_cache()

from roadcraft.plugins.training.run import fit as run  # noqa: E402
from roadcraft.plugins.training.run.checkpointing import CheckpointCallback  # noqa: E402
from roadcraft.plugins.training.run.distributed import full_state_dict  # noqa: E402
from roadcraft.plugins.training.run.resolve import run_config  # noqa: E402
from roadcraft.plugins.training.stopping import Stopped  # noqa: E402


class Witness(CheckpointCallback):
    """Notes the end of a run."""

    note = Path()
    signal_at = 0

    def on_train_batch_end(self, *args: Any) -> None:
        super().on_train_batch_end(*args)
        if self.module.done == self.signal_at and self.data.rank == self.data.world - 1:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        super().on_train_end(trainer, pl_module)
        digest = blake2b(digest_size=8)
        for name, value in sorted(full_state_dict(self.module.network.state()).items()):
            digest.update(name.encode() + value.detach().numpy().tobytes())
        self.note.write_text(json.dumps({"done": self.module.done, "weights": digest.hexdigest()}))


def main(job: dict[str, Any]) -> None:
    run.CheckpointCallback = Witness  # type: ignore[misc]
    folder = Path(job["folder"])
    for r in job["runs"]:
        Witness.signal_at = r.get("signal_at", 0)
        Witness.note = folder / f"{r['name']}.{os.environ['RANK']}.json"
        resume = folder / r["resume"] if r["resume"] else None
        try:
            run.train(run_config(r["words"], resume).config, resume=resume, stop_at=r["stop_at"], progress=False)
        except Stopped:
            if not Witness.signal_at:
                raise


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
