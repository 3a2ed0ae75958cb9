"""The verbs ``plugins``, ``config`` and ``new``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from roadcraft.core.errors import ConfigError, PluginError
from roadcraft.core.hookspecs import KINDS
from roadcraft.core.registry import registry

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def plugins(
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}.")] = "",
    as_json: Json = False,
) -> None:
    """List the installed plugins, who provides each, and what was left out and why.

    Example: roadcraft plugins planner
    """
    if kind and kind not in KINDS:
        raise PluginError(f"there is no plugin kind {kind!r}; kinds: {', '.join(KINDS)}")
    found = registry()
    rows = [
        {
            "kind": p.spec.kind,
            "name": p.spec.name,
            "summary": p.spec.summary,
            "provider": p.provider,
            "version": p.version,
        }
        for p in found.plugins(kind or None)
    ]
    faults = [{"provider": f.provider, "entry_point": f.entry_point, "error": f.error} for f in found.faults]
    conflicts = [{"kind": k, "name": n, "providers": who} for (k, n), who in found.conflicts.items()]
    if as_json:
        print(json.dumps({"plugins": rows, "left_out": faults, "conflicts": conflicts}, indent=2))
        return
    _print_plugins(rows)
    for c in conflicts:
        print(
            f"conflict: {c['kind']} {c['name']!r} is provided by {' and '.join(c['providers'])}; using it is an error until one is removed"
        )


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


config = typer.Typer(
    help="Show, check or compare configuration files.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)
Words = Annotated[
    list[str],
    typer.Argument(
        help="YAML files and key=value words, later ones over earlier ones.", metavar="FILE... key=value..."
    ),
]
For = Annotated[
    str, typer.Option("--for", help="The verb the file is for (score, train, ...); found from its keys if not given.")
]


@config.command("show")
def config_show(words: Words, verb: For = "") -> None:
    """Print the whole configuration with every default filled in, as YAML.

    Example: roadcraft config show my_run.yaml seed=3
    """
    from roadcraft.core.config import to_yaml

    print(to_yaml(_load(words, verb)[1].tree), end="")


@config.command("check")
def config_check(words: Words, verb: For = "") -> None:
    """Check files and report every mistake at once, with the nearest valid spelling.

    Example: roadcraft config check my_run.yaml
    """
    name, loaded = _load(words, verb)
    print(f"ok: a configuration for `roadcraft {name}`, {len(loaded.origins)} keys given")


@config.command("diff")
def config_diff(
    files: Annotated[
        list[Path], typer.Argument(help="One file (compared with the defaults) or two.", metavar="FILE [FILE]")
    ],
    verb: For = "",
) -> None:
    """Print the keys in which a configuration differs from the defaults, or from another one. Exit code 1 if any differ.

    Example: roadcraft config diff a.yaml b.yaml
    """
    name, last = _load([str(files[-1])], verb)
    first = _load([str(f) for f in files[:-1]], name)[1] if len(files) > 1 else None
    a, b = _flat(first.tree) if first else _flat(_defaults(name)), _flat(last.tree)
    changed = sorted(k for k in {*a, *b} if a.get(k) != b.get(k))
    for key in changed:
        print(f"{key}: {a.get(key, '(absent)')} -> {b.get(key, '(absent)')}")
    raise typer.Exit(1 if changed else 0)


def _schemas() -> dict[str, Any]:
    from importlib import import_module

    found = {}
    for c in registry().commands():
        if c.spec.config:
            module, _, attribute = c.spec.config.partition(":")
            found[c.spec.name] = getattr(import_module(module), attribute)
    return found


def _load(words: list[str], verb: str) -> tuple[str, Any]:
    """The verb and its loaded configuration; without a verb, the one whose schema the words fit with the fewest mistakes."""
    from roadcraft.core.config import load_config

    schemas = _schemas()
    if verb and verb not in schemas:
        raise ConfigError(f"no configuration for {verb!r}; verbs with one: {', '.join(schemas)}")
    mistakes: dict[str, ConfigError] = {}
    for name, schema in schemas.items() if not verb else [(verb, schemas[verb])]:
        try:
            return name, load_config(schema, words, short=getattr(schema, "SHORT", {}))
        except ConfigError as e:
            mistakes[name] = e
    if not mistakes:
        raise ConfigError("no installed command has a configuration")
    raise min(mistakes.values(), key=lambda e: str(e).count("\n"))


def _defaults(verb: str) -> dict[str, Any]:
    from roadcraft.core.config import load_config, to_tree

    try:
        return load_config(_schemas()[verb], []).tree
    except ConfigError:
        from dataclasses import MISSING, fields

        return {
            f.name: to_tree({"v": f.default})["v"] if f.default is not MISSING else None
            for f in fields(_schemas()[verb])
            if f.default is not MISSING
        }


def _flat(tree: dict[str, Any], at: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for k, v in tree.items():
        out.update(_flat(v, f"{at}{k}.") if isinstance(v, dict) and v else {f"{at}{k}": v})
    return out


def new(
    kind: Annotated[str, typer.Argument(help="planner, metric, encoder or model.")],
    name: Annotated[str, typer.Argument(help="The plugin's name, such as my_planner.")],
    out: Annotated[
        Path, typer.Option("--out", help="Folder to write into (default: the name).", show_default=False)
    ] = Path(),
) -> None:
    """Write a complete plugin package of your own, tests included, that works as it is.

    Example: roadcraft new planner cautious && pip install -e cautious && pytest cautious
    """
    from roadcraft.core.scaffold import write_package

    folder = write_package(kind, name, Path(name) if out == Path() else out)
    print(
        f"wrote {folder}: install it with `pip install -e {folder}`, test it with `pytest {folder}`, see it in `roadcraft plugins {kind}`"
    )
