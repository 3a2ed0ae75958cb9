"""Configuration: layers, plugin references, and every mistake at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from roadcraft.core.config import load_config, path_field, to_yaml
from roadcraft.core.errors import ConfigError
from roadcraft.core.hookspecs import PluginRef, PluginSpec, plugin_field
from roadcraft.core.registry import Provided, Registry


@dataclass(frozen=True)
class IdmLike:
    headway_s: float = 1.5
    target_mps: float | None = None


@dataclass(frozen=True)
class Wrapper:
    planner: PluginRef = plugin_field("planner", "idm_like", headway_s=2.0)
    fallback: Literal["", "idm_like"] = ""


@dataclass(frozen=True)
class Suite:
    data: str = path_field()
    modes: tuple[str, ...] = ("nonreactive",)
    limit: int | None = None


@dataclass(frozen=True)
class Run:
    planner: PluginRef = plugin_field("planner", "idm_like")
    metrics: tuple[PluginRef, ...] = field(default=(), metadata={"kind": "planner"})
    suite: Suite = field(default_factory=Suite)
    seed: int = 0
    verbose: bool = False

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed = {self.seed}: a seed is not negative")


@pytest.fixture
def plugins() -> Registry:
    home = __name__
    specs = [
        PluginSpec("planner", "idm_like", "", f"{home}:IdmLike", f"{home}:IdmLike"),
        PluginSpec("planner", "wrapper", "", f"{home}:Wrapper", f"{home}:Wrapper"),
    ]
    import sys

    sys.modules.setdefault(home, sys.modules[__name__])
    return Registry([Provided(s, "here", "1", True) for s in specs], [], [])


def load(plugins: Registry, *words: str) -> Run:
    return load_config(Run, words, short={"data": "suite.data"}, plugins=plugins).config


def test_defaults_and_words(plugins: Registry) -> None:
    run = load(
        plugins,
        "seed=3",
        "planner=wrapper",
        "planner.params.planner.params.headway_s=1",
        "suite.modes=[a, b]",
        "data=x/y",
    )
    assert run.seed == 3
    assert run.planner == PluginRef("wrapper", {"planner": {"name": "idm_like", "params": {"headway_s": 1}}})
    assert run.suite == Suite(str(Path("x/y").absolute()), ("a", "b")), "paths are absolute once loaded"


def test_params_may_be_written_without_the_word_params(plugins: Registry) -> None:
    assert load(plugins, "planner.headway_s=3").planner == PluginRef("idm_like", {"headway_s": 3})
    assert load(plugins, "planner={name: wrapper, fallback: idm_like}").planner.params == {"fallback": "idm_like"}


def test_another_name_drops_inherited_params(plugins: Registry, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "planner: {name: idm_like, params: {headway_s: 3}}\nsuite: {data: logs, modes: [a]}\n"
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "run.yaml").write_text("extends: [../base.yaml]\nsuite: {modes: [b, c]}\n")
    run = load(plugins, str(tmp_path / "sub" / "run.yaml"))
    assert run.planner.params == {"headway_s": 3}
    assert run.suite.modes == ("b", "c"), "lists replace"
    assert Path(run.suite.data).resolve() == tmp_path / "logs", "a path in a file is relative to that file"
    assert load(plugins, str(tmp_path / "sub" / "run.yaml"), "planner=wrapper").planner.params == {}
    assert load(plugins, str(tmp_path / "sub" / "run.yaml"), "planner=idm_like").planner.params == {"headway_s": 3}


def test_every_mistake_is_reported_with_key_origin_and_spelling(plugins: Registry, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "planer: idm_like\nsuite: {modez: [a], limit: many}\nplanner: {name: wrapper, params: {planner: {params: {headwy_s: 1}}}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(plugins, str(file), "seed=-1", "verbose=maybe", "nonsense", "planner.params.fallback=pdm")
    text = str(caught.value)
    for piece in (
        f"planer ({file}): unknown key; did you mean 'planner'?",
        f"suite.modez ({file}): unknown key; did you mean 'modes'?",
        f"suite.limit ({file}): expected a whole number, got 'many'",
        "planner.params.planner.params.headwy_s",
        "did you mean 'headway_s'?",
        "verbose (command line): expected true or false, got 'maybe'",
        "'nonsense': expected key=value or a .yaml file",
        "planner.params.fallback (command line): 'pdm' is not one of",
    ):
        assert piece in text, text
    assert "mistakes in the configuration" in text


def test_unknown_plugin_names_the_nearest(plugins: Registry) -> None:
    with pytest.raises(ConfigError, match=r"planner .*no planner named 'idm_lik'; did you mean 'idm_like'"):
        load(plugins, "planner=idm_lik")


def test_checks_of_the_dataclass_are_config_errors(plugins: Registry) -> None:
    with pytest.raises(ConfigError, match="a seed is not negative"):
        load(plugins, "seed=-1")


@pytest.mark.parametrize("text", ["seed: ${oc.env:HOME}", "a: [1", "- 1\n- 2", "suite: {data: '${oc.env:HOME}'}"])
def test_files_are_data(plugins: Registry, tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load(plugins, str(tmp_path / "bad.yaml"))


def test_a_file_that_extends_itself(plugins: Registry, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: [b.yaml]\n")
    (tmp_path / "b.yaml").write_text("extends: [a.yaml]\n")
    with pytest.raises(ConfigError, match="extends itself"):
        load(plugins, str(tmp_path / "a.yaml"))


def test_node_interpolation_within_a_file(plugins: Registry, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("seed: 4\nsuite: {limit: '${seed}'}\n")
    assert load(plugins, str(tmp_path / "a.yaml")).suite.limit == 4


def test_round_trip(plugins: Registry, tmp_path: Path) -> None:
    run = load(plugins, "planner=wrapper", "seed=7", "suite.limit=2")
    (tmp_path / "again.yaml").write_text(to_yaml(run))
    again = load(plugins, str(tmp_path / "again.yaml"))
    assert (again.seed, again.planner.name, again.suite.limit) == (7, "wrapper", 2)


def test_list_of_plugins(plugins: Registry) -> None:
    assert load(plugins, "metrics=[idm_like, {name: wrapper}]").metrics == (PluginRef("idm_like"), PluginRef("wrapper"))
    with pytest.raises(ConfigError, match=r"metrics\[1\]"):
        load(plugins, "metrics=[idm_like, nothing]")
