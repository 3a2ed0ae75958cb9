"""What is compared, and under which recipe: the same worlds, the same time and the same scenarios for every model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from roadcraft.core.config.load import build_params, load_config, to_tree
from roadcraft.core.errors import RoadcraftError
from roadcraft.core.plugins.registry import registry
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.validation.demonstration.steps import Step

FORMAT = 1  # of a row; raise it when a part's meaning changes
TRAIN_SEED, HELD_OUT_SEED = 101, 202
MODES = ("nonreactive", "reactive")
WORDS = ("data", "out", "format", "minutes")  # of a training, that are no part of its recipe or stand beside it
SCRIPTS = Path(__file__).resolve().parents[1]
WOMD = SCRIPTS.parents[1].parent / "shared" / "data" / "womd"
# The clock ends a training, never the number of steps; slow models too shall leave checkpoints to go on from, and
# points of a curve.
# Averaged weights at the end of the run drive better than those with the smallest open-loop error.
COMMON = ("steps=100000000", "validate_every=400", "ema_decay=0.99", "select.by=last")


@dataclass(frozen=True)
class Cell:
    """An encoder with a model. params of both and further words of ``roadcraft train`` where a cell needs others than
    the defaults; finalist: whether it is scored on all scenarios or, as an ablation, on a part of them; driven: params
    of the model that are others when it drives than when it foretells."""

    encoder: str
    model: str
    finalist: bool = True
    variant: str = ""
    encoder_params: Mapping[str, Any] = field(default_factory=dict)
    model_params: Mapping[str, Any] = field(default_factory=dict)
    train: tuple[str, ...] = ()
    driven: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``encoder+model``, and the variant where there is one."""
        return f"{self.encoder}+{self.model}" + (f" {self.variant}" if self.variant else "")

    @property
    def slug(self) -> str:
        """The name as part of a path."""
        return self.name.replace(" ", "-")

    def missing(self) -> str:
        """Why this cell cannot be run here: what is not registered. Empty where it can."""
        for kind, name in (("encoder", self.encoder), ("model", self.model)):
            try:
                registry().find(kind, name)
            except RoadcraftError as e:
                return str(e).splitlines()[0]
        return ""

    def words(self) -> list[str]:
        """The part of ``roadcraft train`` that says what is trained."""
        refs = ((self.encoder, self.encoder_params), (self.model, self.model_params))
        named = [n if not p else json.dumps({"name": n, "params": dict(p)}) for n, p in refs]
        return [f"encoder={named[0]}", f"model={named[1]}", *self.train]


CELLS = (
    Cell("vector_transformer", "multimodal"),
    Cell("hetero_gnn", "multimodal"),
    Cell("bev_raster", "multimodal"),
    Cell("vector_transformer", "diffusion"),
    # Whoever drives needs one future, as long as the guard looks ahead; whoever foretells, several long ones.
    Cell("vector_transformer", "tokens", driven={"samples": 1, "future_tokens": 8}),
    Cell("vector_transformer", "anchors", finalist=False),  # examples/roadcraft-anchors: a third party's
)
BASELINES = ("log_replay", "constant_velocity", "idm", "pdm_closed")


@dataclass(frozen=True)
class Size:
    """How much is done. worlds, held_out: drives to train and to score on; cpu_minutes, gpu_minutes: of training;
    scenarios, ablation: scored."""

    worlds: int
    held_out: int
    cpu_minutes: float
    gpu_minutes: float
    scenarios: int
    ablation: int

    def lasting(self, minutes: float) -> Size:
        """The same with another training time, on any machine."""
        return replace(self, cpu_minutes=minutes, gpu_minutes=minutes)


SIZES = {"full": Size(416, 208, 25.0, 4.0, 400, 120), "quick": Size(8, 4, 0.5, 0.5, 6, 4)}


def recipe(cell: Cell | str, size: Size) -> dict[str, Any]:
    """Everything that decides a row's figures, defaults spelt out, so that a changed default is a changed recipe. A
    text names a baseline planner."""
    data = {
        "format": FORMAT,
        "held_out": {"worlds": size.held_out, "seed": HELD_OUT_SEED},
        "scenarios": size.scenarios if isinstance(cell, str) or cell.finalist else size.ablation,
    }
    if isinstance(cell, str):
        return {**data, "planner": {"name": cell, "params": _params("planner", cell, {})}}
    tree = to_tree(load_config(TrainConfig, [*cell.words(), *COMMON]).config)
    parts = {k: {"name": tree[k]["name"], "params": _params(k, **tree[k])} for k in ("encoder", "model")}
    training = {k: v for k, v in tree.items() if k not in (*WORDS, *parts)}
    return json.loads(
        json.dumps(
            {
                **data,
                **parts,
                "driven": dict(cell.driven),
                "train": {"worlds": size.worlds, "seed": TRAIN_SEED},
                "minutes": {"cpu": size.cpu_minutes, "gpu": size.gpu_minutes},
                "training": training,
            }
        )
    )


def digest(tree: Mapping[str, Any]) -> str:
    """16 hex digits that identify a recipe."""
    return blake2b(json.dumps(tree, sort_keys=True).encode(), digest_size=8).hexdigest()


