"""A hook of mkdocs: writes the pages of the reference and of the API from the code, when the site is built.

A page asks for the settings of a plugin by a comment on a line of its own: ``<!-- settings KIND NAME -->``.
"""

from __future__ import annotations

import importlib
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import typer
from markdown_parts import code, doc_of, fields_of, members_of, settings_of, table
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from roadcraft.core import Vehicle, __version__, create
from roadcraft.core.config.parameters import parameters_of
from roadcraft.core.config.renamed import docs_page
from roadcraft.core.lazy import listed
from roadcraft.core.plugins.hookspecs import KINDS
from roadcraft.core.plugins.registry import Provided, load_object, registry

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("core", "scenario_io", "planners", "validation", "plugins")
PAGES: dict[str, Callable[[], str]] = {}  # path in docs -> what writes it
PICTURES = {"assets/curves.png": "tests/benchmarks/results/curves.png"}
STORE = """```text
store.json            marks the folder as a store, with its version
index/*.parquet       one row per scenario; the metadata of a part names its shards and drives
drives/*.safetensors  arrays of many drives
maps/*.safetensors    one file per map, named by its content
```"""
MADE = f"*Written from the code of version {__version__} when these pages were built.*"


def page(path: str) -> Callable[[Callable[[], str]], Callable[[], str]]:
    def keep(write: Callable[[], str]) -> Callable[[], str]:
        PAGES[path] = write
        return write

    return keep


