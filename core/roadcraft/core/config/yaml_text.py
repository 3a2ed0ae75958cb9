"""Reads YAML without guessing: scalars stay the text that was written, so that whoever knows what a field holds decides
whether ``007`` is a number.

The one reader of every YAML file: a key that stands twice in a map, tags, and aliases that would fill the memory are
refused, with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roadcraft.core.errors import DataError

DEEPEST, MOST_VALUES = 64, 1_000_000
_NULLS = ("", "~", "null", "Null", "NULL")
_TRUTH = {"true": True, "false": False}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class Plain(str):
    """A scalar written without quotes: text, or a number, a truth value or null where the field is one. fault: why it
    was not read as the list or map that it looks like."""

    fault = ""

    @property
    def is_null(self) -> bool:
        return self in _NULLS


def read_yaml(path: Path, remedy: str = "") -> Any:
    """Maps, lists and text (``Plain`` where unquoted) of a file; ``Plain("")`` for an empty one. remedy: what to do
    where it is damaged. Raises DataError naming file and line."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as e:
        raise DataError(f"cannot be read: {e.strerror}", where=str(path), remedy=remedy) from e
    except UnicodeDecodeError as e:
        raise DataError(f"is not valid YAML: byte {e.start} is not UTF-8 text", where=str(path), remedy=remedy) from e
    return parse_yaml(text, str(path), remedy)


def parse_yaml(text: str, where: str = "", remedy: str = "") -> Any:
    """The same of text; ``where`` names it in errors. Raises DataError."""
    import yaml

    tree = _Tree(where)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader)):
            tree.add(event)
    except (yaml.YAMLError, ValueError) as e:
        mark, problem = getattr(e, "problem_mark", None), getattr(e, "problem", None) or str(e)
        at = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise DataError(f"is not valid YAML: {at}{' '.join(problem.split())}", where=where, remedy=remedy) from e
    return tree.root


def resolved(value: Any) -> Any:
    """What was read, with unquoted scalars as numbers, truth values and None where they are written as JSON writes them
    (``007`` stays text)."""
    if isinstance(value, dict):
        return {k: resolved(v) for k, v in value.items()}
    if isinstance(value, list):
        return [resolved(v) for v in value]
    if not isinstance(value, Plain):
        return value
    if value.is_null:
        return None
    if value.lower() in _TRUTH:
        return _TRUTH[value.lower()]
    if _INT.fullmatch(value):
        return int(value) if len(value) < 400 else float(value)
    if _SPECIAL.fullmatch(value):
        return float(value.replace(".", ""))
    return float(value) if _FLOAT.fullmatch(value) else str(value)


def to_yaml(tree: Any) -> str:
    """Plain maps, lists and scalars as YAML text; reading it gives the same values, with a schema or by
    ``resolved``."""
    import yaml

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        """Quotes text that could be taken for something else."""

    def text(dumper: Any, value: str) -> Any:
        plain = resolved(Plain(value)) == value
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else "'")

    Dumper.add_representer(str, text)
    written: str = yaml.dump(tree, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    return written


@dataclass
class _Open:
    """A map or list that is being filled. first: values counted before it; lines: of each key; key: the one whose value
    comes next."""

    value: Any
    anchor: str | None
    first: int
    lines: dict[str, int] = field(default_factory=dict)
    key: str | None = None
    merged: list[Any] = field(default_factory=list)


class _Tree:
    """Builds maps and lists from parser events, without recursion."""

    def __init__(self, where: str) -> None:
        self.where, self.root, self.count, self.documents = where, Plain(""), 0, 0
        self.open: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int]] = {}

    def wrong(self, what: str, line: int, remedy: str) -> DataError:
        place = f"line {line}: " if self.where else ""  # a word of the command line has one line
        return DataError(f"{place}{what}", where=self.where, remedy=remedy)

    def add(self, event: Any) -> None:
        kind, line = type(event).__name__, event.start_mark.line + 1
        if getattr(event, "tag", None) not in (None, "tag:yaml.org,2002:str"):
            raise self.wrong(
                f"the tag {event.tag!r} is refused", line, "a file holds maps, lists and plain values only"
            )
        if kind == "DocumentStartEvent":
            self.documents += 1
            if self.documents > 1:
                raise self.wrong("a second document begins", line, "one document per file: take the line '---' out")
        elif kind == "ScalarEvent":
            value = str(event.value) if event.style else Plain(event.value)
            self.put(value, line, event.anchor, 1)
        elif kind == "AliasEvent":
            if event.anchor not in self.anchors:
                raise self.wrong(f"*{event.anchor} stands for itself or for nothing", line, "anchor it with & before")
            self.put(self.anchors[event.anchor][0], line, None, self.anchors[event.anchor][1])
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            if len(self.open) >= DEEPEST:
                raise self.wrong(f"nested more than {DEEPEST} deep", line, "no setting is that deep")
            self.open.append(_Open({} if kind[0] == "M" else [], event.anchor, self.count))
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            done = self.open.pop()
            if done.merged:
                done.value = _merged(done.merged, done.value)
            self.put(done.value, line, done.anchor, 1, self.count - done.first)

    def put(self, value: Any, line: int, anchor: str | None, size: int, within: int = 0) -> None:
        """A finished value: into the map or list that is open. size: values it adds; within: those of its own that are
        counted already."""
        self.count += size
        if self.count > MOST_VALUES:
            raise self.wrong("its aliases stand for too many values", line, "write them out")
        if anchor:
            self.anchors[anchor] = (value, size + within)
        into = self.open[-1] if self.open else None
        if into is None:
            self.root = value
        elif isinstance(into.value, list):
            into.value.append(value)
        elif into.key is None:
            self._key(into, value, line)
        else:
            self._value(into, value, line)

    def _key(self, into: _Open, key: Any, line: int) -> None:
        if not isinstance(key, str):
            raise self.wrong("a list or a map cannot be a key", line, "keys are text")
        if key in into.lines and key != "<<":
            full = ".".join([o.key for o in self.open if o.key is not None] + [key])
            first = f", first in line {into.lines[key]}" if self.where else ""
            raise self.wrong(f"the key {full} stands twice{first}", line, "take one out")
        into.key, into.lines[str(key)] = key, line

    def _value(self, into: _Open, value: Any, line: int) -> None:
        if into.key == "<<" and isinstance(into.key, Plain):
            bases = value if isinstance(value, list) else [value]
            if not all(isinstance(b, dict) for b in bases):
                raise self.wrong("'<<' takes a map or a list of maps", line, "such as <<: *name")
            into.merged += bases
        else:
            into.value[str(into.key)] = value
        into.key = None


def _merged(bases: Iterable[dict[str, Any]], own: dict[str, Any]) -> dict[str, Any]:
    """YAML's merge key: own keys first, then those of earlier maps before those of later ones."""
    out = dict(own)
    for base in bases:
        out |= {k: v for k, v in base.items() if k not in out}
    return out
