"""Every setting says what it does, where it is used: in the help, in listings, in configuration files, in the shell."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from command_line import environment, process, roadcraft

from roadcraft.core.config.factory import create_from
from roadcraft.core.config.load import load_config
from roadcraft.core.config.parameters import Section, parameters_of, sections_of
from roadcraft.core.config.renamed import RenamedWarning
from roadcraft.core.config.rules import OneOf, Range, RuleError, check
from roadcraft.core.config.yaml_text import parse_yaml, resolved
from roadcraft.core.errors import ConfigError, PluginError
from roadcraft.core.plugins.hookspecs import PluginSpec
from roadcraft.core.plugins.registry import Provided, Registry, load_object, registry
from roadcraft.core.vehicles.vehicle import Vehicle, vehicle_names

HEAVY = ("numpy", "omegaconf", "numba", "pyarrow", "torch")


def all_schemas() -> Iterator[tuple[str, type]]:
    """Every config dataclass that a plugin or a command of ours names, and the vehicle file."""
    found = registry()
    for p in filter(attrgetter("ours"), found.plugins()):
        yield f"{p.spec.kind} {p.spec.name}", found.config_class(p.spec.kind, p.spec.name)
    for c in filter(attrgetter("ours"), found.commands()):
        if c.spec.config:
            yield f"command {c.spec.name}", load_object(c.spec.config, c.spec.name)
    yield "vehicle file", Vehicle


@pytest.mark.parametrize(("name", "schema"), [pytest.param(*s, id=s[0]) for s in all_schemas()])
def test_every_field_has_a_sentence(name: str, schema: type) -> None:
    sections = sections_of(schema)
    silent = [p.key for p in parameters_of(schema) if not p.text] + [s.key for s in sections[1:] if not s.text]
    assert silent == [], f"{name}: write a text under each of these fields of its config dataclass"
    for p in parameters_of(schema):
        assert p.text[0].isupper() or p.text.startswith(p.choices or ("A",)), f"{name}: {p.key} begins a sentence"
        assert p.text.endswith("."), f"{name}: {p.key} ends a sentence"


@pytest.mark.parametrize(("name", "schema"), [pytest.param(*s, id=s[0]) for s in all_schemas() if s[1] is not Vehicle])
def test_defaults_keep_their_rules(name: str, schema: type) -> None:
    check(schema())


Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """What the command line prints, 80 columns wide, in a folder of its own; keywords are environment variables."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str, **env: str) -> str:
        done = roadcraft(*words, TERM="dumb", **env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (("plugins", "model", "diffusion"), {}),
        (("config", "show", "--for", "train"), {}),
        (("config", "show", "--for", "score", "--comments", "planner=guard"), {}),
        ((), {"_ROADCRAFT_COMPLETE": "complete_bash", "COMP_WORDS": "roadcraft\nscore\nplanner\n=", "COMP_CWORD": "3"}),
    ],
)
def test_what_shows_settings_imports_nothing_heavy(words: tuple[str, ...], env: dict[str, str]) -> None:
    """``--help`` of every command: ``test_cli``."""
    code = (
        "import sys, atexit\nfrom roadcraft.core.cli import main\n"
        "atexit.register(lambda: print('\\nMODULES', *sys.modules))\nmain(sys.argv[1:])"
    )
    done = process(*words, code=code, env=environment(**env))
    assert done.returncode == 0, done.stderr
    out, _, modules = done.stdout.rpartition("\nMODULES")
    assert out
    assert not {m.split(".")[0] for m in modules.split()} & set(HEAVY)


@pytest.mark.parametrize("verb", [c.spec.name for c in registry().commands() if c.spec.config])
def test_the_help_of_a_command_lists_every_setting_at_80_columns(verb: str, run: Run) -> None:
    out = run(verb, "--help")
    assert max(map(len, out.splitlines())) <= 80
    spec = next(c.spec for c in registry().commands() if c.spec.name == verb)
    for section in sections_of(load_object(spec.config, verb)):
        assert_listed(section, out)


