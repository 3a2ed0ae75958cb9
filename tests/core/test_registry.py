"""The plugin system: isolation of faults, conflicts, laziness."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest
from command_line import process

from roadcraft.core.config.factory import create_from
from roadcraft.core.errors import ConfigError, PluginError
from roadcraft.core.plugins import registry as registry_module
from roadcraft.core.plugins.hookspecs import API_VERSION, KINDS, CommandSpec, PluginSpec, hookimpl
from roadcraft.core.plugins.registry import PluginWarning, Provided, Registry, registry


def module(name: str, monkeypatch: pytest.MonkeyPatch, **content: object) -> EntryPoint:
    m = ModuleType(name)
    for key, value in content.items():
        setattr(m, key, value)
    monkeypatch.setitem(sys.modules, name, m)
    return EntryPoint(name, name, "roadcraft")


def provide(*specs: object) -> object:
    @hookimpl
    def roadcraft_plugins() -> list[object]:
        return list(specs)

    return roadcraft_plugins


def discover(monkeypatch: pytest.MonkeyPatch, *eps: EntryPoint, third_party: bool = True) -> Registry:
    monkeypatch.setattr(registry_module, "entry_points", lambda group: list(eps))
    return Registry.discover(third_party)


GOOD = PluginSpec("planner", "good", "", "json:JSONDecoder", "json:JSONDecoder")


def test_one_broken_plugin_never_takes_the_others_down(monkeypatch: pytest.MonkeyPatch) -> None:
    good = module("good_plugin", monkeypatch, roadcraft_plugins=provide(GOOD))
    raising = EntryPoint("gone", "no_such_module_anywhere", "roadcraft")
    misspelt = module("misspelt", monkeypatch, roadcraft_plugin=provide(GOOD))
    newer = module(
        "newer", monkeypatch, roadcraft_plugins=provide(PluginSpec("planner", "x", "", "a:b", "a:b", API_VERSION + 1))
    )
    odd = module("odd", monkeypatch, roadcraft_plugins=provide(PluginSpec("teapot", "x", "", "a:b", "a:b"), "what"))
    with pytest.warns(PluginWarning) as warned:
        found = discover(monkeypatch, good, raising, misspelt, newer, odd)
    assert found.names("planner") == ["good"]
    assert len(found.faults) == 5 == len(warned)
    text = " ".join(f.error for f in found.faults)
    for piece in (
        "no_such_module_anywhere",
        "roadcraft_plugin",
        "plugin API",
        "unknown kind 'teapot'",
        "neither a PluginSpec",
    ):
        assert piece in text


@pytest.mark.parametrize(
    ("raised", "said"), [("sys.exit('no licence')", "SystemExit: no licence"), ("1 / 0", "ZeroDivisionError")]
)
def test_a_package_that_exits_or_raises_at_import_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, raised: str, said: str
) -> None:
    (tmp_path / "leaves_at_once.py").write_text(f"import sys\n{raised}\n")
    monkeypatch.syspath_prepend(tmp_path)
    good = module("good_plugin", monkeypatch, roadcraft_plugins=provide(GOOD))
    with pytest.warns(PluginWarning, match=rf"plugin 'leaves' .* was left out: {said}"):
        found = discover(monkeypatch, EntryPoint("leaves", "leaves_at_once", "roadcraft"), good)
    assert found.names("planner") == ["good"]


def spec(**changed: object) -> object:
    given = {
        "kind": "planner",
        "name": "x",
        "summary": "",
        "config": "a:b",
        "target": "a:b",
        "api_version": 1,
        **changed,
    }
    return PluginSpec(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (5, "roadcraft_plugins() returned 5, which is not a list of specs"),
        ("planner", "roadcraft_plugins() returned 'planner', which is not a list of specs"),
        ({"planner": 1}, "which is not a list of specs"),
        ([None], "None is neither a PluginSpec nor a CommandSpec"),
        ([PluginSpec], "is neither a PluginSpec nor a CommandSpec"),
        ([spec(kind=["planner"])], "kind = ['planner'] of 'x' is not text"),
        ([spec(name=None)], "name = None of None is not text"),
        ([spec(config=dict)], "config = <class 'dict'> of 'x' is not text"),
        ([spec(api_version="1")], "api_version = '1' of 'x' is not a number"),
        ([spec(target="a.b")], "target = 'a.b' of 'x' is not of the form 'package.module:Name'"),
        ([spec(name="a b")], "'a b' is not a name: letters, digits, _, - and ., a letter first"),
        ([CommandSpec("mine", "", "nowhere")], "target = 'nowhere' of 'mine' is not of the form 'package.module:Name'"),
    ],
)  # fmt: skip
def test_a_hook_that_answers_nonsense_costs_its_own_package_only(
    monkeypatch: pytest.MonkeyPatch, answer: object, said: str
) -> None:
    @hookimpl
    def roadcraft_plugins() -> object:
        return answer

    odd = module("odd", monkeypatch, roadcraft_plugins=roadcraft_plugins)
    with pytest.warns(PluginWarning):
        found = discover(monkeypatch, odd, module("good_plugin", monkeypatch, roadcraft_plugins=provide(GOOD)))
    assert found.names("planner") == ["good"]
    assert said in found.faults[0].error


def test_a_name_of_ours_stays_ours() -> None:
    ours = Provided(PluginSpec("planner", "idm", "", "json:JSONDecoder", "json:JSONDecoder"), "roadcraft", "1", True)
    theirs = Provided(PluginSpec("planner", "idm", "", "a:b", "a:b"), "other", "2", False)
    with pytest.warns(
        PluginWarning, match="'idm' of other 2 was left out: planner idm is already provided by roadcraft 1"
    ):
        found = Registry([ours, theirs], [], [])
    assert found.find("planner", "idm") is ours
    assert found.conflicts == {}
    assert [f.provider for f in found.faults] == ["other 2"]


def test_a_distribution_that_gives_a_name_twice_keeps_the_first() -> None:
    both = [Provided(PluginSpec("planner", "x", s, "a:b", "a:b"), "other", "2", False) for s in ("first", "second")]
    with pytest.warns(PluginWarning, match="already provided by other 2"):
        assert Registry(both, [], []).find("planner", "x") is both[0]


def test_two_third_parties_of_one_command_are_an_error_when_it_is_used() -> None:
    both = [Provided(CommandSpec("mine", "", "a:b"), who, "1", False) for who in ("first", "second")]
    found = Registry([], both, [])
    assert [c.spec.name for c in found.commands()] == ["mine"]
    with pytest.raises(PluginError, match="command 'mine' is provided by first 1 and second 1; uninstall one"):
        found.command("mine")


def test_a_target_that_exits_when_it_is_loaded_names_its_provider(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "exits_when_loaded.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    there = PluginSpec("planner", "x", "", "exits_when_loaded:A", "exits_when_loaded:B")
    with pytest.raises(
        PluginError, match=r"planner 'x' of first 1 cannot be loaded from 'exits_when_loaded:A': SystemExit: 3"
    ):
        Registry([Provided(there, "first", "1", False)], [], []).config_class("planner", "x")


@dataclass(frozen=True)
class Settings:
    pace: float = 1.0


class Built:
    def __init__(self, config: Settings, dim: int = 0) -> None:
        self.config, self.dim = config, dim


def test_create_takes_params_as_a_map_or_by_keyword() -> None:
    monk = sys.modules[__name__].__name__
    found = Registry(
        [Provided(PluginSpec("planner", "x", "", f"{monk}:Settings", f"{monk}:Built"), "first", "1", False)], [], []
    )
    assert create_from(found, "planner", "x", pace=2).config == Settings(2.0)
    assert create_from(found, "planner", "x", {"pace": 2}, dim=8).dim == 8
    with pytest.raises(
        ConfigError, match=r"1 mistake in planner x:\n  - pase \(planner x\): unknown key; did you mean 'pace'\?"
    ):
        create_from(found, "planner", "x", pase=2)
    with pytest.raises(ConfigError, match=r"give a Settings or single params \(pace\), not both"):
        create_from(found, "planner", "x", Settings(), pace=2)


def test_a_misspelt_hookimpl_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    @hookimpl
    def roadcraft_plugns() -> list[PluginSpec]:
        return [GOOD]

    with pytest.warns(PluginWarning, match="roadcraft_plugns"):
        found = discover(monkeypatch, module("m", monkeypatch, roadcraft_plugns=roadcraft_plugns))
    assert found.names("planner") == []


def test_two_providers_of_one_name_are_both_named() -> None:
    found = Registry([Provided(GOOD, "first", "1", False), Provided(GOOD, "second", "2", False)], [], [])
    assert found.conflicts == {("planner", "good"): ["first", "second"]}
    with pytest.raises(PluginError, match="first 1 and second 2"):
        found.find("planner", "good")


def test_third_parties_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    ep = module("third", monkeypatch, roadcraft_plugins=provide(GOOD))
    assert discover(monkeypatch, ep, third_party=False).names("planner") == []


def test_our_command_wins_over_a_third_partys() -> None:
    ours = Provided(CommandSpec("score", "", "a:b"), "roadcraft", "1", True)
    theirs = Provided(CommandSpec("score", "", "c:d"), "other", "1", False)
    with pytest.warns(PluginWarning, match="command score is already provided by roadcraft 1"):
        found = Registry([], [ours, theirs], [])
    assert found.commands() == [ours]
    assert "already provided" in found.faults[0].error


def test_missing_names_and_kinds() -> None:
    found = Registry([Provided(GOOD, "first", "1", False)], [], [])
    with pytest.raises(PluginError, match="did you mean 'good'"):
        found.find("planner", "goood")
    with pytest.raises(PluginError, match="there is no plugin kind 'plannner'"):
        found.find("plannner", "good")


def test_targets_that_do_not_load_name_their_provider() -> None:
    spec = PluginSpec("planner", "x", "", "no_module:A", "no_module:B")
    with pytest.raises(PluginError, match=r"planner 'x' of first 1 cannot be loaded from 'no_module:A'"):
        Registry([Provided(spec, "first", "1", False)], [], []).config_class("planner", "x")


@pytest.mark.parametrize("provided", registry().plugins(), ids=lambda p: f"{p.spec.kind}-{p.spec.name}")
def test_every_registered_plugin_loads(provided: Provided) -> None:
    assert provided.spec.kind in KINDS
    assert provided.spec.summary
    registry().config_class(provided.spec.kind, provided.spec.name)
    registry().target(provided.spec.kind, provided.spec.name)


HEAVY = ("numpy", "omegaconf", "numba", "pyarrow", "torch", "scipy", "shapely")


def loaded_by(code: str) -> set[str]:
    text = process(code=f"import sys\n{code}\nprint(*sys.modules)", check=True).stdout.splitlines()[-1]
    return {m.split(".")[0] for m in text.split()}


def test_import_of_the_core_loads_the_standard_library_only() -> None:
    extra = {m for m in loaded_by("import roadcraft.core") - set(sys.stdlib_module_names) if not m.startswith("_")}
    assert extra <= {"roadcraft", "sitecustomize", "usercustomize"}


def test_discovery_loads_nothing_heavy() -> None:
    assert not loaded_by("import roadcraft.core.plugins.registry as r; r.registry().plugins()") & set(HEAVY)


@pytest.mark.parametrize("provided", registry().plugins(), ids=lambda p: f"{p.spec.kind}-{p.spec.name}")
def test_config_classes_need_the_standard_library_only(provided: Provided) -> None:
    path = provided.spec.config.partition(":")[0].replace(".", "/")
    source = next(Path(p) / f"{path}.py" for p in map(Path, sys.path) if (p / f"{path}.py").exists())
    lines = [line for line in source.read_text().splitlines() if line.startswith(("import ", "from "))]
    assert not [line for line in lines if line.split()[1].split(".")[0] in HEAVY], source
