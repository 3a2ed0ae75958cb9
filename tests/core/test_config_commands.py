"""``roadcraft config`` and ``roadcraft plugins KIND NAME`` as a user meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from roadcraft.core.config.parameters import parameters_of, sections_of, texts_of
from roadcraft.core.config.rules import OneOf, Range, Unit
from roadcraft.core.plugins.hookspecs import PluginRef, plugin_field
from roadcraft.core.plugins.registry import registry
from roadcraft.core.vehicles.vehicle import Vehicle

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(
        "planner: {name: idm, headway_s: 2}\nseed: 4\nsuite: {data: logs, modes: [reactive]}\n"
    )
    (tmp_path / "overlay.yaml").write_text("planner: {name: idm, min_gap_m: 3}\nseed: 5\n")
    (tmp_path / "extending.yaml").write_text("extends: base.yaml\nseed: 5\n")
    (tmp_path / "recipe.yaml").write_text("encoder: vector_transformer\nsteps: 100\nseed: 1\n")
    (tmp_path / "typos.yaml").write_text("planer: idm\nsuit: {data: logs}\n")
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "seed.yaml").write_text("seed: 3\n")
    return tmp_path


def test_show_names_the_verb_and_fills_in_every_default_of_plugins_too(call: Call, files: Path) -> None:
    code, out, _ = call("config", "show", "base.yaml")
    assert code == 0
    assert out.startswith(
        "# settings of: roadcraft score\nplanner:\n  name: idm\n  params:\n    target_speed_mps: 10.0\n"
    )
    assert "    headway_s: 2.0\n" in out
    assert "      q_heading: 10.0\n" in out, "of the tracker, which no file names"
    (files / "again.yaml").write_text(out)
    assert call("config", "diff", "base.yaml", "again.yaml") == (0, "", "")


def test_the_verb_is_told_by_its_keys_misspelt_ones_too(call: Call, files: Path) -> None:
    assert call("config", "show", "recipe.yaml")[1].startswith("# settings of: roadcraft train\n")
    assert call("config", "show", "worlds=3")[1].startswith("# settings of: roadcraft synth\n")
    code, _, told = call("config", "check", "typos.yaml")
    assert (code, told) == (
        2,
        "error: 2 mistakes in the configuration (taken for one of `roadcraft score`; --for VERB says otherwise):\n"
        "  - planer (typos.yaml): unknown key; did you mean 'planner'?\n  - suit (typos.yaml): unknown key; did you "
        "mean 'suite'?\n",
    )
    code, _, told = call("config", "check", "planner=idm", "data=x", "planner.zzz=1")
    assert (code, "planner.params.zzz (command line): unknown key; known: target_speed_mps" in told) == (2, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["empty.yaml"], "error: which command is this for? no known key is given: say --for "),
        (["seed.yaml"], "error: which command is this for? seed could be for "),
        (["base.yaml", "--for", "scor"],
        "error: --for scor: no such command has a configuration; did you mean 'score'? known: "),
        (["missing.yaml"],
        "error: 1 mistake in the configuration:\n  - missing.yaml: cannot be read: No such file or directory\n"),
        ([".", "--for", "score"], "'.': expected key=value or a .yaml file"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_asked(call: Call, files: Path, words: list[str], told: str) -> None:
    code, _, text = call("config", "show", *words)
    assert code == 2
    assert told in text


def test_diff_compares_whole_configurations(call: Call, files: Path) -> None:
    both = "planner.params.min_gap_m: 1.0 -> 3.0\nseed: 4 -> 5\n"
    assert call("config", "diff", "base.yaml", "--", "base.yaml", "overlay.yaml") == (1, both, "")
    assert call("config", "diff", "base.yaml", "extending.yaml") == (1, "seed: 4 -> 5\n", "")
    assert call("config", "diff", "base.yaml", "--", "base.yaml", "seed=7") == (1, "seed: 4 -> 7\n", "")
    assert call("config", "diff", "base.yaml", "--", "base.yaml") == (0, "", "")
    defaults = (
        f"planner.params.headway_s: 1.5 -> 2.0\nseed: 0 -> 4\nsuite.data: '' -> {files}/logs\nsuite.modes: "
        "['nonreactive'] -> ['reactive']\n"
    )
    assert call("config", "diff", "base.yaml") == (1, defaults, "")


@pytest.mark.parametrize(
    "words", [("base.yaml", "overlay.yaml", "seed.yaml"), ("base.yaml", "seed=3"), ("--", "a.yaml", "--")]
)
def test_diff_asks_for_two_sides(call: Call, files: Path, words: tuple[str, ...]) -> None:
    code, _, told = call("config", "diff", *words)
    assert code == 2
    assert told == "error: say what is compared with what: FILE... [key=value]... -- FILE... [key=value]...\n"


def test_a_plugins_parameters_are_listed_with_default_unit_and_meaning(call: Call) -> None:
    code, out, _ = call("plugins", "planner", "idm", "--json")
    listed = json.loads(out)
    assert code == 0
    assert listed["use"] == "roadcraft score planner=idm planner.KEY=VALUE"
    assert {
        "key": "headway_s",
        "type": "a number",
        "default": 1.5,
        "unit": "s",
        "range": ">= 0",
        "text": "Time gap to the object ahead; a larger gap brakes earlier.",
    } in listed["parameters"]
    out = call("plugins", "planner", "guard")[1]
    assert "planner guard: Simulates and scores another planner's proposals" in out
    assert "drivable_area_tolerance_m" in out
    assert call("plugins", "agents", "log")[1].rstrip().endswith("Nothing to set.")


def test_misspelt_kinds_and_names_are_answered_with_the_nearest(call: Call) -> None:
    assert call("plugins", "planer")[2].startswith("error: there is no plugin kind 'planer'; did you mean 'planner'?")
    assert call("plugins", "planner", "gaurd")[2].startswith("error: no planner named 'gaurd'; did you mean 'guard'?")


@dataclass(frozen=True)
class Inner:
    """Bounds."""

    width_m: float = 1.0
    """How wide."""
    far: Annotated[float, Range("> 0"), Unit("m")] = 3.0
    """The far bound,
    in a second line."""
    near: Annotated[float, Range("[0, 1]")] = 1.0


@dataclass(frozen=True)
class Outer(Inner):
    """What it is."""

    limit_mps2: float | None = None
    """Never passed."""
    mode: Literal["a", "b"] = "a"
    several: Annotated[tuple[str, ...], OneOf("x", "y")] = ("x",)
    planner: PluginRef = plugin_field("planner", "idm")
    inner: Inner = Inner()
    """See there."""
    parts: tuple[Inner, ...] = ()
    """Several of them."""


def test_the_text_under_a_field_says_what_it_means() -> None:
    assert texts_of(Outer) == {
        "width_m": "How wide.",
        "far": "The far bound, in a second line.",
        "near": "",
        "limit_mps2": "Never passed.",
        "mode": "",
        "several": "",
        "planner": "",
        "inner": "See there.",
        "parts": "Several of them.",
    }
    sections = {s.key: s.text for s in sections_of(Outer)}
    assert sections == {"": "What it is.", "inner": "See there.", "parts[]": "Several of them."}


def test_a_parameter_has_type_unit_and_range() -> None:
    listed = {p.key: (p.constraint, p.unit, p.range) for p in parameters_of(Outer)}
    assert listed == {
        "width_m": ("a number", "m", ""),
        "far": ("a number > 0", "m", "> 0"),
        "near": ("a number in [0, 1]", "", "[0, 1]"),
        "limit_mps2": ("a number or null", "m/s²", ""),
        "mode": ("one of a, b", "", "a, b"),
        "several": ("a list of x, y", "", "x, y"),
        "planner": ("a planner plugin; see `roadcraft plugins planner`", "", ""),
        **{f"{at}.width_m": ("a number", "m", "") for at in ("inner", "parts[]")},
        **{f"{at}.far": ("a number > 0", "m", "> 0") for at in ("inner", "parts[]")},
        **{f"{at}.near": ("a number in [0, 1]", "", "[0, 1]") for at in ("inner", "parts[]")},
    }
    assert [p.default for p in parameters_of(Outer)][:4] == [1.0, 3.0, 1.0, None]


def test_maps_of_dataclasses_are_listed_by_name() -> None:
    listed = {p.key: p for p in parameters_of(Vehicle)}
    assert {"units[].loads.NAME.mass_kg", "loads.NAME.brake_mps2", "powertrain.power_W", "units[].kind"} <= set(listed)
    assert listed["units[].loads.NAME.yaw_inertia_kgm2"].unit == "kg m²"
    assert listed["units[].cornering_per_rad"].unit == "1/rad"
    assert all(p.text for p in listed.values())
    assert {s.key for s in sections_of(Vehicle)} == {
        "", "units[]", "units[].loads.NAME", "loads.NAME", "powertrain", "brakes",
    }  # fmt: skip


def test_a_class_without_source_has_no_texts() -> None:
    made = make_dataclass("Made", [("speed_mps", float, 1.0)])
    assert [(p.key, p.unit, p.text) for p in parameters_of(made)] == [("speed_mps", "m/s", "")]


@pytest.mark.parametrize("found", registry().plugins(), ids=lambda p: f"{p.spec.kind}-{p.spec.name}")
def test_every_plugins_parameters_can_be_listed(found: object) -> None:
    spec = found.spec  # type: ignore[attr-defined]
    for p in parameters_of(registry().config_class(spec.kind, spec.name)):
        assert p.type
        json.dumps(p.default)