def assert_listed(section: Section, out: str) -> None:
    """Heading, keys and the first words of each text stand in the section's part of a listing."""
    if not section.parameters:
        return
    part = out[out.index(f"\n{section.key}. " if section.key else "Settings, KEY=VALUE") :]
    for p in section.parameters:
        key = p.key.removeprefix(f"{section.key}.")
        row = next(line for line in part.splitlines() if line.startswith(f"{key} "))
        assert p.text.split()[0] in row


def test_no_plugins_config_imports_anything_heavy() -> None:
    homes = sorted({p.spec.config.partition(":")[0] for p in registry().plugins() if p.ours})
    code = f"import sys, {', '.join(homes)}; print(*sys.modules)"
    done = process(code=code, check=True)
    assert not {m.split(".")[0] for m in done.stdout.split()} & set(HEAVY)


def test_a_plugin_lists_its_settings_and_those_within_them(run: Run) -> None:
    out = run("plugins", "model", "diffusion")
    assert "\nSamples of trajectories by diffusion or flow matching.\n" in out
    assert "guidance. Energies that guide a sample while it is drawn." in out
    for section in sections_of(registry().config_class("model", "diffusion")):
        for p in section.parameters:
            assert p.key.rpartition(".")[2] in out


@pytest.mark.parametrize("verb", [c.spec.name for c in registry().commands() if c.spec.config])
def test_config_show_writes_a_commented_file_that_reads_back(verb: str, tmp_path: Path, run: Run) -> None:
    out = run("config", "show", "--for", verb)
    plain = run("config", "show", "--for", verb, "--no-comments")
    assert resolved(parse_yaml(out)) == resolved(parse_yaml(plain))
    assert max(map(len, out.splitlines())) <= 140
    spec = next(c.spec for c in registry().commands() if c.spec.name == verb)
    told = " ".join(line.strip().removeprefix("# ") for line in out.splitlines())
    for p in parameters_of(load_object(spec.config, verb)):
        assert f"{p.text} ({p.constraint}; default" in told
    (tmp_path / "run.yaml").write_text(out)
    again = run("config", "show", str(tmp_path / "run.yaml"), "--for", verb)
    assert again.replace(f"{tmp_path}/", "") == plain, "paths are absolute once read"


def test_config_show_explains_the_settings_of_the_plugins_in_use(run: Run) -> None:
    out = run("config", "show", "--for", "score", "--comments", "planner=guard", "planner.planner=idm")
    assert (
        "        # Time gap to the object ahead; a larger gap brakes earlier. (a number >= 0; default 1.5 s)\n"
        "        headway_s: 1.5\n"
    ) in out


# ---- rules --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checked:
    share: Annotated[float, Range("[0, 1)")] = 0.5
    knots: Annotated[tuple[float, ...], Range("> 0")] = (1.0,)
    limit: Annotated[int | None, Range(">= 1")] = None
    kinds: Annotated[tuple[str, ...], OneOf("car", "truck")] = ("car",)

    def __post_init__(self) -> None:
        check(self, ("knots", len(self.knots) < 3, "must hold at most two"))


@dataclass(frozen=True)
class Foreign:
    """A third party's, that checks nothing itself."""

    gain: Annotated[float, Range("(0, 2]")] = 1.0


def test_the_rules_at_the_fields_are_checked_with_those_of_several() -> None:
    with pytest.raises(ValueError, match=r"share must be at least 0 and below 1, got 1.0; knots\[1\] must be above 0"):
        Checked(share=1.0, knots=(1.0, 0.0))
    with pytest.raises(ValueError, match=r"limit must be at least 1, got 0; kinds\[0\] must be among car, truck"):
        Checked(limit=0, kinds=("tree",))
    with pytest.raises(ValueError, match=r"knots must hold at most two, got \(1.0, 2.0, 3.0\)"):
        Checked(knots=(1.0, 2.0, 3.0))
    with pytest.raises(ConfigError) as caught:
        load_config(Checked, ["share=-1", "kinds=[truk]"])
    assert str(caught.value) == (
        "2 mistakes in the configuration:\n  - share (command line): must be at least 0 and below 1, got -1.0\n"
        "  - kinds[0] (command line): must be among car, truck (did you mean 'truck'?), got 'truk'"
    )


