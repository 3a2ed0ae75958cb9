"""Settings under the names of version 0.1.0: all are taken, each with one warning, and mean what they meant."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import roadcraft

from roadcraft.core.config import renamed
from roadcraft.core.config.load import ConfigError, build_params, fill, flat, load_config, to_tree
from roadcraft.core.config.renamed import (
    MODULES,
    SETTINGS,
    VALUES,
    WEIGHTS,
    RenamedWarning,
    current_tree,
    current_weights,
    docs_page,
)
from roadcraft.core.plugins.registry import registry
from roadcraft.plugins.training.config import TrainConfig
from roadcraft.scenario_io.synthetic.config import SynthConfig
from roadcraft.validation.config import ScoreConfig

FIXTURES = Path(__file__).with_name("fixtures")
COMMANDS = {"score": ScoreConfig, "train": TrainConfig, "synth": SynthConfig}
FILES = {
    f.name: ScoreConfig if f.name == "old-score.yaml" else TrainConfig for f in sorted(FIXTURES.glob("old-*.yaml"))
}
DEFAULTS_THEN = {("format-1", "train"): {"learning_rate": 2e-3, "validate_every": 500}}  # they changed within 0.1.0


def schemas() -> Iterator[type]:
    """Every config dataclass of ours, those within others and those that others inherit from included."""
    found = [registry().config_class(p.spec.kind, p.spec.name) for p in registry().plugins() if p.ours]
    found += COMMANDS.values()
    for schema in found:
        found += [part for _, part in renamed._parts(schema) if part not in found]
    for schema in found:
        yield from (c for c in schema.__mro__ if c is not object)


def renamings() -> list[tuple[str, str, str]]:
    return [(owner, old, new) for owner, names in SETTINGS.items() for old, new in names.items()]


@pytest.mark.parametrize(("owner", "old", "new"), renamings())
def test_a_renamed_setting_is_one(owner, old, new):
    (schema,) = {c for c in schemas() if c.__qualname__ == owner}
    assert new in schema.__dataclass_fields__
    assert old not in schema.__dataclass_fields__


@pytest.mark.parametrize("format_", ["format-1", "format-2"])
def test_every_setting_of_0_1_is_known(format_):
    """Under its old name where it has another one now, with the default that it had."""
    for of, old in yaml.safe_load((FIXTURES / f"settings-{format_}.yaml").read_text()).items():
        schema = COMMANDS.get(of) or registry().config_class(*of.split(" "))
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            config = (
                load_config(schema, [old]).config if of in COMMANDS else build_params(registry(), *of.split(" "), old)
            )
        assert {type(w.message) for w in told} <= {RenamedWarning}
        now, default = to_tree(config), to_tree(schema()) | DEFAULTS_THEN.get((format_, of), {})
        paths = {k for k, f in schema.__dataclass_fields__.items() if "path" in f.metadata}
        assert {k: v for k, v in now.items() if k not in paths} == {
            k: v for k, v in default.items() if k not in paths
        }, of


@pytest.mark.parametrize(("name", "schema"), FILES.items())
def test_an_old_file_means_the_same(name, schema):
    """Every value arrives under today's name; each old key warns once with file, old and new name; today's names give
    the same without a word."""
    file = FIXTURES / name
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        loaded = load_config(schema, [str(file)])
    now = flat(loaded.tree)
    said = [
        re.fullmatch(
            r"(.*) \((.*)\) is called (.*) since roadcraft 0\.2\.0; the old name goes in 0\.3\.0", str(w.message)
        )
        for w in told
    ]
    assert all(said)
    names = {m[1]: m[3] for m in said}
    assert {m[2] for m in said} == {str(file)}
    assert len(names) == len(said)
    for key, value in flat(yaml.safe_load(file.read_text())).items():
        if key not in ("suite.data", "metrics"):
            assert now[names.get(key, key)] == value, key
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = load_config(schema, [loaded.tree]).tree
    assert {**again, "out": ""} == {**loaded.tree, "out": ""}  # a relative path is now an absolute one


def test_the_old_files_hold_every_renamed_setting():
    text = "\n".join((FIXTURES / name).read_text() for name in FILES)
    words = set(re.findall(r"\w+(?=:)", text))
    sources = {"NuplanConfig", "WomdConfig"}
    assert [(o, old) for o, old, _ in renamings() if o not in sources and old not in words] == []


def test_old_words_on_the_command_line_warn_and_work():
    done = roadcraft("config", "show", "--for", "train", "ema=0.5", "model.regression=0.25")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "warning: ema (command line) is called ema_decay since roadcraft 0.2.0; the old name goes in 0.3.0",
        "warning: model.params.regression (command line) is called model.params.regression_weight since roadcraft "
        "0.2.0; "
        "the old name goes in 0.3.0",
    ]
    assert "ema_decay: 0.5" in done.stdout
    assert "regression_weight: 0.25" in done.stdout


def test_old_and_new_name_in_one_place_is_a_mistake():
    with (
        pytest.warns(RenamedWarning, match="ema "),
        pytest.raises(ConfigError, match=r"ema_decay \(command line\): is given twice, as ema and as ema_decay"),
    ):
        load_config(TrainConfig, ["ema_decay=0.6", "ema=0.5"])
    with pytest.raises(ConfigError, match=r"ema_decay \(params\): is given twice, as ema and as ema_decay"):
        current_tree(TrainConfig, {"ema_decay": 0.6, "ema": 0.5}, "params")
    assert current_tree(TrainConfig, {"ema_decay": 0.6, "ema": 0.5}) == {"ema_decay": 0.5}


def test_a_later_layer_overrides_an_old_name():
    with pytest.warns(RenamedWarning, match=r"augment\.probability"):
        config = load_config(TrainConfig, [{"augment": {"probability": 0.5}}, "augment.perturbation=0.25"]).config
    assert config.augment.perturbation == 0.25


def test_texts_are_renamed_like_keys(monkeypatch):
    monkeypatch.setitem(VALUES, "SelectConfig", {"by": {"score": "closed_loop"}})
    with pytest.warns(RenamedWarning, match=r"select\.by: score \(argument\) is called closed_loop since"):
        assert load_config(TrainConfig, [{"select": {"by": "score"}}]).config.select.by == "closed_loop"


def test_only_our_own_classes_have_old_names():
    @dataclass
    class TrainConfig:
        ema: int = 1

    assert list(renamed.current(TrainConfig, {"ema": 2})) == [("ema", "ema", 2)]


def test_weights_are_renamed_by_their_beginning(monkeypatch):
    monkeypatch.setitem(WEIGHTS, "model diffusion", {"told.": "condition.", "blocks.*.look.": "blocks.*.query."})
    names = ["model.told.word.weight", "model.blocks.3.look.bias", "encoder.told.weight", "model.line.told.weight"]
    assert current_weights("model diffusion", names) == {
        "model.told.word.weight": "model.condition.word.weight",
        "model.blocks.3.look.bias": "model.blocks.3.query.bias",
    }


def test_old_modules_import_with_a_warning(monkeypatch):
    monkeypatch.setitem(MODULES, "roadcraft.core.former_rules", "roadcraft.core.config.rules")
    with pytest.warns(
        RenamedWarning, match=r"module roadcraft\.core\.former_rules is called roadcraft\.core\.config\.rules"
    ):
        from roadcraft.core.former_rules import check  # type: ignore[import-not-found]
    from roadcraft.core.config import rules

    assert check is rules.check
    monkeypatch.delitem(sys.modules, "roadcraft.core.former_rules")


def test_a_renamed_channel_reads_the_same_column():
    with pytest.warns(RenamedWarning, match=r"ego_channels: \['vx', 'stood'\] .* is called \['vx', 'stopped_time_s'\]"):
        config: Any = build_params(registry(), "encoder", "vector_transformer", {"ego_channels": ["vx", "stood"]})
    assert config.ego_channels == ("vx", "stopped_time_s")


def test_the_page_lists_every_old_name():
    page = docs_page()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert "| `model diffusion` | `emphasis` | `guidance_scale` |" in rows
    assert "| `train` | `augment.probability` | `augment.perturbation` |" in rows
    assert "| `encoder bev_raster` | `kept_channels` | `undropped_channels` |" in rows
    for _, old, _ in renamings():
        assert any(f"{old}` |" in row for row in rows), old


def test_what_a_source_is_told_under_old_names():
    with pytest.warns(RenamedWarning, match=r"licence \(source nuplan\) is called license"):
        config: Any = fill(registry().config_class("source", "nuplan"), {"licence": "mine"}, "source nuplan")
    assert config.license == "mine"