# ---- hooks of mkdocs ------------------------------------------------------------------------------------------------


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for path, write in PAGES.items():
        files.append(File.generated(config, path, content=write()))
    for path, source in PICTURES.items():
        files.append(File.generated(config, path, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    def table(asked: re.Match[str]) -> str:
        return settings_of(registry().config_class(asked[1], asked[2]))

    return re.sub(r"^<!-- settings (\w+) (\w+) -->$", table, markdown, flags=re.MULTILINE)


def ours(kind: str) -> list[Provided]:
    return [p for p in registry().plugins(kind) if p.ours]


# ---- reference ------------------------------------------------------------------------------------------------------


@page("reference/settings.md")
def settings() -> str:
    text = [
        "# Settings of commands",
        MADE,
        "Every setting is a word `key=value` on the command line or a key of a YAML file; a dot leads into a group, so "
        "that `suite.filter.preset=val14` is the key `preset` in `filter` in `suite`. Settings of plugins "
        "(`planner.KEY=VALUE`, `model.KEY=VALUE`) are listed under [plugins](plugins.md). `roadcraft config show` "
        "prints a whole configuration with every default filled in.",
    ]
    for found in sorted((c for c in registry().commands() if c.ours and c.spec.config), key=lambda c: c.spec.name):
        cls = load_object(found.spec.config, f"command {found.spec.name}")
        text += [f"## `roadcraft {found.spec.name}`", found.spec.help, settings_of(cls)]
    text += ["## Vehicle files", "The keys of a [vehicle's](../vehicles.md) YAML file.", settings_of(Vehicle)]
    return "\n\n".join(text)


@page("reference/plugins.md")
def plugins() -> str:
    text = [
        "# Plugins and their settings",
        MADE,
        "`roadcraft plugins` lists what is installed, third parties' included; `roadcraft plugins KIND NAME` prints "
        "the table of one plugin. "
        "Metrics have [a page of their own](metrics.md).",
        table(("kind", "what it does", "names"), _kinds()),
    ]
    for kind, what in KINDS.items():
        if kind == "metric":
            continue
        text += [
            f"## {kind.capitalize().replace('_', ' ')}",
            f"A {kind} {what}." if kind != "agents" else f"Agents: {what}.",
        ]
        for p in ours(kind):
            text += [f"### {kind} `{p.spec.name}` {{#{kind}-{p.spec.name}}}", f"{p.spec.summary}.", _where(p, kind)]
            text += [settings_of(registry().config_class(kind, p.spec.name))]
    return "\n\n".join(text)


def _kinds() -> Iterator[tuple[str, str, str]]:
    for kind, what in KINDS.items():
        names = ", ".join(f"[`{p.spec.name}`](#{kind}-{p.spec.name})" for p in ours(kind))
        link = f"[`{kind}`](../extend/{kind}.md)" if (ROOT / f"docs/extend/{kind}.md").is_file() else code(kind)
        yield link, what, "[metrics](metrics.md)" if kind == "metric" else names


def _where(p: Provided, kind: str) -> str:
    folder = {"encoder": "encoders", "model": "models", "planner": "planners"}.get(kind)
    return f"[About it](../{folder}/{p.spec.name}.md)." if folder else ""


@page("reference/metrics.md")
def metrics() -> str:
    rows, text = [], []
    for p in ours("metric"):
        cls = registry().target("metric", p.spec.name)
        metric = create("metric", p.spec.name)
        weight = f"{metric.weight:g}" if metric.role == "weighted" else ""
        rows.append((f"[`{p.spec.name}`](#{p.spec.name.lower()})", metric.role, weight, p.spec.summary))
        module = importlib.import_module(cls.__module__)
        text += [
            f"### `{p.spec.name}` {{#{p.spec.name.lower()}}}",
            f"{p.spec.summary}.",
            doc_of(module),
            doc_of(cls) if cls.__doc__ != module.__doc__ else "",
        ]
        config = registry().config_class("metric", p.spec.name)
        text += [settings_of(config)] if parameters_of(config) else []
    head = [
        "# Metrics",
        MADE,
        "A scenario's score is the product of its multipliers times the weighted mean of its weighted metrics, as in "
        "nuPlan. A metric with the role `report` costs nothing. Role and weight can be set anew: "
        "`metrics=[{name: ego_jerk, role: weighted, weight: 2}]`. Scores go from 0 to 1.",
        table(("metric", "role", "weight", "what it says"), rows),
        "## One by one",
    ]
    return "\n\n".join([*head, *text])


@page("reference/commands.md")
def commands() -> str:
    text = ["# Commands", MADE, "`roadcraft VERB --help` says the same on the terminal. " + _exit_codes()]
    for found in sorted((c for c in registry().commands() if c.ours), key=lambda c: c.spec.name):
        text += _command(f"roadcraft {found.spec.name}", _click(found), 2)
        if found.spec.config:
            text.append(f"[Its settings](settings.md#roadcraft-{found.spec.name})")
    return "\n\n".join(text)


def _exit_codes() -> str:
    from roadcraft.core.cli import EXIT_CODES

    return EXIT_CODES


def _click(found: Provided) -> Any:
    target = load_object(found.spec.target, f"command {found.spec.name}")
    if not isinstance(target, typer.Typer):
        app = typer.Typer(add_completion=False)
        app.command(name=found.spec.name)(target)
        target = app
    return typer.main.get_command(target)


def _command(name: str, command: Any, level: int) -> list[str]:
    text = [f"{'#' * level} `{name}`", _help(command.help or "")]
    rows = []
    for p in command.params:
        if p.name in ("help", "install_completion", "show_completion"):
            continue
        label = ", ".join(p.opts + p.secondary_opts) if p.param_type_name == "option" else (p.metavar or p.name)
        default = "" if p.default in (None, False, "") or callable(p.default) or p.required else str(p.default)
        rows.append((code(label), code(default), getattr(p, "help", "") or ""))
    if rows:
        text.append(table(("argument or option", "default", "meaning"), rows))
    for sub, child in getattr(command, "commands", {}).items():
        text += _command(f"{name} {sub}", child, level + 1)
    return text


def _help(text: str) -> str:
    """A docstring of a command: what begins with an example becomes a block of code."""
    done = []
    for part in re.split(r"\n\s*\n", text):
        line = " ".join(part.split())
        done.append(re.sub(r"^(Examples?: )?(roadcraft .*)$", r"\1`\2`", line))
    return "\n\n".join(done)


@page("reference/features.md")
def features() -> str:
    from roadcraft.core import feature_rows

    groups: dict[str, list[dict[str, Any]]] = {}
    for row in feature_rows():
        groups.setdefault(row["group"], []).append(row)
    text = [
        "# Features",
        MADE,
        "What networks read of a scene, by feature group: named tensors, each with a leading batch dimension B. Sizes "
        "are settings, fixed for a network and never the batch's maximum. A network says in `features()` which groups "
        "it reads; `roadcraft features ENCODER MODEL` lists what a pair of them reads. Write "
        "[a group of your own](../extend/feature.md).",
    ]
    for p in ours("feature"):
        rows = groups.get(p.spec.name, [])
        targets = " Targets are seen in training only." if any(r["target"] for r in rows) else ""
        text += [f"## `{p.spec.name}`", f"{p.spec.summary}.{targets}"]
        text += [settings_of(registry().config_class("feature", p.spec.name))]
        tensors = ((code(r["tensor"]), code(_shape(r)), r["dtype"], r["frame"], r["meaning"]) for r in rows)
        text += [table(("tensor", "shape", "type", "frame", "content"), tensors)]
        for r in rows:
            if r["columns"]:
                columns = ((str(c["index"]), code(c["name"]), c["unit"], c["meaning"]) for c in r["columns"])
                text += [f"### `{r['tensor']}`", table(("index", "column", "unit", "meaning"), columns)]
    return "\n\n".join(text)


def _shape(row: dict[str, Any]) -> str:
    return f"({', '.join(['B', *row['axes']])})"


@page("reference/store-format.md")
def store_format() -> str:
    from roadcraft.core import to_arrays
    from roadcraft.core.testing import made_up_map, made_up_scenario
    from roadcraft.scenario_io import save_drive
    from roadcraft.scenario_io.store import index, shard

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "drive.safetensors"
        save_drive(file, made_up_scenario().drive)
        raw = file.read_bytes()
        header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
        header.pop("__metadata__")
    drive = [(code(k), v["dtype"], str(tuple(v["shape"]))) for k, v in sorted(header.items())]
    arrays = to_arrays(made_up_map())
    found = arrays[0] if isinstance(arrays, tuple) else arrays
    map_rows = [(code(k), str(v.dtype), str(v.shape)) for k, v in sorted(found.items())]
    columns = [(code(f.name), str(f.type)) for f in index._SCHEMA]
    return "\n\n".join(
        [
            "# The store on disk",
            MADE,
            doc_of(index),
            doc_of(shard),
            f"Version of the index: {index.VERSION}; of the arrays: {shard.SCHEMA}.",
            STORE,
            "## Columns of the index",
            table(("column", "type"), columns),
            "## Arrays of a drive",
            "As a shard holds them; the shapes are those of a small drive. The dataclasses of the same names say what "
            "each column means: "
            "[`Drive`](../api/core.md), `Ego`, `Tracks`, `ObjectFrames`, `LightFrames`, `Scenes`.",
            table(("array", "type", "shape here"), drive),
            "## Arrays of a map",
            table(("array", "type", "shape here"), map_rows),
        ]
    )


@page("reference/plan-and-rollout.md")
def plan_and_rollout() -> str:
    from roadcraft import core
    from roadcraft.core import AreaKind, Ego, LaneKind, LightState, LineKind, ObjectKind, PlaceKind, TokenKind

    shown = [
        "ObservationBatch",
        "Objects",
        "Lights",
        "Plan",
        "Forecast",
        "Rollout",
        "Scenario",
        "Drive",
        "ScenarioRow",
        "SceneEncoding",
        "Prediction",
        "MetricResult",
        "Event",
        "Series",
    ]
    text = [
        "# Plans, rollouts and what else passes between parts",
        MADE,
        "Shapes: B scenarios, K candidates or modes, T times, A agents, R rows of a ragged batch, N tokens, D columns.",
        "## Columns of an ego state",
        doc_of(Ego),
        members_of(Ego),
        "## Codes",
        *(
            part
            for enum in (ObjectKind, LightState, TokenKind, LaneKind, LineKind, AreaKind, PlaceKind)
            for part in (f"### `{enum.__name__}`", doc_of(enum), members_of(enum))
        ),
    ]
    for name in shown:
        cls: Any = getattr(core, name)
        text += [f"## `{name}`", doc_of(cls).split("\n\n")[0]]
        if is_dataclass(cls):
            text.append(fields_of(cls))
    return "\n\n".join(text)


# ---- API ------------------------------------------------------------------------------------------------------------


def _api(title: str, module_name: str) -> Callable[[], str]:
    def write() -> str:
        module = importlib.import_module(module_name)
        homes = listed(str(module.__file__))
        text = [f"# {title}", doc_of(module).split("\n\n")[0]]
        for name in sorted(homes, key=str.lower):
            text.append(f'::: {homes[name]}.{name}\n    options:\n      heading: "{name}"\n      toc_label: "{name}"')
        return "\n\n".join(text)

    return write


for _room in ROOMS:
    PAGES[f"api/{_room}.md"] = _api(f"`roadcraft.{_room}`", f"roadcraft.{_room}")
PAGES["api/testing.md"] = _api("`roadcraft.core.testing`", "roadcraft.core.testing")
PAGES["coming-from-0.1.md"] = docs_page
PAGES["changelog.md"] = lambda: (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
PAGES["contributing.md"] = lambda: (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