@dataclass(frozen=True)
class Measured:
    count: Annotated[int, Range(">= 1")] = 1
    knots: Annotated[tuple[int, ...], Range("> 0")] = (1,)
    gain: Annotated[float, Range("> 0")] = 1.0
    plain: float = 0.0
    pair: tuple[float, float] = (0.0, 1.0)
    factors: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"count": True}, "count must be a whole number, got True"),
        ({"count": 2.5}, "count must be a whole number, got 2.5"),
        ({"count": "3"}, "count must be a whole number, got '3'"),
        ({"knots": (1, 2.0)}, r"knots\[1\] must be a whole number, got 2.0"),
        ({"gain": False}, "gain must be a number, got False"),
        ({"gain": "fast"}, "gain must be a number, got 'fast'"),
        ({"gain": float("nan")}, "gain must be above 0, got nan"),
        ({"plain": float("inf")}, "plain must be finite, got inf"),
        ({"pair": (0.0, float("nan"))}, r"pair\[1\] must be finite, got nan"),
        ({"factors": {"a": float("inf")}}, r"factors\[a\] must be finite, got inf"),
    ],
)
def test_what_is_no_number_for_a_field_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(RuleError, match=f"Measured: {told}$"):
        Measured(**given)


def test_whole_numbers_are_numbers_and_numpys_too() -> None:
    assert Measured(count=np.int64(3), gain=2, knots=(1, np.int32(2))).gain == 2


def test_a_third_partys_ranges_are_checked_when_it_is_loaded() -> None:
    assert load_config(Foreign, ["gain=2"]).config == Foreign(2.0)
    with pytest.raises(ConfigError, match=r"gain \(command line\): must be above 0 and at most 2, got 0.0"):
        load_config(Foreign, ["gain=0"])
    home = f"{__name__}:Foreign"
    sys.modules.setdefault(__name__, sys.modules[Foreign.__module__])
    plugins = Registry([Provided(PluginSpec("planner", "foreign", "", home, home), "here", "1", False)], [], [])
    with pytest.raises(ConfigError, match=r"gain must be above 0 and at most 2, got 3.0"):
        create_from(plugins, "planner", "foreign", Foreign(3.0))


@dataclass(frozen=True)
class Former:
    """As version 0.1 wrote it."""

    low: int = 0
    knots: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        check(self, {">= 0": "low", "> 0": "knots"}, ("knots", len(self.knots) > 0, "must hold one"))


def test_ranges_as_version_0_1_wrote_them_are_checked_with_a_warning() -> None:
    with (
        pytest.warns(RenamedWarning, match=r"Former: check\(self, {range: fields}\) is called Annotated.*0\.3\.0"),
        pytest.raises(ValueError, match=r"low must be at least 0, got -1; knots must hold one, got \(\)"),
    ):
        Former(-1, ())


@pytest.mark.parametrize("text", ["", "< 1", ">= x", "[0, 1", "0, 1", "(1)"])
def test_what_is_no_range_is_refused_where_it_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="is no range"):
        Range(text)


@dataclass(frozen=True)
class Unreadable:
    speed: "Missing" = 1.0  # type: ignore[name-defined] # noqa: F821, UP037


def test_annotations_that_cannot_be_read_are_told() -> None:
    with pytest.raises(PluginError, match=r"the types of .*Unreadable cannot be read: name 'Missing' is not defined"):
        parameters_of(Unreadable)


# ---- completion ---------------------------------------------------------------------------------------------------


Complete = Callable[..., list[str]]


