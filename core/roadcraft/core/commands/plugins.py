"""The verbs ``plugins`` and ``new``."""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from roadcraft.core.commands.completion import complete_kind, complete_name
from roadcraft.core.errors import PluginError
from roadcraft.core.plugins.hookspecs import KINDS
from roadcraft.core.plugins.registry import Provided, registry

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def plugins(
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}.", autocompletion=complete_kind)] = "",
    name: Annotated[
        str,
        typer.Argument(
            help="One plugin: its settings, with default, unit, range and meaning.", autocompletion=complete_name
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """List the installed plugins, who provides each, and what was left out and why; or the parameters of one.

    Examples: roadcraft plugins planner

    roadcraft plugins planner guard
    """
    if kind and kind not in KINDS:
        near = get_close_matches(kind, KINDS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise PluginError(f"there is no plugin kind {kind!r}{hint}; kinds: {', '.join(KINDS)}")
    if name:
        _plugin(kind, name, as_json)
        return
    found = registry()
    rows = [_row(p) for p in found.plugins(kind or None)]
    faults = [{"provider": f.provider, "entry_point": f.entry_point, "error": f.error} for f in found.faults]
    conflicts = [{"kind": k, "name": n, "providers": who} for (k, n), who in found.conflicts.items()]
    if as_json:
        print(json.dumps({"plugins": rows, "left_out": faults, "conflicts": conflicts}, indent=2))
        return
    _print_plugins(rows)
    for c in conflicts:
        print(
            f"conflict: {c['kind']} {c['name']!r} is provided by {' and '.join(c['providers'])}; using it is an error "
            "until one is removed"
        )


def _row(p: Provided) -> dict[str, str]:
    return {
        "kind": p.spec.kind,
        "name": p.spec.name,
        "summary": p.spec.summary,
        "provider": p.provider,
        "version": p.version,
    }


_USE = {
    "planner": "score planner={name} planner.KEY=VALUE",
    "metric": "score metrics=[{{name: {name}, KEY: VALUE}}]",
    "agents": "score modes=[reactive] agents={name} agents.KEY=VALUE",
    "tracker": "score simulation.tracker={name} simulation.tracker.KEY=VALUE",
    "vehicle_model": "score simulation.vehicle_model={name} simulation.vehicle_model.KEY=VALUE",
    "feature": "features   # who reads it asks for it: features() returns FeatureSpec({{'{name}': {{...}}}}, ...)",
    "encoder": "train encoder={name} encoder.KEY=VALUE",
    "model": "train model={name} model.KEY=VALUE",
    "recipe": "train recipe={name} recipe.KEY=VALUE",
    "source": "ingest {name} PATH KEY=VALUE --out STORE",
}


def _plugin(kind: str, name: str, as_json: bool) -> None:
    from roadcraft.core.config.parameter_table import print_sections
    from roadcraft.core.config.parameters import as_rows, parameters_of, sections_of

    found, schema = registry().find(kind, name), registry().config_class(kind, name)
    use = f"roadcraft {_USE[kind].format(name=name)}"
    if as_json:
        print(json.dumps({**_row(found), "use": use, "parameters": as_rows(parameters_of(schema))}, indent=2))
        return
    from rich.console import Console

    sections = sections_of(schema)
    console = Console()
    console.print(f"{kind} {name}: {found.spec.summary} ({found.provider} {found.version})", markup=False)
    some = any(s.parameters for s in sections)
    console.print(f"{use if some else 'Nothing to set.'}\n", markup=False, highlight=False)
    print_sections(sections)


def _print_plugins(rows: list[dict[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for kind, meaning in KINDS.items():
        mine = [r for r in rows if r["kind"] == kind]
        if mine:
            table = Table(
                title=f"{kind}: {meaning}", title_justify="left", box=None, pad_edge=False, header_style="dim"
            )
            for column in ("name", "summary", "provider"):
                table.add_column(column, no_wrap=column == "name")
            for r in mine:
                table.add_row(r["name"], r["summary"], f"{r['provider']} {r['version']}")
            console.print(table, "")
    if not rows:
        print("nothing found: is roadcraft installed in this environment? (pip install -e .)")


def new(
    kind: Annotated[
        str,
        typer.Argument(
            help="Kind of plugin, as `roadcraft plugins` lists them, or command.",
            autocompletion=lambda: [*KINDS.items(), ("command", "a command of roadcraft")],
        ),
    ],
    name: Annotated[str, typer.Argument(help="The plugin's name, such as my_planner.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder to write into (default: the name), or one that this command wrote, to add the plugin to it.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a complete plugin package of your own, tests included, that works as it is.

    Examples: roadcraft new planner cautious && pip install -e cautious && pytest cautious

    roadcraft new model my_model --out mine && roadcraft new encoder my_encoder --out mine

    A package may bring commands of its own: a hook roadcraft_commands beside roadcraft_plugins, which returns
    CommandSpec("name", "help", "package.module:function"); `python -m pydoc roadcraft.core.plugins.hookspecs` says
    more.
    """
    from roadcraft.core.plugins.scaffold import write_package

    folder = write_package(kind, name, out or Path(name))
    listing = "roadcraft --help" if kind == "command" else f"roadcraft plugins {kind}"
    print(
        f"wrote {kind} {name} into {folder}: install it with `pip install -e {folder}`, test it with `pytest "
        f"{folder}`, "
        f"see it in `{listing}`"
    )
