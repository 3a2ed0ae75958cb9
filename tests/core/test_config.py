"""Configuration: layers, plugin references, and every mistake at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from roadcraft.core.config.load import load_config, path_field, paths_of, plugins_of, to_yaml
from roadcraft.core.config.rules import Range, check
from roadcraft.core.config.yaml_text import parse_yaml, resolved
from roadcraft.core.errors import ConfigError
from roadcraft.core.plugins.hookspecs import PluginRef, PluginSpec, plugin_field
from roadcraft.core.plugins.registry import Provided, Registry


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
        "planer: idm_like\nsuite: {modez: [a], limit: many}\nplanner: {name: wrapper, params: {planner: {params: "
        "{headwy_s: 1}}}}\n"
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
        "planner.params.fallback (command line): 'pdm' is not one of '', idm_like",
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


WORDS = (
    "007",
    "1.10",
    "2026-11-29",
    "0x10",
    "1_000",
    "12:30",
    "a # b",
    "yes",
    "null",
    "~x",
    "1e5",
    "[a]",
    "{a: b}",
    "*a",
    "a: b",
    "- a",
    "",
)


@dataclass(frozen=True)
class Named:
    label: str = "default"
    maybe: str | None = None
    several: tuple[str, ...] = ()
    share: float = 0.5
    count: int = 1
    flag: bool = False
    plugin: PluginRef = plugin_field("planner", "named_like")
    table: dict[str, float] = field(default_factory=dict)
    out: str = path_field(written=True)
    anything: Any = None
    mode: Literal["on", "off", "fast"] = "off"
    parts: tuple[Suite, ...] = ()
    modes: tuple[Literal["on", "off", "fast"], ...] = ()
    shares: list[float] = field(default_factory=list)
    pair: tuple[int, int] = (1, 2)
    plugins: tuple[PluginRef, ...] = field(default=(), metadata={"kind": "planner"})
    lists: dict[str, tuple[int, ...]] = field(default_factory=dict)
    either: tuple[str, ...] | None = None


@dataclass(frozen=True)
class NamedLike:
    title: str = ""
    pace: float = 1.0
    any: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def named(plugins: Registry) -> Registry:
    spec = PluginSpec("planner", "named_like", "", f"{__name__}:NamedLike", f"{__name__}:NamedLike")
    return Registry([*plugins.plugins(), Provided(spec, "here", "1", True)], [], [])


def fill(plugins: Registry, *words: str | dict[str, Any]) -> Named:
    return load_config(Named, words, plugins=plugins).config


@pytest.mark.parametrize("word", WORDS)
def test_a_text_field_takes_what_was_written(named: Registry, word: str) -> None:
    assert fill(named, f"label={word}").label == word
    assert fill(named, f"plugin.title={word}").plugin.params == {"title": word}
    assert fill(named, {"label": word}).label == word


@pytest.mark.parametrize(
    "word", [w for w in WORDS if w[:1] not in ("[", "{", "*", "-", "") and w not in ("a # b", "a: b")]
)
def test_so_does_one_in_a_file_at_any_depth(named: Registry, tmp_path: Path, word: str) -> None:
    (tmp_path / "a.yaml").write_text(
        f"label: {word}\nseveral: [{word}, '{word}']\nplugin: {{name: named_like, title: {word}}}\ntable: {{{word}: "
        f"1}}\nout: '{word}'\n"
    )
    config = fill(named, str(tmp_path / "a.yaml"))
    assert config.label == word
    assert config.several == (word, word)
    assert config.plugin.params == {"title": word}
    assert config.table == {word: 1.0}
    assert config.out == str(tmp_path / word)


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("several", "a", ("a",)),
        ("several", "'007'", ("007",)),
        ("either", "a", ("a",)),
        ("modes", "fast", ("fast",)),
        ("shares", "0.5", [0.5]),
        ("plugins", "idm_like", (PluginRef("idm_like"),)),
        ("parts", "/x", (Suite("/x"),)),
        ("lists.a", "3", {"a": (3,)}),
    ],
)
def test_one_value_is_a_list_of_one(named: Registry, tmp_path: Path, key: str, value: str, found: Any) -> None:
    """On the command line, in a file, and as a number of Python's."""
    field, _, inner = key.partition(".")
    (tmp_path / "a.yaml").write_text(f"{field}: {{{inner}: {value}}}" if inner else f"{field}: {value}")
    assert getattr(fill(named, f"{key}={value}"), field) == found
    assert getattr(fill(named, str(tmp_path / "a.yaml")), field) == found
    assert fill(named, {"shares": 2}).shares == [2.0]


def test_quotes_on_the_command_line_are_taken_off_and_null_stands_only_where_it_may(named: Registry) -> None:
    assert fill(named, "label='007'", 'maybe="null"') == Named(label="007", maybe="null")
    assert fill(named, "maybe=x", "maybe=null").maybe is None
    assert fill(named, "maybe=x", "maybe=").maybe is None