@pytest.fixture
def completed(run: Run) -> Complete:
    """What the shell offers for the last word of a command line, by the protocol of its completion script."""

    def call(line: str, shell: str = "bash") -> list[str]:
        words = line.replace("=", " = ").split()
        count = str(len(words) - (not line.endswith(" ")))
        out = run(
            _ROADCRAFT_COMPLETE=f"complete_{shell}",
            COMP_WORDS="\n".join(words),
            COMP_CWORD=count,
            _TYPER_COMPLETE_ARGS=line,
            _TYPER_COMPLETE_FISH_ACTION="get-args",
        )
        return [row.split("\t")[0] for row in out.splitlines() if row]

    return call


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("roadcraft sco", ["score"]),
        (
            "roadcraft score sim",
            [
                "simulation.controller=",
                "simulation.tracker=",
                "simulation.vehicle_model=",
                "simulation.joint_measured=",
                "simulation.joint_noise_rad=",
                "simulation.batch=",
                "simulation.record_plan_every=",
            ],
        ),
        ("roadcraft score see", ["seed=", "seed=0"]),
        ("roadcraft score roll", ["rollouts=", "rollouts=true", "rollouts=false"]),
        ("roadcraft score planner=pdm", ["pdm_closed"]),
        ("roadcraft score planner=guard planner.planner=pdm_closed planner.planner.jer", []),
        (
            "roadcraft score planner=guard planner.planner=pdm_closed planner.planner.plan_",
            ["planner.planner.plan_steps=", "planner.planner.plan_steps=80"],
        ),
        ("roadcraft score simulation.controller=p", ["perfect"]),
        (
            "roadcraft score filter.pre",
            ["filter.preset=", *(f"filter.preset={name}" for name in ("all", "challenge", "mapped", "val14"))],
        ),
        ("roadcraft train strategy=", ["auto", "ddp", "fsdp"]),
        ("roadcraft train encoder=het", ["hetero_gnn"]),
        ("roadcraft train augment.mi", ["augment.min_speed_mps=", "augment.mirror="]),
        ("roadcraft synth out situations=[stop_s", ["[stop_sign]", "[stop_sign_alone]"]),
        ("roadcraft config show --for train precision=", ["32-true", "bf16-mixed"]),
        ("roadcraft config diff a.yaml roll", ["rollouts=", "rollouts=true", "rollouts=false"]),
        ("roadcraft config check --for sc", ["score"]),
        ("roadcraft new enc", ["encoder"]),
        ("roadcraft ingest wo", ["womd"]),
        ("roadcraft ingest womd x cur", ["curb_m=", "curb_m=1.0"]),
        ("roadcraft plugins vehicle_", ["vehicle_model"]),
        ("roadcraft plugins encoder vector_t", ["vector_transformer"]),
        ("roadcraft score filter.preset=", ["all", "challenge", "mapped", "val14"]),
        ("roadcraft score suite.filter.preset=ma", ["mapped"]),
        ("roadcraft score vehicle=", vehicle_names()),
        ("roadcraft score vehicle.name=pac", ["pacifica"]),
        ("roadcraft vehicles us_s", ["us_sleeper_53", "us_straight_26"]),
        ("roadcraft score planner=guard planner.planner=const", ["constant_velocity"]),
        ("roadcraft score agents=t", ["tokens"]),
        ("roadcraft train recipe=adamw", ["adamw_cosine"]),
    ],
)
def test_bash_completes_verbs_keys_and_values(line: str, offered: list[str], completed: Complete) -> None:
    assert completed(line) == offered


def test_fish_completes_whole_words(completed: Complete) -> None:
    assert completed("roadcraft score planner=pdm", "fish") == ["planner=pdm_closed"]
    assert completed("roadcraft score suite.missing=", "fish") == ["suite.missing=report", "suite.missing=refuse"]


def test_zsh_completes_whole_words_with_their_texts(completed: Complete) -> None:
    assert completed("roadcraft score call", "zsh") == [
        '_arguments \'*: :(("call_timeout_s=":"A planner call that takes longer is killed, and its scenario fails."',
        '"call_timeout_s=60.0":"the default"))\'',
    ]


def test_paths_complete_from_the_working_directory(tmp_path: Path, completed: Complete) -> None:
    (tmp_path / "stores").mkdir()
    (tmp_path / "seven.yaml").touch()
    (tmp_path / "seven.txt").touch()
    assert completed("roadcraft score data=st", "fish") == ["data=stores/"]
    assert completed("roadcraft score se", "fish") == ["seed=", "seed=0", "seven.yaml"]


def test_completion_can_be_installed(run: Run) -> None:
    assert "--install-completion" in run("--help")
