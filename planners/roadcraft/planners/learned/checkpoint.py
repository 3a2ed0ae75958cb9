"""Reading checkpoints: a folder with ``config.yaml``, ``model.safetensors``, ``metrics.json`` and ``README.md`` (the
model card). Nothing in it is code.

config.yaml: ``format`` (of this layout), ``encoder`` and ``model`` (name and params), ``data`` (sources, licences,
hashes), ``training`` (the recipe), ``versions``, ``code`` (digests of the plugins' sources), ``features`` (their
capacities) and ``features_hash`` (of the layout they were built with), and last ``weights``, the digest of
model.safetensors, so that a file that is damaged or cut off is noticed.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadcraft.core.config.renamed import current_tree, current_weights
from roadcraft.core.config.yaml_text import read_yaml, resolved
from roadcraft.core.driving.features.build import layout_hash
from roadcraft.core.driving.features.spec import flat_settings
from roadcraft.core.errors import DataError, PluginError
from roadcraft.core.files import digest_of
from roadcraft.core.plugins.provenance import code_digest
from roadcraft.core.plugins.registry import registry
from roadcraft.core.types import FeatureSpec
from roadcraft.planners.learned.network import Network, build_network

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
_COPY = "the file is damaged or cut off: copy the whole checkpoint folder again"
CONFIG, WEIGHTS, METRICS, CARD = "config.yaml", "model.safetensors", "metrics.json", "README.md"


class CheckpointWarning(UserWarning):
    """A checkpoint can be used, but not all about it is as it was."""


def read_config(folder: str | Path) -> dict[str, Any]:
    """``config.yaml`` of a checkpoint, checked. Raises DataError naming the file and what is wrong with it."""
    path = Path(folder)
    if not str(folder) or not path.is_dir():
        raise DataError(
            "there is no such checkpoint folder" if str(folder) else "no checkpoint is named",
            where=str(folder),
            remedy="checkpoint=RUN/best, a folder written by: roadcraft train",
        )
    missing = [name for name in (CONFIG, WEIGHTS) if not (path / name).is_file()]
    if missing:
        inside = [path / name for name in ("best", "last") if (path / name / CONFIG).is_file()]
        remedy = f"name a checkpoint of this run: {inside[0]}" if inside else "copy the whole checkpoint folder"
        raise DataError(f"{' and '.join(missing)} missing", where=str(path), remedy=remedy)
    tree = resolved(read_yaml(path / CONFIG, _COPY))
    needed = ("format", "encoder", "model", "features", "features_hash")
    absent = [k for k in needed if not isinstance(tree, dict) or k not in tree]
    if absent:
        raise DataError(f"keys {', '.join(absent)} missing", where=str(path / CONFIG), remedy=_COPY)
    if tree["format"] != FORMAT:
        raise DataError(
            f"checkpoint format {tree['format']}, this roadcraft reads {FORMAT}",
            where=str(path / CONFIG),
            remedy="use the roadcraft version that wrote it, or train again",
        )
    for part in ("encoder", "model"):
        if not isinstance(tree[part], dict) or not isinstance(tree[part].get("name"), str):
            raise DataError(f"{part} must be a map with a name", where=str(path / CONFIG), remedy=_COPY)
        with suppress(PluginError):  # told where it is built
            schema = registry().config_class(part, tree[part]["name"])
            tree[part]["params"] = current_tree(schema, tree[part].get("params") or {})
    return dict(tree)


def read_metrics(folder: str | Path) -> dict[str, Any]:
    """``metrics.json`` of a checkpoint. Raises DataError when it is missing or damaged."""
    path = Path(folder) / METRICS
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise DataError(
            f"cannot be read: {e.strerror}", where=str(path), remedy="copy the whole checkpoint folder"
        ) from e
    except ValueError as e:
        raise DataError(f"not valid JSON: {e}", where=str(path), remedy=_COPY) from e
    if not isinstance(tree, dict):
        raise DataError("not a map", where=str(path), remedy=_COPY)
    return tree


def changed_code(tree: Mapping[str, Any], parts: Sequence[str] = ("encoder", "model")) -> list[str]:
    """What in a checkpoint's config (``read_config``) was trained by other code than is installed: one sentence for
    each of its ``parts``, those of ``training`` (recipe) among them, and for each feature group of a third party.
    Raises PluginError where one is not installed."""
    code = tree.get("code") or {}
    names = [f"{kind} {(tree.get(kind) or tree['training'][kind])['name']}" for kind in parts]
    names = [n for n in names if n in code] + [n for n in code if n.startswith("feature ")]
    return [f"{n}: its source changed since training" for n in names if code[n] != code_digest(*n.split(" ", 1))]


def warn_of_changes(folder: str | Path, tree: Mapping[str, Any]) -> None:
    """A CheckpointWarning where ``changed_code`` has something to say."""
    changes = changed_code(tree)
    if changes:
        warnings.warn(f"{folder}: {'; '.join(changes)}", CheckpointWarning, stacklevel=3)


def load_checkpoint(folder: str | Path, model: Mapping[str, Any] | None = None) -> tuple[Network, dict[str, Any]]:
    """The network of a checkpoint in evaluation mode, and its config. model: params of the model that replace stored
    ones (maps are merged).

    Raises DataError for a damaged or foreign folder, PluginError where its encoder or model is not installed.
    """
    tree = read_config(folder)
    path = Path(folder)
    if model:
        named = current_tree(registry().config_class("model", tree["model"]["name"]), model, "params.model")
        tree["model"] = {**tree["model"], "params": _merged(tree["model"].get("params") or {}, named)}
    network = build_network(tree["encoder"], tree["model"])
    check_features(network.features, tree, path)
    load_weights(network, path, tree)
    warn_of_changes(path, tree)
    network.encoder.eval()
    network.model.eval()
    return network, tree


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for k, v in over.items():
        out[k] = _merged(out[k], v) if isinstance(v, Mapping) and isinstance(out.get(k), Mapping) else v
    return out


def load_weights(
    network: Network, folder: Path, tree: Mapping[str, Any], parts: Sequence[str] = ("encoder", "model")
) -> None:
    """Fill a network, or one of its parts, with the weights of a checkpoint folder whose config is ``tree``. Raises
    DataError when the file is damaged or its arrays are not those of the network."""
    file = folder / WEIGHTS
    tensors = read_tensors(file, tree.get("weights"))
    for kind in parts:
        names = current_weights(f"{kind} {tree[kind]['name']}", tensors)
        tensors = {names.get(k, k): v for k, v in tensors.items()}
    others = tuple(f"{kind}." for kind in ("encoder", "model") if kind not in parts)
    tensors, expected = ({k: v for k, v in t.items() if not k.startswith(others)} for t in (tensors, network.state()))
    wrong = [f"{k} is missing" for k in sorted(expected.keys() - tensors.keys())]
    wrong += [f"{k} is unknown here" for k in sorted(tensors.keys() - expected.keys())]
    wrong += [
        f"{k} is {tuple(tensors[k].shape)}, here {tuple(expected[k].shape)}"
        for k in sorted(expected.keys() & tensors.keys())
        if expected[k].shape != tensors[k].shape
    ]
    if wrong:
        raise DataError(
            f"{len(wrong)} weights do not fit {described_parts(tree, parts)}: {'; '.join(wrong[:3])}"
            f"{'; ...' if len(wrong) > 3 else ''}",
            where=str(file),
            remedy="; ".join(changed_code(tree))
            or "config.yaml and model.safetensors must come from the same run and version",
        )
    for part in parts:
        own = {k.removeprefix(part + "."): v for k, v in tensors.items() if k.startswith(part + ".")}
        getattr(network, part).load_state_dict(own)


def described_parts(tree: Mapping[str, Any], parts: Sequence[str] = ("encoder", "model")) -> str:
    """A network in words: names of its encoder and model."""
    return " and ".join(f"{kind} {tree[kind]['name']}" for kind in parts)


def read_tensors(file: Path, digest: str | None = None) -> dict[str, Tensor]:
    """All arrays of a safetensors file. Raises DataError when it is damaged, or is not the one with the given
    digest."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if digest is not None and digest_of(file) != digest:
            raise DataError("is not the file that was written: its digest differs", where=str(file), remedy=_COPY)
        return load_file(file)
    except (SafetensorError, OSError) as e:
        raise DataError(f"cannot be read: {e}", where=str(file), remedy=_COPY) from e


