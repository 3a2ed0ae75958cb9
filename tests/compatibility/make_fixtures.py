"""Makes ``fixtures/``: what version 0.1.0 wrote, kept so that tests can open it with the present version.

    python tests/compatibility/make_fixtures.py FIRST LAST

FIRST and LAST are checkouts of roadcraft 0.1.0: commit 6f1ff91 (runs of format 1) and commit 8ae3d51 (the last one of
that version: runs of format 2). Their rooms come before anything that is installed. FIRST makes everything but what is
marked below; ``fixtures/README.md`` says what each file is.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FIXTURES = Path(__file__).with_name("fixtures")
WORK = Path("/tmp/roadcraft-0.1.0")  # paths in stored configurations begin with it
STORE, TRAINED, RUNS, DRIVES = WORK / "store", WORK / "trained", WORK / "runs", WORK / "drives"
ROOMS = ("core", "scenario_io", "planners", "validation", "plugins", "examples/roadcraft-anchors")
SCENARIO = "a4f95b2d821a72e5"
TINY = ["encoder.dim=16", "encoder.layers=1", "encoder.heads=2", "steps=8", "batch=4", "seed=1", "validation=0.5"]
VECTOR = ["encoder=vector_transformer", *TINY]
LINES = ["model.lines=2", "model.line_points=40", "model.heads=2"]
NETWORKS = {
    "vector_transformer-multimodal": [*VECTOR, "model=multimodal", *LINES],
    "hetero_gnn-multimodal": ["encoder=hetero_gnn", *TINY, "encoder.edge_dim=8", "model=multimodal", *LINES],
    "bev_raster-multimodal": [
        *["encoder=bev_raster", *TINY, "encoder.cells=32", "encoder.cell_m=2.0", "encoder.channels=[8, 16]"],
        *["model=multimodal", *LINES],
    ],
    "vector_transformer-diffusion": [
        *[*VECTOR, "encoder.ego_channels=[vx, ax, stood]", "model=diffusion", *LINES],
        *["model.blocks=1", "model.word_dim=8", "model.samples=2", "model.emphasis=1.5", "model.guidance.speed=0.2"],
    ],
    "vector_transformer-tokens": [
        *[*VECTOR, "model=tokens", *LINES, "model.vehicle_tokens=64", "model.pedestrian_tokens=16"],
        *["model.bicycle_tokens=16", "model.layers=1", "model.relation=8", "model.vocabulary_batches=4"],
    ],
    "vector_transformer-anchors": [*VECTOR, "model=anchors", "model.lines=2", "model.width=16"],
}  # fmt: skip
TOKENS, AGENTS = "vector_transformer-tokens", "tokens-agents"
# made with kernels without fastmath, which moved activations by 2e-5 within 0.1.0, on purpose
OF_LAST = (TOKENS, AGENTS)

_STATES = """
import sys
from pathlib import Path
import numpy as np, torch
from roadcraft.scenario_io.store.store import Store
run, out, agents = sys.argv[1:]
store = Store(next(Path(run, "rollouts").iterdir()))
drive = store.drive(store.logs()[0])
found = {"ego": drive.ego, **({"agents": drive.objects.box} if agents == "True" else {})}
np.savez_compressed(out, **found)
print(*(f"{k} {v.dtype} {v.shape}" for k, v in found.items()), torch.__version__, torch.backends.cpu.get_cpu_capability())
"""

_HALF = """
from roadcraft.plugins.training.recipe import run_config
from roadcraft.plugins.training.run import train
import sys
config = run_config(sys.argv[1:])
train(getattr(config, "config", config), stop_at=4)
"""

_SETTINGS = """
import sys, yaml
from importlib import import_module
from roadcraft.core.config.load import to_tree
from roadcraft.core.plugins.registry import registry
found = {f"{p.spec.kind} {p.spec.name}": registry().config_class(p.spec.kind, p.spec.name) for p in registry().plugins() if p.ours}
for command, place in {
    "score": "roadcraft.validation.config:ScoreConfig", "train": "roadcraft.plugins.training.config:TrainConfig",
    "synth": "roadcraft.scenario_io.synthetic.config:SynthConfig",
}.items():
    module, _, name = place.partition(":")
    found[command] = getattr(import_module(module), name)
