"""Merges layers of configuration values and builds dataclasses from them, gathering every mistake on the way (used by
``load``)."""

from __future__ import annotations

import os
import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from roadcraft.core.config.hints import hints_of
from roadcraft.core.config.renamed import current, given_twice, warn_key
from roadcraft.core.config.rules import RuleError, check, faults_of
from roadcraft.core.config.tree import given_only
from roadcraft.core.config.values import (
    ABSENT,
    as_list,
    expected,
    is_schema,
    is_sequence,
    name_of_type,
    optional_part,
    scalar_of,
    written,
)
from roadcraft.core.config.yaml_text import Plain, resolved
from roadcraft.core.errors import PluginError
from roadcraft.core.plugins.hookspecs import REFS, PluginRef, extras_of
from roadcraft.core.plugins.registry import Registry

_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class ConfigLayer:
    """One source of values: a file, or the command line (base None). word: value of a ``key=value`` word, and its text
    as it was typed."""

    tree: dict[str, Any]
    origin: str
    base: Path | None
    word: tuple[Any, str] = (ABSENT, "")


class Walk:
    """One pass over schema and values that gathers every mistake. Merging knows the schema, so that a plugin of another
    name drops the params of the one before, and paths become relative to their own file."""

    def __init__(self, plugins: Registry, errors: list[str]) -> None:
        self.plugins, self.errors = plugins, errors
        self.origins: dict[str, str] = {}
        self.names: dict[tuple[str, str], str] = {}  # how a key was written, by key and origin

    def wrong(self, key: str, what: str) -> None:
        self.errors.append(f"{key}{origin_of(key, self.origins)}: {what}")

    def merge(
        self, schema: type, base: dict[str, Any], over: Mapping[str, Any], layer: ConfigLayer, at: str
    ) -> dict[str, Any]:
        """``base`` with the values of ``over``; unknown keys are reported and left out."""
        known = {f.name: f for f in fields(schema)}
        hints = hints_of(schema)
        out = dict(base)
        for given, name, value in current(schema, over):
            key = f"{at}{name}"
            warn_key(at, given, name, over[given], value, layer.origin)
            if self.names.setdefault((key, layer.origin), given) != given:
                self.wrong(key, given_twice(given, self.names[key, layer.origin]))
            self.origins[key] = layer.origin
            if name in known:
                out[name] = self._merge_field(known[name], hints[name], out.get(name), value, layer, key)
            else:
                self.wrong(key, f"unknown key; {_near(str(name), known, hints, at)}")
        return out

    def _merge_field(self, f: Field[Any], hint: Any, inherited: Any, value: Any, layer: ConfigLayer, key: str) -> Any:
        optional, hint, kind = type(None) in get_args(hint), optional_part(hint), f.metadata.get("kind")
        if hint is str and value is layer.word[0] and not isinstance(value, str):
            value = Plain(layer.word[1])  # text that looks like a list or a map is text all the same
        if (
            value is None
            or (optional and isinstance(value, Plain) and value.is_null)
            or (optional and kind and not value)
        ):
            return None
        value = as_list(hint, value)
        if kind and is_sequence(hint):
            if not isinstance(value, (list, tuple)):
                return value
            return [self._merge_ref(kind, None, None, v, layer, f"{key}[{i}]") for i, v in enumerate(value)]
        if kind:
            return self._merge_ref(kind, _default(f), inherited, value, layer, key)
        if is_schema(hint):
            return self._merge_part(hint, inherited or {}, value, layer, key)
        item = (get_args(hint) or (None,))[-1]
        if get_origin(hint) is dict and is_schema(item) and isinstance(value, Mapping):
            out = dict(inherited or {})
            for k, v in value.items():
                out[str(k)] = self._merge_part(item, out.get(str(k)) or {}, v, layer, f"{key}.{k}")
            return out
        item = (get_args(hint) or (None,))[0]
        if is_sequence(hint) and is_schema(item) and isinstance(value, (list, tuple)):
            return [self._merge_part(item, {}, v, layer, f"{key}[{i}]") for i, v in enumerate(value)]
        if f.metadata.get("path") and isinstance(value, (str, Path)) and str(value):
            if layer.base is not None and isinstance(value, Plain) and value.is_null:
                self.wrong(key, f"expected a path, got {value}; write '' for none, or a folder of that name in quotes")
            if "\0" in str(value):
                self.wrong(key, f"{value!r} is not a path")
            # absolute, so that a stored configuration means the same wherever it is read from
            return os.path.abspath((layer.base or Path()) / os.path.expanduser(value))
        return _deep(inherited, value)

    def _merge_part(self, schema: type, base: dict[str, Any], value: Any, layer: ConfigLayer, key: str) -> Any:
        """A dataclass within another. A scalar is short for its first field (``vehicle=pacifica``), or for what its
        ``from_text`` says."""
        if getattr(value, "fault", ""):
            self.wrong(key, expected("a map", value))
            return base
        if isinstance(value, str) and not (isinstance(value, Plain) and value.is_null):
            short = getattr(schema, "from_text", None)
            value = short(value) if short else {fields(schema)[0].name: value}
        if not isinstance(value, Mapping):
            known = ", ".join(f.name for f in fields(schema))
            self.wrong(key, f"expected a map with keys among {known}, got {value!r}")
            return base
        return self.merge(schema, base, value, layer, f"{key}.")

    def _merge_ref(self, kind: str, default: Any, base: Any, value: Any, layer: ConfigLayer, key: str) -> Any:
        """A plugin reference in canonical form ``{name, params}`` (and what references of its kind say besides); other
        keys are short for params."""
        if isinstance(value, PluginRef):
            value = {"name": value.name, "params": value.params, **extras_of(value)}
        if not isinstance(value, (str, Mapping)):
            return value
        if getattr(value, "fault", ""):
            self.wrong(key, expected(f"the name of a {kind} or {{name, params}}", value))
            return None
        given: dict[str, Any] = {"name": value} if isinstance(value, str) else dict(value)
        if base is None and isinstance(default, PluginRef):
            base = {"name": default.name, "params": dict(default.params)}
        name, params = given.pop("name", base["name"] if base else None), given.pop("params", {})
        if not isinstance(name, str) or not name:
            self.wrong(key, f"a {kind} needs a name; known: {', '.join(self.plugins.names(kind))}")
            return None
        if isinstance(params, Plain) and params.is_null:
            params = {}
        if not isinstance(params, Mapping):
            self.wrong(f"{key}.params", f"expected a map of the {kind}'s settings, got {params!r}")
            return None
        besides = {f.name: given.pop(f.name) for f in fields(REFS.get(kind, PluginRef))[2:] if f.name in given}
        inherited = base["params"] if base and base["name"] == name else {}
        try:
            cls = self.plugins.config_class(kind, str(name))
        except PluginError as e:
            self.wrong(key, str(e))
            return None
        merged = self.merge(cls, inherited, {**params, **given}, layer, f"{key}.params.")
        return {"name": str(name), "params": merged, **besides}

    def build(self, schema: type[Any], tree: Mapping[str, Any], at: str) -> Any:
        """The dataclass from a merged tree; None where a mistake was found."""
        before = len(self.errors)
        hints = hints_of(schema)
        values: dict[str, Any] = {}
        for f in fields(schema):
            key = f"{at}{f.name}"
            given = tree.get(f.name, ABSENT)
            if given is ABSENT:
                if f.default is MISSING and f.default_factory is MISSING:
                    self.wrong(key, "is missing")
                elif isinstance(default := _default(f), PluginRef):
                    self._ref(f.metadata["kind"], self._canonical(f.metadata["kind"], default, key), key)
            elif "kind" in f.metadata:
                values[f.name] = self._refs(f.metadata["kind"], hints[f.name], given, key)
            else:
                values[f.name] = self.convert(hints[f.name], given, key)
        if len(self.errors) > before:
            self._break_rules(faults_of(schema, values), at)
            return None
        try:
            config = schema(**values)
            check(config)
            return config
        except RuleError as e:
            self._break_rules(e.faults, at)
        except Exception as e:  # whatever a third party's check raises
            self._refused(schema, values, at, str(e) if isinstance(e, ValueError) else f"{type(e).__name__}: {e}")
        return None

    def _break_rules(self, faults: list[tuple[str, Any, str]], at: str) -> None:
        for name, value, rule in faults:
            self.wrong(f"{at}{name}", f"{rule}, got {written(value)}")

    def _refused(self, schema: type[Any], values: Mapping[str, Any], at: str, why: str) -> None:
        """What a dataclass's own check says, with the fields that it names and their values."""
        words = set(_WORD.findall(why))
        named = {f.name: values.get(f.name, _default(f)) for f in fields(schema) if f.name in words}
        if len(named) == 1:
            ((name, value),) = named.items()
            self.wrong(f"{at}{name}", f"{why}, got {written(value)}")
        else:
            given = "; ".join(f"{name} = {written(value)}" for name, value in named.items())
            self.wrong(at.rstrip(".") or ", ".join(named) or "configuration", f"{why} ({given})" if given else why)

    def _canonical(self, kind: str, ref: PluginRef, key: str) -> Any:
        layer = ConfigLayer({}, self.origins.get(key, ""), None)
        return Walk(self.plugins, [])._merge_ref(kind, None, None, ref, layer, "") or {"name": ref.name, "params": {}}

    def _refs(self, kind: str, hint: Any, given: Any, key: str) -> Any:
        if given is None and type(None) in get_args(hint):
            return None
        if not is_sequence(optional_part(hint)):
            return self._ref(kind, given, key)
        if not isinstance(given, (list, tuple)):
            self.wrong(key, expected(f"a list of {kind} names", given))
            return None
        refs = [self._ref(kind, g, f"{key}[{i}]") for i, g in enumerate(given)]
        return tuple(r for r in refs if r is not None)  # mistakes are told already

    def _ref(self, kind: str, given: Any, key: str) -> PluginRef | None:
        """The reference, its params with the types of the plugin's config dataclass."""
        if not isinstance(given, Mapping):
            if not any(e.startswith(key) for e in self.errors):
                self.wrong(key, f"expected the name of a {kind} or {{name, params}}, got {given!r}")
            return None
        try:
            cls = self.plugins.config_class(kind, given["name"])
        except PluginError as e:
            self.wrong(key, str(e))
            return None
        config = self.build(cls, given["params"], f"{key}.params.")
        if config is None:
            return None
        ref = REFS.get(kind, PluginRef)
        hints, before = hints_of(ref), len(self.errors)
        besides = {f.name: f.default for f in fields(ref)[2:]}
        for name in besides.keys() & given.keys():
            besides[name] = self.convert(hints[name], given[name], f"{key}.{name}")
        if len(self.errors) > before:
            return None
        try:
            return ref(given["name"], given_only(config, given["params"]), **besides)
        except ValueError as e:
            self.wrong(key, str(e))
            return None

    def convert(self, hint: Any, value: Any, key: str) -> Any:
        """``value`` as the annotated type, or None and a mistake."""
        origin, args = get_origin(hint), get_args(hint)
        if hint is Any:
            return resolved(value)
        if origin in (Union, types.UnionType):
            if type(None) in args and (value is None or (isinstance(value, Plain) and value.is_null)):
                return None
            return self._convert_union([a for a in args if a is not type(None)], value, key)
        if is_schema(hint):
            if isinstance(value, Mapping):
                return self.build(hint, value, f"{key}.")
        elif origin is Literal:
            return self._convert_literal(args, value, key)
        elif origin in (tuple, list) or hint in (tuple, list):
            value = as_list(hint, value)
            if isinstance(value, (list, tuple)):
                return self._convert_items(origin or hint, args, value, key)
        elif origin is dict or hint is dict:
            if isinstance(value, Mapping):
                item = args[1] if args else Any
                return {str(k): self.convert(item, v, f"{key}.{k}") for k, v in value.items()}
        elif (plain := scalar_of(hint, value)) is not ABSENT:
            return plain
        self.wrong(key, expected(name_of_type(hint), value))
        return None

    def _convert_literal(self, args: tuple[Any, ...], value: Any, key: str) -> Any:
        for option in args:
            if scalar_of(type(option), value) == option:
                return option
        near = get_close_matches(str(value), [str(a) for a in args], 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        self.wrong(key, f"{value!r} is not one of {', '.join(str(a) or repr(a) for a in args)}{hint}")
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
        if len(options) == 1:
            self.errors.extend(mistakes[0])
        else:
            self.wrong(key, expected(" or ".join(map(name_of_type, options)), value))
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


def _default(f: Field[Any]) -> Any:
    if f.default_factory is not MISSING:
        return f.default_factory()
    return None if f.default is MISSING else f.default


def _deep(base: Any, over: Any) -> Any:
    """Maps merge, everything else replaces."""
    if isinstance(base, dict) and isinstance(over, Mapping):
        return {**base, **{k: _deep(base.get(k), v) for k, v in over.items()}}
    return over


def _prefixes(key: str) -> list[str]:
    """The key and what it is part of, nearest first: a.b[0].c, a.b[0], a.b, a."""
    ends = [m.start() for m in re.finditer(r"[.\[]", key)]
    return [key, *(key[:end] for end in reversed(ends))]


def origin_of(key: str, origins: Mapping[str, str]) -> str:
    """`` (FILE)`` or `` (command line)`` behind a key: where it, or the nearest key that it is part of, was given;
    nothing where none was."""
    return next((f" ({origins[k]})" for k in _prefixes(key) if origins.get(k)), "")


def _near(name: str, known: Mapping[str, Any], hints: Mapping[str, Any], at: str) -> str:
    """The nearest valid key: one of the same name in a part of the schema, else one spelt alike beside it."""
    parts = [(k, optional_part(hints[k])) for k in known]
    deeper = [f"{at}{k}.{name}" for k, part in parts if is_schema(part) and name in hints_of(part)]
    near = deeper if len(deeper) == 1 else get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
