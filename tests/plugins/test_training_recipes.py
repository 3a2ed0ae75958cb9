"""The recipes of ``examples/training``: they load, their commands parse, and the estimate counts what is there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import environment, roadcraft

from roadcraft.core.config.load import load_config
from roadcraft.plugins.training.run.resolve import described, run_config

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "training"
RECIPES = sorted(p.name for p in FOLDER.glob("*.yaml"))


def commands() -> list[list[str]]:
    """The commands in the code blocks of the folder's README and of the guide, as words."""
    pages = (FOLDER / "README.md", FOLDER.parents[1] / "docs" / "guides" / "distributed.md")
    blocks = [b for page in pages for b in re.findall(r"```\w*\n(.*?)```", page.read_text(), re.S)]
    return [shlex.split(line.removeprefix("$ ")) for b in blocks for line in b.splitlines() if line and line != "..."]


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_load(name: str) -> None:
    config = run_config([str(FOLDER / name)]).config
    assert described(config)["encoder"]["params"]["lanes"] == 70
    assert config.batch % (8 * 4 * config.accumulate) == 0  # four nodes of eight
    assert Path(config.data).is_absolute()


def test_config_check_finds_nothing_wrong_but_that_the_data_is_not_there() -> None:
    said = roadcraft("config", "check", FOLDER / "nuplan.yaml")
    assert said.returncode == 4
    assert said.stderr.startswith(
        f"error: data ({FOLDER}/nuplan.yaml): {FOLDER}/stores/nuplan-train: there is no such file or folder"
    )


def test_commands_parse() -> None:
    """Every command is one of roadcraft's verbs (or starts one), and its settings are accepted."""
    from roadcraft.core.plugins.registry import registry
    from roadcraft.validation import ScoreConfig

    verbs = {c.spec.name for c in registry().commands()} | {"config"}
    root, seen = FOLDER.parents[1], set()
    for words in commands():
        if words[0] == "torchrun":
            words = ["roadcraft", *words[words.index("roadcraft.core.cli") + 1 :]]
        if words[0] == "python":
            assert (root / words[1]).is_file()
            continue
        assert words[0] == "roadcraft"
        assert words[1] in verbs
        seen.add(words[1])
        settings = [str(root / w) if w.endswith(".yaml") else w for w in words[2:]]
        if words[1] == "train":
            run_config(settings)
        elif words[1] == "score":
            at = settings.index("--out")
            load_config(ScoreConfig, settings[:at] + settings[at + 2 :], short=ScoreConfig.SHORT)
    assert seen == {"config", "ingest", "train", "score", "card"}


def test_the_estimate_counts(made_up_store: Path) -> None:
    words = [
        sys.executable,
        str(FOLDER / "estimate.py"),
        str(FOLDER / "nuplan.yaml"),
        f"data={made_up_store}",
        "sample_interval_s=0.05",
    ]
    words += ["encoder.layers=1", "--seconds", "0.1"]
    said = subprocess.run(words, capture_output=True, text=True, env=environment())
    assert said.returncode == 0, said.stderr
    assert re.search(r"network: 1\.\d\d M parameters", said.stdout)
    assert "samples are found" in said.stdout