def check_features(spec: FeatureSpec, tree: Mapping[str, Any], path: Path) -> None:
    """Raises DataError where the features of a checkpoint whose config is ``tree`` have another layout than ``spec``,
    or another meaning."""
    stored = tree["features"] if isinstance(tree["features"], dict) else {}
    reach = flat_settings(stored).get("targets.steps", spec.future_steps)  # which only training reads
    here = layout_hash(replace(spec, future_steps=reach))
    if here == tree["features_hash"]:
        return
    before, now = flat_settings(stored), flat_settings(spec.tree())
    settings = [k for k in {**now, **before} if before.get(k) != now.get(k)]
    differ = [f"{k} {before.get(k)} -> {now.get(k)}" for k in settings]
    differ += [f"{name} version {old} -> {new}" for name, old, new in changed_versions(spec, tree)]
    packages = _packages_of_layout(spec, tree, {k.partition(".")[0] for k in settings})
    raise DataError(
        f"was trained on features of another layout (hash {tree['features_hash']}, here {here}"
        + (f"; {', '.join(differ)}" if differ else "; same capacities, the meaning of the arrays has changed")
        + ")",
        where=str(path / CONFIG),
        remedy=f"use the version{'s'[: len(packages) - 1]} of {' and '.join(packages)} that trained it, or train again",
    )


def _packages_of_layout(spec: FeatureSpec, tree: Mapping[str, Any], groups: set[str]) -> list[str]:
    """The packages that may have changed a layout: those of the groups whose version or source is another, and where
    settings of ``groups`` are, of these, the encoder and the model, which ask for them; roadcraft where nothing tells
    more."""
    parts = {("feature", name) for name, _, _ in changed_versions(spec, tree)}
    parts |= {("feature", told.split(":")[0].split(" ")[1]) for told in changed_code(tree, ())}
    if groups:
        parts |= {("feature", name) for name in groups & spec.groups.keys()}
        parts |= {(kind, tree[kind]["name"]) for kind in ("encoder", "model")}
    return sorted({registry().find(*part).provider for part in parts}) or ["roadcraft"]


def changed_versions(spec: FeatureSpec, tree: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """The feature groups of ``spec`` whose version is not the one that a checkpoint with the config ``tree`` was
    trained with: name, version then, version now."""
    before = tree.get("features_versions") or {}
    versions = {name: group.version for name, group in spec.providers.items()}
    return [(name, before[name], now) for name, now in versions.items() if before.get(name, now) != now]
