"""``${key}`` within a configuration file: OmegaConf puts in the value of another key of the same file. Resolvers, which
could read the environment or run code, are refused, and so are references to references, which could multiply without
end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from roadcraft.core.config.yaml_text import Plain

_REFERENCE = re.compile(r"\$\{([\w.\[\]-]+)\}")


def filled(tree: dict[str, Any], origin: str, errors: list[str]) -> dict[str, Any]:
    """The tree with what its references stand for; mistakes are added to ``errors``."""
    values = dict(_values(tree))
    texts = {k: v for k, v in values.items() if isinstance(v, str) and "${" in v}
    wrong = [f"{k} ({origin}): {w}" for k, v in texts.items() if (w := _mistake(v, values, texts))]
    errors += wrong
    if wrong or not texts:
        return tree
    from omegaconf import OmegaConf

    found = OmegaConf.to_container(OmegaConf.create(_with_text(tree, str)), resolve=True)
    merged: dict[str, Any] = _merge(tree, found)
    return merged


def _mistake(text: str, values: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    """What is wrong with the references of a text, if anything."""
    if "${" in _REFERENCE.sub("", text):
        return f"{text!r} is refused: only ${{KEY}} of this file is filled in; write the value itself"
    for name in _REFERENCE.findall(text):
        if name not in values:
            near = get_close_matches(name, values, 1)
            return f"this file has no key {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
        if any(k == name or k.startswith((f"{name}.", f"{name}[")) for k in texts):
            return f"${{{name}}} holds a reference itself; write the value"
        if not isinstance(values[name], str) and not _REFERENCE.fullmatch(text):
            return f"{text!r}: a map or a list cannot stand within text"
    return ""


def _values(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a tree with its key, maps and lists before what they hold."""
    if at:
        yield at, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for k, v in items:
        yield from _values(v, f"{at}[{k}]" if isinstance(value, list) else f"{at}.{k}" if at else str(k))


def _with_text(value: Any, kind: type[str]) -> Any:
    """The same with every text of that class."""
    if isinstance(value, dict):
        return {str(k): _with_text(v, kind) for k, v in value.items()}
    return [_with_text(v, kind) for v in value] if isinstance(value, list) else kind(value)


def _merge(before: Any, after: Any) -> Any:
    """``before``, but for texts with references, which are as ``after`` has them, to be read like unquoted ones."""
    if isinstance(before, dict):
        return {k: _merge(v, after[str(k)]) for k, v in before.items()}
    if isinstance(before, list):
        return [_merge(b, a) for b, a in zip(before, after, strict=True)]
    return _with_text(after, Plain) if "${" in before else before
