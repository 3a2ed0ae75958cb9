"""One of several processes that train together; ``test_training_processes`` starts them as torchrun would.

The command line names a JSON file: {"folder": ..., "runs": [{"name": ..., "words": [...], "resume": run or null, "stop_at": step}]}. Each process writes down
what it ended with, ``<name>.<rank>.json``: the steps done and a digest of the weights.
"""

from __future__ import annotations

import json
import os
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Any

from roadcraft.core.kernel_cache import use_kernel_cache

use_kernel_cache()

from roadcraft.plugins.training import run  # noqa: E402
from roadcraft.plugins.training.keeper import Keeper  # noqa: E402
from roadcraft.plugins.training.recipe import run_config  # noqa: E402
from roadcraft.plugins.training.sharding import whole  # noqa: E402


class Witness(Keeper):
    """Notes the end of a run."""

    note = Path()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        super().on_train_end(trainer, pl_module)
        digest = blake2b(digest_size=8)
        for name, value in sorted(whole(self.module.network.state()).items()):
            digest.update(name.encode() + value.detach().numpy().tobytes())
        self.note.write_text(json.dumps({"done": self.module.done, "weights": digest.hexdigest()}))


def main(job: dict[str, Any]) -> None:
    run.Keeper = Witness  # type: ignore[misc]
    folder = Path(job["folder"])
    for r in job["runs"]:
        Witness.note = folder / f"{r['name']}.{os.environ['RANK']}.json"
        resume = folder / r["resume"] if r["resume"] else None
        run.train(run_config(r["words"], resume), resume=resume, stop_at=r["stop_at"], progress=False)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
