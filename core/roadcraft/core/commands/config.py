"""The verb ``config``: shows, checks and compares configuration files."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any

import typer
import typer.core

from roadcraft.core.commands.completion import complete_settings
from roadcraft.core.errors import ConfigError
from roadcraft.core.plugins.registry import load_object, registry

config = typer.Typer(
    help="Show, check or compare configuration files.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)
Words = Annotated[
    list[str] | None,
    typer.Argument(
        help="YAML files and key=value words, later ones over earlier ones.",
        metavar="FILE... key=value...",
        autocompletion=complete_settings,
    ),
]
For = Annotated[
    str,
    typer.Option(
        "--for",
        help="The verb the file is for (score, train, ...); found from its keys if not given.",
        autocompletion=lambda: [(c.spec.name, c.spec.help) for c in registry().commands() if c.spec.config],
    ),
]
_SEPARATOR = "\0"  # stands for "--", which the parser would swallow


@config.command("show")
def config_show(
    words: Words = None,
    verb: For = "",
    comments: Annotated[
        bool | None,
        typer.Option(
            "--comments/--no-comments",
            help="Say above each key what it does, its unit, range and default. Without FILE and key=value: yes.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print the whole configuration with every default filled in, those of plugins too, as YAML.

    Examples: roadcraft config show my_run.yaml seed=3

    roadcraft config show --for train encoder=hetero_gnn --comments > my_run.yaml
    """
    from roadcraft.core.config.load import plugins_of, to_yaml
    from roadcraft.core.config.parameter_table import commented, comments_of
    from roadcraft.core.config.parameters import sections_of

    name, loaded = _load(words or [], verb)
    if comments is None:
        comments = not words
    text = to_yaml(loaded.tree)
    if comments:
        sections = sections_of(type(loaded.config))
        for key, (kind, plugin) in plugins_of(loaded.config).items():
            sections += sections_of(registry().config_class(kind, plugin), f"{key}.params.")
        text = commented(loaded.tree, comments_of(sections)) + "\n"
    print(f"# settings of: roadcraft {name}\n{text}", end="")


@config.command("check")
def config_check(words: Words = None, verb: For = "") -> None:
    """Check files as the command they are for would, without doing anything: names, values, paths, data and weights.
    Every mistake is reported at once, with the nearest valid spelling.

    Example: roadcraft config check my_run.yaml

    Exit codes: 0 the command would start; 2 a mistake in the configuration; 4 a file or the data cannot be used.
    """
    from roadcraft.core.config.preflight import given_by

    name, loaded = _load(words or [], verb)
    spec = next(c.spec for c in registry().commands() if c.spec.name == name)
    if spec.preflight:
        with given_by(loaded.origins):
            load_object(spec.preflight, f"the preflight of {name!r}")(loaded.config)
    given = [k for k in loaded.origins if not any(o.startswith(f"{k}.") for o in loaded.origins)]
    print(f"ok: a configuration for `roadcraft {name}`, {len(given)} keys given")


class _TwoSides(typer.core.TyperCommand):
    """Keeps the ``--`` between the two sides."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [_SEPARATOR if a == "--" else a for a in args])


@config.command("diff", cls=_TwoSides)
def config_diff(
    words: Annotated[
        list[str],
        typer.Argument(
            help="One file (compared with the defaults), two files, "
            "or files and key=value words on both sides of a --.",
            metavar="A.yaml [B.yaml] | A.yaml... [key=value]... -- B.yaml... [key=value]...",
            autocompletion=complete_settings,
        ),
    ],
    verb: For = "",
) -> None:
    """Print the keys in which two configurations differ, each one whole: with what it extends and with every default.

    Examples: roadcraft config diff a.yaml b.yaml

    roadcraft config diff base.yaml -- base.yaml overlay.yaml seed=3

    Exit codes: 0 no difference; 1 they differ; 2 a mistake in one of them.
    """
    from roadcraft.core.config.load import flat

    first, last = _sides(words)
    name, b = _load(last, verb)
    a = flat(_load(first, name)[1].tree)
    b = flat(b.tree)
    changed = sorted(k for k in {*a, *b} if a.get(k) != b.get(k))
    for key in changed:
        print(f"{key}: {_shown(a, key)} -> {_shown(b, key)}")
    raise typer.Exit(1 if changed else 0)


def _sides(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The two configurations; the first is empty, the defaults, where one file is given."""
    if words.count(_SEPARATOR) == 1:
        at = words.index(_SEPARATOR)
        return list(words[:at]), list(words[at + 1 :])
    if _SEPARATOR in words or len(words) > 2 or any("=" in w for w in words):
        raise ConfigError("say what is compared with what: FILE... [key=value]... -- FILE... [key=value]...")
    return list(words[:-1]), [words[-1]]


def _shown(values: dict[str, Any], key: str) -> str:
    return repr(values[key]) if values.get(key) == "" else str(values.get(key, "(absent)"))


def _schemas() -> dict[str, Any]:
    specs = [c.spec for c in registry().commands() if c.spec.config]
    return {s.name: load_object(s.config, f"the configuration of {s.name!r}") for s in specs}


def _load(words: Sequence[str], verb: str) -> tuple[str, Any]:
    """The verb and its loaded configuration; without a verb, the one whose keys the words give."""
    from roadcraft.core.config.load import given_keys, load_config

    schemas = _schemas()
    if verb and verb not in schemas:
        near = get_close_matches(verb, schemas, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"--for {verb}: no such command has a configuration{hint} known: {', '.join(schemas)}")
    name = verb or _verb_of(given_keys(words), schemas)
    try:
        return name, load_config(schemas[name], words, short=getattr(schemas[name], "SHORT", {}))
    except ConfigError as e:
        taken = "" if verb else f" (taken for one of `roadcraft {name}`; --for VERB says otherwise)"
        raise ConfigError(str(e).replace("configuration:", f"configuration{taken}:", 1)) from e


def _verb_of(keys: Sequence[str], schemas: dict[str, Any]) -> str:
    """The command most of whose keys are given, misspelt ones for half. Raises ConfigError where that leaves more than
    one."""
    from dataclasses import fields

    marks: dict[str, float] = {}
    for name, schema in schemas.items():
        known = [*(f.name for f in fields(schema)), *getattr(schema, "SHORT", {})]
        firsts = [k.split(".")[0] for k in keys]
        marks[name] = sum(1.0 if k in known else 0.5 * bool(get_close_matches(k, known, 1, 0.75)) for k in firsts)
    best = [name for name, mark in marks.items() if mark == max(marks.values())]
    if len(best) != 1:
        why = f"{', '.join(keys)} could be for {' or '.join(best)}" if any(marks.values()) else "no known key is given"
        raise ConfigError(f"which command is this for? {why}: say --for {' or --for '.join(best)}")
    return best[0]
