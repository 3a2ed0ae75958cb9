"""Merges layers of configuration values and builds dataclasses from them, gathering every mistake on the way (used by ``config``)."""

from __future__ import annotations

import os
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from roadcraft.core.errors import PluginError
from roadcraft.core.hookspecs import PluginRef
from roadcraft.core.registry import Registry

_ABSENT = object()


@dataclass(frozen=True)
class Layer:
    """One source of values: a file, or the command line (base None)."""

    tree: dict[str, Any]
    origin: str
    base: Path | None


class Walk:
    """One pass over schema and values that gathers every mistake. Merging knows the schema, so that a plugin of another name drops the params of the
    one before, and paths become relative to their own file."""

    def __init__(self, plugins: Registry, errors: list[str]) -> None:
        self.plugins, self.errors = plugins, errors
        self.origins: dict[str, str] = {}

    def wrong(self, key: str, what: str) -> None:
        origin = next((self.origins[k] for k in _prefixes(key) if k in self.origins), "")
        self.errors.append(f"{key} ({origin}): {what}" if origin else f"{key}: {what}")

    def merge(
        self, schema: type, base: dict[str, Any], over: Mapping[str, Any], layer: Layer, at: str
    ) -> dict[str, Any]:
        """``base`` with the values of ``over``; unknown keys are reported and left out."""
        known = {f.name: f for f in fields(schema)}
        hints = _hints(schema)
        out = dict(base)
        for name, value in over.items():
            key = f"{at}{name}"
            self.origins[key] = layer.origin
            if name not in known:
                self.wrong(key, f"unknown key; {_near(str(name), known)}")
                continue
            f, hint = known[name], _inner(hints[name])
            if "kind" in f.metadata and not _is_sequence(hint):
                out[name] = self._merge_ref(f.metadata["kind"], _default(f), out.get(name), value, layer, key)
            elif "kind" in f.metadata and isinstance(value, (list, tuple)):
                kind = f.metadata["kind"]
                out[name] = [self._merge_ref(kind, None, None, v, layer, f"{key}[{i}]") for i, v in enumerate(value)]
            elif is_dataclass(hint) and isinstance(hint, type):
                if value is not None and not isinstance(value, Mapping):
                    value = {fields(hint)[0].name: value}  # a scalar is short for the first field: vehicle=pacifica
                inherited = out.get(name)
                out[name] = None if value is None else self.merge(hint, inherited or {}, value, layer, f"{key}.")
            elif f.metadata.get("path") and isinstance(value, str) and value:
                # absolute, so that a stored configuration means the same wherever it is read from
                out[name] = os.path.abspath((layer.base or Path()) / Path(value).expanduser())
            elif isinstance(value, Mapping) and isinstance(inherited := out.get(name), dict):
                out[name] = {**inherited, **value}
            else:
                out[name] = value
        return out

    def _merge_ref(self, kind: str, default: Any, base: Any, value: Any, layer: Layer, key: str) -> Any:
        """A plugin reference in canonical form ``{name, params}``; keys other than these two are short for params."""
        if value is None or isinstance(value, (int, float, list)):
            return value
        given: dict[str, Any] = {"name": value} if isinstance(value, str) else dict(value)
        if base is None and isinstance(default, PluginRef):
            base = {"name": default.name, "params": dict(default.params)}
        name = given.pop("name", base["name"] if base else None)
        params = {**given.pop("params", {}), **given}
        if not isinstance(name, str):
            self.wrong(key, f"a {kind} needs a name; known: {', '.join(self.plugins.names(kind))}")
            return None
        inherited = base["params"] if base and base["name"] == name else {}
        try:
            cls = self.plugins.config_class(kind, name)
        except PluginError as e:
            self.wrong(key, str(e))
            return None
        return {"name": name, "params": self.merge(cls, inherited, params, layer, f"{key}.params.")}

    def build(self, schema: type[Any], tree: Mapping[str, Any], at: str) -> Any:
        """The dataclass from a merged tree; None where a mistake was found."""
        before = len(self.errors)
        hints = _hints(schema)
        values: dict[str, Any] = {}
        for f in fields(schema):
            key = f"{at}{f.name}"
            given = tree.get(f.name, _ABSENT)
            if given is _ABSENT:
                if f.default is MISSING and f.default_factory is MISSING:
                    self.wrong(key, "is missing")
                elif "kind" in f.metadata:
                    self._check_ref(f.metadata["kind"], _default(f), key)
            elif "kind" in f.metadata:
                values[f.name] = self._refs(f.metadata["kind"], hints[f.name], given, key)
            else:
                values[f.name] = self.convert(hints[f.name], given, key)
        if len(self.errors) > before:
            return None
        try:
            return schema(**values)
        except (ValueError, TypeError) as e:
            self.wrong(at.rstrip(".") or schema.__name__, str(e))
            return None

    def _refs(self, kind: str, hint: Any, given: Any, key: str) -> Any:
        if _is_sequence(_inner(hint)):
            if not isinstance(given, (list, tuple)):
                self.wrong(key, f"expected a list of {kind}s, got {given!r}")
                return None
            return tuple(self._ref(kind, g, f"{key}[{i}]") for i, g in enumerate(given))
        if given is None and type(None) in get_args(hint):
            return None
        return self._ref(kind, given, key)

    def _ref(self, kind: str, given: Any, key: str) -> PluginRef | None:
        if not isinstance(given, Mapping):
            if not any(e.startswith(key) for e in self.errors):
                self.wrong(key, f"expected the name of a {kind} or {{name, params}}, got {given!r}")
            return None
        ref = PluginRef(given["name"], dict(given["params"]))
        self._check_ref(kind, ref, key)
        return ref

    def _check_ref(self, kind: str, ref: Any, key: str) -> None:
        if isinstance(ref, PluginRef):
            try:
                cls = self.plugins.config_class(kind, ref.name)
            except PluginError as e:
                self.wrong(key, str(e))
                return
            layer = Layer(dict(ref.params), self.origins.get(key, ""), None)
            self.build(cls, Walk(self.plugins, []).merge(cls, {}, layer.tree, layer, ""), f"{key}.params.")

    def convert(self, hint: Any, value: Any, key: str) -> Any:
        """``value`` as the annotated type, or None and a mistake."""
        origin, args = get_origin(hint), get_args(hint)
        if hint is Any:
            return value
        if origin in (Union, types.UnionType):
            if value is None and type(None) in args:
                return None
            return self._convert_union([a for a in args if a is not type(None)], value, key)
        if is_dataclass(hint) and isinstance(hint, type):
            if isinstance(value, Mapping):
                return self.build(hint, value, f"{key}.")
        elif origin is Literal:
            if value in args:
                return value
            if isinstance(value, bool) and ("on" if value else "off") in args:  # YAML 1.1 reads on/off as booleans
                return "on" if value else "off"
            self.wrong(key, f"{value!r} is not one of {', '.join(map(repr, args))}")
            return None
        elif origin in (tuple, list):
            if isinstance(value, (list, tuple)):
                return self._convert_items(origin, args, value, key)
        elif origin is dict or hint is dict:
            if isinstance(value, Mapping):
                item = args[1] if args else Any
                return {str(k): self.convert(item, v, f"{key}.{k}") for k, v in value.items()}
        elif (plain := _scalar(hint, value)) is not _ABSENT:
            return plain
        self.wrong(key, f"expected {_name(hint)}, got {value!r}")
        return None

    def _convert_union(self, options: list[Any], value: Any, key: str) -> Any:
        mistakes: list[list[str]] = []
        for option in options:
            trial = Walk(self.plugins, [])
            trial.origins = self.origins
            result = trial.convert(option, value, key)
            if not trial.errors:
                return result
            mistakes.append(trial.errors)
        self.errors.extend(
            mistakes[0] if len(options) == 1 else [f"{key}: expected {' or '.join(map(_name, options))}, got {value!r}"]
        )
        return None

    def _convert_items(self, origin: Any, args: tuple[Any, ...], value: Sequence[Any], key: str) -> Any:
        if origin is tuple and args and args[-1] is not Ellipsis:
            if len(args) != len(value):
                self.wrong(key, f"expected {len(args)} values, got {len(value)}")
                return None
            items = [self.convert(a, v, f"{key}[{i}]") for i, (a, v) in enumerate(zip(args, value, strict=True))]
        else:
            item = args[0] if args else Any
            items = [self.convert(item, v, f"{key}[{i}]") for i, v in enumerate(value)]
        return tuple(items) if origin is tuple else items


def _scalar(hint: Any, value: Any) -> Any:
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint is float and isinstance(value, str):  # YAML 1.1 reads 1e-4 as text
        try:
            return float(value)
        except ValueError:
            return _ABSENT
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if hint is bool and isinstance(value, bool):
        return value
    if hint is str and isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    return _ABSENT


def _hints(schema: Any) -> dict[str, Any]:
    return get_type_hints(schema)


def _inner(hint: Any) -> Any:
    """X of ``X | None``."""
    if get_origin(hint) in (Union, types.UnionType):
        rest = [a for a in get_args(hint) if a is not type(None)]
        return rest[0] if len(rest) == 1 else hint
    return hint


def _is_sequence(hint: Any) -> bool:
    return get_origin(hint) in (tuple, list)


def _default(f: Field[Any]) -> Any:
    if f.default_factory is not MISSING:
        return f.default_factory()
    return None if f.default is MISSING else f.default


def _prefixes(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[:i]) for i in range(len(parts), 0, -1)]


def _near(name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"


def _name(hint: Any) -> str:
    return {float: "a number", int: "a whole number", bool: "true or false", str: "text"}.get(
        hint, str(hint).replace("typing.", "")
    )