@pytest.mark.parametrize(
    ("word", "value"),
    [("share=1e-4", 1e-4), ("share=010", 10.0), ("share='2'", 2.0), ("count=007", 7), ("count=1_000", 1000),
    ("count=0x10", 16),
     ("count=-3", -3), ("flag=yes", True), ("flag=False", False), ("flag=off", False), ("mode=on", "on"), ("mode=fast",
     "fast")],
)  # fmt: skip
def test_numbers_and_truth_values_are_what_the_field_makes_of_the_text(
    named: Registry, word: str, value: object
) -> None:
    found = getattr(fill(named, word), word.partition("=")[0])
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("share=nan", "share (command line): expected a finite number, got 'nan'"),
        ("share=.inf", "share (command line): expected a finite number, got '.inf'"),
        ("share=1e999", "share (command line): expected a finite number, got '1e999'"),
        ("share=12:30", "share (command line): expected a number, got '12:30'"),
        ("share=true", "share (command line): expected a number, got 'true'"),
        ("share=null", "share (command line): expected a number, got 'null'"),
        ("count=1.5", "count (command line): expected a whole number, got '1.5'"),
        ("count=2026-11-29", "count (command line): expected a whole number, got '2026-11-29'"),
        ("flag=1", "flag (command line): expected true or false, got '1'"),
        ("mode=fats", "mode (command line): 'fats' is not one of on, off, fast; did you mean 'fast'?"),
        ("several=a,b", "several (command line): expected a list, got 'a,b'; write [a,b]"),
        ("parts=3,4", "parts (command line): expected a list, got '3,4'; write [3,4]"),
        ("modes=fats", "modes[0] (command line): 'fats' is not one of on, off, fast; did you mean 'fast'?"),
        ("pair=3", "pair (command line): expected a list of 2 values, got '3'"),
        ("plugins=idm_lke", "plugins[0] (command line): no planner named 'idm_lke'; did you mean 'idm_like'?"),
        ("several=", "several (command line): expected a list, got ''"),
        ("several=null", "several (command line): expected a list, got 'null'"),
        ("several=[a",
        "several (command line): expected a list, got '[a': is not valid YAML: line 2, column 1: did not find "
        "expected ',' or ']'"),
        ("table={a: 1, a: 2}",
        "table (command line): expected a map, got '{a: 1, a: 2}': the key a stands twice"),
        ("table={a: b}", "table.a (command line): expected a number, got 'b'"),
        ("several=[a, [b]]", "several[1] (command line): expected text, got ['b']"),
        ("plugin=null", "plugin (command line): no planner named 'null'; known: idm_like, named_like, wrapper"),
        ("plugin=[a]", "plugin (command line): expected the name of a planner or {name, params}, got ['a']"),
        ("plugin={name: named_like, name: idm_like}",
        "plugin (command line): expected the name of a planner or {name, params}, got '{name: named_like, name: "
        "idm_like}': the key name stands twice"),
        ("plugin.params=3", "plugin.params (command line): expected a map of the planner's settings, got '3'"),
        ("plugin={name: [a]}", "plugin (command line): a planner needs a name; known: idm_like, named_like, wrapper"),
        ("parts=[{dta: x}]", "parts[0].dta (command line): unknown key; did you mean 'data'?"),
        ("parts=[3, {limit: x}]", "parts[1].limit (command line): expected a whole number, got 'x'"),
        ("parts={}", "parts (command line): expected a list, got {}"),
        ("label=${oc.env:HOME}",
        "label (command line): '${oc.env:HOME}' is not filled in here; write the value itself"),
        ("=3", "'=3': expected key=value or a .yaml file"),
        ("label..x=3", "label (command line): expected text, got {'': {'x': '3'}}"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_key_value_and_rule(named: Registry, word: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fill(named, word)
    assert str(caught.value).startswith(f"1 mistake in the configuration:\n  - {told}")
    assert "<class" not in str(caught.value)
    assert "typing" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("label: a\nlabel: b", "FILE: line 2: the key label stands twice, first in line 1 (take one out)"),
        ("- a", "FILE: a configuration is a map of keys, this is a list"),
        ("a", "FILE: a configuration is a map of keys, this is text"),
        ("extends: {a: b}", "extends (FILE): expected a file or a list of files, got {'a': 'b'}"),
        ("extends: [none.yaml]", "DIR/none.yaml: cannot be read: No such file or directory"),
        ("extends: .", "DIR: cannot be read: Is a directory"),
        ("label: ${lable}\n", "label (FILE): this file has no key 'lable'; did you mean 'label'?"),
        ("label: ${label}\n", "label (FILE): ${label} holds a reference itself; write the value"),
        ("label: ${maybe}\nmaybe: a${label}\n", "maybe (FILE): ${label} holds a reference itself; write the value"),
        ("label: a${table}\ntable: {a: 1}", "label (FILE): 'a${table}': a map or a list cannot stand within text"),
        ("label: ${oc.env:HOME}",
        "label (FILE): '${oc.env:HOME}' is refused: only ${KEY} of this file is filled in; write the value itself"),
        ("out: null", "out (FILE): expected a path, got null; write '' for none, or a folder of that name in quotes"),
        ("out: \"a\\0b\"", "out (FILE): 'a\\x00b' is not a path"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_told(named: Registry, tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "conf.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        fill(named, str(file))
    assert told.replace("FILE", str(file)).replace("DIR", str(tmp_path)) in str(caught.value)


def test_an_empty_file_gives_nothing(named: Registry, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("")
    assert fill(named, str(tmp_path / "a.yaml")) == Named()


def test_references_within_a_file_keep_what_was_written(named: Registry, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "label: 007\nmaybe: '${label}'\nseveral: ['x-${label}', '${table.b}', '${parts[0].data}']\ntable: {b: "
        "1.10}\nparts: [{data: y}]\n"
    )
    config = fill(named, str(tmp_path / "a.yaml"))
    assert (config.maybe, config.several) == ("007", ("x-007", "1.10", "y"))


def test_references_that_multiply_are_refused(named: Registry, tmp_path: Path) -> None:
    lines = [f"k{i}: '{f'${{k{i + 1}}}' * 10}'" for i in range(9)]
    (tmp_path / "a.yaml").write_text("\n".join([*lines, "k9: x"]))
    with pytest.raises(ConfigError, match=r"k1} holds a reference itself; write the value"):
        fill(named, str(tmp_path / "a.yaml"))


@dataclass(frozen=True)
class Ruled:
    low: Annotated[int, Range(">= 0")] = 0
    share: Annotated[float, Range("[0, 1)")] = 0.5
    knots: Annotated[tuple[float, ...], Range("> 0")] = (1.0,)
    other: Annotated[int | None, Range(">= 0")] = None

    def __post_init__(self) -> None:
        check(self, ("knots", len(self.knots) > 0, "must hold one"))


def test_every_field_that_breaks_a_rule_is_named_with_value_and_rule(plugins: Registry) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Ruled, ["low=-1", "share=1", "knots=[1, -2]"], plugins=plugins)
    assert str(caught.value) == (
        "3 mistakes in the configuration:\n  - low (command line): must be at least 0, got -1\n"
        "  - share (command line): must be at least 0 and below 1, got 1.0\n  - knots[1] (command line): must be above "
        "0, got -2.0"
    )
    with pytest.raises(ValueError, match=r"Ruled: knots must hold one, got \(\)"):
        Ruled(knots=())
    with pytest.raises(ValueError, match=r"Ruled: share must be at least 0 and below 1, got nan"):
        Ruled(share=float("nan"))


def test_a_broken_rule_is_told_beside_other_mistakes(plugins: Registry) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Ruled, ["other=x", "share=3", "knots=[0]", "nothing=1"], plugins=plugins)
    assert str(caught.value).splitlines()[1:] == [
        "  - nothing (command line): unknown key; known: low, share, knots, other",
        "  - other (command line): expected a whole number, got 'x'",
        "  - share (command line): must be at least 0 and below 1, got 3.0",
        "  - knots[0] (command line): must be above 0, got 0.0",
    ]


@dataclass(frozen=True)
class Foreign:
    slow: float = 1.0
    fast: float = 2.0
    odd: int = 0

    def __post_init__(self) -> None:
        if self.slow >= self.fast:
            raise ValueError("slow must stay below fast")
        if self.odd:
            raise KeyError("odd")


def test_a_third_partys_own_check_is_told_with_the_values_of_the_fields_it_names(plugins: Registry) -> None:
    with pytest.raises(ConfigError, match=r"- slow, fast: slow must stay below fast \(slow = 3.0; fast = 2.0\)"):
        load_config(Foreign, ["slow=3"], plugins=plugins)
    with pytest.raises(ConfigError, match=r"- odd \(command line\): KeyError: 'odd', got 1"):
        load_config(Foreign, ["odd=1"], plugins=plugins)


def test_a_stored_configuration_holds_every_default_and_reads_back_the_same(named: Registry, tmp_path: Path) -> None:
    loaded = load_config(Named, ["label=1492e65", "plugin.title=007", "out=runs/a", "share=1e-5"], plugins=named)
    assert loaded.tree["plugin"] == {"name": "named_like", "params": {"title": "007", "pace": 1.0, "any": {}}}
    (tmp_path / "again.yaml").write_text(to_yaml(loaded.tree))
    assert load_config(Named, [str(tmp_path / "again.yaml")], plugins=named).tree == loaded.tree
    assert resolved(parse_yaml(to_yaml(loaded.tree))) == loaded.tree, "and without a schema"


def test_paths_that_are_read_are_found_at_any_depth(named: Registry) -> None:
    config = fill(named, "out=/o", "parts=[{data: /x}, {}, {data: /y}]", "plugin.title=/t")
    assert paths_of(config, named) == {"parts[0].data": "/x", "parts[2].data": "/y"}
    assert paths_of(load(named, "planner=wrapper", "data=/a/b"), named) == {"suite.data": "/a/b"}
    used = plugins_of(load(named, "planner=wrapper", "metrics=[named_like]"), named)
    assert used == {
        "planner": ("planner", "wrapper"),
        "planner.params.planner": ("planner", "idm_like"),
        "metrics[0]": ("planner", "named_like"),
    }
