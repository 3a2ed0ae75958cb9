"""What the generated pages are made of: tables in Markdown, of settings, fields and members."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterable
from dataclasses import fields
from itertools import pairwise
from typing import Any

from roadcraft.core.config.parameters import Parameter, sections_of, texts_of


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in markdown; '' where there are no rows."""
    names = list(head)
    lines = [f"| {' | '.join(cell(c) for c in row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(names)} |", "|" + "---|" * len(names), *lines]) if lines else ""


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def settings_of(cls: type) -> str:
    """The settings of a config dataclass: a table for itself and one for each dataclass within it."""
    parts = []
    for section in sections_of(cls):
        rows = [(code(p.key), f"{_default(p)} {p.unit}", f"{p.text} *{p.constraint}*") for p in section.parameters]
        head = f"`{section.key}`: {section.text}" if section.key else ""
        parts += [head, table(("setting", "default", "meaning"), rows)] if rows else []
    return "\n\n".join(parts).strip() or "There is nothing to set."


def _default(p: Parameter) -> str:
    return code(json.dumps(p.default, ensure_ascii=False)) if p.default != "" else ""


def doc_of(obj: Any) -> str:
    """A docstring with its literal blocks as fenced ones."""
    text = (obj.__doc__ or "").strip("\n")
    first, *rest = text.split("\n")
    indent = min((len(r) - len(r.lstrip()) for r in rest if r.strip()), default=0)
    return "\n".join([first, *(r[indent:] for r in rest)]).replace("``", "`")


def fields_of(cls: Any) -> str:
    """The fields of a dataclass, as its docstring tells them."""
    texts = texts_of(cls)
    rows = [(code(f.name), code(str(f.type)), texts.get(f.name, "").replace("``", "`")) for f in fields(cls)]
    return table(("field", "type", "content"), rows)


def members_of(enum: Any) -> str:
    """The members of an enumeration, with the text under each."""
    body = ast.parse(textwrap.dedent(inspect.getsource(enum))).body[0].body
    texts = {
        a.targets[0].id: " ".join(b.value.value.split())
        for a, b in pairwise(body)
        if isinstance(a, ast.Assign) and isinstance(b, ast.Expr)
    }
    rows = [(code(f"{enum.__name__}.{m.name}"), str(int(m)), texts.get(m.name, "")) for m in enum]
    return table(("name", "code", "meaning"), rows)
