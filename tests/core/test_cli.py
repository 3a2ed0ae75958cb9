"""The command line as a user meets it, in processes of its own where what is loaded or printed by one is the point."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from command_line import environment, install, process, roadcraft

from roadcraft.core import __version__
from roadcraft.core.plugins.hookspecs import KINDS
from roadcraft.core.plugins.registry import registry
from roadcraft.core.plugins.scaffold import _KINDS as TEMPLATES, write_package

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("numpy", "omegaconf", "numba", "pyarrow", "torch")


EACH = """
import json, sys
from roadcraft.core.cli import main
for words in json.loads(sys.argv[1]):
    try:
        main(words)
        code = 0
    except SystemExit as end:
        code = end.code or 0
    print("\\nMODULES", json.dumps([words, code, sorted({m.partition(".")[0] for m in sys.modules})]))
"""


def test_help_and_listing_import_nothing_heavy() -> None:
    """Of every verb, one after the other in one process."""
    asked = [["--help"], ["plugins"], *[[c.spec.name, "--help"] for c in registry().commands()]]
    done = process(json.dumps(asked), code=EACH)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line[8:]) for line in done.stdout.splitlines() if line.startswith("MODULES ")]
    assert [(words, code) for words, code, _ in told] == [(words, 0) for words in asked]
    heavy = {" ".join(words): sorted({*modules} & {*HEAVY}) for words, _, modules in told}
    assert not any(heavy.values()), heavy


def test_every_promised_verb_is_there() -> None:
    names = {c.spec.name for c in registry().commands()}
    promised = {
        "plugins",
        "config",
        "synth",
        "ingest",
        "train",
        "score",
        "rescore",
        "compare",
        "report",
        "show",
        "new",
        "demo",
        "vehicles",
    }
    assert promised <= names


def test_unknown_verb_and_bad_kind_exit_with_2() -> None:
    assert roadcraft("nix").returncode == 2
    bad = roadcraft("plugins", "teapot")
    assert bad.returncode == 2
    assert "kinds:" in bad.stderr
    assert "Traceback" not in bad.stderr


def test_the_version_is_printed() -> None:
    done = roadcraft("--version")
    assert (done.returncode, done.stdout) == (0, f"roadcraft {__version__}\n")


def test_plugins_as_json() -> None:
    listing = json.loads(roadcraft("plugins", "--json").stdout)
    assert {"source", "planner", "metric", "encoder", "model"} <= {row["kind"] for row in listing["plugins"]}


TRAINED = ("encoder", "model", "feature", "recipe")  # need torch


def test_new_writes_a_package_that_passes_its_own_tests(tmp_path: Path) -> None:
    """One package that holds a plugin of each kind."""
    kinds = [kind for kind in TEMPLATES if kind not in TRAINED or find_spec("torch")]
    for kind in kinds:
        done = roadcraft("new", kind, f"my_{kind}", "--out", "mine", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    run_package(tmp_path / "mine", f"roadcraft_my_{kinds[0]}")
    ours = roadcraft("new", "planner", "idm", cwd=tmp_path)
    assert (ours.returncode, ours.stderr) == (
        2, f"error: there is a planner 'idm' of roadcraft {__version__} already; choose another name\n",
    )  # fmt: skip
    assert not (tmp_path / "idm").exists()
    again = roadcraft("new", kinds[0], f"my_{kinds[0]}", "--out", "mine", cwd=tmp_path)
    assert again.returncode == 2
    assert f"mine/tests/test_my_{kinds[0]}.py is there already; choose another name" in again.stderr


def test_what_a_plugin_raises_is_told_in_a_line(tmp_path: Path) -> None:
    site = install(tmp_path / "site", "acme-tools", {"acme": "acme_tools.plugin"})
    (site / "acme_tools").mkdir()
    hook = "@hookimpl\ndef roadcraft_commands():\n    return [CommandSpec('fall', 'Falls.', 'acme_tools.fall:fall')]\n"
    (site / "acme_tools" / "plugin.py").write_text(f"from roadcraft.core import CommandSpec, hookimpl\n{hook}")
    (site / "acme_tools" / "fall.py").write_text("def fall():\n    int('much')\n")
    done = process("fall", env=environment(site))
    assert done.returncode == 2
    assert done.stderr == (
        f"error: acme-tools 1.0, {site}/acme_tools/fall.py, line 2, in fall: ValueError: invalid literal for int() "
        "with base 10: 'much' (roadcraft --traceback fall ... says more)\n"
    )
    whole = process("--traceback", "fall", env=environment(site))
    assert whole.returncode == 1
    assert "Traceback" in whole.stderr


def test_templates_are_typed_and_every_kind_has_one(tmp_path: Path) -> None:
    """With our own settings, which are strict: what `make lint` has found out of our modules is used again."""
    pytest.importorskip("torch")
    assert {*KINDS, "command"} == set(TEMPLATES)
    mine = tmp_path / "mine"
    for kind in TEMPLATES:
        write_package(kind, f"my_{kind}", mine)
    done = process(
        str(mine),
        code="from mypy.__main__ import console_entry as m; m()",
        cwd=ROOT,
        env=environment(MYPYPATH=str(mine)),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_lines_of_templates_fit_for_long_names_too(tmp_path: Path) -> None:
    for kind in TEMPLATES:
        write_package(kind, "a_long_name_of_a_plugin", tmp_path / kind)
    files = [p for p in tmp_path.rglob("*") if p.suffix in (".py", ".md", ".toml")]
    assert len(files) >= 5 * len(TEMPLATES)
    lines = [(p, i, len(line)) for p in files for i, line in enumerate(p.read_text().split("\n"), 1)]
    assert [row for row in lines if row[2] > 120] == []


def test_the_readme_of_a_package_names_every_plugin_and_its_files(tmp_path: Path) -> None:
    for kind in TEMPLATES:
        write_package(kind, f"my_{kind}", tmp_path / "mine")
    text = (tmp_path / "mine" / "README.md").read_text()
    assert text.startswith("# roadcraft-my-")
    for kind in TEMPLATES:
        assert f"`my_{kind}`" in text or f"`roadcraft my_{kind}`" in text
    files = re.findall(r"^- `(.+?)`", text, re.MULTILINE)
    assert len(set(files)) == len(files) == 2 * len(TEMPLATES)
    assert all((tmp_path / "mine" / file).is_file() for file in files)


def test_new_adds_only_to_a_package(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("x")
    refused = roadcraft("new", "metric", "third", "--out", "other", cwd=tmp_path)
    assert refused.returncode == 2
    assert "other is there already, not empty, and no package of `roadcraft new`" in refused.stderr
    package = tmp_path / "laid"
    (package / "src" / "laid").mkdir(parents=True)
    (package / "pyproject.toml").write_text('[project.entry-points.roadcraft]\nlaid = "laid.plugin"\n')
    refused = roadcraft("new", "metric", "third", "--out", "laid", cwd=tmp_path)
    assert refused.returncode == 2
    assert "names laid, but neither laid/__init__.py nor src/laid/__init__.py is there" in refused.stderr
    (package / "src" / "laid" / "__init__.py").touch()
    added = roadcraft("new", "command", "third", "--out", "laid", cwd=tmp_path)
    assert added.stdout.endswith("see it in `roadcraft --help`\n")
    assert (package / "src" / "laid" / "third_plugin.py").is_file()
    refused = roadcraft("new", "metric", "class", cwd=tmp_path)
    assert refused.stderr == "error: 'class' is a word of Python; choose another name\n"
    refused = roadcraft("new", "metrik", "third", "--out", "other/notes.txt", cwd=tmp_path)
    assert "cannot write a 'metrik'; did you mean 'metric'?" in refused.stderr
    refused = roadcraft("new", "metric", "third", "--out", "other/notes.txt", cwd=tmp_path)
    assert (refused.returncode, refused.stderr) == (2, "error: other/notes.txt is a file; choose another with --out\n")


def run_package(folder: Path, package: str) -> None:
    """Its tests, with its entry point visible as an installed distribution's would be (a dist-info folder beside the
    package)."""
    entries = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["entry-points"]["roadcraft"]
    install(folder, package.replace("_", "-"), entries, "0.1.0")
    code = "import sys, pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', sys.argv[1]]))"
    done = process(folder, code=code, cwd=folder, env=environment(folder))
    assert done.returncode == 0, done.stdout + done.stderr
