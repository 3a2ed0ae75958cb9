"""How checkpoint folders are written: whole, or not at all."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadcraft.core.config.yaml_text import to_yaml
from roadcraft.core.driving.features.build import layout_hash
from roadcraft.core.errors import DiskError
from roadcraft.core.files import digest_of, disk_error, replacing
from roadcraft.planners.learned.checkpoint import CARD, CONFIG, FORMAT, METRICS, WEIGHTS
from roadcraft.planners.learned.network import Network

if TYPE_CHECKING:
    from torch import Tensor


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

    config: at least ``encoder`` and ``model`` as ``{name, params}``; state: weights to store, by default the network's
    own; extra: writes further files into the folder it is given. Raises DiskError naming the file that could not be
    written; nothing of the new folder is then left.
    """
    scratch = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        write_tensors(scratch / WEIGHTS, state or network.state())
        tree = {
            "format": FORMAT,
            **config,
            "features": network.features.tree(),
            "features_hash": layout_hash(network.features),
            "features_versions": {name: group.version for name, group in network.features.providers.items()},
            "weights": digest_of(scratch / WEIGHTS),
        }
        write_text(scratch / CONFIG, to_yaml(json.loads(json.dumps(tree))))
        write_text(scratch / METRICS, json_text(metrics))
        write_text(scratch / CARD, card)
        if extra is not None:
            extra(scratch)
        scratch.chmod(0o755)
        replace_folder(scratch, folder)
    except DiskError as e:
        raise DiskError(e.what, where=str(folder / Path(e.where).name), remedy=e.remedy) from e
    except OSError as e:
        raise disk_error(e, folder) from e
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a file of a folder that is not in its place yet."""
    with replacing(path) as tmp:
        tmp.write_text(text, encoding="utf-8")


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write arrays as safetensors. Raises DiskError."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with replacing(path) as tmp:
        try:
            save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, tmp)
        except SafetensorError as e:  # tells of a full disk in words only
            found = re.search(r"os error (\d+)", str(e))
            if found is None:
                raise
            raise OSError(int(found[1]), os.strerror(int(found[1]))) from e


def json_text(tree: Mapping[str, Any]) -> str:
    """JSON that every reader takes: numbers that are not finite are null."""
    return json.dumps(_finite(tree), indent=1, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def replace_folder(new: Path, folder: Path) -> None:
    """Put ``new`` in the place of ``folder``; both lie in the same parent."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(new, folder)
    shutil.rmtree(old, ignore_errors=True)


def settle_folder(folder: Path) -> None:
    """Put back the old folder if ``replace_folder`` was killed between taking it away and putting the new one in its
    place."""
    old = folder.with_name(f".{folder.name}.old")
    if old.is_dir() and not folder.exists():
        os.replace(old, folder)
