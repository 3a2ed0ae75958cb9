"""Checkpoints: a folder with ``config.yaml``, ``model.safetensors``, ``metrics.json`` and ``README.md`` (the model card). Nothing in it is code.

config.yaml: ``format`` (of this layout), ``encoder`` and ``model`` (name and params), ``features`` (their capacities) and ``features_hash`` (of the layout
they were built with), ``data`` (sources, licences, hashes), ``training`` (the recipe), ``versions``.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadcraft.core.driving.features import layout_hash, merge_specs
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import FeatureSpec
from roadcraft.core.registry import create

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
CONFIG, WEIGHTS, METRICS, CARD = "config.yaml", "model.safetensors", "metrics.json", "README.md"


@dataclass(frozen=True)
class Network:
    """An encoder and a model that fit each other, and the features both read."""

    encoder: Any
    model: Any
    features: FeatureSpec

    def state(self) -> dict[str, Tensor]:
        """Weights by name, ``encoder.*`` and ``model.*``."""
        parts = (("encoder", self.encoder), ("model", self.model))
        return {f"{part}.{k}": v for part, module in parts for k, v in module.state_dict().items()}


def build_network(encoder: Mapping[str, Any], model: Mapping[str, Any]) -> Network:
    """The plugins of the given ``{name, params}``, put together. Raises PluginError or ConfigError."""
    enc = create("encoder", encoder["name"], encoder.get("params") or {})
    offered = enc.features()
    mod = create("model", model["name"], model.get("params") or {}, dim=enc.dim, features=offered)
    return Network(enc, mod, merge_specs(offered, mod.features()))


def save_checkpoint(
    folder: Path,
    network: Network,
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
    card: str,
    state: Mapping[str, Any] | None = None,
    extra: Callable[[Path], None] | None = None,
) -> None:
    """Write a checkpoint folder; an existing one is replaced only when the new one is complete.

    config: at least ``encoder`` and ``model`` as ``{name, params}``; state: weights to store, by default the network's own; extra: writes further
    files into the folder it is given.
    """
    import yaml
    from safetensors.torch import save_file

    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        tree = {
            "format": FORMAT,
            **config,
            "features": asdict(network.features),
            "features_hash": layout_hash(network.features),
        }
        (scratch / CONFIG).write_text(yaml.safe_dump(json.loads(json.dumps(tree)), sort_keys=False))
        tensors = {k: v.detach().cpu().contiguous() for k, v in (state or network.state()).items()}
        save_file(tensors, scratch / WEIGHTS)
        (scratch / METRICS).write_text(json.dumps(dict(metrics), indent=1) + "\n")
        (scratch / CARD).write_text(card)
        if extra is not None:
            extra(scratch)
        scratch.chmod(0o755)
        replace_folder(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def replace_folder(new: Path, folder: Path) -> None:
    """Put ``new`` in the place of ``folder``; both lie in the same parent."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(new, folder)
    shutil.rmtree(old, ignore_errors=True)


def settle_folder(folder: Path) -> None:
    """Put back the old folder if ``replace_folder`` was killed between taking it away and putting the new one in its place."""
    old = folder.with_name(f".{folder.name}.old")
    if old.is_dir() and not folder.exists():
        os.replace(old, folder)


