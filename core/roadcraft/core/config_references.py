"""``${key}`` within a configuration file: stands for the value of another key of the same file. Nothing else of that look is filled in."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

from roadcraft.core.config_tree import flat
from roadcraft.core.yaml_text import Plain

_REFERENCE = re.compile(r"\$\{([\w.\[\]-]+)\}")
_MOST, _LONGEST = 10_000, 10_000  # values filled in, characters of one


class References:
    """Fills in the references of one file, gathering every mistake."""

    def __init__(self, tree: dict[str, Any], origin: str, errors: list[str]) -> None:
        self.tree, self.origin, self.errors, self.count = tree, origin, errors, 0

    def filled(self) -> dict[str, Any]:
        """The tree with what its references stand for."""
        return {k: self._value(v, k, ()) for k, v in self.tree.items()}

    def _wrong(self, key: str, what: str) -> None:
        self.errors.append(f"{key} ({self.origin}): {what}")

    def _value(self, value: Any, key: str, within: tuple[str, ...]) -> Any:
        """``value`` filled in; within: the references that led here."""
        if isinstance(value, dict):
            return {k: self._value(v, f"{key}.{k}", within) for k, v in value.items()}
        if isinstance(value, list):
            return [self._value(v, f"{key}[{i}]", within) for i, v in enumerate(value)]
        return self._text(value, key, within) if "${" in value else value

    def _text(self, text: str, key: str, within: tuple[str, ...]) -> Any:
        if "${" in _REFERENCE.sub("", text):
            self._wrong(key, f"{text!r} is refused: only ${{KEY}} of this file is filled in; write the value itself")
            return text
        found: dict[str, Any] = {}
        for name in _REFERENCE.findall(text):
            self.count += 1
            other = _look_up(self.tree, name)
            if name in within or self.count > _MOST or len(within) > 20:
                self._wrong(key, f"${{{name}}} stands for itself" if name in within else "too many references")
                return text
            if other is None:
                near = get_close_matches(name, flat(self.tree), 1)
                self._wrong(key, f"this file has no key {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
                return text
            found[name] = self._value(other, name, (*within, name))
        if whole := _REFERENCE.fullmatch(text):
            return found[whole.group(1)]
        if not all(isinstance(v, str) for v in found.values()):
            self._wrong(key, f"{text!r}: a map or a list cannot stand within text")
            return text
        out = _REFERENCE.sub(lambda m: str(found[m.group(1)]), text)
        if len(out) > _LONGEST:
            self._wrong(key, f"stands for more than {_LONGEST} characters")
            return text
        return Plain(out)


def _look_up(tree: Any, name: str) -> Any:
    for part in re.split(r"[.\[\]]+", name.rstrip("]")):
        if isinstance(tree, dict) and part in tree:
            tree = tree[part]
        elif isinstance(tree, list) and part.isdigit() and int(part) < len(tree):
            tree = tree[int(part)]
        else:
            return None
    return tree