def _params(kind: str, name: str, params: Mapping[str, Any]) -> Any:
    return to_tree(build_params(registry(), kind, name, dict(params)))


class Places:
    """Where everything of a comparison lies. Names carry what decides the content (numbers of worlds, a recipe's
    digest), so that work under one recipe is never gone on with under another."""

    def __init__(self, out: Path, size: Size) -> None:
        self.out, self.size = out, size
        self.rows, self.notes = out / "rows", out / "done"
        self.womd = out / "stores" / "womd"

    def logs(self, part: str) -> Path:
        return self.out / "logs" / self._worlds(part)

    def store(self, part: str) -> Path:
        return self.out / "stores" / self._worlds(part)

    def _worlds(self, part: str) -> str:
        return f"{part}-{self.size.worlds if part == 'train' else self.size.held_out}"

    def count(self, what: Cell | str) -> int:
        """How many held-out scenarios a model or baseline is scored on."""
        return self.size.scenarios if isinstance(what, str) or what.finalist else self.size.ablation

    def tokens(self, count: int) -> Path:
        """The list of so many held-out scenarios, one token a line."""
        return self.out / "scenarios" / f"{count}-of-{self.size.held_out}-worlds.txt"

    def folder(self, what: Cell | str) -> Path:
        """Checkpoints, runs and measurements of a model or baseline under its recipe."""
        slug = what if isinstance(what, str) else what.slug
        return self.out / "work" / f"{slug}-{digest(recipe(what, self.size))[:8]}"


def data_steps(at: Places) -> list[Step]:
    """The commands that make the worlds and read them into stores, and read the real scenes where they are at hand."""
    made = []
    for part, worlds, seed in (("train", at.size.worlds, TRAIN_SEED), ("test", at.size.held_out, HELD_OUT_SEED)):
        logs, store = str(at.logs(part)), str(at.store(part))
        words = ("synth", logs, f"worlds={worlds}", f"seed={seed}")
        made.append(Step(f"synth-{part}", f"Make {worlds} worlds to {part} on.", words))
        made.append(Step(f"ingest-{part}", "Read them into a store.", ("ingest", "nuplan", logs, "--out", store)))
    return made


def womd_step(at: Places, logs: Path = WOMD) -> Step:
    """The command that reads the real scenes."""
    return Step("ingest-womd", "Read the real Waymo scenes.", ("ingest", "womd", str(logs), "--out", str(at.womd)))


def train_step(at: Places, cell: Cell, minutes: float) -> Step:
    """The command that trains a cell."""
    run = at.folder(cell) / "model"
    words = ("train", *cell.words(), f"data={at.store('train')}", f"out={run}", *COMMON, f"minutes={minutes:g}")
    return Step(
        f"train-{cell.slug}",
        f"Train {cell.name} for {minutes:g} minutes.",
        words,
        begun=run / "last" / "training.json",
        go_on=("--resume", str(run)),
    )


def planner_words(at: Places, cell: Cell) -> dict[str, tuple[str, ...]]:
    """How the planner of a cell is named on the command line, raw and guarded (no fallback)."""
    best = at.folder(cell) / "model" / "best"
    params = {"checkpoint": str(best), **({"model": dict(cell.driven)} if cell.driven else {})}
    inner = {"name": "learned", "params": params}
    return {
        "raw": (
            "planner=learned",
            *(f"planner.{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in params.items()),
        ),
        "guarded": ("planner=guard", f"planner.planner={json.dumps(inner)}"),
    }


def score_step(at: Places, what: Cell | str, kind: str, planner: tuple[str, ...]) -> Step:
    """The command that drives the held-out scenarios with a planner, others replayed and others reacting."""
    run, count = at.folder(what) / kind, at.count(what)
    listed = f"filter={{preset: mapped, tokens_file: {at.tokens(count)}}}"
    words = ("score", *planner, f"data={at.store('test')}", listed, "modes=[nonreactive, reactive]", "rollouts=false")
    name = f"{what if isinstance(what, str) else what.slug}-{kind}"
    why = f"Drive {count} held-out scenarios: {name}."
    return Step(
        f"score-{name}", why, (*words, "--out", str(run)), may_fail=True, begun=run / "config.yaml"
    )  # fmt: skip


def open_loop_step(at: Places, what: Cell | str, planner: tuple[str, ...]) -> Step:
    """The command that compares the plans of a planner with what the log drove, on held-out and, where there are any,
    on real scenes."""
    words = (*planner, "--store", str(at.store("test")), "--tokens", str(at.tokens(at.count(what))))
    words += ("--womd", str(at.womd), "--out", str(at.folder(what) / "open_loop.json"))
    name = what if isinstance(what, str) else what.slug
    return Step(f"open-loop-{name}", "Compare plans with the log.", words, script=SCRIPTS / "open_loop.py")


def latency_step(at: Places, cell: Cell) -> Step:
    """The command that measures how long a plan takes on one core, and the floor of its matrix products."""
    folder = at.folder(cell)
    words = (str(folder / "model" / "best"), "--store", str(at.store("test")), "--out", str(folder / "latency.json"))
    words += ("--model", json.dumps(dict(cell.driven))) if cell.driven else ()
    return Step(f"latency-{cell.slug}", "Time a plan on one core.", words, script=SCRIPTS / "latency.py")
