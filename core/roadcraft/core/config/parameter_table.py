"""Prints settings: as tables below a command's help and for one plugin, and as comments of a configuration file."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from roadcraft.core.config.parameters import Parameter, Section
from roadcraft.core.config.yaml_text import to_yaml

_WIDTH = 100


def print_sections(sections: Iterable[Section], *head: str) -> None:
    """Lines of text, and for each section its text and a table: key (without that of the section), default with unit,
    what the setting does and which values it takes."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    for line in filter(None, head):
        console.print(line, markup=False, highlight=False)
    for section in sections:
        if not section.parameters:
            continue
        text = "\n".join(" ".join(p.split()) for p in section.text.replace("``", "`").split("\n\n"))
        if section.key:
            console.print(f"\n[bold]{escape(section.key)}.[/] {escape(text)}", highlight=False)
        elif text:
            console.print(f"{text}\n", markup=False, highlight=False)
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        table.add_column("key", no_wrap=True)
        table.add_column("default", max_width=18)
        table.add_column("meaning")
        for p in section.parameters:
            key = p.key.removeprefix(f"{section.key}.")
            table.add_row(escape(key), escape(_default(p)), f"{escape(p.text)} [dim]{escape(_values(p))}[/]".strip())
        console.print(table)


def _default(p: Parameter) -> str:
    written = "''" if p.default == "" else json.dumps(p.default, ensure_ascii=False).strip('"')
    return f"{written} {p.unit}".strip()


def _values(p: Parameter) -> str:
    """Which values a setting takes, as far as its default does not show it."""
    if p.kind:
        return f"(see: roadcraft plugins {p.kind})"
    if p.choices:
        return "" if p.default in (True, False) else f"({' | '.join(p.choices)})"
    if p.range:
        short = p.range.replace(" ", "")
        return f"({short} or null)" if p.default is None else short if short[0] in "[(" else f"({short})"
    return f"({p.type})" if p.default in (None, "") else ""


def comments_of(sections: Iterable[Section]) -> dict[str, str]:
    """What to write above each key of a configuration file."""
    found: dict[str, str] = {}
    for section in sections:
        found |= {section.key: section.text} | {p.key: _comment_of(p) for p in section.parameters}
    return found


def _comment_of(p: Parameter) -> str:
    return f"{p.text} ({p.constraint}; default {_default(p)})".strip()


def commented(tree: Mapping[str, Any], comments: Mapping[str, str], at: str = "") -> str:
    """A configuration as YAML, with its comment above each dotted key that has one."""
    out = []
    for name, value in tree.items():
        key, lead = f"{at}{name}", " " * 2 * at.count(".")
        out += textwrap.wrap(comments.get(key, ""), _WIDTH, initial_indent=f"{lead}# ", subsequent_indent=f"{lead}# ")
        if isinstance(value, Mapping) and any(c.startswith(f"{key}.") for c in comments):
            out += [f"{lead}{name}:", commented(value, comments, f"{key}.")]
        else:
            out.append(textwrap.indent(to_yaml({name: value}), lead).rstrip("\n"))
    return "\n".join(out)
