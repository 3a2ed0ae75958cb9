"""Configuration: dataclasses filled from YAML files and ``key=value`` words, with every mistake reported at once.

A config dataclass needs the standard library only. Its fields are numbers, strings, bools, ``Literal``, ``X | None``,
tuples, lists, dicts, other dataclasses, ``PluginRef`` (declared by ``plugin_field``) and paths (declared by
``path_field``); a text under each says what it does, and a ``rules.Range`` which values it takes. Files are data: no
environment look-ups, no code. A text field takes what was written: ``out=007`` writes to ``007``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from roadcraft.core.config.plugins import build_params, fill, full_tree, parts_of, paths_of, plugins_of, report
from roadcraft.core.config.references import filled
from roadcraft.core.config.tree import flat, to_tree, to_yaml
from roadcraft.core.config.walk import ConfigLayer, Walk
from roadcraft.core.config.yaml_text import Plain, parse_yaml, read_yaml
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.plugins.registry import Registry, registry

T = TypeVar("T")
COMMAND_LINE = "command line"
_MOST_FILES = 200


def path_field(default: str | None = "", *, written: bool = False) -> Any:
    """A string field that holds a path: relative to the file it is written in, or to the working directory on the
    command line; absolute once loaded. written: a place to write to, which need not exist."""
    return field(default=default, metadata={"path": "write" if written else "read"})


@dataclass(frozen=True)
class Loaded(Generic[T]):
    """A configuration that passed every check: the dataclass, the same as a plain tree with every default of its
    plugins, and where each given key came from."""

    config: T
    tree: dict[str, Any]
    origins: dict[str, str]


def load_config(
    schema: type[T],
    args: Sequence[str | Mapping[str, Any]] = (),
    *,
    short: Mapping[str, str] | None = None,
    plugins: Registry | None = None,
) -> Loaded[T]:
    """Fill ``schema`` from YAML files (``*.yaml`` words), ``key=value`` words and maps, later ones over earlier ones.

    ``short`` maps a short key to the full one (``{"data": "suite.data"}``). Raises ConfigError that lists every mistake
    with full key, origin and nearest valid spelling.
    """
    errors: list[str] = []
    plugins = plugins or registry()
    walk = Walk(plugins, errors)
    merged: dict[str, Any] = {}
    for layer in _layers(args, short or {}, errors):
        merged = walk.merge(schema, merged, layer.tree, layer, "")
    config = walk.build(schema, merged, "")
    if errors:
        raise ConfigError(report(errors))
    return Loaded(config, full_tree(config, plugins), dict(walk.origins))


def given_keys(args: Sequence[str | Mapping[str, Any]]) -> list[str]:
    """The keys of the first level that files and words give, short ones as they are. Raises ConfigError where one
    cannot be read."""
    errors: list[str] = []
    layers = _layers(args, {}, errors)
    if errors:
        raise ConfigError(report(errors))
    return list(dict.fromkeys(key for layer in layers for key in layer.tree))


# ---- reading -------------------------------------------------------------------------------------------------------


def _layers(args: Sequence[str | Mapping[str, Any]], short: Mapping[str, str], errors: list[str]) -> list[ConfigLayer]:
    layers: list[ConfigLayer] = []
    for word in args:
        if isinstance(word, Mapping):
            layers += [ConfigLayer(_nested(_full(k, short), v), "argument", None) for k, v in word.items()]
            continue
        key, eq, text = word.partition("=")
        if not eq and word.endswith((".yaml", ".yml")):
            _read_file(Path(word), layers, errors, ())
        elif not eq or not key:
            errors.append(f"{word!r}: expected key=value or a .yaml file")
        elif "${" in text:
            errors.append(f"{key} ({COMMAND_LINE}): {text!r} is not filled in here; write the value itself")
        else:
            value = value_of(text)
            layers.append(ConfigLayer(_nested(_full(key, short), value), COMMAND_LINE, None, (value, text)))
    return layers


def _full(key: str, short: Mapping[str, str]) -> str:
    """The key with its first part (or parts), where that is short for another, spelt out: ``filter.preset`` is
    ``suite.filter.preset``."""
    for name, full in short.items():
        if key == name or key.startswith(f"{name}."):
            return full + key[len(name) :]
    return key


def _nested(key: str, value: Any) -> dict[str, Any]:
    first, *rest = key.split(".")
    for part in reversed(rest):
        value = {part: value}
    return {first: value}


def value_of(text: str) -> Any:
    """What a word's text says: a list or a map where it is written as one, text without its quotes where it is quoted,
    else the text itself."""
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    plain = Plain(text)
    if quoted or text[:1] in ("[", "{"):
        try:
            value = parse_yaml(text)
        except DataError as e:
            plain.fault = e.what
        else:
            if not isinstance(value, Plain):
                return value
    return plain


def _read_file(path: Path, layers: list[ConfigLayer], errors: list[str], seen: tuple[Path, ...]) -> None:
    real = Path(os.path.realpath(path))  # unlike resolve(), at peace with links in a circle
    if real in seen:
        errors.append(f"{path}: extends itself through {' -> '.join(p.name for p in seen)}")
        return
    if len(layers) >= _MOST_FILES:
        errors.append(f"{path}: the file extends more than {_MOST_FILES} others")
        return
    try:
        raw = read_yaml(path)
    except DataError as e:
        errors.append(str(e))
        return
    if isinstance(raw, Plain) and raw.is_null:
        raw = {}
    if not isinstance(raw, dict):
        errors.append(
            f"{path}: a configuration is a map of keys, this is {'a list' if isinstance(raw, list) else 'text'}"
        )
        return
    parents = raw.pop("extends", [])
    parents = [parents] if isinstance(parents, str) else parents
    if not isinstance(parents, list) or not all(isinstance(p, str) and p for p in parents):
        errors.append(f"extends ({path}): expected a file or a list of files, got {parents!r}")
        return
    before = len(errors)
    tree = filled(raw, str(path), errors)
    for parent in parents:
        _read_file(path.parent / parent, layers, errors, (*seen, real))
    if len(errors) == before:
        layers.append(ConfigLayer(tree, str(path), path.parent))


__all__ = [
    "Loaded", "build_params", "fill", "flat", "full_tree", "given_keys", "load_config", "parts_of", "path_field",
    "paths_of", "plugins_of", "to_tree", "to_yaml", "value_of",
]  # fmt: skip