yaml.safe_dump({k: to_tree(c()) for k, c in found.items()}, sys.stdout, sort_keys=False)
"""


def main(first: Path, last: Path) -> None:
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.rmtree(FIXTURES / "checkpoints", ignore_errors=True)
    WORK.mkdir()
    roadcraft(first, "synth", "logs", "worlds=2", "seed=5", "situations=[car_following, slow_lead]", "locations=1")
    roadcraft(first, "ingest", "nuplan", "logs", "--out", str(STORE), "--workers", "1", "--tagged")
    pack("store", STORE)
    for name, words in NETWORKS.items():
        roadcraft(first, "train", *words, f"data={STORE}", f"out={TRAINED / name}")
        shutil.copytree(TRAINED / name / "best", FIXTURES / "checkpoints" / name)
        drive(
            first,
            last,
            name,
            f"planner={{name: learned, params: {{checkpoint: {TRAINED / name / 'best'}, micro_batch: 2}}}}",
        )
    agents = f"agents={{name: tokens, params: {{checkpoint: {TRAINED / TOKENS / 'best'}, micro_batch: 2}}}}"
    drive(first, last, AGENTS, "planner=idm", "modes=[reactive]", agents)
    half = [*NETWORKS["vector_transformer-multimodal"], f"data={STORE}", f"out={TRAINED / 'half'}"]
    python(first, "-c", _HALF, *half)
    shutil.rmtree(TRAINED / "half" / "tensorboard")
    pack("training", TRAINED / "half")
    for format_, checkout in (("format-1", first), ("format-2", last)):
        run = ["score", "planner=idm", f"data={STORE}", "workers=1", "simulation.batch=1"]
        slow = "suite.filter.scenario_types=[following_lane_with_slow_lead]"
        roadcraft(checkout, *run, slow, f"out={RUNS / format_ / 'finished'}")
        everything = ["--all"] if checkout == last else []
        killed(checkout, RUNS / format_ / "half", *run, *everything, "rollouts=false", f"out={RUNS / format_ / 'half'}")
        (FIXTURES / f"settings-{format_}.yaml").write_text(python(checkout, "-c", _SETTINGS))
    pack("runs", RUNS)
    shutil.rmtree(FIXTURES / "roadcraft-anchors", ignore_errors=True)
    shutil.copytree(
        first / "examples" / "roadcraft-anchors",
        FIXTURES / "roadcraft-anchors",
        ignore=shutil.ignore_patterns("__pycache__", ".*"),
    )


def drive(first: Path, last: Path, name: str, *words: str) -> None:
    """What a checkpoint drives: the states of the ego (and of agents that it drives), and the scores, of FIRST (of LAST
    for OF_LAST)."""
    states = {}
    for checkout in (first, last):
        run = DRIVES / checkout.name / name
        roadcraft(checkout, "score", *words, f"data={STORE}", f"scenario={SCENARIO}", "workers=1", f"out={run}")
        said = python(checkout, "-c", _STATES, str(run), str(run / "states.npz"), str(name == AGENTS))
        print(name, checkout.name, said.strip())
        states[checkout] = (run / "states.npz").read_bytes()
    same = states[first] == states[last]
    print(name, "drives the same" if same else "DRIVES DIFFERENTLY", flush=True)
    of_last = name in OF_LAST
    if not (same or of_last):
        sys.exit(f"{name} drives differently within 0.1.0")
    kept = FIXTURES / "drives" / name
    kept.mkdir(parents=True, exist_ok=True)
    for file in ("states.npz", "scores.parquet"):
        shutil.copy(DRIVES / (last if of_last else first).name / name / file, kept / file)


def killed(checkout: Path, run: Path, *words: str) -> None:
    """A scoring run that is killed when some of its results are there, but not all."""
    with environment(checkout) as env:
        process = subprocess.Popen(command(*words), cwd=WORK, env=env, start_new_session=True)
        while sum(p.read_bytes().count(b"\n") for p in run.glob("parts/*.jsonl")) < 2:
            if process.poll() is not None:
                sys.exit(f"{run} ended before it was killed")
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if (run / "summary.json").exists():
        sys.exit(f"{run} is finished, not half finished")


def roadcraft(checkout: Path, *words: str) -> None:
    with environment(checkout) as env:
        subprocess.run(command(*words), cwd=WORK, env=env, check=True, stdout=subprocess.DEVNULL)


def python(checkout: Path, *words: str) -> str:
    with environment(checkout) as env:
        return subprocess.run(
            [sys.executable, *words], cwd=WORK, env=env, check=True, stdout=subprocess.PIPE, text=True
        ).stdout


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "roadcraft.core.cli", *words]


@contextmanager
def environment(checkout: Path) -> Iterator[dict[str, str]]:
    path = os.pathsep.join(str(checkout / room) for room in ROOMS)
    yield {
        **os.environ,
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "XDG_CACHE_HOME": f"{WORK}-cache/{checkout.name}",
    }


def pack(name: str, folder: Path) -> None:
    """``NAME.tar.xz`` of a folder, without locks."""
    FIXTURES.mkdir(exist_ok=True)
    with tarfile.open(FIXTURES / f"{name}.tar.xz", "w:xz", preset=9) as tar:
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in (".lock", ".writing")):
            info = tar.gettarinfo(path, str(path.relative_to(folder)))
            info.uid, info.gid, info.uname, info.gname, info.mtime = 0, 0, "", "", 0
            with path.open("rb") as f:
                tar.addfile(info, f)


if __name__ == "__main__":
    main(*(Path(p).resolve() for p in sys.argv[1:3]))
