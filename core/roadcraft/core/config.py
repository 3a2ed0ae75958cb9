"""Configuration: dataclasses filled from YAML files and ``key=value`` words, with every mistake reported at once.

A config dataclass needs the standard library only. Its fields are numbers, strings, bools, ``Literal``, ``X | None``, tuples, lists, dicts, other
dataclasses, ``PluginRef`` (declared by ``plugin_field``) and paths (declared by ``path_field``). Files are data: no environment look-ups, no code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from roadcraft.core.config_walk import Layer, Walk
from roadcraft.core.errors import ConfigError
from roadcraft.core.registry import Registry, registry

T = TypeVar("T")


def path_field(default: str = "") -> Any:
    """A string field that holds a path: relative to the file it is written in, or to the working directory on the command line; absolute once
    loaded."""
    return field(default=default, metadata={"path": True})


@dataclass(frozen=True)
class Loaded(Generic[T]):
    """A configuration that passed every check: the dataclass, the same as a plain tree, and where each given key came from."""

    config: T
    tree: dict[str, Any]
    origins: dict[str, str]


def load_config(
    schema: type[T],
    args: Sequence[str] = (),
    *,
    short: Mapping[str, str] | None = None,
    plugins: Registry | None = None,
) -> Loaded[T]:
    """Fill ``schema`` from YAML files (``*.yaml`` words) and ``key=value`` words, later ones over earlier ones.

    ``short`` maps a short key to the full one (``{"data": "suite.data"}``). Raises ConfigError that lists every mistake with full key, origin and
    nearest valid spelling.
    """
    errors: list[str] = []
    layers = _layers(args, short or {}, errors)
    walk = Walk(plugins or registry(), errors)
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = walk.merge(schema, merged, layer.tree, layer, "")
    config = walk.build(schema, merged, "")
    if errors:
        raise ConfigError(_report(errors))
    return Loaded(config, to_tree(config), dict(walk.origins))


def build_params(plugins: Registry, kind: str, name: str, params: Mapping[str, Any]) -> Any:
    """An instance of the plugin's config dataclass from a mapping. Raises ConfigError that lists every mistake."""
    errors: list[str] = []
    walk = Walk(plugins, errors)
    cls = plugins.config_class(kind, name)
    layer = Layer(dict(params), f"{kind} {name}", None)
    config = walk.build(cls, walk.merge(cls, {}, layer.tree, layer, ""), "")
    if errors:
        raise ConfigError(_report(errors))
    return config


def to_tree(config: Any) -> dict[str, Any]:
    """A config dataclass (or a map) as plain maps, lists and scalars, ready for YAML or JSON."""
    plain: dict[str, Any] = _plain(asdict(config) if is_dataclass(config) and not isinstance(config, type) else config)
    return plain


def to_yaml(config: Any) -> str:
    """A config dataclass (or a plain tree) as YAML text that ``load_config`` reads back."""
    import yaml

    text: str = yaml.safe_dump(config if isinstance(config, dict) else to_tree(config), sort_keys=False)
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def _report(errors: list[str]) -> str:
    unique = list(dict.fromkeys(errors))
    head = "1 mistake in the configuration:" if len(unique) == 1 else f"{len(unique)} mistakes in the configuration:"
    return "\n".join([head, *(f"  - {e}" for e in unique)])


# ---- reading -------------------------------------------------------------------------------------------------------


def _layers(args: Sequence[str], short: Mapping[str, str], errors: list[str]) -> list[Layer]:
    layers: list[Layer] = []
    for word in args:
        key, eq, value = word.partition("=")
        if not eq and word.endswith((".yaml", ".yml")):
            _read_file(Path(word), layers, errors, ())
        elif not eq or not key:
            errors.append(f"{word!r}: expected key=value or a .yaml file")
        else:
            tree = _parse_pair(short.get(key, key), value, errors)
            layers.append(Layer(tree, "command line", None))
    return layers


def _parse_pair(key: str, text: str, errors: list[str]) -> dict[str, Any]:
    import yaml

    try:
        value = yaml.safe_load(text) if text else ""
    except yaml.YAMLError:
        value = text
    _refuse_resolvers(value, key, "command line", errors)
    first, *rest = key.split(".")
    for part in reversed(rest):
        value = {part: value}
    return {first: value}


def _read_file(path: Path, layers: list[Layer], errors: list[str], seen: tuple[Path, ...]) -> None:
    import yaml
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if path.resolve() in seen:
        errors.append(f"{path}: extends itself through {' -> '.join(p.name for p in seen)}")
        return
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as e:
        errors.append(f"{path}: cannot be read: {e.strerror}")
        return
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        errors.append(f"{path}: not valid YAML: {' '.join(str(e).split())}")
        return
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        errors.append(f"{path}: a configuration is a map of keys, this is a {type(raw).__name__}")
        return
    before = len(errors)
    _refuse_resolvers(raw, "", str(path), errors)
    parents = raw.pop("extends", [])
    for parent in [parents] if isinstance(parents, str) else parents:
        _read_file(path.parent / str(parent), layers, errors, (*seen, path.resolve()))
    if len(errors) > before:
        return
    try:
        tree = OmegaConf.to_container(OmegaConf.create(raw), resolve=True)
    except OmegaConfBaseException as e:
        errors.append(f"{path}: {' '.join(str(e).split())}")
        return
    layers.append(Layer({str(k): v for k, v in tree.items()} if isinstance(tree, dict) else {}, str(path), path.parent))


def _refuse_resolvers(value: Any, key: str, origin: str, errors: list[str]) -> None:
    if isinstance(value, dict):
        for k, v in value.items():
            _refuse_resolvers(v, f"{key}.{k}" if key else str(k), origin, errors)
    elif isinstance(value, list):
        for i, v in enumerate(value):
            _refuse_resolvers(v, f"{key}[{i}]", origin, errors)
    elif isinstance(value, str) and "${" in value and ":" in value.split("${", 1)[1]:
        errors.append(f"{key} ({origin}): resolvers such as {value!r} are refused; write the value itself")


__all__ = ["Loaded", "build_params", "load_config", "path_field", "to_tree", "to_yaml"]
