"""Shell completion of ``key=value`` words: keys, the names of plugins, presets and
vehicles, the values of choices, and paths.

Give ``autocompletion=complete_settings`` to the ``typer.Argument`` of a command's words; its ``CommandSpec.config``
says what they fill.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import is_dataclass
from textwrap import shorten
from typing import Any

import typer

from roadcraft.core.config.hints import hints_of
from roadcraft.core.plugins.hookspecs import KINDS

Found = list[tuple[str, str]]


def complete_settings(ctx: typer.Context, incomplete: str) -> Found:
    """Settings of the command in ``ctx``, or of the one that ``--for`` names; where neither is known, of all."""
    from roadcraft.core.plugins.registry import load_object, registry

    specs = [c.spec for c in registry().commands() if c.spec.config]
    chosen = ctx.params.get("verb") or ctx.info_name
    mine = [s for s in specs if s.name == chosen] or specs
    return complete_words(ctx, [load_object(s.config, s.name) for s in mine], incomplete)


def complete_kind(incomplete: str) -> Found:
    """Kinds of plugins."""
    return _short(list(KINDS.items()))


def complete_name(ctx: typer.Context, incomplete: str) -> Found:
    """Plugins of the kind that stands before."""
    return names_of(ctx.params.get("kind") or "")


def names_of(kind: str) -> Found:
    """The plugins of a kind, with their summaries."""
    from roadcraft.core.plugins.registry import registry

    return _short([(p.spec.name, p.spec.summary) for p in registry().plugins(kind)])


def _short(found: Found) -> Found:
    """Texts cut to what a line of a shell's list holds: fish would take the rest for another answer."""
    return [(word, shorten(text, 72, placeholder=" ...")) for word, text in found]


def complete_words(ctx: typer.Context, schemas: Sequence[type], incomplete: str) -> Found:
    """What a ``key=value`` word of these config dataclasses can go on as."""
    given = ctx.params.get("words") or ctx.params.get("params") or []
    words = re.sub(r"\n=(\n|$)", "=", "\n".join(given)).split("\n")  # bash hands over key, =, value as three words
    last = words[-1]
    if "=" in incomplete:
        key, _, value = incomplete.partition("=")
        lead = f"{key}="
    elif last.endswith("="):
        key, lead, value = last[:-1], "", incomplete  # and takes the value alone
    elif not incomplete and any(k == last for _, k in _settings(schemas, words, last)):
        key, lead, value = last, "", ""  # nor does it say that the word ends in =
    else:
        return _short(_keys(schemas, words, incomplete))
    found = next((p for p, k in _settings(schemas, words, key) if k == key), None)
    return [] if found is None else _short([(f"{lead}{v}", text) for v, text in _values(found, value)])


def _keys(schemas: Sequence[type], words: Sequence[str], incomplete: str) -> Found:
    """Keys; of the only one that fits its values too, so that the shell puts no space behind ``key=``."""
    fit = {k: p for p, k in _settings(schemas, words, incomplete) if k.startswith(incomplete)}
    files = [(path, "") for path in _paths(incomplete, (".yaml", ".yml"))]
    if len(fit) != 1:
        return [(f"{k}=", p.text) for k, p in fit.items()] + files
    ((key, p),) = fit.items()
    default = "" if p.default is None or isinstance(p.default, (list, dict)) else str(p.default)
    values = _values(p, "") or ([(default, "the default")] if default else [])
    return [(f"{key}=", p.text), *((f"{key}={v}", text) for v, text in values), *files]


def _settings(schemas: Sequence[type], words: Sequence[str], typed: str) -> Iterator[tuple[Any, str]]:
    """Every setting with its key, the short one too; those of a plugin once its key and a dot are typed."""
    from roadcraft.core.config.parameters import parameters_of
    from roadcraft.core.plugins.registry import registry

    given = dict(word.split("=", 1) for word in words if "=" in word)
    for schema in schemas:
        short = {full: key for key, full in getattr(schema, "SHORT", {}).items()}
        ahead = [(p, p.key) for p in parameters_of(schema)]
        by_key = {key: p for p, key in ahead}
        ahead += [(by_key[filled], key) for key, filled in _texts_alone(schema)]
        while ahead:
            p, key = ahead.pop(0)
            keys = [key, *(s + key[len(f) :] for f, s in short.items() if key == f or key.startswith(f"{f}."))]
            for k in keys:
                yield p, k
                name = given.get(k) or p.default
                if p.kind and typed.startswith(f"{k}.") and isinstance(name, str) and name in registry().names(p.kind):
                    inner = parameters_of(registry().config_class(p.kind, name))
                    ahead += [(q, f"{k}.{q.key}") for q in inner]


def _texts_alone(schema: type, at: str = "") -> Iterator[tuple[str, str]]:
    """Keys of parts for which a text alone may stand, each with the key of the setting that a name then fills."""
    for name, hint in hints_of(schema).items():
        if is_dataclass(hint):
            if from_text := getattr(hint, "from_text", None):
                yield from ((f"{at}{name}", f"{at}{name}.{k}") for k, v in from_text("a").items() if v == "a")
            yield from _texts_alone(hint, f"{at}{name}.")  # type: ignore[arg-type]


def _values(p: Any, typed: str) -> Iterable[tuple[str, str]]:
    from roadcraft.core.plugins.registry import load_object

    if p.type.startswith("a path"):
        return [(path, "") for path in _paths(typed, ("",))]
    choices = load_object(p.suggestions, p.key)() if p.suggestions else p.choices
    found = names_of(p.kind) if p.kind else [(choice, "") for choice in choices]
    return [(f"[{v}]", text) for v, text in found] if p.type.startswith("a list") else found


def _paths(typed: str, ends: tuple[str, ...]) -> list[str]:
    found = sorted(glob.glob(f"{glob.escape(typed)}*")) if typed else sorted(glob.glob("*"))
    return [f"{path}/" if os.path.isdir(path) else path for path in found if os.path.isdir(path) or path.endswith(ends)]