def read_config(folder: str | Path) -> dict[str, Any]:
    """``config.yaml`` of a checkpoint, checked. Raises DataError naming the file and what is wrong with it."""
    import yaml

    path = Path(folder)
    if not str(folder) or not path.is_dir():
        raise DataError(
            "there is no such checkpoint folder" if str(folder) else "no checkpoint is named",
            where=str(folder),
            remedy="checkpoint=RUN/best, a folder written by: roadcraft train",
        )
    missing = [name for name in (CONFIG, WEIGHTS) if not (path / name).is_file()]
    if missing:
        raise DataError(f"{' and '.join(missing)} missing", where=str(path), remedy="copy the whole checkpoint folder")
    try:
        tree = yaml.safe_load((path / CONFIG).read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise DataError(f"not valid YAML: {e}", where=str(path / CONFIG)) from e
    needed = ("format", "encoder", "model", "features", "features_hash")
    absent = [k for k in needed if not isinstance(tree, dict) or k not in tree]
    if absent:
        raise DataError(f"keys {', '.join(absent)} missing", where=str(path / CONFIG))
    if tree["format"] != FORMAT:
        raise DataError(
            f"checkpoint format {tree['format']}, this roadcraft reads {FORMAT}",
            where=str(path / CONFIG),
            remedy="use the roadcraft version that wrote it, or train again",
        )
    for part in ("encoder", "model"):
        if not isinstance(tree[part], dict) or not isinstance(tree[part].get("name"), str):
            raise DataError(f"{part} must be a map with a name", where=str(path / CONFIG))
    return dict(tree)


def load_checkpoint(folder: str | Path, model: Mapping[str, Any] | None = None) -> tuple[Network, dict[str, Any]]:
    """The network of a checkpoint in evaluation mode, and its config. model: params of the model that replace stored ones (maps are merged).

    Raises DataError for a damaged or foreign folder, PluginError where its encoder or model is not installed.
    """
    tree = read_config(folder)
    path = Path(folder)
    if model:
        tree["model"] = {**tree["model"], "params": _merged(tree["model"].get("params") or {}, model)}
    network = build_network(tree["encoder"], tree["model"])
    _check_features(network.features, tree, path)
    load_weights(network, path / WEIGHTS)
    network.encoder.eval()
    network.model.eval()
    return network, tree


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for k, v in over.items():
        out[k] = _merged(out[k], v) if isinstance(v, Mapping) and isinstance(out.get(k), Mapping) else v
    return out


def load_weights(network: Network, file: Path) -> None:
    """Fill a network from a weights file. Raises DataError when the file is damaged or its arrays are not those of the network."""
    tensors = read_tensors(file)
    expected = network.state()
    wrong = sorted(expected.keys() ^ tensors.keys())
    wrong += sorted(k for k in expected.keys() & tensors.keys() if expected[k].shape != tensors[k].shape)
    if wrong:
        some = ", ".join(wrong[:4]) + (", ..." if len(wrong) > 4 else "")
        raise DataError(
            f"{len(wrong)} weights do not fit the encoder and model of config.yaml: {some}",
            where=str(file),
            remedy="config.yaml and model.safetensors must come from the same run and version",
        )
    for part, module in (("encoder", network.encoder), ("model", network.model)):
        module.load_state_dict({k.removeprefix(part + "."): v for k, v in tensors.items() if k.startswith(part + ".")})


def read_tensors(file: Path) -> dict[str, Tensor]:
    """All arrays of a safetensors file. Raises DataError when it is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (SafetensorError, OSError) as e:
        raise DataError(
            f"cannot be read: {e}", where=str(file), remedy="the file is damaged or cut off: copy it again"
        ) from e


def _check_features(spec: FeatureSpec, tree: Mapping[str, Any], path: Path) -> None:
    stored = tree["features"] if isinstance(tree["features"], dict) else {}
    reach = stored.get("future_steps", spec.future_steps)  # of targets, which only training reads
    here = layout_hash(replace(spec, future_steps=reach))
    if here == tree["features_hash"]:
        return
    differ = [
        f"{f.name} {stored.get(f.name)} -> {getattr(spec, f.name)}"
        for f in fields(spec)
        if stored.get(f.name) != getattr(spec, f.name)
    ]
    raise DataError(
        f"was trained on features of another layout (hash {tree['features_hash']}, here {here}"
        + (f"; {', '.join(differ)}" if differ else "; same capacities, the meaning of the arrays has changed")
        + ")",
        where=str(path / CONFIG),
        remedy="use the roadcraft version that trained it, or train again",
    )
