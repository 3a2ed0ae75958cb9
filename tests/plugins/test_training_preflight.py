"""Before training begins: every mistake at once, and nothing written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from roadcraft.core.errors import ConfigError, DataError
from roadcraft.plugins.training.config import StartConfig, TrainConfig
from roadcraft.plugins.training.run.preflight import check, preflight


def test_every_mistake_is_told_at_once_and_nothing_is_written(recipe: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = replace(
        recipe, data="", out=str(tmp_path / "file"), start=StartConfig(str(tmp_path / "none")), batch=10, accumulate=4
    )
    with pytest.raises(ConfigError) as caught:
        preflight(config)
    assert str(caught.value).splitlines() == [
        "4 mistakes in the configuration:",
        f"  - start.checkpoint: {tmp_path}/none: there is no such file or folder",
        f"  - out: {tmp_path}/file is a file; name a new folder with out=",
        "  - batch: 10 cannot be cut into 4 equal parts (accumulate=4 on 1 devices); nearest: 8",
        "  - data: not given; data=STORE names the store to train on",
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_store_and_a_run_are_not_written_into(recipe: TrainConfig, made_up_store: Path, trained: Path) -> None:
    run = trained if (trained / "last").is_dir() else trained.parent
    with pytest.raises(ConfigError, match="is a store; name a new folder with out="):
        preflight(replace(recipe, data=str(made_up_store), out=str(made_up_store)))
    with pytest.raises(ConfigError, match="already holds a run; choose another out=, or go on with it: --resume"):
        preflight(replace(recipe, data=str(made_up_store), out=str(run)))
    with pytest.raises(DataError, match=r"start: .*config.yaml and model.safetensors missing"):
        preflight(replace(recipe, data=str(made_up_store), start=StartConfig(str(made_up_store))))


def test_what_is_right_builds_network_and_samples(
    recipe: TrainConfig, made_up_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(replace(recipe, data=str(made_up_store)))
    assert "samples to train on, " in capsys.readouterr().out
    with pytest.raises(DataError, match="min_future_s"):
        check(replace(recipe, data=str(made_up_store), min_future_s=1000.0))
